//! Reloads the keyring and the certificate while the server runs. The files are checked four
//! times a second, and when a request asks for it. If a file cannot be read, the last good state
//! stays in force, and the status says so.

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

/// Reads the keyring, and reads it again when it has changed.
pub(super) struct KeyringReader {
    store: Store,
    expected: Expected,
    /// The longest validity of a signature.
    window: Duration,
    watch: Watch,
}

impl KeyringReader {
    /// Reads from `store`. Tokens must satisfy `expected`; signatures are valid for at most
    /// `window`.
    pub(super) fn new(store: Store, expected: Expected, window: Duration) -> Self {
        let watch = Watch::new(store.path());
        Self { store, expected, window, watch }
    }

    /// Loads the keyring if the file has changed since the last successful check.
    fn look(&mut self, app: &App) -> Result<(), ServerError> {
        if self.watch.changed().map_err(FsError::io("read", self.store.path()))?.is_none() {
            // A key can also expire without a change of the file.
            let refused =
                models::judge(&app.core.registry, &app.core.keyring.latest().keys, app.core.clock.unix());
            models::tell(app, &refused);
            return Ok(());
        }
        // After a failure, the next check tries again.
        self.put_in_force(app).inspect_err(|_| self.forget())
    }

    fn put_in_force(&mut self, app: &App) -> Result<(), ServerError> {
        let (keyring, snapshot) = self.read()?;
        // Never go back behind the generation in force, even if the rollback guard's file is gone.
        app.core.keyring.latest().keys.require_not_newer_than(&keyring, self.store.path())?;
        // Withdraw models before the generation is published, so that nobody sees the new
        // generation with a model that it withdraws.
        let refused = models::judge(&app.core.registry, &snapshot.keys, app.core.clock.unix());
        // Publish first, then log and store: a revocation must not wait for a log or a full disk.
        app.core.keyring.replace(snapshot);
        tracing::info!(generation = keyring.generation, "keyring changed");
        models::tell(app, &refused);
        Ok(self.store.remember(&keyring)?)
    }

    /// Reads the keyring, and makes a snapshot of it.
    pub(super) fn read(&mut self) -> Result<(Keyring, Snapshot), ServerError> {
        // Check before reading: a change in between is then seen by the next check.
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

    /// Makes the next check read the file, whether it has changed or not.
    fn forget(&mut self) {
        self.watch = Watch::new(self.store.path());
    }
}

/// Reloads the keyring until the process ends; `asked` comes from
/// [`Refresh`](crate::pipeline::Refresh).
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

/// Reloads the certificate until the process ends. The first check reads it again, since it may
/// have changed since the start.
pub(super) fn certificate(app: &App, table: &TlsTable) -> ! {
    let mut files = [&table.certificate, &table.key].map(|path| Watch::new(path));
    let mut reported = false;
    loop {
        std::thread::sleep(INTERVAL);
        let versions = files.each_ref().map(|watch| watch.changed().ok().flatten());
        if versions.iter().all(Option::is_none) {
            continue;
        }
        // Certificate and key are two files. While only one has been replaced, they do not match,
        // and the next check tries again.
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
