//! The sealed file, held to `docs/file-format.md`: by vectors, and by a second
//! implementation, `tests/peers/sealed.py`, both ways.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sealserve::container::{
    ContainerError, Fault, Kek, Named, Sealed, SignaturePolicy, SlotState, TrustedSigner, Unlocked,
};
use sealserve::crypto::digest::sha256;
use sealserve::progress::Silent;
use sealserve::secret::Secret;
use serde_json::Value;
use support::{Sandbox, python, repository, testdata, text};

const CHUNK: usize = 16384;

fn directory() -> PathBuf {
    testdata("container/v1")
}

/// `index.json` of the vectors.
struct Index(Value);

impl Index {
    fn read() -> Self {
        Self(serde_json::from_slice(&fs::read(directory().join("index.json")).unwrap()).unwrap())
    }

    fn vectors(&self, which: &str) -> &[Value] {
        self.0[which].as_array().unwrap()
    }

    fn kek(&self, name: &Value) -> Kek {
        let digits = self.0["keys"][name.as_str().unwrap()].as_str().unwrap();
        Kek::new(Secret::from_slice(&HEXLOWER.decode(digits.as_bytes()).unwrap()).unwrap())
    }

    /// The signers that a vector names, if it asks for a signature.
    fn trusted(&self, vector: &Value) -> Option<Vec<TrustedSigner>> {
        let names = vector.get("trusted")?.as_array().unwrap();
        let pem = |name: &Value| self.0["signers"][name.as_str().unwrap()].as_str().unwrap().to_owned();
        Some(names.iter().flat_map(|name| TrustedSigner::parse("s", pem(name).as_bytes()).unwrap()).collect())
    }
}

fn bytes(vector: &Value) -> Vec<u8> {
    fs::read(directory().join(vector["file"].as_str().unwrap())).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// The document's code for what is wrong.
fn code(error: &ContainerError) -> &'static str {
    let ContainerError::Fault { fault, .. } = error else {
        assert!(matches!(error, ContainerError::NoKey { .. }), "{error}");
        return "no-key";
    };
    match fault {
        Fault::NotSealed => "not-sealed",
        Fault::Version(_) => "version",
        Fault::Suite(_) => "suite",
        Fault::Flags(_) => "flags",
        Fault::HeaderTruncated => "header-truncated",
        Fault::Preamble(_) => "preamble",
        Fault::BothSlotsDamaged => "slots-damaged",
        Fault::SlotMalformed { .. } | Fault::PassphraseLength | Fault::PassphraseCost { .. } => {
            "slot-malformed"
        }
        Fault::RecipientType(_) => "recipient-type",
        Fault::SlotsDisagree(_) => "slots-disagree",
        Fault::Wrapping(_) | Fault::Foreign(_) => "wrapping",
        Fault::HeaderTrailing => "header-trailing",
        Fault::SlotForged(_) => "slot-forged",
        Fault::MetadataForged => "metadata-forged",
        Fault::MetadataMalformed(_) => "metadata-malformed",
        Fault::Commitment => "commitment",
        Fault::Chunk(_) | Fault::LastChunk(_) => "chunk",
        Fault::PayloadTruncated | Fault::ChunkTruncated(_) | Fault::LastChunkMissing(_) => {
            "payload-truncated"
        }
        Fault::Size { .. } => "size",
        Fault::Digest => "digest",
        Fault::Unsigned => "unsigned",
        Fault::Untrusted(_) => "untrusted",
        Fault::SignatureForged(_) => "signature-forged",
        Fault::SlotDamaged(_) => "slot-damaged",
    }
}

type Way = fn(&[u8], &Kek, Option<&[TrustedSigner]>) -> Result<Vec<u8>, ContainerError>;

fn unlock<'a>(bytes: &'a [u8], kek: &Kek) -> Result<Unlocked<std::io::Cursor<&'a [u8]>>, ContainerError> {
    Sealed::from_bytes("f", bytes)?.unlock(kek)
}

fn into_memory(
    bytes: &[u8],
    kek: &Kek,
    trusted: Option<&[TrustedSigner]>,
) -> Result<Vec<u8>, ContainerError> {
    let policy = SignaturePolicy {
        required: trusted.is_some(),
        trusted: trusted.unwrap_or_default().into(),
        ..SignaturePolicy::default()
    };
    let unlocked = unlock(bytes, kek)?;
    // A policy that demands nothing says so of a file for age, too.
    let plain = if trusted.is_some() {
        unlocked.read_signed_to_memory(&policy, &Silent)?.0
    } else {
        unlocked.read_to_memory(&Silent)?
    };
    Ok(plain.expose().to_vec())
}

fn as_stream(bytes: &[u8], kek: &Kek, _: Option<&[TrustedSigner]>) -> Result<Vec<u8>, ContainerError> {
    let mut out = Vec::new();
    let unlocked = Sealed::read(Named::new("f", bytes))?.unlock(kek)?;
    unlocked.decrypt(Named::new("out", &mut out), &Silent)?;
    Ok(out)
}

fn verified(bytes: &[u8], kek: &Kek, trusted: Option<&[TrustedSigner]>) -> Result<Vec<u8>, ContainerError> {
    let unlocked = Sealed::read(Named::new("f", bytes))?.unlock(kek)?;
    match trusted {
        None => unlocked.verify(&Silent).map(drop)?,
        Some(trusted) => unlocked.verify_signed(trusted, &Silent).map(drop)?,
    }
    Ok(Vec::new())
}

fn says(vector: &Value, index: &Index, kek: &Kek) {
    let (name, bytes) = (vector["file"].as_str().unwrap(), bytes(vector));
    let unlocked = unlock(&bytes, kek).unwrap();
    let (header, metadata, said) = (unlocked.header(), unlocked.metadata(), &vector["says"]);
    assert_eq!(header.artifact_id().to_string(), said["artifact_id"], "{name}");
    assert_eq!(header.generation(), said["generation"], "{name}");
    assert_eq!(header.slot_len(), said["slot_bytes"], "{name}");
    let slots = header.slots().map(|slot| match slot {
        SlotState::Current => "current",
        SlotState::Stale { .. } => "stale",
        SlotState::Damaged => "damaged",
    });
    assert_eq!(said["slots"], Value::from(slots.to_vec()), "{name}");
    let ids: Vec<_> = header.recipients().iter().map(|r| Value::from(r.key_id.to_string())).collect();
    let expected: Vec<_> =
        said["recipients"].as_array().unwrap().iter().map(|r| r["key_id"].clone()).collect();
    assert_eq!(ids, expected, "{name}");
    let signers: Vec<_> = header.signatures().iter().map(|s| s.signer.to_string()).collect();
    assert_eq!(said["signers"], Value::from(signers), "{name}");
    for (member, value) in [
        ("name", &metadata.name),
        ("version", &metadata.version),
        ("media_type", &metadata.media_type),
        ("created", &metadata.created),
    ] {
        assert_eq!(said["metadata"][member], Value::from(value.as_str()), "{name}");
    }
    assert_eq!(said["metadata"].get("size").and_then(Value::as_u64), metadata.size, "{name}");
    let digest = metadata.sha256.map(|digest| hex(&digest));
    assert_eq!(said["metadata"].get("sha256").and_then(Value::as_str), digest.as_deref(), "{name}");
    if let Some(trusted) = index.trusted(vector) {
        let signed_by: Vec<_> = unlocked
            .verify_signed(&trusted, &Silent)
            .unwrap()
            .signed_by
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(said["signed_by"], Value::from(signed_by), "{name}");
    }
}

#[test]
fn every_valid_vector_opens_as_its_index_says() {
    let index = Index::read();
    for vector in index.vectors("valid") {
        let trusted = index.trusted(vector);
        for key in vector["opens_with"].as_array().unwrap() {
            let kek = index.kek(key);
            says(vector, &index, &kek);
            for way in [into_memory as Way, as_stream as Way] {
                let plain = way(&bytes(vector), &kek, trusted.as_deref()).unwrap();
                assert_eq!(vector["plaintext_sha256"], hex(&sha256(&[&plain])), "{vector}");
                assert_eq!(vector["says"]["bytes"], plain.len(), "{vector}");
            }
        }
    }
}

#[test]
fn every_invalid_vector_is_refused_for_its_reason() {
    let index = Index::read();
    for vector in index.vectors("invalid") {
        let (name, refused) = (&vector["file"], vector["refused"].as_str().unwrap());
        assert!(!vector["reason"].as_str().unwrap().is_empty(), "{name}");
        let (kek, trusted) = (index.kek(&vector["key"]), index.trusted(vector));
        let mut ways = vec![("verify", verified as Way)];
        // What the digest is of is known when the plaintext has left.
        if refused != "digest" {
            ways.push(("memory", into_memory as Way));
        }
        // Decrypting asks nobody who made the file.
        if trusted.is_none() && refused != "digest" {
            ways.push(("stream", as_stream as Way));
        }
        for (how, way) in ways {
            match way(&bytes(vector), &kek, trusted.as_deref()) {
                Err(error) => assert_eq!(code(&error), refused, "{how} {vector}: {error:?}"),
                Ok(_) => panic!("{how} accepts {vector}"),
            }
        }
    }
}

#[test]
fn the_index_lists_every_file_once_and_the_document_every_code() {
    let index = Index::read();
    let (valid, invalid) = (index.vectors("valid"), index.vectors("invalid"));
    let listed: Vec<_> =
        valid.iter().chain(invalid).map(|vector| vector["file"].as_str().unwrap().to_owned()).collect();
    let names: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(names.len(), listed.len());
    let found = fs::read_dir(directory()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert_eq!(names, found.filter(|name| name.ends_with(".sealed")).collect());

    let page = fs::read_to_string(repository().join("docs/file-format.md")).unwrap();
    let codes: BTreeSet<_> = invalid.iter().map(|vector| vector["refused"].as_str().unwrap()).collect();
    assert_eq!(codes.len(), 23, "{codes:?}");
    for code in codes {
        assert!(page.contains(&format!("\n| `{code}` |")), "{code}");
    }
}

/// Runs the second implementation and returns its exit code and its document.
fn peer(sandbox: &Sandbox, arguments: &[&str]) -> (i32, Value) {
    let mut command = sandbox.program(python());
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(repository().join("tests/peers/sealed.py"))
        .args(arguments);
    let output = command.output().unwrap();
    let document = serde_json::from_slice(&output.stdout);
    let document = document.unwrap_or_else(|e| panic!("{arguments:?}: {e}: {}", text(&output.stderr)));
    (output.status.code().unwrap(), document)
}

fn peer_ok(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let (code, document) = peer(sandbox, arguments);
    assert_eq!(code, 0, "{arguments:?}: {document}");
    document
}

#[test]
fn the_second_implementation_agrees_on_every_vector() {
    let counts = peer_ok(&Sandbox::new(), &["vectors", directory().to_str().unwrap()]);
    let index = Index::read();
    assert_eq!(counts["valid"], index.vectors("valid").len());
    assert_eq!(counts["invalid"], index.vectors("invalid").len());
}

#[test]
fn the_vectors_are_what_their_generator_writes() {
    let (sandbox, made) = (Sandbox::new(), tempfile::tempdir().unwrap());
    let output = sandbox
        .program(python())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(directory().join("make.py"))
        .arg(made.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let files = |directory: &Path| -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
        let files = entries.filter(|e| e.path().extension().is_some_and(|e| e == "sealed" || e == "json"));
        files.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect()
    };
    let (kept, made) = (files(&directory()), files(made.path()));
    assert!(kept.keys().eq(made.keys()));
    for (name, bytes) in kept {
        assert!(bytes == made[&name], "{name}");
    }
}

/// Keys, signers and models in a sandbox, and both programs.
struct Both {
    sandbox: Sandbox,
}

impl Both {
    fn new() -> Self {
        let both = Self { sandbox: Sandbox::new() };
        for key in ["k1", "k2", "k3"] {
            both.sandbox.ok(["key", "create", "--use", "model", "--out", &both.path(key)]);
        }
        for signer in ["s1", "s2"] {
            both.sandbox.ok(["key", "create", "--use", "signer", "--out", &both.path(signer)]);
            let (key, public) = (both.path(signer), both.path(&format!("{signer}.pem")));
            both.sandbox.ok(["key", "public", "--signer-key", &key, "-o", &public]);
        }
        both
    }

    fn path(&self, name: &str) -> String {
        self.sandbox.path(name).to_str().unwrap().to_owned()
    }

    fn ours(&self, arguments: &str) -> String {
        self.sandbox.ok(self.words(arguments))
    }

    fn theirs(&self, arguments: &str) -> Value {
        peer_ok(&self.sandbox, &self.words(arguments).iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Words, of which those in braces are paths in the sandbox.
    fn words(&self, arguments: &str) -> Vec<String> {
        let word = |word: &str| match word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
            Some(name) => self.path(name),
            None => word.to_owned(),
        };
        arguments.split_whitespace().map(word).collect()
    }

    fn same(&self, one: &str, other: &str) {
        assert!(fs::read(self.path(one)).unwrap() == fs::read(self.path(other)).unwrap(), "{one} {other}");
    }
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes
}

const LENGTHS: [usize; 6] = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 1 << 20];

#[test]
fn the_second_implementation_opens_what_we_write() {
    let both = Both::new();
    for length in LENGTHS {
        both.sandbox.write("m.onnx", noise(length));
        for (keys, signed) in [(1, false), (1, true), (3, false), (3, true)] {
            let all: String = (1..=keys).map(|n| format!(" --key-file {{k{n}}}")).collect();
            let sign = if signed { " --signer-key {s1} --signer-key {s2}" } else { "" };
            both.ours(&format!("model encrypt {{m.onnx}} -o {{ours}} --force{all}{sign}"));
            for key in 1..=keys {
                let trusted = if signed { " --trusted {s2.pem}" } else { "" };
                let said = both.theirs(&format!("open {{ours}} --output {{out}} --kek {{k{key}}}{trusted}"));
                both.same("m.onnx", "out");
                assert_eq!(said["metadata"]["size"], length);
                assert_eq!(said["recipients"].as_array().unwrap().len(), keys);
                assert_eq!(said["signers"].as_array().unwrap().len(), if signed { 2 } else { 0 });
                assert_eq!(said["signed_by"].as_array().unwrap().len(), usize::from(signed));
            }
        }
    }
}

#[test]
fn we_open_what_the_second_implementation_writes() {
    let both = Both::new();
    for length in LENGTHS {
        both.sandbox.write("m.onnx", noise(length));
        for (keys, signed) in [(1, false), (1, true), (3, false), (3, true)] {
            let all: String = (1..=keys).map(|n| format!(" --kek {{k{n}}}")).collect();
            let sign = if signed { " --sign {s1} --sign {s2}" } else { "" };
            both.theirs(&format!("seal {{m.onnx}} --output {{theirs}} --name m{all}{sign}"));
            for key in 1..=keys {
                both.ours(&format!("model decrypt {{theirs}} -o {{out}} --force --key-file {{k{key}}}"));
                both.same("m.onnx", "out");
                let trusted = if signed { " --trusted-signer {s2.pem}" } else { "" };
                both.ours(&format!("model verify {{theirs}} --key-file {{k{key}}}{trusted}"));
            }
        }
    }
}

#[test]
fn every_slot_length_goes_both_ways() {
    let both = Both::new();
    both.sandbox.write("m.onnx", noise(100));
    let lengths: BTreeSet<u64> = (2..=16).map(|n| n * 4096).collect();
    for slot in &lengths {
        both.theirs(&format!("seal {{m.onnx}} --output {{theirs}} --name m --kek {{k1}} --slot {slot}"));
        both.ours("model decrypt {theirs} -o {out} --force --key-file {k1}");
        both.same("m.onnx", "out");
    }
    // Ours follow from the number of keys.
    let mut keys = " --key-file {k1}".to_owned();
    let mut seen = BTreeSet::new();
    for n in 1..262 {
        if n % 16 == 1 {
            both.ours(&format!("model encrypt {{m.onnx}} -o {{ours}} --force{keys}"));
            let said = both.theirs("open {ours} --output {out} --kek {k1}");
            both.same("m.onnx", "out");
            seen.insert(said["slot_bytes"].as_u64().unwrap());
        }
        both.sandbox.write_secret(&format!("more-{n}"), hex(&noise(32)));
        keys += &format!(" --key-file {{more-{n}}}");
    }
    assert_eq!(seen, lengths);
}

#[test]
fn a_rewritten_header_goes_both_ways() {
    let both = Both::new();
    both.sandbox.write("m.onnx", noise(3 * CHUNK));
    let id = |key: &str| {
        let kek = Kek::parse(key, &fs::read(both.path(key)).unwrap()).unwrap();
        kek.id().to_string()
    };
    // Ours, then theirs over it, then ours again.
    both.ours("model encrypt {m.onnx} -o {f} --key-file {k1} --signer-key {s1}");
    both.theirs(&format!("rewrite {{f}} --kek {{k1}} --add {{k2}} --remove {}", id("k1")));
    both.ours("model verify {f} --key-file {k2} --trusted-signer {s1.pem}");
    assert!(both.sandbox.run(both.words("model verify {f} --key-file {k1}")).status.code() == Some(4));
    both.ours("model sign {f} --key-file {k2} --signer-key {s2}");
    let said = both.theirs("open {f} --output {out} --kek {k2} --trusted {s1.pem} --trusted {s2.pem}");
    assert_eq!((&said["generation"], said["signed_by"].as_array().unwrap().len()), (&Value::from(3), 2));
    both.same("m.onnx", "out");
    // Killed between the slots: both read the newer one, and both heal it.
    both.theirs("rewrite {f} --kek {k2} --add {k3} --slots B");
    let inspected = both.ours("model inspect {f} --key-file {k3}");
    assert!(inspected.contains("headers     stale and current"), "{inspected}");
    both.ours("model verify {f} --key-file {k3} --trusted-signer {s2.pem}");
    both.ours("model sign {f} --key-file {k3} --signer-key {s2}");
    let said = both.theirs("open {f} --output {out} --kek {k3} --trusted {s2.pem}");
    assert_eq!(said["slots"], Value::from(vec!["current", "current"]));
    both.same("m.onnx", "out");
}

#[test]
fn the_second_implementation_refuses_what_we_refuse() {
    let both = Both::new();
    both.sandbox.write("m.onnx", noise(100));
    both.ours("model encrypt {m.onnx} -o {f} --key-file {k1} --signer-key {s1}");
    let open = |arguments: &str| {
        peer(&both.sandbox, &both.words(arguments).iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert_eq!(open("open {f} --kek {k2}").1["refused"], "no-key");
    assert_eq!(open("open {f} --kek {k1} --trusted {s2.pem}").1["refused"], "untrusted");
    let mut bytes = fs::read(both.path("f")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    both.sandbox.write("f", bytes);
    assert_eq!(open("open {f} --kek {k1}"), (3, open("open {f} --kek {k1}").1));
    assert_eq!(open("open {f} --kek {k1}").1["refused"], "chunk");
}

#[test]
#[ignore = "long: encrypts and decrypts 1 GiB in Python"]
fn a_gibibyte_goes_both_ways() {
    let both = Both::new();
    let mut model = File::create(both.path("m.onnx")).unwrap();
    model.write_all(&noise(1 << 20)).unwrap();
    model.set_len(1 << 30).unwrap();
    both.ours("model encrypt {m.onnx} -o {f} --key-file {k1} --signer-key {s1}");
    let said = both.theirs("open {f} --output {out} --kek {k1} --trusted {s1.pem}");
    assert_eq!(said["bytes"], 1 << 30);
    assert!(both.sandbox.program("cmp").args(both.words("{m.onnx} {out}")).status().unwrap().success());
    both.theirs("seal {m.onnx} --output {f} --name m --kek {k1} --sign {s1}");
    both.ours("model verify {f} --key-file {k1} --trusted-signer {s1.pem}");
    both.ours("model decrypt {f} -o {out} --force --key-file {k1}");
    assert!(both.sandbox.program("cmp").args(both.words("{m.onnx} {out}")).status().unwrap().success());
}
