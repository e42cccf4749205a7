//! Recipients of every kind: what is made for one opens with it, and with nothing else.

use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::command::{CommandError, Program};
use crate::container::header::body::Body;
use crate::container::header::slot;
use crate::container::header::slot::tests::checksum_again;
use crate::container::preamble::Preamble;
use crate::container::recipients::{age, passphrase};
use crate::crypto::argon2id::Cost;
use crate::error::{Diagnose, Kind};
use crate::secret::SecretBytes;

pub(super) const SECRET_KEY: &str =
    "AGE-SECRET-KEY-1DAJXYSHSNF33AZW0WZJ3YKGEE7E3NEGXTRQF9ZYTPXDEJV790GRQD8SU8S";
pub(super) const PUBLIC_KEY: &str = "age1ljjadzfn5um0rnx746f3c27kr2ycvd9ae0yly8mjy3w5eqt35y7qdxsrz5";
pub(super) const OTHER_KEY: &str = "age1ham87kew7qcfc5nrk8qrvcpyqnt6cljn5r3w5mgs37k0yuwzyvhsyh92ze";

pub(super) fn nobody() -> Arc<dyn Person> {
    Arc::new(Nobody)
}

pub(super) fn age_recipient(text: &str) -> Recipient {
    Recipient::Age(AgeRecipient::parse(text, &nobody()).unwrap())
}

pub(super) fn age_identity() -> Identities {
    let mut identities = Identities::default();
    let file = SecretBytes::from(format!("# created: today\n{SECRET_KEY}\n"));
    identities.others.age.add_file("'id'", &file, &nobody()).unwrap();
    identities
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::parse(&SecretBytes::from(text.to_owned())).unwrap()
}

fn passphrase_identity(text: &str) -> Identities {
    Identities {
        keys: Vec::new(),
        others: Others { passphrases: vec![passphrase(text)], ..Others::default() },
    }
}

/// A command that is a line for the shell.
fn command(name: &str, line: &str) -> External {
    let program = Program::new(&["sh".into(), "-c".into(), line.into()]).unwrap();
    External::new(program, name, Duration::from_secs(60), |_| ()).unwrap()
}

/// A cipher good enough to show what is passed on: each letter of the base64 text moves.
const WRAP: &str = "base64 | tr A-Za-z N-ZA-Mn-za-m";
const UNWRAP: &str = "tr A-Za-z N-ZA-Mn-za-m | base64 -d";

fn command_identity(name: &str, line: &str) -> Identities {
    Identities {
        keys: Vec::new(),
        others: Others { commands: vec![command(name, line)], ..Others::default() },
    }
}

fn sealed_for(recipients: &[Recipient]) -> Result<Vec<u8>, ContainerError> {
    let mut out = Vec::new();
    let spec = SealSpec { recipients, metadata: &metadata() };
    let summary = seal(Named::new("m", &b"model"[..]), Named::new("o", &mut out), &spec, &Silent)?;
    let header = Sealed::from_bytes("f", &out)?;
    assert_eq!(header.header().recipients(), summary.recipients);
    Ok(out)
}

fn open(bytes: &[u8], identities: &Identities) -> Result<RecipientKind, ContainerError> {
    let unlocked = Sealed::from_bytes("f", bytes)?.unlock(identities)?;
    assert_eq!(unlocked.read_to_memory(&Silent)?.expose(), b"model");
    Ok(unlocked.kind())
}

pub(super) fn recipients_of(bytes: &[u8]) -> Vec<Stanza> {
    Sealed::from_bytes("f", bytes).unwrap().header().recipients().to_vec()
}

/// The file with other recipients, by somebody who has no key of it.
fn forged(bytes: &[u8], recipients: Vec<Stanza>) -> Vec<u8> {
    let preamble = Preamble::parse(bytes).unwrap();
    let slot = slot::Slot::parse(&preamble, SlotName::A, &bytes[SLOT_A..SLOT_B]).unwrap().unwrap();
    let body = Body { recipients, ..slot.body };
    // The MAC is made with a wrong key: the data key is checked before it.
    let slot = slot::write(&preamble, &body.encode().unwrap(), &Secret::from_fn(|key| key.fill(3))).unwrap();
    [&bytes[..SLOT_A], &slot, &slot, &bytes[PAYLOAD..]].concat()
}

#[test]
fn each_kind_of_recipient_opens_what_was_made_for_it() {
    let all = [kek(1).into(), age_recipient(PUBLIC_KEY), Recipient::External(command("kms/a", WRAP))];
    let bytes = sealed_for(&all).unwrap();
    let key = Identities { keys: vec![kek(1)], ..Identities::default() };
    assert_eq!(open(&bytes, &key).unwrap(), RecipientKind::Key);
    assert_eq!(open(&bytes, &age_identity()).unwrap(), RecipientKind::Age);
    assert_eq!(open(&bytes, &command_identity("kms/a", UNWRAP)).unwrap(), RecipientKind::External);

    let bytes = sealed_for(&[Recipient::Passphrase(passphrase("correct horse battery"))]).unwrap();
    let kind = open(&bytes, &passphrase_identity("correct horse battery\n")).unwrap();
    assert_eq!(kind, RecipientKind::Passphrase);
}

#[test]
fn a_key_comes_before_a_command() {
    let bytes = sealed_for(&[Recipient::External(command("k", WRAP)), kek(1).into()]).unwrap();
    let mut identities = command_identity("k", "exit 9");
    assert!(matches!(open(&bytes, &identities), Err(ContainerError::Command { .. })));
    identities.keys.push(kek(1));
    assert_eq!(open(&bytes, &identities).unwrap(), RecipientKind::Key);
}

#[test]
fn an_identity_that_fails_does_not_hide_one_that_works() {
    let recipients = ["a", "b"].map(|name| Recipient::External(command(name, WRAP)));
    let bytes = sealed_for(&recipients).unwrap();
    let commands = |lines: [&str; 2]| {
        let commands = vec![command("a", lines[0]), command("b", lines[1])];
        Identities { keys: Vec::new(), others: Others { commands, ..Others::default() } }
    };
    assert_eq!(open(&bytes, &commands(["exit 9", UNWRAP])).unwrap(), RecipientKind::External);
    // Where none works, the first one tells why; and damage is damage, whoever comes next.
    let error = open(&bytes, &commands(["exit 9", "exit 8"])).unwrap_err();
    assert!(matches!(&error, ContainerError::Command { key, .. } if key == "a"), "{error}");
    let error = open(&bytes, &commands(["head -c 64 /dev/zero", UNWRAP])).unwrap_err();
    assert!(matches!(fault(error), Fault::Foreign(_)));
}

/// Whoever can write a header must not have a command run as often as it has room for.
#[test]
fn a_forged_header_has_a_command_run_once_at_most() {
    let bytes = sealed_for(&[Recipient::External(command("a", WRAP))]).unwrap();
    let first = &recipients_of(&bytes)[0];
    let directory = tempfile::tempdir().unwrap();
    let runs = directory.path().join("runs");
    let identity = command_identity("a", &format!("echo >> '{}'; exit 1", runs.display()));
    let copies = |count| (0..count).map(|i| Stanza { blob: vec![i; 8], ..first.clone() }).collect();
    let error = |count| open(&forged(&bytes, copies(count)), &identity).unwrap_err();
    assert!(matches!(error(1), ContainerError::Command { .. }));
    assert!(matches!(fault(error(50)), Fault::SlotMalformed { .. }));
    assert_eq!(std::fs::read(&runs).unwrap().len(), 1);
}

#[test]
fn a_command_is_given_no_blob_that_none_made() {
    let bytes = sealed_for(&[Recipient::External(command("a", WRAP))]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let runs = directory.path().join("runs");
    let identity = command_identity("a", &format!("echo >> '{}'; exit 1", runs.display()));
    let preamble = Preamble { slot_len: 65_536, ..Preamble::parse(&bytes).unwrap() };
    let opened = |length| {
        let stanza = Stanza { blob: vec![1; length], ..recipients_of(&bytes)[0].clone() };
        identity.others.unwrap("f", &stanza, &preamble).unwrap_err()
    };
    for length in [0, 8193, 60_000] {
        assert!(matches!(fault(opened(length)), Fault::Wrapping(_)), "{length}");
        assert!(!runs.exists(), "{length}");
    }
    for length in [1, 8192] {
        assert!(matches!(opened(length), ContainerError::Command { .. }), "{length}");
    }
    assert_eq!(std::fs::read(&runs).unwrap().len(), 2);
}

#[test]
fn the_header_of_an_age_blob_is_bounded_before_it_is_parsed() {
    let bounded = |stanzas: &str| {
        let blob = format!("age-encryption.org/v1\n{stanzas}--- {}\nnonce and payload", "m".repeat(43));
        age::is_bounded(blob.as_bytes())
    };
    let rest = 22 + 48;
    assert!(bounded("-> x\n\n") && !bounded(&"-> x\n\n".repeat(33)) && bounded(&"-> x\n\n".repeat(32)));
    assert!(bounded(&format!("-> {}\n", "x".repeat(16_384 - rest - 4))));
    assert!(!bounded(&format!("-> {}\n", "x".repeat(16_384 - rest - 3))));
    // Lines of a body count as bytes only; what does not end is too long.
    assert!(bounded(&format!("-> x\n{}", "abc\n".repeat(4000))) && !bounded(&"abc\n".repeat(4100)));
    assert!(!age::is_bounded(b"age-encryption.org/v1\n-> x\n\n--- m"));
}

#[test]
fn strangers_are_refused() {
    let bytes = sealed_for(&[age_recipient(OTHER_KEY), Recipient::External(command("a", WRAP))]).unwrap();
    for identities in [
        Identities::default(),
        age_identity(),
        command_identity("b", UNWRAP),
        passphrase_identity("correct horse battery"),
        Identities { keys: vec![kek(1)], ..Identities::default() },
    ] {
        let error = open(&bytes, &identities).unwrap_err();
        assert!(matches!(error, ContainerError::NoKey { .. }), "{error}");
        assert_eq!(error.kind(), Kind::Credential);
        assert!(error.hint().unwrap().contains("--age-identity"));
    }
}

#[test]
fn a_header_does_not_fill_the_screen() {
    let bytes = sealed_for(&[age_recipient(PUBLIC_KEY)]).unwrap();
    let said = |count: u8| {
        let stanza = |id| Stanza { kind: RecipientKind::Age, key_id: KeyId([id; 16]), blob: Vec::new() };
        let bytes = forged(&bytes, (0..count).map(stanza).collect());
        open(&bytes, &Identities::default()).unwrap_err().to_string()
    };
    assert!(said(8).contains(&format!("{}; none", KeyId([7; 16]))), "{}", said(8));
    assert!(said(100).contains(&format!("{} and 92 more; none", KeyId([7; 16]))), "{}", said(100));
    let untrusted = |count| Fault::Untrusted((0..count).map(|id| SignerId([id; 16])).collect()).to_string();
    assert!(untrusted(9).ends_with(" and 1 more") && !untrusted(8).contains("more"));
}

#[test]
fn a_wrong_passphrase_is_a_refused_credential() {
    let bytes = sealed_for(&[Recipient::Passphrase(passphrase("correct horse battery"))]).unwrap();
    for wrong in ["correct horse batterz", "correct horse battery ", "x"] {
        let error = open(&bytes, &passphrase_identity(wrong)).unwrap_err();
        assert!(matches!(error, ContainerError::WrongPassphrase { .. }), "{error}");
        assert_eq!(error.kind(), Kind::Credential);
    }
}

#[test]
fn a_passphrase_is_alone() {
    let two = [Recipient::Passphrase(passphrase("correct horse battery")), kek(1).into()];
    let error = sealed_for(&two).unwrap_err();
    assert!(matches!(error, ContainerError::PassphraseNotAlone), "{error}");
    assert_eq!(error.kind(), Kind::Usage);
}

#[test]
fn nobody_is_a_recipient_twice() {
    for twice in [
        vec![age_recipient(PUBLIC_KEY), kek(1).into(), age_recipient(PUBLIC_KEY)],
        vec![Recipient::External(command("a", WRAP)), Recipient::External(command("a", "false"))],
    ] {
        assert!(matches!(sealed_for(&twice), Err(ContainerError::DuplicateRecipient { .. })));
    }
}

#[test]
fn weak_passphrases_are_refused_and_what_is_no_passphrase() {
    let parse = |text: &str| Passphrase::parse(&SecretBytes::from(text.to_owned()));
    for bad in [
        "",
        "\n",
        "\r\n",
        "\r",
        "ends in a CR\r",
        "two ends\n\n",
        "two\nlines of text",
        "tab\tinside it",
        &"x".repeat(1025),
    ] {
        assert!(matches!(parse(bad), Err(ContainerError::Passphrase { .. })), "{bad:?}");
    }
    for weak in [
        "short",
        "elevenchars",
        "aaaaaaaaaaaaaaaaaaaaaaa",
        "ababababababab",
        " padded passphrase",
        "padded passphrase ",
    ] {
        let error = parse(weak).unwrap().require_strong().unwrap_err();
        assert_eq!(error.kind(), Kind::Credential);
        assert!(!error.to_string().contains(weak));
    }
    assert!(parse("correct horse\r\n").unwrap().require_strong().is_ok());
}

#[test]
fn a_wrapped_key_of_another_file_is_refused() {
    let kinds: [(Recipient, Identities); 3] = [
        (age_recipient(PUBLIC_KEY), age_identity()),
        (Recipient::External(command("a", WRAP)), command_identity("a", UNWRAP)),
        (
            Recipient::Passphrase(passphrase("correct horse battery")),
            passphrase_identity("correct horse battery"),
        ),
    ];
    for (recipient, identities) in kinds {
        let kind = recipient.kind();
        let make = || sealed_for(std::slice::from_ref(&recipient)).unwrap();
        let (one, other) = (make(), make());
        match open(&forged(&other, recipients_of(&one)), &identities).unwrap_err() {
            ContainerError::WrongPassphrase { .. } => assert_eq!(kind, RecipientKind::Passphrase),
            error => assert!(matches!(fault(error), Fault::Foreign(_)), "{kind:?}"),
        }
    }
}

#[test]
fn a_file_cannot_demand_gigabytes_or_minutes() {
    let bytes = sealed_for(&[Recipient::Passphrase(passphrase("correct horse battery"))]).unwrap();
    let preamble = Preamble::parse(&bytes).unwrap();
    // Body length, generation, number, type, key id, length.
    let blob = 4 + 8 + 2 + 2 + 16 + 2;
    assert_eq!(bytes[SLOT_A + blob..][..12], [65536_u32, 3, 4].map(u32::to_be_bytes).concat());
    for (memory, passes, lanes) in
        [(1 << 21, 1, 1), (u32::MAX, 1, 4), (8, u32::MAX, 1), (65536, 3, 17), (1 << 20, 5, 1), (0, 0, 0)]
    {
        let mut slot = bytes[SLOT_A..SLOT_B].to_vec();
        slot[blob..blob + 12].copy_from_slice(&[memory, passes, lanes].map(u32::to_be_bytes).concat());
        checksum_again(&preamble, &mut slot);
        let hostile = [&bytes[..SLOT_A], &slot, &slot, &bytes[PAYLOAD..]].concat();
        let error = open(&hostile, &passphrase_identity("correct horse battery")).unwrap_err();
        assert_eq!(fault(error), Fault::PassphraseCost { memory, passes, lanes });
    }
}

#[test]
fn an_external_key_is_told_by_its_name_and_is_not_passed_on_in_the_clear() {
    // SHA-256("sealserve/v1/external" 00 name), computed with Python's hashlib.
    assert_eq!(command("kms/a", "").key_id().to_string(), "30f10056c65cdf26476b47d77289c8e6");
    for not_wrapped in ["cat", "base64 -w0", "head -c 32 | od -An -tx1 | tr -d ' \\n'"] {
        let error = sealed_for(&[Recipient::External(command("a", not_wrapped))]).unwrap_err();
        assert!(matches!(error, ContainerError::CommandAnswer { .. }), "{not_wrapped}: {error}");
    }
    assert!(matches!(
        sealed_for(&[Recipient::External(command("a", ":"))]),
        Err(ContainerError::CommandAnswer { .. })
    ));
    let program: Program = "true".parse().unwrap();
    for name in ["", "a\nb", "a\0b", &"x".repeat(1025)] {
        let made = External::new(program.clone(), name, Duration::from_secs(1), |_| ());
        assert!(matches!(made, Err(ContainerError::CommandKey)), "{name:?}");
    }
}

#[test]
fn what_a_command_does_wrong_is_told_apart() {
    let bytes = sealed_for(&[Recipient::External(command("a", WRAP))]).unwrap();
    let error = |line: &str| open(&bytes, &command_identity("a", line)).unwrap_err();
    assert!(matches!(error("exit 3"), ContainerError::Command { source: CommandError::Failed { .. }, .. }));
    assert_eq!(error("exit 3").kind(), Kind::Credential);
    // An answer of another length says that the file is wrong, or that the command is.
    for line in ["yes", "printf short", "head -c 63 /dev/zero", "head -c 65 /dev/zero", ":"] {
        assert!(matches!(fault(error(line)), Fault::Answer(_)), "{line}");
    }
    assert!(matches!(fault(error("head -c 64 /dev/zero")), Fault::Foreign(_)));
    // The right key, but it failed all the same.
    let failing = format!("{UNWRAP}; exit 1");
    assert!(matches!(error(&failing), ContainerError::Command { .. }));
}

#[test]
fn a_command_learns_the_key_from_the_caller_and_the_file_only_from_its_input() {
    let told = r#"test "$SEALSERVE_KEY_NAME" = kms/a && test ${#SEALSERVE_KEY_ID} = 32 && test $# = 0"#;
    let wrap = format!("{told} && test $SEALSERVE_OPERATION = wrap && {WRAP}");
    let unwrap = format!("{told} && test $SEALSERVE_OPERATION = unwrap && {UNWRAP}");
    let bytes = sealed_for(&[Recipient::External(command("kms/a", &wrap))]).unwrap();
    assert_eq!(open(&bytes, &command_identity("kms/a", &unwrap)).unwrap(), RecipientKind::External);
}

#[test]
fn age_recipients_are_parsed_strictly_and_named_by_their_text() {
    let parse = |text: &str| AgeRecipient::parse(text, &nobody());
    // SHA-256 of the recipient, its first 16 bytes, computed with Python's hashlib.
    assert_eq!(parse(PUBLIC_KEY).unwrap().key_id().to_string(), "1605076d199df131c50118fc510a4c07");
    assert_eq!(parse(&PUBLIC_KEY.to_uppercase()).unwrap().key_id(), parse(PUBLIC_KEY).unwrap().key_id());
    assert!(matches!(parse(SECRET_KEY), Err(ContainerError::AgeSecret)));
    let mistyped = PUBLIC_KEY.replacen("ljja", "ljjz", 1);
    for bad in ["", "age1", &mistyped, "ssh-ed25519 AAAA", "age1nosuchplugin1qqqqqq", &PUBLIC_KEY[..40]] {
        assert!(matches!(parse(bad), Err(ContainerError::AgeRecipient { .. })), "{bad}");
    }
    let file = |text: &str| AgeRecipient::parse_file("r", text.as_bytes(), &nobody());
    assert_eq!(file(&format!("# people\n\n{PUBLIC_KEY}\r\n{OTHER_KEY}")).unwrap().len(), 2);
    assert!(matches!(file("# none\n"), Err(ContainerError::AgeRecipientsFile { .. })));
    assert!(file(SECRET_KEY).is_err());
}

#[test]
fn identity_files_are_parsed_strictly_and_errors_show_nothing_of_them() {
    for bad in ["", "# empty\n", "AGE-SECRET-KEY-1XXXX", PUBLIC_KEY, "-----BEGIN AGE ENCRYPTED FILE-----\n"] {
        let mut identities = AgeIdentities::default();
        let error = identities.add_file("'id'", &SecretBytes::from(bad.to_owned()), &nobody()).unwrap_err();
        assert_eq!(error.kind(), Kind::Credential);
        let said = format!("{error} {:?} {identities:?}", std::error::Error::source(&error));
        assert!(bad.len() < 20 || !said.contains(&bad[..20]), "{said}");
    }
}

proptest! {
    #[test]
    fn any_blob_of_age_is_unwrapped_without_panic(blob in vec(any::<u8>(), 0..600), prefix in any::<bool>()) {
        let blob = if prefix { [b"age-encryption.org/v1\n-> ", &blob[..]].concat() } else { blob };
        let preamble = Preamble { artifact_id: ArtifactId([5; 16]), slot_len: 8192, detached: false };
        let stanza = Stanza { kind: RecipientKind::Age, key_id: KeyId([1; 16]), blob };
        prop_assert!(!matches!(age_identity().others.unwrap("f", &stanza, &preamble), Ok(Some(_))));
    }

    #[test]
    fn any_blob_of_a_passphrase_is_parsed_without_panic(blob in vec(any::<u8>(), 0..200), right in any::<bool>()) {
        let mut blob = blob;
        if right {
            blob.resize(passphrase::BLOB, 0);
        }
        if let Ok((cost, _)) = passphrase::parse_blob(&blob) {
            let [memory, passes, lanes] = cost.numbers();
            prop_assert_eq!(Cost::new(memory, passes, lanes), Some(cost));
        }
    }

    #[test]
    fn any_text_is_a_recipient_or_none_without_panic(text in ".{0,100}") {
        let _ = AgeRecipient::parse(&text, &nobody());
    }
}
