//! What a server will refuse of a model, or what is hardly meant, said when it is encrypted.
//! Whoever encrypts may know better, so nothing is refused here.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use super::ModelFiles;
use crate::config::is_model_name;
use crate::fs::open_regular;
use crate::runtime::ModelError;
use crate::runtime::external::{ScanError, scan};
use crate::runtime::graph::inspect;

/// How much of a file tells what it is.
const HEAD: u64 = 512;
/// A larger model is not read wholly for this, only its structure is.
const MOST: u64 = 64 << 20;

/// What a server will hold against the name or the version `text` of a model.
pub fn doubt_name(what: &str, text: &str, option: &str) -> Option<String> {
    (!is_model_name(text)).then(|| {
        format!(
            "no server serves a model by the {what} '{text}': it takes 1 to 128 of a-z A-Z 0-9 . _ -, and no dot first; pass {option}"
        )
    })
}

/// What a server will hold against the ONNX file at `path`.
pub fn doubt_model(path: &Path) -> Option<String> {
    // What cannot be read is found by whoever encrypts it.
    let mut file = open_regular(path).ok()?;
    let said = |what: &str| Some(format!("'{}' {what}", path.display()));
    if let Some(what) = foreign(&head(&mut file)?) {
        return said(what);
    }
    file.rewind().ok()?;
    match judge(file)? {
        ModelError::NotOnnx => said("is not an ONNX model, or is cut short: no server will serve it"),
        other => said(&format!("will not be served: {other}")),
    }
}

/// The files of `files` that stand for others which were not fetched.
pub fn doubt_members(files: &ModelFiles) -> Vec<String> {
    let pointers = files.paths().filter_map(|path| {
        let mut file = open_regular(&path).ok()?;
        let what = foreign(&head(&mut file)?)?;
        // What is empty or a page may be meant so, beside a model.
        (what == POINTER).then(|| format!("'{}' {what}", path.display()))
    });
    pointers.collect()
}

const POINTER: &str = "is a pointer of Git LFS and not the file: `git lfs pull` fetches that";

/// The first bytes of `file`.
fn head(file: &mut File) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head).ok()?;
    Some(head)
}

/// What a file is that begins with `head`, if that tells that it is no model.
fn foreign(head: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(head).trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    if head.is_empty() {
        Some("is empty: no server will serve it")
    } else if head.starts_with(b"version https://git-lfs.github.com/spec/") {
        Some(POINTER)
    } else if text.starts_with("<!doctype html") || text.starts_with("<html") {
        Some("is a page of HTML and not a model: was it downloaded from the address of a page?")
    } else {
        None
    }
}

/// Why a server will not load the model in `file`.
fn judge(mut file: File) -> Option<ModelError> {
    if file.metadata().ok()?.len() > MOST {
        return match scan(file) {
            Err(ScanError::Model(error)) => Some(error),
            Ok(_) | Err(ScanError::Io(_)) => None,
        };
    }
    let mut bytes = Vec::new();
    file.by_ref().take(MOST).read_to_end(&mut bytes).ok()?;
    inspect(&bytes, &|_| None).err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_will_refuse_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.onnx");
        let good = std::fs::read("testdata/digits.onnx").unwrap();
        let doubt = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            doubt_model(&path).unwrap_or_default()
        };
        assert_eq!(doubt(&good), "");
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n";
        for (bytes, said) in [
            (&b""[..], "is empty"),
            (pointer, "git lfs pull"),
            (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "HTML"),
            (b"\n  <html lang=\"en\">", "HTML"),
            (b"\xef\xbb\xbf<!doctype HTML>", "HTML"),
            (b"model", "not an ONNX model"),
            (b"\x08\x07\x12\x07pytorch", "not an ONNX model"),
            (&good[..good.len() / 2], "cut short"),
            (&good[..good.len() - 1], "cut short"),
            (b"\0\0\0\0ORTM\0\0", "own format"),
        ] {
            assert!(doubt(bytes).contains(said), "{said}: {}", doubt(bytes));
        }
        let refused = std::fs::read("testdata/models/sequence.onnx").unwrap();
        assert!(doubt(&refused).contains("will not be served"));
        assert_eq!(doubt_model(&dir.path().join("nothing.onnx")), None);
    }

    #[test]
    fn names_that_no_server_takes_are_told() {
        for good in ["m", "a.b_c-9", &"x".repeat(128)] {
            assert_eq!(doubt_name("name", good, "--name NAME"), None);
        }
        for bad in ["", "a b", "a/b", "..", ".m", "é", "a%20b", "a?b", &"x".repeat(129)] {
            assert!(doubt_name("name", bad, "--name NAME").unwrap().contains("--name NAME"), "{bad}");
        }
    }
}
