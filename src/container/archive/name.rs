//! Which names a member can have, and which can stand beside each other.

use std::collections::HashMap;

use super::{ArchiveFault, MANIFEST, MAX_MEMBERS};

/// Most bytes of a name: with it, extended headers fit one block.
const MAX_NAME: usize = 400;
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
    /// Every name and every directory that names imply, in lower case, each with
    /// its own spelling, and whether it is a file.
    taken: HashMap<String, (String, bool)>,
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
        let parents = name.match_indices('/').map(|(at, _)| (&name[..at], false));
        for (path, is_file) in parents.chain([(name, true)]) {
            let (other, other_is_file) =
                self.taken.entry(path.to_lowercase()).or_insert_with(|| (path.to_owned(), is_file));
            // A directory may be implied again, in the same spelling; nothing else may.
            if other != path || *other_is_file != is_file {
                return Err(ArchiveFault::Alike { name: shown(name), other: shown(other) });
            }
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
            (&[MANIFEST], false),
        ] {
            let mut taken = Names::default();
            let added: Result<(), _> = names.iter().try_for_each(|name| taken.add(name));
            assert_eq!(added.is_ok(), fine, "{names:?}: {added:?}");
        }
    }
}
