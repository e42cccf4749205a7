//! `keyring.json`: who may read it, and who may write it when.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::error::KeyringError;
use super::format;
use super::keys::Keyring;
use super::rollback::RollbackGuard;
use super::root::RootKey;
use crate::crypto::random;
use crate::fs::{self, Existing, FsError};
use crate::secret::Secret;

const LIMIT: u64 = 16 << 20;

/// A keyring on disk.
#[derive(Debug, Clone)]
pub struct Store {
    path: PathBuf,
    lock: PathBuf,
    /// The newest keyring that was ever read or written here.
    rollback: RollbackGuard,
    root: RootKey,
}

impl Store {
    /// The keyring in `home`, to be opened with `root`.
    pub fn new(home: &Path, root: RootKey) -> Self {
        let rollback = RollbackGuard::new(home.join("state/keyring-seen"));
        Self { path: home.join("keyring.json"), lock: home.join("keyring.lock"), rollback, root }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the first generation, with the keys that `make` returns, and returns what
    /// it returned with them; an existing keyring is an error, and then `make` is not called.
    pub fn create<T, E: From<KeyringError>>(
        &self,
        make: impl FnOnce() -> Result<(Keyring, T), E>,
    ) -> Result<T, E> {
        let _lock = self.lock()?;
        if self.path.symlink_metadata().is_ok() {
            return Err(KeyringError::Exists { path: self.path.clone() }.into());
        }
        let (keyring, answer) = make()?;
        let first = Keyring { generation: 1, ..keyring };
        // A home that is made anew has no history.
        self.rollback.forget()?;
        self.write(&first, &random::secret(), Existing::Refuse)?;
        Ok(answer)
    }

    /// Reads the keyring, and refuses one that is older than one seen before.
    pub fn read(&self) -> Result<Keyring, KeyringError> {
        Ok(self.read_with_key()?.0)
    }

    /// Remembers `keyring`, if it is the newest, across restarts.
    pub fn remember(&self, keyring: &Keyring) -> Result<(), KeyringError> {
        let _lock = self.lock()?;
        match self.rollback.read()? {
            // A writer was faster; what it wrote is read next.
            Some(memory) if memory.generation >= keyring.generation => Ok(()),
            _ => self.rollback.write(keyring.generation, &keyring.mac),
        }
    }

    /// Changes the keyring as its only writer, and returns what `change` returned
    /// once the new generation is on disk. When `change` fails nothing is written.
    pub fn update<T>(
        &self,
        change: impl FnOnce(&mut Keyring) -> Result<T, KeyringError>,
    ) -> Result<T, KeyringError> {
        self.update_if(|keyring| Ok((change(keyring)?, true))).map(|(answer, _)| answer)
    }

    /// As [`update`](Self::update), where `change` also says whether it changed
    /// anything: if not, nothing is written. Returns the generation that is in force.
    pub fn update_if<T, E: From<KeyringError>>(
        &self,
        change: impl FnOnce(&mut Keyring) -> Result<(T, bool), E>,
    ) -> Result<(T, u64), E> {
        let _lock = self.lock()?;
        let (mut keyring, data_key) = self.read_with_key()?;
        let (answer, changed) = change(&mut keyring)?;
        if changed {
            keyring.generation += 1;
            self.write(&keyring, &data_key, Existing::Replace)?;
        }
        Ok((answer, keyring.generation))
    }

    /// What [`update_if`](Self::update_if) would do; nothing is written.
    pub fn rehearse<T, E: From<KeyringError>>(
        &self,
        change: impl FnOnce(&mut Keyring) -> Result<(T, bool), E>,
    ) -> Result<(T, u64), E> {
        let mut keyring = self.read()?;
        let generation = keyring.generation;
        change(&mut keyring).map(|(answer, changed)| (answer, generation + u64::from(changed)))
    }

    /// Waits for the lock, which the kernel drops with the returned file.
    fn lock(&self) -> Result<File, KeyringError> {
        use std::os::unix::fs::OpenOptionsExt;
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(fs::SECRET)
            .open(&self.lock)
            .map_err(FsError::io("open", &self.lock))?;
        file.lock().map_err(FsError::io("lock", &self.lock))?;
        Ok(file)
    }

    fn read_with_key(&self) -> Result<(Keyring, Secret<32>), KeyringError> {
        let path = || self.path.clone();
        let newest = self.rollback.read()?;
        let text = fs::read_own_secret(&self.path, LIMIT).map_err(|error| {
            if error.is_not_found() { KeyringError::Absent { path: path() } } else { error.into() }
        })?;
        let (keyring, data_key) = format::open(text.expose(), &self.root, &self.path)?;
        match newest {
            Some(newest) if !newest.allows(&keyring) => Err(KeyringError::RolledBack {
                path: path(),
                seen: newest.generation,
                found: keyring.generation,
                memory: self.rollback.path().to_owned(),
            }),
            _ => Ok((keyring, data_key)),
        }
    }

    fn write(
        &self,
        keyring: &Keyring,
        data_key: &Secret<32>,
        existing: Existing,
    ) -> Result<(), KeyringError> {
        let (text, tag) = format::seal(keyring, data_key, &self.root, &self.path)?;
        fs::write(&self.path, &text, fs::SECRET, existing)?;
        // Killed here, the memory is a generation behind, and no reader minds.
        let generation = keyring.generation;
        self.rollback
            .write(generation, &tag)
            .map_err(|source| KeyringError::NotRemembered { generation, source: Box::new(source) })
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests edit the file that this module must cope with")]
mod tests;
