//! Files that belong together: all of them are complete and on disk before the
//! first has its name.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::fs::{AtomicFile, Existing, FsError};

/// A file to be: path, content, mode.
pub(super) type Planned<'a> = (&'a Path, &'a [u8], u32);

/// Files that are written and have no names yet. Dropped, they were never there.
pub(super) struct FileSet {
    files: Vec<(AtomicFile, PathBuf)>,
    existing: Existing,
}

impl FileSet {
    /// Writes all of `planned`, which will get their names in this order.
    pub(super) fn write(planned: &[Planned<'_>], existing: Existing) -> Result<Self, FsError> {
        let files = planned.iter().map(|(path, content, mode)| {
            let mut file = AtomicFile::create(path, *mode, existing)?;
            let written = file.write_all(content).and_then(|()| file.file().sync_all());
            written.map_err(FsError::io("write", *path))?;
            Ok((file, path.to_path_buf()))
        });
        Ok(Self { files: files.collect::<Result<_, _>>()?, existing })
    }

    /// Gives the files their names. After a failure none of the new ones is left;
    /// what was replaced by then stays replaced.
    pub(super) fn commit(self) -> Result<(), FsError> {
        let mut named: Vec<PathBuf> = Vec::new();
        for (file, path) in self.files {
            if let Err(error) = file.commit() {
                if self.existing == Existing::Refuse {
                    for path in named {
                        let _ = std::fs::remove_file(path);
                    }
                }
                return Err(error);
            }
            named.push(path);
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make the files that this module must cope with")]
mod tests {
    use super::*;

    #[test]
    fn the_loser_of_a_race_takes_back_what_it_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let set = FileSet::write(&[(&path("a"), b"a", 0o600), (&path("b"), b"b", 0o644)], Existing::Refuse)
            .unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        std::fs::write(path("b"), "winner").unwrap();
        assert!(matches!(set.commit(), Err(FsError::Exists { .. })));
        assert!(!path("a").exists());
        assert_eq!(std::fs::read(path("b")).unwrap(), b"winner");
    }

    #[test]
    fn nothing_is_named_where_one_of_them_cannot_be() {
        let directory = tempfile::tempdir().unwrap();
        let (good, bad) = (directory.path().join("a"), directory.path().join("absent/b"));
        assert!(FileSet::write(&[(&good, b"a", 0o600), (&bad, b"b", 0o644)], Existing::Replace).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
