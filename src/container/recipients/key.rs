//! Recipients of type 1: the holder of a key-encryption key, which wraps the data key.

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, Encoding, HEXLOWER_PERMISSIVE};

use super::stanza::{Stanza, wrap_context};
use crate::container::error::{ContainerError, Fault};
use crate::container::ids::{KeyId, RecipientKind};
use crate::container::preamble::Preamble;
use crate::crypto::{cobblestone, kdf, random};
use crate::secret::Secret;

/// A 256-bit key that wraps the data keys of sealed files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kek {
    secret: Secret<32>,
    id: KeyId,
}

impl Kek {
    /// The key that `secret` is.
    pub fn new(secret: Secret<32>) -> Self {
        let id = KeyId(kdf::key_id(&secret));
        Self { secret, id }
    }

    /// A new random key.
    pub fn generate() -> Self {
        Self::new(random::secret())
    }

    /// Reads a key from what messages call `name`, such as "'model.key'": 32 raw
    /// bytes, or their hexadecimal or base64 text (either alphabet, with or
    /// without padding), which may end in a newline.
    pub fn parse(name: &str, contents: &[u8]) -> Result<Self, ContainerError> {
        if let Some(secret) = Secret::from_slice(contents) {
            // 32 random bytes all look like text once in 2^64. The text of a key
            // of 128 or 192 bits always does, and would pass for one of 256.
            return if contents.iter().copied().all(is_base64) {
                Err(ContainerError::KeyIsText { name: name.to_owned() })
            } else {
                Ok(Self::new(secret))
            };
        }
        let line = contents.strip_suffix(b"\n").unwrap_or(contents);
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        let secret = match text.len() {
            64 => decode(&HEXLOWER_PERMISSIVE, text),
            43 | 44 => {
                let digits = text.strip_suffix(b"=").unwrap_or(text);
                decode(&BASE64_NOPAD, digits).or_else(|| decode(&BASE64URL_NOPAD, digits))
            }
            _ => return Err(ContainerError::KeyLength { name: name.to_owned(), found: contents.len() }),
        };
        secret.map(Self::new).ok_or_else(|| ContainerError::KeyEncoding { name: name.to_owned() })
    }

    /// What files sealed for this key call it.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The key itself, to wrap a data key with or to store encrypted.
    pub fn secret(&self) -> &Secret<32> {
        &self.secret
    }

    /// Wraps `data_key` for the holder of this key.
    pub(in crate::container) fn wrap(&self, preamble: &Preamble, data_key: &Secret<32>) -> Stanza {
        let (kind, key_id) = (RecipientKind::Key, self.id);
        let context = wrap_context(preamble, kind, &key_id);
        let blob = cobblestone::seal(&self.secret, &context, data_key.expose());
        Stanza { kind, key_id, blob }
    }

    /// Unwraps the data key of `stanza`, which names this key.
    pub(in crate::container) fn unwrap(
        &self,
        stanza: &Stanza,
        preamble: &Preamble,
    ) -> Result<Secret<32>, Fault> {
        let context = wrap_context(preamble, stanza.kind, &stanza.key_id);
        cobblestone::open(&self.secret, &context, &stanza.blob)
            .ok()
            .and_then(|opened| Secret::from_slice(opened.expose()))
            .ok_or(Fault::Wrapping(stanza.key_id))
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte)
}

fn decode(encoding: &Encoding, text: &[u8]) -> Option<Secret<32>> {
    if encoding.decode_len(text.len()) != Ok(32) {
        return None;
    }
    let mut whole = false;
    let secret = Secret::from_fn(|out| whole = encoding.decode_mut(text, out) == Ok(32));
    whole.then_some(secret)
}

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};

    use super::*;

    const RAW: [u8; 32] = *b"\xff\xfe\xfd\xfc-the-rest-of-a-model-key----";

    #[test]
    fn every_form_of_a_key_file_gives_the_same_key() {
        let kek = Kek::parse("k", &RAW).unwrap();
        assert_eq!(kek.secret().expose(), &RAW);
        for encoding in [HEXLOWER, HEXUPPER, BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD] {
            for end in ["", "\n", "\r\n"] {
                let text = encoding.encode(&RAW) + end;
                assert_eq!(Kek::parse("k", text.as_bytes()).unwrap(), kek, "{text:?}");
            }
        }
    }

    #[test]
    fn a_raw_key_may_end_in_a_newline_byte() {
        let mut raw = RAW;
        raw[31] = b'\n';
        assert_eq!(Kek::parse("k", &raw).unwrap().secret().expose(), &raw);
    }

    #[test]
    fn other_lengths_are_refused() {
        for length in (0..100).filter(|n| ![32, 43, 44, 45, 46, 64, 65, 66].contains(n)) {
            let error = Kek::parse("k", &vec![b'A'; length]).unwrap_err();
            assert!(matches!(error, ContainerError::KeyLength { found, .. } if found == length), "{length}");
        }
    }

    #[test]
    fn text_that_is_no_encoding_is_refused() {
        for text in ["g".repeat(64), "#".repeat(43), "A".repeat(44), " ".repeat(43), "é".repeat(32)] {
            assert!(matches!(Kek::parse("k", text.as_bytes()), Err(ContainerError::KeyEncoding { .. })));
        }
    }

    #[test]
    fn the_text_of_a_shorter_key_does_not_pass_for_raw_bytes() {
        for text in [HEXLOWER.encode(&[7; 16]), BASE64.encode(&[7; 24])] {
            assert!(matches!(Kek::parse("k", text.as_bytes()), Err(ContainerError::KeyIsText { .. })));
        }
    }

    #[test]
    fn the_id_is_derived_from_the_key() {
        // HKDF-Expand-SHA512, computed with Python's hmac.
        assert_eq!(Kek::parse("k", &RAW).unwrap().id().to_string(), "86dd6d43955ba2184c12e94bb448b18f");
    }
}
