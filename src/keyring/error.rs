//! Why a keyring could not be read or changed.

use std::path::PathBuf;

use super::apikey::NoApiKey;
use super::key::{KeyState, KeyUse};
use crate::error::{Diagnose, Kind};
use crate::fs::FsError;

/// Why a keyring could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum KeyringError {
    #[error(transparent)]
    File(#[from] FsError),
    #[error("there is no keyring at '{}'", path.display())]
    Absent { path: PathBuf },
    #[error("there is no root key at '{}'", path.display())]
    RootAbsent { path: PathBuf },
    #[error("the root key from {origin} is not 32 bytes in hex")]
    RootMalformed { origin: String },
    #[error("keyring '{}' belongs to another root key", path.display())]
    WrongRoot { path: PathBuf },
    #[error("keyring '{}' does not authenticate", path.display())]
    Unauthentic { path: PathBuf },
    #[error("keyring '{}' is malformed", path.display())]
    Malformed { path: PathBuf, source: serde_json::Error },
    #[error("keyring '{}' has version {version}, this program knows version 1", path.display())]
    Version { path: PathBuf, version: u64 },
    #[error("keyring '{}' is an old copy: it has generation {found}, and generation {seen} was seen", path.display())]
    RolledBack { path: PathBuf, seen: u64, found: u64, memory: PathBuf },
    #[error("the memory of the newest keyring, '{}', is malformed", path.display())]
    Forgotten { path: PathBuf },
    #[error("the change is in force (generation {generation}), but cannot be remembered")]
    NotRemembered { generation: u64, source: Box<KeyringError> },
    #[error("there is a keyring at '{}' already", path.display())]
    Exists { path: PathBuf },
    #[error("there is an active {usage} key already: '{id}'")]
    ActiveExists { usage: KeyUse, id: String },
    #[error("key '{id}' exists already")]
    KeyExists { id: String },
    #[error("'{id}' is not a key id: 1 to 64 of a-z A-Z 0-9 . _ -")]
    KeyName { id: String },
    #[error("there is no key '{id}' in the keyring")]
    NoSuchKey { id: String },
    #[error("there is no active {usage} key in the keyring")]
    NoActiveKey { usage: KeyUse },
    #[error("there are several active {usage} keys in the keyring")]
    Ambiguous { usage: KeyUse },
    #[error("key '{id}' is {state}")]
    NotUsable { id: String, state: KeyState },
    #[error("key '{id}' is a {found} key, not a {wanted} key")]
    WrongUse { id: String, found: KeyUse, wanted: KeyUse },
    #[error("key '{id}' is {state}, not revoked")]
    NotRevoked { id: String, state: KeyState },
    #[error("key '{id}' is a {usage} key: no model hangs on it")]
    NothingToUnload { id: String, usage: KeyUse },
    #[error("an overlap of {given} s is shorter than the {least} s that tokens in circulation need")]
    ShortOverlap { given: u64, least: u64 },
    #[error("a request key needs an owner")]
    NoOwner,
    #[error("a key's owner must have 1 to {limit} bytes and no control characters")]
    Owner { limit: usize },
    #[error("there is no API key '{id}' in the keyring")]
    NoSuchApiKey { id: String },
    #[error("the API key names '{id}', but its secret is not that key's")]
    ForeignApiKey { id: String },
    #[error("the {field} of an API key must be {rule}")]
    ApiKeyField { field: &'static str, rule: &'static str },
    #[error(transparent)]
    NoApiKey(#[from] NoApiKey),
}

impl Diagnose for KeyringError {
    fn kind(&self) -> Kind {
        match self {
            Self::KeyName { .. }
            | Self::NoOwner
            | Self::Owner { .. }
            | Self::Ambiguous { .. }
            | Self::NothingToUnload { .. }
            | Self::ApiKeyField { .. } => Kind::Usage,
            Self::RootAbsent { .. } | Self::RootMalformed { .. } | Self::WrongRoot { .. } => Kind::Credential,
            _ => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::File(error) => return error.hint(),
            Self::Absent { .. } => "make a home with `sealserve init`, or name one with --home".into(),
            Self::RootAbsent { .. } => "name it with --root-key; without it the home cannot be opened".into(),
            Self::RootMalformed { .. } => "a root key is one line of 64 hex digits, as `sealserve init` writes it".into(),
            Self::WrongRoot { .. } => "name the right one with --root-key".into(),
            Self::Unauthentic { .. } => {
                "it was edited or damaged; restore keyring.json from a backup, then revoke again what was revoked since"
                    .into()
            }
            Self::Malformed { .. } | Self::Version { .. } => {
                "restore keyring.json from a backup, or use a newer sealserve".into()
            }
            Self::RolledBack { memory, .. } | Self::Forgotten { path: memory } => format!(
                "restore the newest copy; to accept this one, remove {} and revoke again what was revoked since",
                memory.display()
            ),
            Self::NotRemembered { .. } => "make room in the home; the next change or server catches up".into(),
            Self::Exists { .. } => "it was left as it is".into(),
            Self::ActiveExists { .. } => "replace it with `sealserve key rotate`, or revoke it first".into(),
            Self::KeyExists { .. } => "choose another --id, or pass --if-absent".into(),
            Self::Ambiguous { .. } => "name one with --id; `sealserve key list` shows them".into(),
            Self::NoSuchKey { .. } => "`sealserve key list` shows them".into(),
            Self::NoActiveKey { usage } => format!("make one with `sealserve key create --use {usage}`"),
            Self::ShortOverlap { .. } => {
                "pass --emergency to cut live tokens off, or leave --overlap out".into()
            }
            Self::NotRevoked { id, .. } => format!("`sealserve key revoke {id} --unload` does both"),
            Self::NothingToUnload { .. } => "leave --unload out; it is for model and signer keys".into(),
            Self::NotUsable { .. } => "name another key: `sealserve key list` shows their states".into(),
            Self::NoOwner => "name the principal that signs with it: --owner".into(),
            Self::NoSuchApiKey { .. } => "`sealserve apikey list` shows them".into(),
            Self::ForeignApiKey { id } => {
                format!("somebody made it up; to revoke the key all the same: `sealserve apikey revoke {id}`")
            }
            Self::NoApiKey(_) => "pass whole keys, without quotes, with white space between".into(),
            Self::KeyName { .. }
            | Self::Owner { .. }
            | Self::WrongUse { .. }
            | Self::ApiKeyField { .. } => return None,
        })
    }
}
