//! Archives: every vector in every way that this program reads them, and directories
//! both ways.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use sealserve::container::archive::{Manifest, Nowhere};
use sealserve::container::{
    ContainerError, Kek, Metadata, Named, Recipient, SealSpec, Sealed, SignaturePolicy, Unlocked, seal,
};
use sealserve::progress::Silent;
use sealserve::secret::Secret;
use serde_json::{Value, json};

use crate::index::{Index, code, directory, file};
use crate::{Both, noise};

fn kek() -> Kek {
    Kek::new(Secret::from_slice(&[7; 32]).unwrap())
}

/// `tar`, sealed by someone who does not ask what is in it.
fn sealed(tar: &[u8]) -> Vec<u8> {
    let metadata = Metadata {
        name: "m".into(),
        version: "1".into(),
        media_type: "application/x-tar".into(),
        created: "2026-01-02T03:04:05Z".into(),
        size: Some(tar.len() as u64),
        sha256: None,
    };
    let mut out = Vec::new();
    let spec = SealSpec { recipients: &[Recipient::Key(kek())], metadata: &metadata };
    seal(Named::new("tar", tar), Named::new("out", &mut out), &spec, &Silent).unwrap();
    out
}

fn unlocked(bytes: &[u8]) -> Unlocked<Cursor<&[u8]>> {
    Sealed::from_bytes("f", bytes).unwrap().unlock([kek()].as_slice()).unwrap()
}

type Way = fn(&[u8]) -> Result<Manifest, ContainerError>;

fn extracted(bytes: &[u8]) -> Result<Manifest, ContainerError> {
    unlocked(bytes).extract(Nowhere, &Silent).map(|(_, manifest, _)| manifest)
}

fn verified(bytes: &[u8]) -> Result<Manifest, ContainerError> {
    unlocked(bytes).verify_contents(&Silent).map(|verified| verified.archive.unwrap())
}

fn in_memory(bytes: &[u8]) -> Result<Manifest, ContainerError> {
    let policy = SignaturePolicy::default();
    unlocked(bytes).read_signed_archive(&policy, &Silent).map(|(contents, _)| contents.manifest)
}

fn listed(bytes: &[u8]) -> Result<Manifest, ContainerError> {
    unlocked(bytes).list()
}

fn said(manifest: &Manifest) -> Value {
    let members = manifest.members.iter().map(|member| json!({"name": member.name, "size": member.size}));
    json!({"model": manifest.model, "members": members.collect::<Vec<_>>()})
}

#[test]
fn every_valid_archive_holds_what_its_index_says() {
    for vector in Index::read().archives("valid") {
        let bytes = sealed(&file(vector, "file"));
        for way in [extracted as Way, verified, in_memory, listed] {
            let manifest = way(&bytes).unwrap_or_else(|e| panic!("{vector}: {e:?}"));
            assert_eq!(said(&manifest), vector["says"], "{vector}");
        }
    }
}

#[test]
fn every_invalid_archive_is_refused_for_its_reason() {
    let mut wrong = Vec::new();
    for vector in Index::read().archives("invalid") {
        assert!(!vector["reason"].as_str().unwrap().is_empty(), "{vector}");
        let bytes = sealed(&file(vector, "file"));
        let mut ways = vec![("extract", extracted as Way), ("verify", verified)];
        // To serve it, no digest is compared.
        if vector["refused"] != "archive-digest" {
            ways.push(("memory", in_memory));
        }
        for (how, way) in ways {
            match way(&bytes) {
                Err(error) if code(&error) == vector["refused"] => {}
                Err(error) => wrong.push(format!("{how} {vector}: {error:?}")),
                Ok(_) => wrong.push(format!("{how} accepts {vector}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_archive_leaves_nothing_behind() {
    let both = Both::new();
    fs::create_dir(both.path("out")).unwrap();
    both.sandbox.write_secret("k", "07".repeat(32));
    for vector in Index::read().archives("invalid").iter().step_by(9) {
        both.sandbox.write("f", sealed(&file(vector, "file")));
        assert_eq!(both.our_code("model decrypt {f} -o {out/back} --key-file {k}"), Some(1), "{vector}");
        assert_eq!(both.our_code("model verify {f} --key-file {k}"), Some(3), "{vector}");
        // What only lacks its end is seen to be wrong when it ends.
        let (code, out) = as_stream(&both);
        assert_eq!(code, Some(1), "{vector}");
        assert!(out.is_empty() || vector["refused"] == "archive-truncated", "{vector}");
        assert_eq!(both.they_refuse("open {f} --with kek:{k} --restore {out/back}"), vector["refused"]);
        assert_eq!(fs::read_dir(both.path("out")).unwrap().count(), 0, "{vector}");
    }
}

/// How decrypting `f` to standard output ends, and what comes out.
fn as_stream(both: &Both) -> (Option<i32>, Vec<u8>) {
    let (f, k) = (both.path("f"), both.path("k"));
    let output = both.sandbox.run(["model", "decrypt", &f, "-o", "-", "--key-file", &k]);
    (output.status.code(), output.stdout)
}

/// The header of the first member of the archive `name`, with this size.
fn header_of(name: &str, size: usize) -> Vec<u8> {
    let mut head = fs::read(directory().join("archives").join(name)).unwrap()[..512].to_vec();
    head[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    head[148..156].fill(b' ');
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    head
}

#[test]
fn a_wrong_header_does_not_come_out_of_a_stream_either() {
    let both = Both::new();
    both.sandbox.write_secret("k", "07".repeat(32));
    // More than one batch.
    let size = 9 << 20;
    let first = [header_of("name-99.tar", size), noise(size)].concat();
    let tar = fs::read(directory().join("archives/one.tar")).unwrap();
    both.sandbox.write("f", sealed(&tar));
    assert_eq!(as_stream(&both), (Some(0), tar));
    for (what, after) in [
        ("a link", [header_of("bad-type-2.tar", 0), vec![0; 1024]].concat()),
        ("an end without a manifest", vec![0; 1024]),
        ("nothing", Vec::new()),
    ] {
        let tar = [first.clone(), after].concat();
        both.sandbox.write("f", sealed(&tar));
        let (code, out) = as_stream(&both);
        assert_eq!(code, Some(1), "{what}");
        assert!(out.len() <= first.len() && tar.starts_with(&out), "{what}: {}", out.len());
    }
}

/// Writes `files` below `tree`, among them a model.
fn plant(both: &Both, files: &[(String, usize)]) {
    let _ = fs::remove_dir_all(both.path("tree"));
    both.sandbox.write("tree/model.onnx", fs::read(crate::support::testdata("digits.onnx")).unwrap());
    for (name, length) in files {
        both.sandbox.write(&format!("tree/{name}"), noise(*length));
    }
}

fn same_tree(both: &Both, back: &str) {
    let diff = both.sandbox.program("diff").args(["-r", &both.path("tree"), &both.path(back)]).status();
    assert!(diff.unwrap().success());
    fs::remove_dir_all(both.path(back)).unwrap();
}

#[test]
fn directories_go_both_ways_and_give_the_same_bytes() {
    let both = Both::new();
    let sizes = [0, 1, 511, 512, 513, 16384].map(|length| (format!("w-{length}"), length));
    let deep = format!("{0}/{0}/{0}/n", "d".repeat(132));
    let names = ["a.b", "a0/b", "a/b", "é/ü", "sub/x y", "q\"u'ote", &"n".repeat(100), &"n".repeat(101)];
    let names: Vec<_> = names.iter().map(|name| ((*name).to_owned(), 10)).chain([(deep, 5)]).collect();
    for files in [&sizes[..], &names, &[]] {
        plant(&both, files);
        both.ours("model encrypt {tree} -o {ours} --force --key-file {k1}");
        both.theirs("seal {tree} --model model.onnx --output {theirs} --for kek:{k1}");
        let said = both.theirs("open {ours} --with kek:{k1} --restore {back}");
        assert_eq!(said["archive"]["members"].as_array().unwrap().len(), files.len() + 1);
        same_tree(&both, "back");
        both.ours("model decrypt {theirs} -o {back} --key-file {k1}");
        same_tree(&both, "back");
        both.ours("model verify {theirs} --key-file {k1}");
        // The document leaves no choice.
        both.theirs("open {ours} --with kek:{k1} --output {ours.tar}");
        both.theirs("open {theirs} --with kek:{k1} --output {theirs.tar}");
        both.same("ours.tar", "theirs.tar");
    }
}

#[test]
fn ten_thousand_members_are_the_most() {
    let both = Both::new();
    let count = |n: usize| (1..n).map(|i| (format!("{i:05}"), 0)).collect::<Vec<_>>();
    plant(&both, &count(10_000));
    both.theirs("seal {tree} --model model.onnx --output {f} --for kek:{k1}");
    both.ours("model verify {f} --key-file {k1}");
    both.theirs("open {f} --with kek:{k1}");
    fs::write(Path::new(&both.path("tree")).join("one-more"), "").unwrap();
    both.theirs("seal {tree} --model model.onnx --output {f} --for kek:{k1}");
    assert_eq!(both.our_code("model verify {f} --key-file {k1}"), Some(3));
    assert_eq!(both.they_refuse("open {f} --with kek:{k1}"), "archive-members");
    assert_eq!(both.our_code("model encrypt {tree} -o {g} --key-file {k1}"), Some(1));
}

/// Empty files beside a model of `model` bytes, whose manifest has `length` bytes. Only
/// names of characters that JSON escapes can make it so long.
fn files_of_a_manifest(length: usize, model: usize) -> Vec<(String, usize)> {
    const COUNT: usize = 9_600;
    let quotes = "\"".repeat(190);
    let member = |name: &str, size: usize| {
        let name = name.replace('"', "\\\"");
        format!(r#"{{"name":"{name}","size":{size},"sha256":"{}"}},"#, "0".repeat(64)).len()
    };
    let frame = r#"{"version":1,"model":"model.onnx","members":[]}"#.len() + member("model.onnx", model) - 1;
    let name = |i: usize, more: usize| format!("{i:05}{}{quotes}/{quotes}", "a".repeat(more));
    let more = length - frame - COUNT * member(&name(0, 0), 0);
    let files: Vec<_> =
        (0..COUNT).map(|i| (name(i, more / COUNT + usize::from(i < more % COUNT)), 0)).collect();
    assert_eq!(frame + files.iter().map(|(name, size)| member(name, *size)).sum::<usize>(), length);
    files
}

#[test]
fn eight_mebibytes_of_manifest_are_the_most() {
    let both = Both::new();
    let model = fs::read(crate::support::testdata("digits.onnx")).unwrap().len();
    for (length, fits) in [(8 << 20, true), ((8 << 20) + 1, false)] {
        plant(&both, &files_of_a_manifest(length, model));
        both.theirs("seal {tree} --model model.onnx --output {f} --for kek:{k1}");
        if fits {
            both.ours("model verify {f} --key-file {k1}");
            both.theirs("open {f} --with kek:{k1}");
        } else {
            assert_eq!(both.our_code("model verify {f} --key-file {k1}"), Some(3));
            assert_eq!(both.they_refuse("open {f} --with kek:{k1}"), "archive-manifest");
        }
    }
}
