//! The last entry of an archive: what is in it.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::ArchiveFault;
use super::name::shown;
use crate::crypto::digest::Digest;

/// Most bytes of a manifest: that of the most members with the longest names.
pub(super) const MAX_MANIFEST: u64 = 8 << 20;

const VERSION: u32 = 1;

/// What is in an archive, and which of it is the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    version: u32,
    /// The member that is the ONNX graph.
    pub model: String,
    /// All members, in order.
    pub members: Vec<Member>,
}

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its path in the archive.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// SHA-256 of them.
    #[serde(with = "hex")]
    pub sha256: Digest,
}

impl Manifest {
    pub(super) fn new(model: &str, members: Vec<Member>) -> Self {
        Self { version: VERSION, model: model.to_owned(), members }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn parse(json: &[u8]) -> Result<Self, ArchiveFault> {
        let malformed = |what: String| ArchiveFault::Manifest(shown(&what));
        let manifest: Self = serde_json::from_slice(json).map_err(|error| malformed(error.to_string()))?;
        if manifest.version != VERSION {
            return Err(malformed(format!("version {} is not supported", manifest.version)));
        }
        // As with headers: one form, so that the same files give the same bytes.
        if manifest.encode() != json {
            return Err(malformed("it says this in another form than sealed archives do".into()));
        }
        if !manifest.members.iter().any(|member| member.name == manifest.model) {
            return Err(malformed("its model is no member".into()));
        }
        Ok(manifest)
    }

    /// Compares it with the members that were there. `None` for a digest: that was
    /// not computed.
    pub(super) fn check(&self, found: &[(String, u64, Option<Digest>)]) -> Result<(), ArchiveFault> {
        for (member, (name, size, sha256)) in self.members.iter().zip(found) {
            if (&member.name, member.size) != (name, *size) {
                return Err(ArchiveFault::Mismatch(shown(&member.name)));
            }
            if sha256.is_some_and(|sha256| sha256 != member.sha256) {
                return Err(ArchiveFault::Digest(name.clone()));
            }
        }
        let (promised, there) = (self.members.get(found.len()), found.get(self.members.len()));
        match promised.map(|member| &member.name).or(there.map(|(name, ..)| name)) {
            Some(extra) => Err(ArchiveFault::Mismatch(shown(extra))),
            None => Ok(()),
        }
    }
}

/// A digest as hexadecimal text.
mod hex {
    use serde::de::Error;
    use serde::{Deserializer, Serializer};

    use super::{Deserialize, Digest, HEXLOWER};

    pub(super) fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(digest))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digest = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        digest.ok_or_else(|| Error::custom("a SHA-256 has 64 hexadecimal digits"))
    }
}
