//! Files that others may change while they are read: programs that keep to no lock.

use std::fs::File;
use std::io::{self, IoSliceMut, Read};
use std::path::{Path, PathBuf};

use super::{FileVersion, FsError};

/// A file that is read from its beginning to its end. The end is an error where
/// somebody wrote to it meanwhile: what was read may be a mixture.
#[derive(Debug)]
pub struct Steady {
    file: File,
    path: PathBuf,
    /// None where it is no regular file.
    before: Option<FileVersion>,
}

impl Steady {
    /// Begins to read `file`, which was opened at `path`.
    pub fn new(file: File, path: &Path) -> Result<Self, FsError> {
        let metadata = file.metadata().map_err(FsError::io("read", path))?;
        let before = metadata.is_file().then(|| FileVersion::of(&metadata));
        Ok(Self { file, path: path.to_owned(), before })
    }

    /// What is read.
    pub fn file(&self) -> &File {
        &self.file
    }

    fn ended(&self) -> io::Result<()> {
        let Some(before) = self.before else { return Ok(()) };
        if FileVersion::of(&self.file.metadata()?) == before {
            return Ok(());
        }
        Err(io::Error::other(FsError::Changed { path: self.path.clone() }))
    }
}

impl Read for Steady {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_vectored(&mut [IoSliceMut::new(buffer)])
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let read = self.file.read_vectored(buffers)?;
        if read == 0 {
            self.ended()?;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::fs::{Existing, SECRET, write};

    /// A file whose last change was long ago, open for writing.
    fn old_file(directory: &Path) -> (PathBuf, File) {
        let path = directory.join("file");
        write(&path, &[1; 1000], SECRET, Existing::Replace).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
        (path, file)
    }

    #[test]
    fn a_change_while_it_is_read_shows_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let changes: [(&str, fn(&File)); 4] = [
            ("overwritten", |file| file.write_all_at(&[2; 10], 5).unwrap()),
            ("cut", |file| file.set_len(100).unwrap()),
            ("extended", |file| file.set_len(2000).unwrap()),
            ("emptied and written again", |file| {
                file.set_len(0).unwrap();
                file.write_all_at(&[1; 1000], 0).unwrap();
            }),
        ];
        for (what, change) in changes {
            let (path, file) = old_file(dir.path());
            let mut steady = Steady::new(File::open(&path).unwrap(), &path).unwrap();
            steady.read_exact(&mut [0; 50]).unwrap();
            change(&file);
            let error = steady.read_to_end(&mut Vec::new()).unwrap_err();
            assert!(error.to_string().contains("was changed by others"), "{what}: {error}");
        }
        let (path, _) = old_file(dir.path());
        let mut all = Vec::new();
        Steady::new(File::open(&path).unwrap(), &path).unwrap().read_to_end(&mut all).unwrap();
        assert_eq!(all, [1; 1000]);
    }
}
