//! Unlocking a header: a recipient's key gives the data key, and that proves the header
//! authentic.

use super::metadata::Metadata;
use super::read::Header;
use crate::container::error::{ContainerError, Fault};
use crate::container::ids::{KeyId, RecipientKind};
use crate::container::recipients::{KeySource, Stanza};
use crate::crypto::digest::Digest;
use crate::secret::Secret;

impl Header {
    /// Unwraps the data key with the first recipient whose key `keys` has.
    pub(in crate::container) fn unlock(
        &self,
        name: &str,
        keys: &(impl KeySource + ?Sized),
    ) -> Result<Opening, ContainerError> {
        let opening = self.unlock_by(self.recipients(), name, keys)?;
        opening.ok_or_else(|| self.no_key(name, keys.describe()))
    }

    /// Like [`unlock`](Self::unlock), also with a recipient of the older generation that
    /// an interrupted rewrite left: who began it may not be able to open the newer one.
    pub(in crate::container) fn unlock_to_rewrite(
        &self,
        name: &str,
        keys: &(impl KeySource + ?Sized),
    ) -> Result<Opening, ContainerError> {
        let opening = match self.unlock_by(self.recipients(), name, keys)? {
            None => {
                self.stale().map_or(Ok(None), |stale| self.unlock_by(&stale.body.recipients, name, keys))?
            }
            opened => opened,
        };
        opening.ok_or_else(|| self.no_key(name, keys.describe()))
    }

    fn unlock_by(
        &self,
        recipients: &[Stanza],
        name: &str,
        keys: &(impl KeySource + ?Sized),
    ) -> Result<Option<Opening>, ContainerError> {
        let of = |kind| recipients.iter().filter(move |stanza| stanza.kind == kind);
        let found = of(RecipientKind::Key).find_map(|stanza| Some((stanza, keys.find(&stanza.key_id)?)));
        if let Some((stanza, kek)) = found {
            let data_key = kek.unwrap(stanza, self.preamble()).map_err(Fault::of(name))?;
            return self.authenticate(stanza, data_key).map(Some).map_err(Fault::of(name));
        }
        // A command is asked last: it may cost money, or a person's time. What cannot be
        // used now, a card that is not plugged in, must not hide what would do.
        let mut failed = None;
        for kind in [RecipientKind::Passphrase, RecipientKind::Age, RecipientKind::External] {
            for stanza in of(kind) {
                let Some(others) = keys.others() else { continue };
                match others.unwrap(name, stanza, self.preamble()) {
                    Ok(None) => {}
                    Ok(Some(data_key)) => {
                        return self.authenticate(stanza, data_key).map(Some).map_err(Fault::of(name));
                    }
                    Err(damage @ ContainerError::Fault { .. }) => return Err(damage),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
        }
        failed.map_or(Ok(None), Err)
    }

    /// Checks all that the header says. A stale slot is checked too: no
    /// interruption leaves one with a right checksum and a wrong MAC.
    fn authenticate(&self, stanza: &Stanza, data_key: Secret<32>) -> Result<Opening, Fault> {
        self.current().authenticate(self.preamble(), &data_key)?;
        if let Some(stale) = self.stale() {
            stale.authenticate(self.preamble(), &data_key)?;
        }
        let (metadata, metadata_digest) =
            Metadata::open(&self.current().body.metadata, self.preamble(), &data_key)?;
        Ok(Opening { kind: stanza.kind, key_id: stanza.key_id, data_key, metadata, metadata_digest })
    }

    fn no_key(&self, name: &str, tried: Vec<String>) -> ContainerError {
        let name = name.to_owned();
        let kinds = self.recipients().iter().map(|stanza| stanza.kind).collect();
        let recipients = self.recipients().iter().map(ToString::to_string).collect();
        ContainerError::NoKey { name, recipients, tried, kinds }
    }
}

/// What an authentic header gives to whoever can open it.
#[derive(Debug)]
pub(in crate::container) struct Opening {
    /// The recipient that opened it.
    pub(in crate::container) kind: RecipientKind,
    pub(in crate::container) key_id: KeyId,
    pub(in crate::container) data_key: Secret<32>,
    pub(in crate::container) metadata: Metadata,
    /// SHA-256 of the metadata's JSON, which signatures cover.
    pub(in crate::container) metadata_digest: Digest,
}
