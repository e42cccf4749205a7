//! All that was issued: `pki/inventory.json`. It holds no secret, and an entry is
//! there before its certificate is handed out.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Certificate, PkiError, text};
use crate::clock::{parse, rfc3339_signed};
use crate::fs::{self, Existing, FsError};

/// A hundred thousand certificates and more.
const LIMIT: u64 = 64 << 20;

/// What a certificate was issued as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Issued {
    /// What clients trust.
    Root,
    /// Signs leaves.
    Intermediate,
    /// A server's.
    Server,
    /// A client's.
    Client,
}

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Serial number, lower-case hex.
    pub serial: String,
    /// What it was issued as.
    pub kind: Issued,
    /// Its subject.
    pub subject: String,
    /// What its server answers to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Whom it names, of a client's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// From when, RFC 3339.
    pub not_before: String,
    /// Until when, RFC 3339.
    pub not_after: String,
    /// Its issuer's subject.
    pub issuer: String,
    /// SHA-256 of the certificate, lower-case hex.
    pub fingerprint: String,
}

impl Entry {
    /// The entry of `certificate`.
    pub fn new(kind: Issued, certificate: &Certificate) -> Self {
        let facts = &certificate.facts;
        Self {
            serial: text::hex(&facts.serial),
            kind,
            subject: facts.subject.clone(),
            names: facts.hosts.iter().map(ToString::to_string).collect(),
            principal: facts.principal.as_ref().map(ToString::to_string),
            not_before: rfc3339_signed(facts.not_before),
            not_after: rfc3339_signed(facts.not_after),
            issuer: facts.issuer.clone(),
            fingerprint: text::hex(&facts.fingerprint),
        }
    }

    /// From when until when, in seconds since 1970.
    pub fn times(&self) -> Option<(u64, u64)> {
        Some((parse(&self.not_before)?, parse(&self.not_after)?))
    }

    /// Whom it names, as people call them.
    pub fn holder_name(&self) -> String {
        match &self.principal {
            Some(principal) => principal.clone(),
            None if self.names.is_empty() => self.subject.clone(),
            None => self.names.join(", "),
        }
    }

    /// Whom it was issued for: of several with one holder, the last is in use. Each
    /// authority stands for itself.
    pub fn holder(&self) -> (Issued, &[String], Option<&str>, Option<&str>) {
        let authority = matches!(self.kind, Issued::Root | Issued::Intermediate);
        (self.kind, &self.names, self.principal.as_deref(), authority.then_some(&self.serial))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u64,
    certificates: Vec<Entry>,
}

/// The inventory of a home.
#[derive(Debug, Clone)]
pub struct Inventory {
    path: PathBuf,
    lock: PathBuf,
}

impl Inventory {
    /// The inventory in the directory `pki`.
    pub fn new(pki: &Path) -> Self {
        Self { path: pki.join("inventory.json"), lock: pki.join("inventory.lock") }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All entries, the oldest first; none where there is no file.
    pub fn read(&self) -> Result<Vec<Entry>, PkiError> {
        let bytes = match fs::read(&self.path, LIMIT) {
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            other => other?,
        };
        let document: Document = serde_json::from_slice(bytes.expose())
            .map_err(|source| PkiError::Inventory { path: self.path.clone(), source })?;
        match document.version {
            1 => Ok(document.certificates),
            version => Err(PkiError::InventoryVersion { path: self.path.clone(), version }),
        }
    }

    /// Adds `entries`. They are on disk when this returns.
    pub fn add(&self, entries: impl IntoIterator<Item = Entry>) -> Result<(), PkiError> {
        let _lock = self.lock()?;
        let mut certificates = self.read()?;
        certificates.extend(entries);
        let document = Document { version: 1, certificates };
        let malformed = |source| PkiError::Inventory { path: self.path.clone(), source };
        let mut text = serde_json::to_vec_pretty(&document).map_err(malformed)?;
        text.push(b'\n');
        // What cannot be read again would lose everything.
        if text.len() as u64 > LIMIT {
            return Err(FsError::TooLarge { path: self.path.clone(), limit: LIMIT }.into());
        }
        Ok(fs::write(&self.path, &text, fs::SECRET, Existing::Replace)?)
    }

    /// Waits for the lock, which the kernel drops with the returned file.
    fn lock(&self) -> Result<File, FsError> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = File::options();
        options.write(true).create(true).truncate(false).mode(fs::SECRET);
        let file = options.open(&self.lock).map_err(FsError::io("open", &self.lock))?;
        file.lock().map_err(FsError::io("lock", &self.lock))?;
        Ok(file)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write the files that this module must cope with")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(serial: usize) -> Entry {
        Entry {
            serial: format!("{serial:040x}"),
            kind: Issued::Client,
            subject: "O=sealserve, OU=client, UID=ann".into(),
            names: Vec::new(),
            principal: Some("ann".into()),
            not_before: "2026-01-01T00:00:00Z".into(),
            not_after: "2026-01-02T00:00:00Z".into(),
            issuer: "CN=i".into(),
            fingerprint: "00".repeat(32),
        }
    }

    #[test]
    fn writers_take_turns_and_no_entry_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let inventory = Inventory::new(directory.path());
                scope.spawn(move || (0..10).for_each(|n| inventory.add([entry(writer * 10 + n)]).unwrap()));
            }
        });
        let mut serials: Vec<_> =
            Inventory::new(directory.path()).read().unwrap().into_iter().map(|e| e.serial).collect();
        serials.sort();
        assert_eq!(serials, (0..80).map(|n| entry(n).serial).collect::<Vec<_>>());
    }

    #[test]
    fn an_inventory_that_cannot_be_read_is_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let inventory = Inventory::new(directory.path());
        for (text, version) in [("{", false), (r#"{"version":2,"certificates":[]}"#, true)] {
            std::fs::write(inventory.path(), text).unwrap();
            let refused = inventory.add([entry(1)]).unwrap_err();
            assert_eq!(matches!(refused, PkiError::InventoryVersion { .. }), version, "{refused}");
            assert_eq!(std::fs::read_to_string(inventory.path()).unwrap(), text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let directory = tempfile::tempdir().unwrap();
            let inventory = Inventory::new(directory.path());
            std::fs::write(inventory.path(), bytes).unwrap();
            prop_assert!(inventory.read().is_err());
        }
    }
}
