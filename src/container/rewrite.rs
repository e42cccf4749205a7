//! Rewriting the header of an existing file, in place and at a cost that does
//! not depend on its size. The order of the writes is what keeps the file
//! readable: first the slot that was *not* just authenticated, made durable, and
//! only then the other.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::{ContainerError, Fault};
use super::header::SlotState;
use super::header::body::Body;
use super::header::slot::{self, Slot};
use super::ids::{ArtifactId, KeyId, RecipientKind, SlotName};
use super::open::Sealed;
use super::preamble::REGION;
use super::recipients::Recipient;
use super::recipients::Stanza;
use super::recipients::{KeySource, Others};
use super::signature::{SignaturePolicy, Statement};
use super::stream::ReadAt;
use super::unlocked::Unlocked;
use crate::fs::{self, Access, FileVersion, FsError};
use crate::progress::Progress;

/// What becomes of a file's recipients. Who is not named stays.
#[derive(Debug, Clone, Default)]
pub struct RecipientChange {
    /// They can open it from now on. Whose key or passphrase opens it already is left as
    /// it is. For age and for commands the data key is wrapped anew: that the header
    /// names them does not say that they can open it, and a command's key may have a new
    /// version under the old name.
    pub add: Vec<Recipient>,
    /// They no longer can, unless they are added. Who could not anyway is no error.
    pub remove: Vec<KeyId>,
    /// Nor can the passphrase, the identities and the commands that the caller opens
    /// files with.
    pub remove_identities: bool,
    /// Nothing is done to a file that one of these opens: the data key, which
    /// stays the same, may be known to strangers.
    pub leaked: Vec<KeyId>,
}

/// What became of them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a report of facts, none of which follows from others")]
pub struct Rewritten {
    /// Whether the header was rewritten, or would be; not where all was done before.
    pub changed: bool,
    /// Who was added.
    pub added: Vec<KeyId>,
    /// Who was removed.
    pub removed: Vec<KeyId>,
    /// Who can open the file now.
    pub recipients: Vec<Stanza>,
    /// The header's generation now.
    pub generation: u64,
    /// Whether a slot that was torn or left behind is whole again.
    pub healed: bool,
    /// Names that the file has; what is written shows under each of them.
    pub links: u64,
    /// Whether a server demands no signature of it any more, or would not, though nothing
    /// here shows who made it: what opened it is public (see [`SignaturePolicy::demands`]),
    /// and who was added is not. Signatures that it has were not verified.
    pub of_unknown_origin: bool,
    /// Whether it was opened. Where nothing opened it, all this is what its header
    /// says, and nothing was to be done.
    pub authentic: bool,
}

/// A file whose header is authentic and about to be rewritten, under its lock.
#[derive(Debug)]
pub struct Rewrite {
    unlocked: Unlocked<File>,
    links: u64,
    path: PathBuf,
    /// How the file was before it was read.
    before: FileVersion,
}

impl Rewrite {
    /// Opens the file at `path`, waits for its lock, and checks all that can be
    /// checked without reading it: the data key, both slots, the payload's length
    /// and that it was begun under that key, where it is in this file. A symbolic link is refused.
    pub fn begin(
        path: &Path,
        keys: &(impl KeySource + ?Sized),
        progress: &dyn Progress,
    ) -> Result<Self, ContainerError> {
        Self::begin_unless(path, keys, &[], progress)
    }

    fn begin_unless(
        path: &Path,
        keys: &(impl KeySource + ?Sized),
        leaked: &[KeyId],
        progress: &dyn Progress,
    ) -> Result<Self, ContainerError> {
        let file = fs::lock(path, Access::Write, progress)?;
        let metadata = file.metadata().map_err(FsError::io("read", path))?;
        let sealed = Sealed::of(path, file)?;
        if let Some(key) = leaked.iter().find(|id| sealed.header().has_recipient(id)) {
            return Err(ContainerError::Leaked { name: path.to_string_lossy().into_owned(), key: *key });
        }
        let unlocked = sealed.unlock_to_rewrite(keys)?;
        // A header of its own is rewritten without its payload, wherever that is.
        if unlocked.has_payload() {
            unlocked.plaintext_len().map_err(Fault::of(&unlocked.input().name))?;
            unlocked.payload_cipher()?;
        }
        let (links, before) = (metadata.nlink(), FileVersion::of(&metadata));
        Ok(Self { unlocked, links, path: path.to_owned(), before })
    }

    /// Changes who can open the file. `progress` hears when the file is waited for.
    pub fn recipients(
        path: &Path,
        keys: &(impl KeySource + ?Sized),
        change: &RecipientChange,
        dry_run: bool,
        progress: &dyn Progress,
    ) -> Result<Rewritten, ContainerError> {
        let rewrite = match Self::begin_unless(path, keys, &change.leaked, progress) {
            Ok(rewrite) => rewrite,
            Err(error @ ContainerError::NoKey { .. }) => {
                return Self::done_before(path, change, progress)?.ok_or(error);
            }
            Err(error) => return Err(error),
        };
        let header = rewrite.unlocked.header();
        let mut body = rewrite.body().clone();
        let identities = keys.others().filter(|_| change.remove_identities);
        let (added, removed) = rewrite.edit(&mut body, change, identities)?;
        let whole = header.is_whole();
        let changed = !(added.is_empty() && removed.is_empty() && whole);
        let (recipients, links) = (body.recipients.clone(), rewrite.links);
        let opened_by = rewrite.unlocked.kind();
        let generation = match (changed, dry_run) {
            (false, _) => header.generation(),
            (true, true) => rewrite.rehearse(body)?,
            (true, false) => rewrite.commit(body)?,
        };
        let healed = changed && !whole;
        let policy = SignaturePolicy::default();
        let is_free = |new: &Stanza| added.contains(&new.key_id) && !policy.demands(new.kind);
        let of_unknown_origin = policy.demands(opened_by) && recipients.iter().any(is_free);
        Ok(Rewritten {
            changed,
            added,
            removed,
            recipients,
            generation,
            healed,
            links,
            of_unknown_origin,
            authentic: true,
        })
    }

    /// What is to be said of a file that nothing opens any more, if an earlier run is
    /// why: whoever is to be added, by age or a command, stands in its header, none who is
    /// to be removed does, and it is whole. A key or a passphrase would have opened it.
    fn done_before(
        path: &Path,
        change: &RecipientChange,
        progress: &dyn Progress,
    ) -> Result<Option<Rewritten>, ContainerError> {
        let file = fs::lock(path, Access::Replace, progress)?;
        let links = file.metadata().map_err(FsError::io("read", path))?.nlink();
        let sealed = Sealed::of(path, file)?;
        let header = sealed.header();
        let is_there =
            |recipient: &Recipient| header.recipients().iter().any(|one| recipient.is_named_by(one));
        let all = !change.add.is_empty() && change.add.iter().all(is_there);
        let gone = !change.remove.iter().any(|id| header.has_recipient(id));
        Ok((all && gone && header.is_whole()).then(|| Rewritten {
            changed: false,
            added: Vec::new(),
            removed: Vec::new(),
            recipients: header.recipients().to_vec(),
            generation: header.generation(),
            healed: false,
            links,
            of_unknown_origin: false,
            authentic: false,
        }))
    }

    /// Reads and authenticates all of it; what a signature of it says, and the
    /// plaintext's length.
    pub(super) fn state(&mut self, progress: &dyn Progress) -> Result<(Statement, u64), ContainerError> {
        self.unlocked.state(progress)
    }

    /// The file's id.
    pub(super) fn artifact_id(&self) -> ArtifactId {
        self.unlocked.header().artifact_id()
    }

    /// Whether both slots say the same.
    pub(super) fn is_whole(&self) -> bool {
        self.unlocked.header().is_whole()
    }

    /// What the header says now.
    pub(super) fn body(&self) -> &Body {
        &self.unlocked.header().current().body
    }

    /// Applies `change` to `body`. Returns who was added and who was removed.
    fn edit(
        &self,
        body: &mut Body,
        change: &RecipientChange,
        identities: Option<&Others>,
    ) -> Result<(Vec<KeyId>, Vec<KeyId>), ContainerError> {
        let (preamble, data_key) = (self.unlocked.header().preamble(), self.unlocked.data_key());
        let name = &self.unlocked.input().name;
        let opens = |recipient: &Recipient, stanza: &_| recipient.opens(name, stanza, preamble, data_key);
        // Those who cannot open it yet. Trying a passphrase takes long: each is tried once.
        let mut new: Vec<_> = change.add.iter().collect();
        let (mut leaving, mut staying) = (Vec::new(), Vec::new());
        for stanza in body.recipients.drain(..) {
            let named = change.remove.contains(&stanza.key_id);
            let leaves = named
                || match identities.filter(|_| stanza.kind != RecipientKind::Key) {
                    Some(identities) => identities.open(name, &stanza, preamble)?,
                    None => false,
                };
            let before = new.len();
            new.retain(|recipient| !opens(recipient, &stanza));
            let again = new.len() < before;
            // What has the label of someone new makes room for what is theirs.
            let replaced = change.add.iter().any(|recipient| recipient.key_id() == Some(stanza.key_id));
            let stays = again || !(leaves || replaced);
            if stays { staying.push(stanza) } else { leaving.push(stanza) }
        }
        let mut added = Vec::new();
        for recipient in new {
            // Who is named twice is added once.
            if recipient.key_id().is_none_or(|id| !added.contains(&id)) {
                let stanza = recipient.wrap(preamble, data_key)?;
                added.push(stanza.key_id);
                staying.push(stanza);
            }
        }
        if staying.is_empty() {
            return Err(ContainerError::LastRecipient { name: name.clone() });
        }
        let phrase = staying.iter().any(|stanza| stanza.kind == RecipientKind::Passphrase);
        if phrase && staying.len() > 1 {
            return Err(ContainerError::PassphraseWithOthers { name: name.clone() });
        }
        body.recipients = staying;
        let leaving = leaving.into_iter().map(|stanza| stanza.key_id);
        let removed = leaving.filter(|id| !added.contains(id)).collect();
        Ok((added, removed))
    }

    /// The next generation, and the bytes of its slots.
    fn encode(&self, mut body: Body) -> Result<(u64, Vec<u8>), ContainerError> {
        let name = || self.unlocked.input().name.clone();
        let (header, data_key) = (self.unlocked.header(), self.unlocked.data_key());
        let next = header.generation().checked_add(1);
        body.generation = next.ok_or_else(|| ContainerError::Exhausted { name: name() })?;
        let encoded = body.encode().and_then(|body| slot::write(header.preamble(), &body, data_key));
        let bytes = encoded.map_err(|error| match error {
            ContainerError::HeaderTooLarge => ContainerError::NoRoom { name: name() },
            other => other,
        })?;
        // What no reader would take must never replace what they do take.
        let read = Slot::parse(header.preamble(), SlotName::A, &bytes).map_err(Fault::of(&name()))?;
        let slot = read.ok_or_else(|| Fault::of(&name())(Fault::SlotDamaged(SlotName::A)))?;
        slot.authenticate(header.preamble(), data_key).map_err(Fault::of(&name()))?;
        Ok((body.generation, bytes))
    }

    /// The generation that writing `body` would make, if it can be written.
    pub(super) fn rehearse(&self, body: Body) -> Result<u64, ContainerError> {
        Ok(self.encode(body)?.0)
    }

    /// Writes `body` to both slots, as the next generation, which is returned.
    pub(super) fn commit(self, body: Body) -> Result<u64, ContainerError> {
        let (generation, bytes) = self.encode(body)?;
        // Programs that keep to no lock may have put another file there meanwhile.
        self.before.require_same(&self.path, &self.unlocked.input().stream)?;
        let [other, trusted] = self.order();
        let stale =
            self.unlocked.header().slots().iter().any(|state| matches!(state, SlotState::Stale { .. }));
        if stale {
            // Where making the newer slot durable failed, it may be in memory only,
            // and the older one all that the disk has: first the newer one, again.
            let same = self.read(trusted)?;
            self.write(trusted, &same, &same, false)?;
        }
        self.write(other, &bytes, &self.read(other)?, false)?;
        self.write(trusted, &bytes, &self.read(trusted)?, true)?;
        Ok(generation)
    }

    /// In which order the slots are written: the one that was authenticated last.
    pub(super) fn order(&self) -> [SlotName; 2] {
        match self.unlocked.header().current().name {
            SlotName::A => [SlotName::B, SlotName::A],
            SlotName::B => [SlotName::A, SlotName::B],
        }
    }

    fn read(&self, slot: SlotName) -> Result<Vec<u8>, ContainerError> {
        let input = self.unlocked.input();
        let mut bytes = vec![0; self.unlocked.header().slot_len() as usize];
        ReadAt::read_exact_at(&input.stream, &mut bytes, self.offset(slot))
            .map_err(|e| input.read_error(e))?;
        Ok(bytes)
    }

    /// Writes `bytes` to `slot` durably. Where that fails, what the disk has is
    /// unknown, and a later look into the cache would not tell: so `before`, which
    /// stood there, is put back, and the next attempt sees that this one failed.
    fn write(
        &self,
        slot: SlotName,
        bytes: &[u8],
        before: &[u8],
        in_force: bool,
    ) -> Result<(), ContainerError> {
        let input = self.unlocked.input();
        fs::write_at_durably(&input.stream, bytes, self.offset(slot)).map_err(|source| {
            let _ = fs::write_at_durably(&input.stream, before, self.offset(slot));
            ContainerError::Rewrite { name: input.name.clone(), in_force, source }
        })
    }

    fn offset(&self, slot: SlotName) -> u64 {
        let first = REGION as u64;
        match slot {
            SlotName::A => first,
            SlotName::B => first + u64::from(self.unlocked.header().slot_len()),
        }
    }
}
