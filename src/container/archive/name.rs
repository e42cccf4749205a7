//! Which names a member can have, and which can stand beside each other.

use std::collections::HashMap;

use super::{ArchiveFault, MAX_MEMBERS, case_fold};

/// Name of the last entry, which tells what is in the archive.
pub const MANIFEST: &str = ".sealserve-manifest.json";
/// Most bytes of a name: with it, extended headers fit one block.
const MAX_NAME: usize = 400;
/// Most parts of a name. Each but the last is a directory that a reader must remember.
const MAX_PARTS: usize = 32;
/// Most bytes between two slashes: what file systems hold.
const MAX_COMPONENT: usize = 255;

/// Checks that `name` leads to a file below the archive's own directory, on every
/// system, and to no other place.
pub fn check_name(name: &str) -> Result<(), ArchiveFault> {
    let why = if name.is_empty() || name.len() > MAX_NAME {
        "has a name that is empty or longer than 400 bytes"
    } else if name.starts_with('/') {
        "has an absolute name"
    } else if name.contains(char::is_control) || name.contains('\\') {
        "has a control character or a backslash in its name"
    } else if name.split('/').any(|part| part == "..") {
        "leads out of the archive"
    } else if name.split('/').any(|part| part.is_empty() || part == ".") {
        "has an empty part or '.' in its name"
    } else if name.split('/').count() > MAX_PARTS {
        "has a name of more than 32 parts"
    } else if name.split('/').any(|part| part.len() > MAX_COMPONENT) {
        "has a part of more than 255 bytes in its name"
    } else {
        return Ok(());
    };
    Err(ArchiveFault::Name { name: shown(name), why })
}

/// A name of foreign origin, fit for one line of a message.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(120).flat_map(char::escape_debug).collect()
}

/// The names so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    last: String,
    count: usize,
    /// Every name and every directory that names imply: by the directory it is in and
    /// its last part, folded.
    taken: HashMap<(u32, Box<str>), Taken>,
}

/// What a part of a name stands for.
#[derive(Debug)]
struct Taken {
    /// Its number, if it is a directory; that of all is 0.
    directory: Option<u32>,
    /// As it is spelled, if that is not how it is folded.
    spelling: Option<Box<str>>,
}

impl Names {
    /// Adds the next name.
    pub(super) fn add(&mut self, name: &str) -> Result<(), ArchiveFault> {
        check_name(name)?;
        if name.eq_ignore_ascii_case(MANIFEST) {
            return Err(ArchiveFault::Name { name: shown(name), why: "has the name of the manifest" });
        }
        if self.count > 0 && *name <= *self.last {
            return Err(ArchiveFault::Order { name: shown(name) });
        }
        if self.count == MAX_MEMBERS {
            return Err(ArchiveFault::TooMany);
        }
        let (mut directory, mut at) = (0, 0);
        for part in name.split('/') {
            let is_file = at + part.len() == name.len();
            let lower = case_fold::folded(part);
            let next = u32::try_from(self.taken.len() + 1).map_err(|_| ArchiveFault::TooMany)?;
            let taken = self.taken.entry((directory, lower.as_str().into())).or_insert_with(|| Taken {
                directory: (!is_file).then_some(next),
                spelling: (part != lower).then(|| part.into()),
            });
            let other = taken.spelling.as_deref().unwrap_or(&lower);
            // A directory may be implied again, in the same spelling; nothing else may.
            if other != part || taken.directory.is_none() != is_file {
                let other = format!("{}{other}", &name[..at]);
                return Err(ArchiveFault::Collision { name: shown(name), other: shown(&other) });
            }
            directory = taken.directory.unwrap_or_default();
            at += part.len() + 1;
        }
        self.count += 1;
        name.clone_into(&mut self.last);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in [
            "",
            "/etc/passwd",
            "../x",
            "a/../x",
            "a/..",
            "..",
            ".",
            "./a",
            "a//b",
            "a/",
            "a\\b",
            "a\nb",
            "a\0",
        ] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(check_name(&"x".repeat(256)).is_err());
        assert!(check_name(&"x/".repeat(300)).is_err());
        assert!(check_name(&format!("{}x", "x/".repeat(32))).is_err());
        assert!(check_name(&format!("{}x", "x/".repeat(31))).is_ok());
        for name in ["a", "..a", "a..", "weights/w.bin", "Ünïcode.onnx", ".hidden", "a b"] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn names_that_could_be_one_file_are_refused() {
        for (names, fine) in [
            (&["a", "b"][..], true),
            (&["a", "a"], false),
            (&["b", "a"], false),
            (&["A", "a"], false),
            (&["D/x", "d/y"], false),
            (&["a", "a/b"], false),
            (&["A", "a/b"], false),
            (&["d/x", "d/y"], true),
            (&["a/x", "b/x"], true),
            (&["a/b/c", "a/d/c"], true),
            (&["a/B", "a/b/c"], false),
            (&["a/B/c", "a/b"], false),
            (&["a/É/x", "a/é/y"], false),
            (&["ΟΔΟΣ", "οδος"], false),
            (&["οδος", "οδοσ"], false),
            // Whose case some versions of Unicode know, and others do not.
            (&["\u{264}", "\u{a7cb}"], true),
            (&["\u{19b}", "\u{a7dc}"], true),
            (&[MANIFEST], false),
        ] {
            let mut taken = Names::default();
            let added: Result<(), _> = names.iter().try_for_each(|name| taken.add(name));
            assert_eq!(added.is_ok(), fine, "{names:?}: {added:?}");
        }
    }
}
