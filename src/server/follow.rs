//! Follows the keyring and the certificate while the server runs: looks four
//! times a second, reads wholly, then swaps. A file that cannot be read leaves
//! the last good state in force and is seen in the status.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;

use super::app::{App, Snapshot};
use super::{ServerError, tls};
use crate::auth::Authenticator;
use crate::config::TlsTable;
use crate::fs::{self, Existing};
use crate::keyring::{Keyring, KeyringError, Store, Watch};
use crate::token::Expected;

const INTERVAL: Duration = Duration::from_millis(250);

/// Reads the keyring and refuses to go back in its history.
pub(super) struct KeyringReader {
    store: Store,
    expected: Expected,
    /// Remembers the highest generation across restarts.
    memory: PathBuf,
    seen: u64,
    watch: Watch,
}

impl KeyringReader {
    /// A reader that remembers in the file `memory`.
    pub(super) fn new(store: Store, expected: Expected, memory: PathBuf) -> Result<Self, ServerError> {
        let seen = match fs::read(&memory, 64) {
            Ok(text) => {
                // A memory that cannot be understood could hide a rollback.
                std::str::from_utf8(text.expose())
                    .ok()
                    .and_then(|text| text.trim().parse().ok())
                    .unwrap_or(u64::MAX)
            }
            Err(error) if error.is_not_found() => 0,
            Err(error) => return Err(error.into()),
        };
        let watch = Watch::new(store.path());
        Ok(Self { store, expected, memory, seen, watch })
    }

    /// What follows from the keyring, if it changed since the last read.
    fn read_if_changed(&mut self) -> Result<Option<Snapshot>, ServerError> {
        let changed = self.watch.changed().map_err(fs::FsError::io("read", self.store.path()))?;
        changed.map(|_| self.read().map(|(_, snapshot)| snapshot)).transpose()
    }

    /// The keyring as it is now, and what follows from it.
    pub(super) fn read(&mut self) -> Result<(Keyring, Snapshot), ServerError> {
        let path = self.store.path().to_owned();
        // Looked at before it is read: a change in between is seen at the next look.
        let stamp = self.watch.look().map_err(fs::FsError::io("read", &path))?;
        let keyring = self.store.read()?;
        if keyring.generation < self.seen {
            return Err(KeyringError::RolledBack { path, seen: self.seen, found: keyring.generation }.into());
        }
        let snapshot = Snapshot {
            authenticator: Authenticator::new(&keyring, self.expected.clone())?,
            keys: keyring.verifying_half(),
        };
        if keyring.generation > self.seen {
            self.remember(keyring.generation)?;
        }
        self.watch.accept(stamp);
        Ok((keyring, snapshot))
    }

    fn remember(&mut self, generation: u64) -> Result<(), ServerError> {
        fs::write(&self.memory, format!("{generation}\n").as_bytes(), fs::SECRET, Existing::Replace)?;
        self.seen = generation;
        Ok(())
    }
}

/// Follows the keyring until the process ends.
pub(super) fn keyring(app: &App, mut reader: KeyringReader) -> ! {
    let mut reported = false;
    loop {
        std::thread::sleep(INTERVAL);
        match reader.read_if_changed() {
            Ok(changed) => {
                if let Some(snapshot) = changed {
                    tracing::info!(generation = snapshot.keys.generation, "keyring changed");
                    app.snapshot.store(Arc::new(snapshot));
                }
                app.keyring.succeeded();
                reported = false;
            }
            Err(error) => {
                app.keyring.failed();
                if !std::mem::replace(&mut reported, true) {
                    tracing::error!(%error, "keyring cannot be read; the last good one stays in force");
                }
            }
        }
    }
}

/// Follows the certificate until the process ends.
pub(super) fn certificate(table: &TlsTable, current: &ArcSwap<ServerConfig>) -> ! {
    let mut files = [&table.certificate, &table.key].map(|path: &PathBuf| Watch::new(Path::new(path)));
    for watch in &mut files {
        if let Ok(stamp) = watch.look() {
            watch.accept(stamp);
        }
    }
    loop {
        std::thread::sleep(INTERVAL);
        let stamps = files.each_ref().map(|watch| watch.changed().ok().flatten());
        if stamps.iter().all(Option::is_none) {
            continue;
        }
        // Certificate and key are two files: between their changes they do not fit,
        // and the next look tries again.
        if let Ok(config) = tls::config(table) {
            current.store(config);
            tracing::info!("certificate changed");
            for (watch, stamp) in files.iter_mut().zip(stamps) {
                if let Some(stamp) = stamp {
                    watch.accept(stamp);
                }
            }
        }
    }
}
