//! What can go wrong with a sealed file. [`Fault`] is what is wrong inside a
//! file; [`ContainerError`] says in which file, and all that is no file's fault.

use std::io;

use super::archive::ArchiveFault;
use super::ids::{KeyId, RecipientKind, SignerId, SlotName};
use crate::command::CommandError;
use crate::crypto::argon2id::OutOfMemory;
use crate::error::{Diagnose, Kind};
use crate::fs::FsError;

/// Of those that a header names, so many are listed in a message.
const MOST_LISTED: usize = 8;

/// Why a model could not be sealed, or a sealed one not be opened.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum ContainerError {
    #[error(transparent)]
    File(#[from] FsError),
    #[error("cannot read '{name}'")]
    Read { name: String, source: io::Error },
    #[error("cannot write '{name}'")]
    Write { name: String, source: io::Error },
    #[error("cannot open sealed model '{name}'")]
    Fault {
        name: String,
        #[source]
        fault: Fault,
    },
    #[error("the files in '{name}' are not as a sealed archive has them")]
    Archive {
        name: String,
        #[source]
        fault: ArchiveFault,
    },
    #[error("'{name}' is a header whose payload is in another file")]
    PayloadElsewhere { name: String },
    #[error("'{name}' has its payload in another file, and needs a new one")]
    NotInPlace { name: String },
    #[error("'{name}' holds its payload itself, so another file cannot be it")]
    NotDetached { name: String },
    #[error("no key opens '{name}', which is sealed for {}; {}", some(recipients), tried_text(tried))]
    NoKey { name: String, recipients: Vec<String>, tried: Vec<String>, kinds: Vec<RecipientKind> },
    #[error("the passphrase does not open '{name}'")]
    WrongPassphrase { name: String },
    #[error("the passphrase {what}")]
    Passphrase { what: &'static str },
    #[error("a passphrase must be the only recipient")]
    PassphraseNotAlone,
    #[error("'{name}' would have other recipients beside a passphrase")]
    PassphraseWithOthers { name: String },
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    #[error("'{text}' is no age recipient: {what}")]
    AgeRecipient { text: String, what: String },
    #[error("an age identity, which is a secret, stands where a recipient belongs")]
    AgeSecret,
    #[error("'{name}' holds no age recipients")]
    AgeRecipientsFile { name: String },
    #[error("cannot wrap the data key for age recipient {recipient}")]
    AgeWrap { recipient: String, source: Box<age::EncryptError> },
    #[error("cannot read age identities from {name}")]
    AgeIdentities { name: String, source: Box<age::DecryptError> },
    #[error("{name} holds no age identity")]
    NoAgeIdentity { name: String },
    #[error("cannot unwrap the data key of '{name}' with an age identity")]
    AgeUnwrap { name: String, source: Box<age::DecryptError> },
    #[error("the name of a command's key has 1 to 1024 bytes and no control characters")]
    CommandKey,
    #[error("cannot {operation} a data key with key '{key}'")]
    Command { operation: &'static str, key: String, source: CommandError },
    #[error("the answer of the command for key '{key}' is no wrapped key")]
    CommandAnswer { key: String },
    #[error("'{name}' is no regular file, so it cannot be loaded into memory")]
    NotRegular { name: String },
    #[error("'{name}' does not fit into memory: it needs {bytes} bytes")]
    TooLarge { name: String, bytes: u64 },
    #[error("the key from {name} has {found} bytes; a key is 32 bytes, 64 hexadecimal or 44 base64 digits")]
    KeyLength { name: String, found: usize },
    #[error("the key from {name} is neither hexadecimal nor base64 text")]
    KeyEncoding { name: String },
    #[error("the key from {name} is 32 characters of text, not 32 random bytes")]
    KeyIsText { name: String },
    #[error("{name} holds no signer key: one Ed25519 private key in PKCS#8, PEM")]
    SignerKey { name: String },
    #[error("{name} holds no public signer key: Ed25519 public keys in PEM, and no other")]
    SignerPublic { name: String },
    #[error("'{name}' holds {length} bytes, and the range begins behind them")]
    Range { name: String, length: u64 },
    #[error("no recipient is given for '{name}'")]
    NoRecipient { name: String },
    #[error("key {key} is given as a recipient twice")]
    DuplicateRecipient { key: KeyId },
    #[error("there are too many recipients: a header holds 64 KiB, about 520 keys")]
    HeaderTooLarge,
    #[error("the model's {field} must have 1 to 255 bytes and no control characters")]
    MetadataField { field: &'static str },
    #[error("'{name}' is sealed for key {key}, which leaked: so may its data key have, which stays the same")]
    Leaked { name: String, key: KeyId },
    #[error("'{name}' has no other recipient: nobody could open it any more")]
    LastRecipient { name: String },
    #[error("'{name}' is not sealed for recipient {key}")]
    NotRecipient { name: String, key: KeyId },
    #[error("'{name}' is sealed for recipient {key} already")]
    AlreadyRecipient { name: String, key: KeyId },
    #[error("the header of '{name}' has no room for what is to be added")]
    NoRoom { name: String },
    #[error("the header of '{name}' was rewritten as often as can be counted")]
    Exhausted { name: String },
    #[error("cannot rewrite the header of '{name}'{}", if *in_force { ": the change is in force, but not complete" } else { "" })]
    Rewrite { name: String, in_force: bool, source: io::Error },
    #[error("'{name}' changed while it was read: {found} bytes instead of {expected}")]
    Changed { name: String, expected: u64, found: u64 },
}

/// What is wrong with a sealed file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum Fault {
    #[error("it is not a sealed model")]
    NotSealed,
    #[error("it is cut short: it holds {0} of the 8 bytes that a sealed model begins with")]
    MagicTruncated(usize),
    #[error("format version {0} is not supported")]
    Version(u16),
    #[error("cipher suite {0} is not supported")]
    Suite(u16),
    #[error("it needs features that are not supported (flags {0:#010x})")]
    Flags(u32),
    #[error("it ends inside its header")]
    HeaderTruncated,
    #[error("its preamble is damaged: {0}")]
    Preamble(&'static str),
    #[error("both of its header slots are damaged")]
    BothSlotsDamaged,
    #[error("header slot {slot} is malformed: {what}")]
    SlotMalformed { slot: SlotName, what: &'static str },
    #[error("recipients of type {0} are not supported")]
    RecipientType(u16),
    #[error("its header slots differ, though both are of generation {0}")]
    SlotsDisagree(u64),
    #[error("its data key does not authenticate under key {0}")]
    Wrapping(KeyId),
    #[error("what key {0} wrapped is not for this file")]
    Foreign(KeyId),
    #[error("the answer of the command for key {0} has not the 64 bytes that were wrapped")]
    Answer(KeyId),
    #[error("its passphrase recipient has a wrong length")]
    PassphraseLength,
    #[error("its passphrase would take {memory} KiB of memory, {passes} passes, {lanes} lanes: not allowed")]
    PassphraseCost { memory: u32, passes: u32, lanes: u32 },
    #[error("header slot {0} does not authenticate")]
    SlotForged(SlotName),
    #[error("its metadata do not authenticate")]
    MetadataForged,
    #[error("its metadata are malformed: {0}")]
    MetadataMalformed(String),
    #[error("its payload does not belong to its data key")]
    Commitment,
    #[error("chunk {0} does not authenticate")]
    Chunk(u64),
    #[error("chunk {0}, the last, does not authenticate: it is damaged, cut short, or has bytes appended")]
    LastChunk(u64),
    #[error("it goes on after its header, though its payload is in another file")]
    HeaderTrailing,
    #[error("its payload ends before the first chunk")]
    PayloadTruncated,
    #[error("its payload ends inside chunk {0}")]
    ChunkTruncated(u64),
    #[error("its payload ends after chunk {0}, which is not the last")]
    LastChunkMissing(u64),
    #[error("{}", length_text(*expected, *found))]
    Length { expected: u64, found: u64 },
    #[error("its metadata promise {expected} bytes, but it holds {found}")]
    Size { expected: u64, found: u64 },
    #[error("its content has not the SHA-256 that its metadata promise")]
    Digest,
    #[error("nobody has signed it")]
    Unsigned,
    #[error("no trusted signer has signed it; it is signed by {}", some(.0))]
    Untrusted(Vec<SignerId>),
    #[error("the signature of {0} is not one of this file")]
    SignatureForged(SignerId),
    #[error("header slot {0} is damaged; all else is intact")]
    SlotDamaged(SlotName),
}

/// What a payload's length says before any of it is authenticated.
fn length_text(expected: u64, found: u64) -> String {
    if found < expected {
        format!("it is cut short: it has room for {found} of its {expected} bytes")
    } else {
        format!("it is longer than it was made: it has room for {found} bytes, and holds {expected}")
    }
}

impl ContainerError {
    /// Whether the file was read and found wrong, as opposed to all else that can
    /// fail: what `verify` answers "no" to.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Fault { .. } | Self::Archive { .. })
    }
}

impl Fault {
    /// Makes it an error of the file `name`.
    pub(super) fn of(name: &str) -> impl FnOnce(Self) -> ContainerError {
        move |fault| ContainerError::Fault { name: name.to_owned(), fault }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::NotSealed => "`sealserve model encrypt` makes sealed models",
            Self::Version(_) | Self::Suite(_) | Self::Flags(_) | Self::RecipientType(_) => {
                "a newer sealserve may open it"
            }
            Self::MagicTruncated(_)
            | Self::HeaderTruncated
            | Self::PayloadTruncated
            | Self::ChunkTruncated(_)
            | Self::LastChunkMissing(_) => "the file was cut short; fetch it again, or restore it",
            Self::Length { expected, found } if found < expected => {
                "the file was cut short; fetch it again, or restore it"
            }
            Self::Length { .. } => "something was appended to the file; fetch it again, or restore it",
            Self::LastChunk(_) => "fetch the file again, or restore it from a copy you trust",
            Self::SlotDamaged(_) => {
                "it opens through its other slot; run the rewrap that was interrupted again, or any other: \
                 `sealserve model rewrap` writes both slots anew"
            }
            Self::SlotsDisagree(_)
            | Self::SlotMalformed { .. }
            | Self::Wrapping(_)
            | Self::Foreign(_)
            | Self::PassphraseLength
            | Self::PassphraseCost { .. }
            | Self::SlotForged(_)
            | Self::MetadataForged
            | Self::MetadataMalformed(_) => {
                "someone changed the header; restore the file from a copy you trust"
            }
            Self::Answer(_) => {
                "does the command open other files? Else run it by hand: it must give back what was wrapped, as it was"
            }
            Self::Size { .. } | Self::Digest => "whoever sealed it gave wrong metadata; encrypt it anew",
            Self::Unsigned => "whoever made it can sign it with `sealserve model sign`",
            Self::Untrusted(_) => "trust one of these signers, or have a trusted one sign it",
            Self::SignatureForged(_) => {
                "someone put another file's signature there; restore it from a copy you trust"
            }
            Self::Commitment => {
                "is this the payload of this header? Else it was damaged or changed; restore it from a copy you trust"
            }
            Self::Preamble(_) | Self::HeaderTrailing | Self::BothSlotsDamaged | Self::Chunk(_) => {
                "the file was damaged or changed; restore it from a copy you trust"
            }
        }
    }
}

impl Diagnose for ContainerError {
    fn kind(&self) -> Kind {
        match self {
            Self::File(error) => error.kind(),
            Self::NoKey { .. }
            | Self::KeyLength { .. }
            | Self::KeyEncoding { .. }
            | Self::KeyIsText { .. }
            | Self::Leaked { .. }
            | Self::SignerKey { .. }
            | Self::WrongPassphrase { .. }
            | Self::Passphrase { .. }
            | Self::AgeIdentities { .. }
            | Self::NoAgeIdentity { .. }
            | Self::AgeUnwrap { .. } => Kind::Credential,
            Self::NoRecipient { .. }
            | Self::DuplicateRecipient { .. }
            | Self::PassphraseNotAlone
            | Self::PassphraseWithOthers { .. }
            | Self::AgeRecipient { .. }
            | Self::AgeSecret
            | Self::AgeRecipientsFile { .. }
            | Self::CommandKey
            | Self::MetadataField { .. }
            | Self::PayloadElsewhere { .. }
            | Self::NotDetached { .. }
            | Self::Range { .. } => Kind::Usage,
            Self::Command { source, .. } => source.kind(),
            _ => Kind::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::File(error) => return error.hint(),
            Self::Fault { fault, .. } => fault.hint(),
            Self::Archive { .. } => "whoever sealed it wrote a wrong archive; encrypt the directory anew",
            Self::PayloadElsewhere { .. } => {
                "name the payload with --payload FILE, or with `payload` in the model's configuration"
            }
            Self::NotDetached { .. } => "leave the payload's file out",
            Self::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space, then run it again"
            }
            Self::Read { source, .. } => {
                let inner = source.get_ref().and_then(|inner| inner.downcast_ref::<FsError>());
                return inner.and_then(Diagnose::hint);
            }
            Self::Write { .. } => return None,
            Self::NoKey { kinds, .. } => return Some(missing_key(kinds)),
            Self::WrongPassphrase { .. } => {
                "check layout and capitals; without the passphrase nothing opens it"
            }
            Self::Passphrase { .. } => "four or more random words, on one line, make a good one",
            Self::NotInPlace { .. } => "name the file by itself, with --payload OLD and --new-payload NEW",
            Self::PassphraseWithOthers { .. } => {
                "a passphrase is a file's only recipient: `sealserve model rewrap` replaces it by others; for a new one, first take all others but one away with `sealserve model recipient remove`"
            }
            Self::PassphraseNotAlone => "leave the other recipients out, or the passphrase",
            Self::OutOfMemory(_) => "use a machine with more memory",
            Self::AgeRecipient { .. } => {
                "a recipient begins with age1; those of plugins need age-plugin-NAME on the PATH"
            }
            Self::AgeSecret => {
                "`age-keygen -y FILE` shows the recipient; rotate an identity that others may have seen"
            }
            Self::AgeRecipientsFile { .. } => "it has one recipient, age1…, on each line",
            Self::AgeWrap { .. } | Self::AgeUnwrap { .. } => "is the plugin installed, and its key at hand?",
            Self::AgeIdentities { .. } | Self::NoAgeIdentity { .. } => {
                "`age-keygen -o FILE` makes an identity file"
            }
            Self::CommandKey => "pass the name that the command knows the key by",
            Self::Command { source, .. } => return source.hint(),
            Self::CommandAnswer { .. } => "run the command by hand: it must encrypt what it gets",
            Self::NotRegular { .. } => "copy it into a file first",
            Self::TooLarge { .. } => "decrypt it as a stream, or use a machine with more memory",
            Self::KeyLength { .. } | Self::KeyEncoding { .. } => {
                "`openssl rand -base64 32` or `sealserve key create --use model --out FILE` makes a key file"
            }
            Self::KeyIsText { .. } => {
                "a key in hexadecimal has 64 digits, in base64 44; `openssl rand -base64 32` makes one"
            }
            Self::SignerKey { .. } => {
                "`sealserve key create --use signer --out FILE` or `openssl genpkey -algorithm ed25519` makes one"
            }
            Self::SignerPublic { .. } => {
                "`sealserve key public` or `openssl pkey -pubout` prints that of a signer key"
            }
            Self::Range { .. } => "the first byte is 0",
            Self::NoRecipient { .. } => "give at least one key",
            Self::DuplicateRecipient { .. } => "give each key once",
            Self::HeaderTooLarge => "encrypt for fewer keys",
            Self::MetadataField { .. } => "choose a shorter, printable one",
            Self::Leaked { name, .. } => {
                return Some(format!("`sealserve model reencrypt '{name}'` gives it a new data key"));
            }
            Self::LastRecipient { .. } => "add another recipient first: `sealserve model recipient add`",
            Self::NotRecipient { .. } | Self::AlreadyRecipient { .. } => {
                "`sealserve model recipient list` shows whom it is sealed for"
            }
            Self::NoRoom { .. } | Self::Exhausted { .. } => {
                "remove a recipient, or make a new file with `sealserve model reencrypt`"
            }
            Self::Rewrite { in_force: false, .. } => {
                "it opens with the keys that it had before; when the disk is well, run the command again"
            }
            Self::Rewrite { in_force: true, .. } => {
                "run the command again: until then a part of the old header may be there for its keys to open"
            }
            Self::Changed { .. } => "wait until it is complete, then encrypt it again",
        };
        Some(hint.to_owned())
    }
}

/// What would open a file that has recipients of these kinds.
fn missing_key(kinds: &[RecipientKind]) -> String {
    let ways = [
        (RecipientKind::Key, "one of those keys with --key-file, or the home whose keyring has it"),
        (RecipientKind::Passphrase, "--passphrase FILE or --ask-passphrase"),
        (RecipientKind::Age, "--age-identity FILE"),
        (RecipientKind::External, "--unwrap-command COMMAND with --command-key NAME"),
    ];
    let ways: Vec<_> = ways.iter().filter(|(kind, _)| kinds.contains(kind)).map(|(_, way)| *way).collect();
    format!("pass {}", ways.join(", or "))
}

fn list(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A header from a stranger may name thousands.
fn some(items: &[impl ToString]) -> String {
    match items.len().saturating_sub(MOST_LISTED) {
        0 => list(items),
        more => format!("{} and {more} more", list(&items[..MOST_LISTED])),
    }
}

fn tried_text(tried: &[String]) -> String {
    if tried.is_empty() { "none was given".to_owned() } else { format!("tried {}", list(tried)) }
}
