//! Who made a file: what a signature covers, and whose counts.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::headers::parts_of;
use super::*;
use crate::command::Program;
use crate::container::header::metadata as sealed_metadata;
use crate::container::sign;
use crate::container::signature::Statement;
use crate::crypto::cobblestone;

/// A signed file of two chunks, for keys 1 and 2.
struct Case {
    directory: tempfile::TempDir,
    signer: Signer,
}

impl Case {
    fn new() -> Self {
        let case = Self { directory: tempfile::tempdir().unwrap(), signer: Signer::generate() };
        case.write(&sealed_with(&plaintext(CHUNK + 5), &[kek(1), kek(2)], &metadata()));
        case.sign(std::slice::from_ref(&case.signer)).unwrap();
        case
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("f")
    }

    fn write(&self, bytes: &[u8]) {
        crate::fs::write(&self.path(), bytes, crate::fs::SECRET, crate::fs::Existing::Replace).unwrap();
    }

    fn bytes(&self) -> Vec<u8> {
        crate::fs::read(&self.path(), 1 << 20).unwrap().expose().to_vec()
    }

    fn sign(&self, signers: &[Signer]) -> Result<Signed, ContainerError> {
        sign(&self.path(), &kek(1), signers, None, false, &Silent)
    }

    fn trusted(&self) -> Vec<TrustedSigner> {
        vec![self.signer.public()]
    }
}

/// What every way of opening says of `bytes`, when one of `trusted` must have signed.
fn opened(bytes: &[u8], trusted: &[TrustedSigner]) -> Result<Vec<SignerId>, Fault> {
    let unlocked = || Sealed::from_bytes("f", bytes).unwrap().unlock(&kek(1)).unwrap();
    let policy = SignaturePolicy { required: true, trusted: trusted.to_vec(), ..SignaturePolicy::default() };
    let memory = unlocked().read_signed_to_memory(&policy, &Silent).map_err(fault);
    let verified = unlocked().verify_signed(trusted, &Silent).map_err(fault);
    match (memory, verified) {
        (Ok((plain, signers)), Ok(verified)) => {
            assert_eq!(signers, verified.signed_by);
            assert_eq!(plain.len() as u64, verified.plaintext_bytes);
            Ok(verified.signed_by)
        }
        (Err(memory), Err(verified)) => {
            assert_eq!(memory, verified);
            Err(verified)
        }
        (memory, verified) => panic!("{memory:?} {verified:?}"),
    }
}

fn fault(error: ContainerError) -> Fault {
    match error {
        ContainerError::Fault { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

#[test]
fn a_signed_file_opens_and_says_by_whom() {
    let case = Case::new();
    assert_eq!(opened(&case.bytes(), &case.trusted()), Ok(vec![case.signer.id()]));
    let sealed = Sealed::open(&case.path()).unwrap();
    assert_eq!(sealed.header().generation(), 2);
    assert_eq!(sealed.header().slots(), [SlotState::Current; 2]);
    // Who does not ask for a signature gets the model too.
    assert_eq!(memory(&case.bytes()).unwrap(), plaintext(CHUNK + 5));
}

#[test]
fn several_sign_and_each_has_one_record() {
    let case = Case::new();
    let (second, third) = (Signer::generate(), Signer::generate());
    let signed = case.sign(&[second.clone(), third.clone()]).unwrap();
    assert_eq!(signed.generation, 3);
    assert_eq!(signed.signers, [case.signer.id(), second.id(), third.id()]);
    // Again: the record would be the same, so nothing is written.
    let before = case.bytes();
    let again = case.sign(std::slice::from_ref(&second)).unwrap();
    assert_eq!(again, Signed { changed: false, ..signed });
    assert!(case.bytes() == before);
    for signer in [&case.signer, &second, &third] {
        assert_eq!(opened(&case.bytes(), &[signer.public()]), Ok(vec![signer.id()]));
    }
    let all = [third.public(), case.signer.public()];
    assert_eq!(opened(&case.bytes(), &all), Ok(vec![case.signer.id(), third.id()]));
}

#[test]
fn unsigned_and_untrusted_files_are_refused_before_they_are_read() {
    let case = Case::new();
    let stranger = Signer::generate();
    let untrusted = Fault::Untrusted(vec![case.signer.id()]);
    assert_eq!(opened(&case.bytes(), &[stranger.public()]), Err(untrusted.clone()));
    assert_eq!(opened(&case.bytes(), &[]), Err(untrusted.clone()));
    let parts = parts_of(case.bytes());
    let slot = parts.slot(|body| body.signatures.clear());
    assert_eq!(opened(&parts.with_slots(&slot, &slot), &case.trusted()), Err(Fault::Unsigned));
    // The payload, damaged here, is not looked at.
    let mut bytes = case.bytes();
    bytes[CHUNKS] ^= 1;
    assert_eq!(opened(&bytes, &[stranger.public()]), Err(untrusted));
    assert_eq!(opened(&bytes, &case.trusted()), Err(Fault::Chunk(0)));
}

#[test]
fn a_signature_covers_each_of_its_inputs() {
    let case = Case::new();
    let forged = Err(Fault::SignatureForged(case.signer.id()));
    let parts = parts_of(case.bytes());
    // A holder of the data key changes what he can, each time with a right MAC.
    let mut other = metadata();
    other.version = "4".into();
    let json = other.encode().unwrap();
    let slot =
        parts.slot(|body| body.metadata = sealed_metadata::seal(&json, &parts.preamble, &parts.data_key));
    assert_eq!(opened(&parts.with_slots(&slot, &slot), &case.trusted()), forged, "metadata");

    for plain in [plaintext(CHUNK + 6), plaintext(CHUNK + 5)] {
        // The last is the same model, encrypted anew: the signature is over bytes.
        let payload = cobblestone::seal(&parts.data_key, &parts.preamble.context("payload"), &plain);
        let bytes = [&case.bytes()[..PAYLOAD], &payload].concat();
        assert_eq!(opened(&bytes, &case.trusted()), forged, "payload");
    }

    for bit in [0, 77, 511] {
        let slot = parts.slot(|body| body.signatures[0].signature[bit / 8] ^= 1 << (bit % 8));
        assert_eq!(opened(&parts.with_slots(&slot, &slot), &case.trusted()), forged, "bit {bit}");
    }
    let slot = parts.slot(|body| body.signatures[0].signer = SignerId([1; 16]));
    let untrusted = Err(Fault::Untrusted(vec![SignerId([1; 16])]));
    assert_eq!(opened(&parts.with_slots(&slot, &slot), &case.trusted()), untrusted, "signer");
}

#[test]
fn the_statement_tells_one_preamble_from_another() {
    let statement = |id: u8, slot_len, metadata: u8, payload: u8| {
        let preamble = crate::container::preamble::Preamble {
            artifact_id: ArtifactId([id; 16]),
            slot_len,
            detached: false,
        };
        Statement::new(&preamble, [metadata; 32], [payload; 32])
    };
    let signer = Signer::generate();
    let record = signer.sign(&statement(1, 8192, 2, 3));
    let holds = |statement: &Statement| {
        crate::container::signature::check(std::slice::from_ref(&record), &[signer.public()], statement)
            .is_ok()
    };
    assert!(holds(&statement(1, 8192, 2, 3)));
    for other in [(9, 8192, 2, 3), (1, 12288, 2, 3), (1, 8192, 9, 3), (1, 8192, 2, 9), (1, 8192, 3, 2)] {
        assert!(!holds(&statement(other.0, other.1, other.2, other.3)), "{other:?}");
    }
}

#[test]
fn another_files_signature_is_refused() {
    let (case, donor) = (Case::new(), Case::new());
    donor.sign(std::slice::from_ref(&case.signer)).unwrap();
    let record = parts_of(donor.bytes()).body.signatures[1].clone();
    let parts = parts_of(case.bytes());
    let slot = parts.slot(|body| body.signatures = vec![record.clone()]);
    let forged = Err(Fault::SignatureForged(case.signer.id()));
    assert_eq!(opened(&parts.with_slots(&slot, &slot), &case.trusted()), forged);
    // Nor is it outweighed by a right one of another; of the same signer there is one.
    let second = Signer::generate();
    case.sign(std::slice::from_ref(&second)).unwrap();
    let parts = parts_of(case.bytes());
    let slot = parts.slot(|body| body.signatures[0] = record.clone());
    let both = [second.public(), case.signer.public()];
    assert_eq!(opened(&parts.with_slots(&slot, &slot), &both), forged);
    let slot = parts.slot(|body| body.signatures.push(record.clone()));
    let malformed = fault(Sealed::from_bytes("f", parts.with_slots(&slot, &slot)).unwrap_err());
    assert!(matches!(malformed, Fault::SlotMalformed { .. }), "{malformed}");
}

#[test]
fn a_rewritten_header_stays_signed() {
    let case = Case::new();
    let parts = parts_of(case.bytes());
    let json = metadata().encode().unwrap();
    let slot = parts.slot(|body| {
        body.generation += 1;
        body.recipients.remove(1);
        body.recipients.push(kek(7).wrap(&parts.preamble, &parts.data_key));
        body.metadata = sealed_metadata::seal(&json, &parts.preamble, &parts.data_key);
    });
    let bytes = parts.with_slots(&slot, &slot);
    assert_eq!(opened(&bytes, &case.trusted()), Ok(vec![case.signer.id()]));
}

#[test]
fn the_policy_asks_where_anyone_could_have_made_the_file() {
    const IDENTITY: &str = "AGE-SECRET-KEY-1TSZXVJNM9G56D77LK49V7U7RJE2SAPJ6ZGUZU390KUGZA69UL4ZQZT9MED";
    let case = Case::new();
    let nobody: Arc<dyn Person> = Arc::new(Nobody);
    let age = || {
        let recipient = "age1wk5cm2tjvspkfjvf2ldcq5nhn0lf5al28060vuv68hcehu9nypms5vykag";
        Recipient::Age(AgeRecipient::parse(recipient, &nobody).unwrap())
    };
    let mut others = Others::default();
    others
        .age
        .add_file("i", &crate::secret::SecretBytes::from(IDENTITY.as_bytes().to_vec()), &nobody)
        .unwrap();
    let identity = Identities { keys: Vec::new(), others };
    let file = |recipients: &[Recipient]| {
        let mut out = Vec::new();
        let spec = SealSpec { recipients, metadata: &metadata() };
        seal(Named::new("m", &b"model"[..]), Named::new("f", &mut out), &spec, &Silent).unwrap();
        out
    };
    let load = |bytes: &[u8], keys: &dyn KeySource, policy: &SignaturePolicy| {
        let unlocked = Sealed::from_bytes("f", bytes).unwrap().unlock(keys).unwrap();
        unlocked.read_signed_to_memory(policy, &Silent).map(drop).map_err(fault)
    };
    let lax = SignaturePolicy::default();
    let strict = SignaturePolicy { required: true, trusted: case.trusted(), ..lax.clone() };
    let both = file(&[Recipient::Key(kek(1)), age()]);
    // Only who has the key can have wrapped the data key for it.
    assert_eq!(load(&both, &kek(1), &lax), Ok(()));
    assert_eq!(load(&both, &identity, &lax), Err(Fault::Unsigned));
    assert_eq!(load(&file(&[age()]), &identity, &lax), Err(Fault::Unsigned));
    assert_eq!(load(&both, &kek(1), &strict), Err(Fault::Unsigned));
    assert_eq!(load(&case.bytes(), &kek(1), &strict), Ok(()));

    case.write(&both);
    case.sign(std::slice::from_ref(&case.signer)).unwrap();
    let trusting = SignaturePolicy { trusted: case.trusted(), ..lax.clone() };
    assert_eq!(load(&case.bytes(), &identity, &trusting), Ok(()));
    assert_eq!(load(&case.bytes(), &identity, &lax), Err(Fault::Untrusted(vec![case.signer.id()])));

    // Nothing tells whether a command wraps with a secret: its owner has to say so, of
    // the command and of nothing else.
    let command = |line: &str| {
        let program = Program::new(&["sh".into(), "-c".into(), line.into()]).unwrap();
        External::new(program, "k", Duration::from_secs(60), |_| ()).unwrap()
    };
    let wrap = Recipient::External(command("base64 -w0 | tr A-Za-z N-ZA-Mn-za-m"));
    let unwrap = command("tr A-Za-z N-ZA-Mn-za-m | base64 -d");
    let with_command =
        Identities { keys: Vec::new(), others: Others { commands: vec![unwrap], ..Others::default() } };
    let vouched = SignaturePolicy { command_authenticates: true, ..lax.clone() };
    let by_command = file(std::slice::from_ref(&wrap));
    assert_eq!(load(&by_command, &with_command, &lax), Err(Fault::Unsigned));
    assert_eq!(load(&by_command, &with_command, &vouched), Ok(()));
    assert_eq!(load(&file(&[age()]), &identity, &vouched), Err(Fault::Unsigned));
    let strict = SignaturePolicy { command_authenticates: true, ..strict };
    assert_eq!(load(&by_command, &with_command, &strict), Err(Fault::Unsigned));
    assert_eq!(load(&file(&[wrap, Recipient::Key(kek(1))]), &kek(1), &lax), Ok(()));
}

/// A signature is of the very bytes that are decrypted, of an archive too, and of one
/// that was signed while it was made.
#[test]
fn archives_are_read_only_if_they_are_signed_as_the_policy_demands() {
    let open = |_: &str| Ok(io::Cursor::new(b"model".to_vec()));
    let tar = || archive::Writer::new("m.onnx", vec![("m.onnx".into(), 5)], open).unwrap();
    let metadata = Metadata { media_type: archive::TAR.into(), size: None, sha256: None, ..metadata() };
    let (signer, other) = (Signer::generate(), Signer::generate());
    let recipients = recipients(&[kek(1)]);
    let spec = SealSpec { recipients: &recipients, metadata: &metadata };
    let mut bytes = Vec::new();
    let (_, head) = seal_signed(
        Named::new("m", tar()),
        Named::new("f", &mut bytes),
        &spec,
        std::slice::from_ref(&signer),
        &Silent,
    )
    .unwrap();
    let read = |bytes: &[u8], trusted: &Signer| {
        let unlocked = Sealed::from_bytes("f", bytes).unwrap().unlock(&kek(1)).unwrap();
        let policy =
            SignaturePolicy { required: true, trusted: vec![trusted.public()], ..SignaturePolicy::default() };
        unlocked
            .read_signed_archive(&policy, &Silent)
            .map(|(contents, signers)| {
                assert_eq!(signers, [trusted.id()]);
                contents.bytes.expose()[contents.model()].to_vec()
            })
            .map_err(fault)
    };
    assert_eq!(read(&bytes, &signer), Err(Fault::Unsigned));
    bytes[..head.len()].copy_from_slice(&head);
    assert_eq!(read(&bytes, &signer), Ok(b"model".to_vec()));
    assert_eq!(read(&bytes, &other), Err(Fault::Untrusted(vec![signer.id()])));

    let parts = parts_of(bytes);
    let slot = parts.slot(|body| body.signatures[0].signature[0] ^= 1);
    let forged = parts.with_slots(&slot, &slot);
    assert_eq!(read(&forged, &signer), Err(Fault::SignatureForged(signer.id())));
}

#[test]
fn only_what_is_whole_is_signed() {
    let case = Case::new();
    let before = case.bytes();
    for at in [CHUNKS, before.len() - 1] {
        let mut bytes = before.clone();
        bytes[at] ^= 1;
        case.write(&bytes);
        assert!(matches!(case.sign(&[Signer::generate()]), Err(ContainerError::Fault { .. })), "{at}");
        assert_eq!(case.bytes(), bytes, "nothing is written");
    }
    case.write(&before);
    assert!(matches!(
        sign(&case.path(), &kek(9), &[Signer::generate()], None, false, &Silent),
        Err(ContainerError::NoKey { .. })
    ));
    assert_eq!(case.bytes(), before);
}

#[test]
fn a_full_header_is_said_to_be_full() {
    let case = Case::new();
    let signers: Vec<_> = (0..100).map(|_| Signer::generate()).collect();
    let before = case.bytes();
    match case.sign(&signers) {
        Err(ContainerError::NoRoom { name }) => {
            assert_eq!(name, case.path().to_string_lossy())
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(case.bytes(), before);
    // Half of a new header is free: that is room for 46.
    case.sign(&signers[..46]).unwrap();
    assert_eq!(opened(&case.bytes(), &[signers[45].public()]), Ok(vec![signers[45].id()]));
}

#[test]
fn a_signature_that_was_interrupted_leaves_a_readable_file() {
    let case = Case::new();
    let (before, second) = (case.bytes(), Signer::generate());
    case.sign(std::slice::from_ref(&second)).unwrap();
    let after = case.bytes();
    assert_eq!((&before[..SLOT_A], &before[PAYLOAD..]), (&after[..SLOT_A], &after[PAYLOAD..]));
    // Slot B is written first, then A; the write may end anywhere in either.
    for written in [0, 1, 700, SLOT - 1, SLOT] {
        let mut bytes = before.clone();
        bytes[SLOT_B..SLOT_B + written].copy_from_slice(&after[SLOT_B..SLOT_B + written]);
        assert!(memory(&bytes).is_ok(), "{written}");
        let signed = Sealed::from_bytes("f", &bytes).unwrap().header().signatures().len();
        assert_eq!(signed, if written == SLOT { 2 } else { 1 }, "{written}");
        bytes[SLOT_B..PAYLOAD].copy_from_slice(&after[SLOT_B..PAYLOAD]);
        bytes[SLOT_A..SLOT_A + written].copy_from_slice(&after[SLOT_A..SLOT_A + written]);
        assert!(memory(&bytes).is_ok(), "{written}");
        // And it can be signed again, which heals it.
        case.write(&bytes);
        case.sign(std::slice::from_ref(&second)).unwrap();
        assert_eq!(opened(&case.bytes(), &[second.public()]), Ok(vec![second.id()]));
    }
}
