//! Recipients of type 3: age (age-encryption.org/v1). The blob is an age file that
//! holds the data key and the hash of the preamble, so that encrypting takes no
//! secret, and keys of age's plugins, in hardware for example, can open a model.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use age::armor::ArmoredReader;
use age::secrecy::SecretString;
use age::{Callbacks, DecryptError, Decryptor, Encryptor, IdentityFile};

use super::stanza::{BOUND_KEY, Stanza, bind, unbind};
use crate::container::error::{ContainerError, Fault};
use crate::container::ids::{KeyId, RecipientKind};
use crate::container::preamble::Preamble;
use crate::crypto::digest::sha256;
use crate::secret::{Secret, SecretBytes};

/// The most that a passphrase of an identity file may cost: 2^20 rounds of scrypt, 1 GiB.
const MOST_WORK: u8 = 20;

/// Bytes of a blob's own header, which every byte of it may make a reader go over again,
/// and the stanzas in it, each of which may be tried with every identity. That of a post-quantum
/// key has less than 2 KiB.
const MOST_HEADER: usize = 16 * 1024;
const MOST_STANZAS: usize = 32;

/// Whoever answers what age and its plugins ask.
pub trait Person: Send + Sync {
    /// Shows a message, such as that a key is to be touched.
    fn tell(&self, message: &str);
    /// Asks for a line of text.
    fn ask(&self, prompt: &str) -> Option<String>;
    /// Asks for a secret.
    fn ask_secret(&self, prompt: &str) -> Option<SecretBytes>;
}

/// Nobody is there: what would have to be asked fails.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl Person for Nobody {
    fn tell(&self, message: &str) {
        tracing::info!(message, "age");
    }

    fn ask(&self, _: &str) -> Option<String> {
        None
    }

    fn ask_secret(&self, _: &str) -> Option<SecretBytes> {
        None
    }
}

#[derive(Clone)]
struct Asker(Arc<dyn Person>);

impl Callbacks for Asker {
    fn display_message(&self, message: &str) {
        self.0.tell(message);
    }

    fn confirm(&self, message: &str, yes: &str, no: Option<&str>) -> Option<bool> {
        let no = no.unwrap_or("no");
        let answer = self.0.ask(&format!("{message} (y = {yes}, n = {no})"))?;
        Some(answer.trim().eq_ignore_ascii_case("y"))
    }

    fn request_public_string(&self, description: &str) -> Option<String> {
        self.0.ask(description)
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        let secret = self.0.ask_secret(description)?;
        Some(SecretString::from(std::str::from_utf8(secret.expose()).ok()?.to_owned()))
    }
}

/// A public key, `age1…`.
#[derive(Clone)]
pub struct AgeRecipient {
    /// As its library writes it.
    text: String,
    inner: Arc<dyn age::Recipient + Send + Sync>,
}

impl AgeRecipient {
    /// The recipient that `text` is. Those of plugins need `age-plugin-NAME` on the
    /// search path, and may ask `person`.
    pub fn parse(text: &str, person: &Arc<dyn Person>) -> Result<Self, ContainerError> {
        let refused =
            |what: &str| ContainerError::AgeRecipient { text: shortened(text), what: what.to_owned() };
        if text.starts_with("AGE-") {
            return Err(ContainerError::AgeSecret);
        }
        if let Ok(recipient) = text.parse::<age::x25519::Recipient>() {
            return Ok(Self { text: recipient.to_string(), inner: Arc::new(recipient) });
        }
        if let Ok(recipient) = text.parse::<age::tag::Recipient>() {
            return Ok(Self { text: recipient.to_string(), inner: Arc::new(recipient) });
        }
        if let Ok(recipient) = text.parse::<age::tagpq::Recipient>() {
            return Ok(Self { text: recipient.to_string(), inner: Arc::new(recipient) });
        }
        let recipient: age::plugin::Recipient = text.parse().map_err(refused)?;
        let (name, text) = (recipient.plugin().to_owned(), recipient.to_string());
        let asker = Asker(Arc::clone(person));
        let inner =
            age::plugin::RecipientPluginV1::new(&name, &[recipient], &[], asker).map_err(|error| {
                ContainerError::AgeRecipient { text: shortened(&text), what: error.to_string() }
            })?;
        Ok(Self { text, inner: Arc::new(inner) })
    }

    /// The recipients of a recipients file: one on each line, `#` begins a comment.
    pub fn parse_file(
        name: &str,
        contents: &[u8],
        person: &Arc<dyn Person>,
    ) -> Result<Vec<Self>, ContainerError> {
        let text = std::str::from_utf8(contents)
            .map_err(|_| ContainerError::AgeRecipientsFile { name: name.to_owned() })?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let recipients: Vec<_> = lines.map(|line| Self::parse(line, person)).collect::<Result<_, _>>()?;
        if recipients.is_empty() {
            return Err(ContainerError::AgeRecipientsFile { name: name.to_owned() });
        }
        Ok(recipients)
    }

    /// What files sealed for it call it.
    pub fn key_id(&self) -> KeyId {
        let digest = sha256(&[self.text.as_bytes()]);
        KeyId(std::array::from_fn(|i| digest[i]))
    }

    /// Wraps `data_key` for the holder of the identity.
    pub(super) fn wrap(&self, preamble: &Preamble, data_key: &Secret<32>) -> Result<Stanza, ContainerError> {
        let failed =
            |source| ContainerError::AgeWrap { recipient: self.to_string(), source: Box::new(source) };
        let recipient: &dyn age::Recipient = &*self.inner;
        let encryptor = Encryptor::with_recipients(std::iter::once(recipient)).map_err(failed)?;
        let mut blob = Vec::new();
        let write = |blob: &mut Vec<u8>| -> std::io::Result<()> {
            let mut writer = encryptor.wrap_output(blob)?;
            std::io::Write::write_all(&mut writer, bind(preamble, data_key).expose())?;
            writer.finish().map(drop)
        };
        write(&mut blob).map_err(|source| failed(source.into()))?;
        if !is_bounded(&blob) {
            let what = "its header has more than 16 KiB or 32 stanzas, which no reader takes";
            return Err(failed(std::io::Error::other(what).into()));
        }
        Ok(Stanza { kind: RecipientKind::Age, key_id: self.key_id(), blob })
    }
}

impl fmt::Display for AgeRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for AgeRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgeRecipient({self})")
    }
}

/// Private keys: what identity files hold.
#[derive(Default)]
pub struct AgeIdentities(Vec<Box<dyn age::Identity + Send + Sync>>);

impl AgeIdentities {
    /// Adds the identities of the file that messages call `name`; one that a
    /// passphrase protects makes `person` be asked.
    pub fn add_file(
        &mut self,
        name: &str,
        contents: &SecretBytes,
        person: &Arc<dyn Person>,
    ) -> Result<(), ContainerError> {
        let refused =
            |source| ContainerError::AgeIdentities { name: name.to_owned(), source: Box::new(source) };
        let bytes = contents.expose();
        let asker = Asker(Arc::clone(person));
        let encrypted = bytes.starts_with(b"age-encryption.org/") || bytes.starts_with(b"-----BEGIN AGE");
        let identities = if encrypted {
            let decryptor = Decryptor::new(ArmoredReader::new(bytes)).map_err(refused)?;
            age::encrypted::EncryptedIdentity::new(decryptor, asker, Some(MOST_WORK))
                .ok_or_else(|| refused(DecryptError::NoMatchingKeys))?
                .decrypt(Some(name))
                .and_then(IdentityFile::into_identities)
        } else {
            IdentityFile::from_buffer(bytes)
                .map_err(DecryptError::from)
                .and_then(|file| file.with_callbacks(asker).into_identities())
        }
        .map_err(refused)?;
        if identities.is_empty() {
            return Err(ContainerError::NoAgeIdentity { name: name.to_owned() });
        }
        self.0.extend(identities);
        Ok(())
    }

    /// Adds all of `others`.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Unwraps the data key of `stanza`, if it is for one of them.
    pub(in crate::container) fn unwrap(
        &self,
        file: &str,
        stanza: &Stanza,
        preamble: &Preamble,
    ) -> Result<Option<Secret<32>>, ContainerError> {
        let damaged = || Fault::of(file)(Fault::Wrapping(stanza.key_id));
        if !is_bounded(&stanza.blob) {
            return Err(damaged());
        }
        let decryptor = Decryptor::new_buffered(&stanza.blob[..]).map_err(|_| damaged())?;
        let identities = self.0.iter().map(|identity| {
            let identity: &dyn age::Identity = &**identity;
            identity
        });
        let mut reader = match decryptor.decrypt(identities) {
            Ok(reader) => reader,
            Err(DecryptError::NoMatchingKeys) => return Ok(None),
            Err(
                source @ (DecryptError::Plugin(_)
                | DecryptError::PluginResolve(_)
                | DecryptError::KeyDecryptionFailed),
            ) => {
                return Err(ContainerError::AgeUnwrap { name: file.to_owned(), source: Box::new(source) });
            }
            Err(_) => return Err(damaged()),
        };
        let mut opened = SecretBytes::with_capacity(BOUND_KEY + 1);
        (&mut reader).take(BOUND_KEY as u64 + 1).read_to_end(opened.expose_mut()).map_err(|_| damaged())?;
        unbind(preamble, opened.expose())
            .map(Some)
            .ok_or_else(|| Fault::of(file)(Fault::Foreign(stanza.key_id)))
    }
}

impl fmt::Debug for AgeIdentities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgeIdentities({}, redacted)", self.0.len())
    }
}

/// Whether `blob` has an age header of a size that may be parsed: what parses it begins
/// anew with each line.
pub(in crate::container) fn is_bounded(blob: &[u8]) -> bool {
    let mut stanzas = 0;
    for line in blob[..blob.len().min(MOST_HEADER)].split_inclusive(|byte| *byte == b'\n') {
        stanzas += usize::from(line.starts_with(b"-> "));
        if line.starts_with(b"---") {
            return stanzas <= MOST_STANZAS && line.ends_with(b"\n");
        }
    }
    false
}

/// A mistyped recipient may be anything: a part of it tells which.
fn shortened(text: &str) -> String {
    let start: String = text.chars().filter(|c| !c.is_control()).take(12).collect();
    if start.len() < text.len() { format!("{start}…") } else { start }
}
