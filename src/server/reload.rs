//! Follows the keyring and the certificate while the server runs: looks four
//! times a second or when asked, reads wholly, then swaps. A file that cannot be read leaves
//! the last good state in force and is seen in the status.

use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::app::App;
use super::edge::tls;
use super::{ServerError, models};
use crate::auth::{Authenticator, RequestKeys};
use crate::config::TlsTable;
use crate::fs::FsError;
use crate::keyring::{Keyring, Store, Watch};
use crate::pipeline::{INTERVAL, Snapshot};
use crate::token::Expected;

/// Reads the keyring, and again when it changed.
pub(super) struct KeyringReader {
    store: Store,
    expected: Expected,
    /// The longest that a signature may hold.
    window: Duration,
    watch: Watch,
}

impl KeyringReader {
    /// Reads from `store`, for tokens that are meant for `expected` and signatures
    /// that hold for `window` at most.
    pub(super) fn new(store: Store, expected: Expected, window: Duration) -> Self {
        let watch = Watch::new(store.path());
        Self { store, expected, window, watch }
    }

    /// Puts the keyring in force, if it changed since the last look that succeeded.
    fn look(&mut self, app: &App) -> Result<(), ServerError> {
        if self.watch.changed().map_err(FsError::io("read", self.store.path()))?.is_none() {
            // A key can also end by time alone.
            let refused =
                models::judge(&app.core.registry, &app.core.keyring.latest().keys, app.core.clock.unix());
            models::tell(app, &refused);
            return Ok(());
        }
        // What failed goes on showing, and is tried again at the next look.
        self.put_in_force(app).inspect_err(|_| self.forget())
    }

    fn put_in_force(&mut self, app: &App) -> Result<(), ServerError> {
        let (keyring, snapshot) = self.read()?;
        // The memory on disk may be gone; what is in force here is memory enough.
        app.core.keyring.latest().keys.require_not_newer_than(&keyring, self.store.path())?;
        // Who sees this generation in force sees what it withdraws withdrawn.
        let refused = models::judge(&app.core.registry, &snapshot.keys, app.core.clock.unix());
        // First in force, then told and remembered: a revocation waits for no reader of a
        // log, and for no disk with room.
        app.core.keyring.replace(snapshot);
        tracing::info!(generation = keyring.generation, "keyring changed");
        models::tell(app, &refused);
        Ok(self.store.remember(&keyring)?)
    }

    /// The keyring as it is now, and what follows from it.
    pub(super) fn read(&mut self) -> Result<(Keyring, Snapshot), ServerError> {
        // Looked at before it is read: a change in between is seen at the next look.
        let version = self.watch.look().map_err(FsError::io("read", self.store.path()))?;
        let keyring = self.store.read()?;
        let snapshot = Snapshot {
            authenticator: Authenticator::new(&keyring, self.expected.clone())?,
            request_keys: RequestKeys::new(&keyring, self.window),
            keys: keyring.verifying_half(),
        };
        self.watch.accept(version);
        Ok((keyring, snapshot))
    }

    /// Reads at the next look, whatever the file looks like.
    fn forget(&mut self) {
        self.watch = Watch::new(self.store.path());
    }
}

/// Follows the keyring until the process ends; `asked` comes with [`Refresh`](crate::pipeline::Refresh).
pub(super) fn keyring(app: &App, mut reader: KeyringReader, asked: &Receiver<()>) -> ! {
    let mut reported = false;
    loop {
        app.core.keyring.refresh.turn(asked, || follow(app, &mut reader, &mut reported));
    }
}

fn follow(app: &App, reader: &mut KeyringReader, reported: &mut bool) {
    if app.reread.swap(false, Ordering::AcqRel) {
        reader.forget();
    }
    match reader.look(app) {
        Ok(()) => {
            app.core.keyring.health.succeeded();
            *reported = false;
        }
        Err(error) => {
            app.core.keyring.health.failed();
            if !std::mem::replace(reported, true) {
                tracing::error!(%error, "keyring cannot be followed; the last good one stays in force");
            }
        }
    }
}

/// Follows the certificate until the process ends. The first look reads it again,
/// as it may have changed since the start.
pub(super) fn certificate(app: &App, table: &TlsTable) -> ! {
    let mut files = [&table.certificate, &table.key].map(|path| Watch::new(path));
    let mut reported = false;
    loop {
        std::thread::sleep(INTERVAL);
        let versions = files.each_ref().map(|watch| watch.changed().ok().flatten());
        if versions.iter().all(Option::is_none) {
            continue;
        }
        // Certificate and key are two files: between their changes they do not fit,
        // and the next look tries again.
        match tls::identity(table) {
            Ok(identity) => {
                app.tls.store(identity);
                reported = false;
                for (watch, version) in files.iter_mut().zip(versions) {
                    if let Some(version) = version {
                        watch.accept(version);
                    }
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut reported, true) {
                    tracing::warn!(%error, "the new certificate cannot be used; the old one stays in force");
                }
            }
        }
    }
}
