//! Every vector of a sealed file, opened in every way that this program has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Cursor;
use std::path::Path;

use sealserve::container::{
    ContainerError, Identities, Named, Sealed, SignaturePolicy, SlotState, TrustedSigner, Unlocked,
};
use sealserve::crypto::digest::sha256;
use sealserve::progress::Silent;
use serde_json::Value;

use crate::index::{Index, code, directory, file};
use crate::support::{Sandbox, python, repository, text};
use crate::{hex, peer_ok};

/// The bytes of a file, and of its payload where that is another.
struct Bytes {
    file: Vec<u8>,
    payload: Option<Vec<u8>>,
}

impl Bytes {
    fn of(vector: &Value) -> Self {
        let payload = vector.get("payload").map(|_| file(vector, "payload"));
        Self { file: file(vector, "file"), payload }
    }

    fn in_memory(&self) -> Result<Sealed<Cursor<&[u8]>>, ContainerError> {
        let sealed = Sealed::from_bytes("f", &self.file[..])?;
        let Some(payload) = &self.payload else { return Ok(sealed) };
        sealed.attach(Named::new("p", Cursor::new(&payload[..])), Some(payload.len() as u64))
    }

    fn stream(&self) -> Result<Sealed<&[u8]>, ContainerError> {
        let sealed = Sealed::read(Named::new("f", &self.file[..]))?;
        let Some(payload) = &self.payload else { return Ok(sealed) };
        sealed.attach(Named::new("p", &payload[..]), None)
    }
}

type Way = fn(&Bytes, &Identities, Option<&[TrustedSigner]>) -> Result<Vec<u8>, ContainerError>;

fn into_memory(
    bytes: &Bytes,
    identities: &Identities,
    trusted: Option<&[TrustedSigner]>,
) -> Result<Vec<u8>, ContainerError> {
    let policy = SignaturePolicy {
        required: trusted.is_some(),
        trusted: trusted.unwrap_or_default().into(),
        ..SignaturePolicy::default()
    };
    let unlocked = bytes.in_memory()?.unlock(identities)?;
    // A policy that demands nothing says so of a file for age, too.
    let plain = if trusted.is_some() {
        unlocked.read_signed_to_memory(&policy, &Silent)?.0
    } else {
        unlocked.read_to_memory(&Silent)?
    };
    Ok(plain.expose().to_vec())
}

fn as_stream(
    bytes: &Bytes,
    identities: &Identities,
    _: Option<&[TrustedSigner]>,
) -> Result<Vec<u8>, ContainerError> {
    let mut out = Vec::new();
    bytes.stream()?.unlock(identities)?.decrypt(Named::new("out", &mut out), &Silent)?;
    Ok(out)
}

fn verified(
    bytes: &Bytes,
    identities: &Identities,
    trusted: Option<&[TrustedSigner]>,
) -> Result<Vec<u8>, ContainerError> {
    let unlocked = bytes.stream()?.unlock(identities)?;
    match trusted {
        None => unlocked.verify(&Silent).map(drop)?,
        Some(trusted) => unlocked.verify_signed(trusted, &Silent).map(drop)?,
    }
    Ok(Vec::new())
}

fn says(vector: &Value, index: &Index, unlocked: Unlocked<Cursor<&[u8]>>) {
    let name = vector["file"].as_str().unwrap();
    let (header, metadata, said) = (unlocked.header(), unlocked.metadata(), &vector["says"]);
    assert_eq!(header.artifact_id().to_string(), said["artifact_id"], "{name}");
    assert_eq!(header.generation(), said["generation"], "{name}");
    assert_eq!(header.slot_len(), said["slot_bytes"], "{name}");
    assert_eq!(header.is_detached(), said["detached"], "{name}");
    let slots = header.slots().map(|slot| match slot {
        SlotState::Current => "current",
        SlotState::Stale { .. } => "stale",
        SlotState::Damaged => "damaged",
    });
    assert_eq!(said["slots"], Value::from(slots.to_vec()), "{name}");
    let kinds = ["", "key", "passphrase", "age", "external"];
    let expected: Vec<_> = said["recipients"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (kinds[r["type"].as_u64().unwrap() as usize], r["key_id"].as_str().unwrap().to_owned()))
        .collect();
    let found: Vec<_> = header.recipients().iter().map(|r| (r.kind.name(), r.key_id.to_string())).collect();
    assert_eq!(found, expected, "{name}");
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
        let signed_by = unlocked.verify_signed(&trusted, &Silent).unwrap().signed_by;
        let signed_by: Vec<_> = signed_by.iter().map(ToString::to_string).collect();
        assert_eq!(said["signed_by"], Value::from(signed_by), "{name}");
    }
}

#[test]
fn every_valid_vector_opens_as_its_index_says() {
    let index = Index::read();
    for vector in index.vectors("valid") {
        let (bytes, trusted) = (Bytes::of(vector), index.trusted(vector));
        for name in vector["opens_with"].as_array().unwrap() {
            let identity = index.identities(name);
            let unlocked = bytes.in_memory().and_then(|sealed| sealed.unlock(&identity));
            says(vector, &index, unlocked.unwrap_or_else(|e| panic!("{vector}: {e:?}")));
            for way in [into_memory as Way, as_stream as Way] {
                let plain = way(&bytes, &identity, trusted.as_deref()).unwrap();
                assert_eq!(vector["plaintext_sha256"], hex(&sha256(&[&plain])), "{vector}");
                assert_eq!(vector["says"]["bytes"], plain.len(), "{vector}");
            }
        }
    }
}

#[test]
fn every_invalid_vector_is_refused_for_its_reason() {
    let index = Index::read();
    let mut wrong = Vec::new();
    for vector in index.vectors("invalid") {
        let (name, refused) = (&vector["file"], vector["refused"].as_str().unwrap());
        assert!(!vector["reason"].as_str().unwrap().is_empty(), "{name}");
        let (identity, trusted) = (index.identities(&vector["key"]), index.trusted(vector));
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
            match way(&Bytes::of(vector), &identity, trusted.as_deref()) {
                Err(error) if code(&error) == refused => {}
                Err(error) => wrong.push(format!("{how} {vector}: {error:?}")),
                Ok(_) => wrong.push(format!("{how} accepts {vector}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every file of the vectors below `directory`, by its name there.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for below in ["", "archives/"] {
        for entry in fs::read_dir(directory.join(below)).unwrap() {
            let path = entry.unwrap().path();
            let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
            if ["sealed", "payload", "tar", "json"].contains(&kind) {
                let name = format!("{below}{}", path.file_name().unwrap().to_str().unwrap());
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_index_lists_every_file_once_and_the_document_every_code() {
    let index = Index::read();
    let mut listed = index.files();
    listed.push("index.json".into());
    let names: BTreeSet<_> = listed.iter().collect();
    assert_eq!(names.len(), listed.len());
    assert!(names.into_iter().eq(files(&directory()).keys()));

    // The first column of the tables of codes.
    let page = fs::read_to_string(repository().join("docs/file-format.md")).unwrap();
    let section = page.split_once("\n## Refusals\n").unwrap().1.split("\n## ").next().unwrap();
    let documented = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let invalid = index.vectors("invalid").iter().chain(index.archives("invalid"));
    let codes: BTreeSet<_> = invalid.map(|vector| vector["refused"].as_str().unwrap()).collect();
    // Ten thousand members are made in a test, not kept.
    let codes: BTreeSet<_> = codes.into_iter().chain(["archive-members"]).collect();
    assert_eq!(codes, documented.collect());
}

#[test]
fn the_second_implementation_agrees_on_every_vector() {
    let counts = peer_ok(&Sandbox::new(), &["vectors", directory().to_str().unwrap()]);
    let index = Index::read();
    for which in ["valid", "invalid"] {
        assert_eq!(counts[which], index.vectors(which).len());
        assert_eq!(counts["archives"][which], index.archives(which).len());
    }
}

#[test]
fn the_vectors_are_what_their_generator_writes() {
    let (sandbox, made) = (Sandbox::new(), tempfile::tempdir().unwrap());
    let output = sandbox
        .program(python())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(directory().join("make"))
        .arg(made.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let (kept, made) = (files(&directory()), files(made.path()));
    assert!(kept.keys().eq(made.keys()));
    for (name, bytes) in kept {
        assert!(bytes == made[&name], "{name}");
    }
}
