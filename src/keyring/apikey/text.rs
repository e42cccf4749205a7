//! An API key as text: `ss_<id>_<secret><checksum>`, 65 characters.
//!
//! - id: 12 characters; no secret, it stands in lists and in the audit log;
//! - secret: 43 characters, each drawn on its own from the 62, all equally likely:
//!   62^43 is more than 2^256. The characters themselves are the secret; they stand
//!   for no number, so there is one way to write it;
//! - checksum: CRC-32 (ISO-HDLC, the one of zlib) of all before it, as 6 digits to
//!   base 62, the highest first. It protects nothing: it tells a typo, and lets a
//!   scanner tell a key from other text, without asking anyone.

use std::fmt;

use crate::crypto::{digest, random};
use crate::secret::{Secret, SecretBytes};

/// The digits, in the order of their values.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PREFIX: &str = "ss_";
const ID: usize = 12;
const SECRET: usize = 43;
const CHECKSUM: usize = 6;
/// Where the secret begins.
const AT_SECRET: usize = PREFIX.len() + ID + 1;
/// Where the checksum begins.
const AT_CHECKSUM: usize = AT_SECRET + SECRET;
/// Bytes of a whole key.
const LENGTH: usize = AT_CHECKSUM + CHECKSUM;

/// Why a text is no API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoApiKey {
    /// It has another form.
    #[error("this is no API key: ss_, 12 characters, _, 49 characters of 0-9 A-Z a-z")]
    Form,
    /// The checksum is not that of the rest.
    #[error("the API key is mistyped or cut: its checksum does not fit")]
    Checksum,
}

/// An API key that somebody brings: well-formed, and nothing proven.
#[derive(Clone, Copy)]
pub struct Presented<'a>(&'a str);

impl<'a> Presented<'a> {
    /// Reads `text`, which must be a key from its first byte to its last.
    pub fn parse(text: &'a [u8]) -> Result<Self, NoApiKey> {
        let text = form(text).ok_or(NoApiKey::Form)?;
        let (body, sum) = text.split_at(AT_CHECKSUM);
        if sum.as_bytes() == checksum(body.as_bytes()) { Ok(Self(text)) } else { Err(NoApiKey::Checksum) }
    }

    /// The key that it says it is.
    pub fn id(&self) -> &'a str {
        &self.0[PREFIX.len()..PREFIX.len() + ID]
    }

    /// SHA-256 of the whole text: what the keyring knows it by.
    pub fn digest(&self) -> Secret<32> {
        Secret::from_fn(|out| *out = digest::sha256(&[self.0.as_bytes()]))
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Presented({}, redacted)", self.id())
    }
}

/// Whether a text in an `Authorization` field is meant as an API key: no token begins so.
pub fn is_meant(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// Whether `text` can be the id of a key.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// `text`, if it has the form of a key.
fn form(text: &[u8]) -> Option<&str> {
    let rest = text.strip_prefix(PREFIX.as_bytes()).filter(|_| text.len() == LENGTH)?;
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_alphanumeric);
    let formed = digits(&rest[..ID]) && rest[ID] == b'_' && digits(&rest[ID + 1..]);
    std::str::from_utf8(text).ok().filter(|_| formed)
}

/// A new key: its text, to be shown once.
pub(in crate::keyring) fn generate() -> SecretBytes {
    // Filled within its capacity: it never moves, and leaves nothing behind.
    let mut text = SecretBytes::with_capacity(LENGTH);
    let out = text.expose_mut();
    out.extend_from_slice(PREFIX.as_bytes());
    draw(out, ID);
    out.push(b'_');
    draw(out, SECRET);
    let sum = checksum(out);
    out.extend_from_slice(&sum);
    text
}

/// Appends `count` characters, drawn one by one.
fn draw(out: &mut Vec<u8>, count: usize) {
    let end = out.len() + count;
    while out.len() < end {
        let noise: Secret<64> = random::secret();
        out.extend(characters(noise.expose()).take(end - out.len()));
    }
}

/// Six bits of each byte name a digit; the two values that name none are dropped,
/// so that no digit is likelier than another.
fn characters(noise: &[u8]) -> impl Iterator<Item = u8> {
    noise.iter().filter_map(|byte| DIGITS.get(usize::from(byte & 63)).copied())
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM] {
    let mut sum = u64::from(crc32fast::hash(body));
    let mut out = [0; CHECKSUM];
    for digit in out.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(sum % 62).unwrap_or(0)];
        sum /= 62;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Its checksum and digest by Python's zlib and hashlib.
    const KEY: &str = "ss_0123456789AB_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ0QT995";

    #[test]
    fn a_key_agrees_with_an_independent_one() {
        let key = Presented::parse(KEY.as_bytes()).unwrap();
        assert_eq!((KEY.len(), key.id()), (65, "0123456789AB"));
        assert_eq!(
            data_encoding::HEXLOWER.encode(key.digest().expose()),
            "1b24d8ed3baa780b36b0446be8fa2b74d35957fc0f957f90a596cebe1ae3d2cb"
        );
        // A checksum that begins with the digit zero has it.
        assert_eq!(checksum(b""), *b"000000");
        assert_eq!(format!("{key:?}"), "Presented(0123456789AB, redacted)");
    }

    #[test]
    fn every_digit_is_equally_likely() {
        let all: Vec<u8> = (0..=255).collect();
        let drawn: Vec<u8> = characters(&all).collect();
        assert_eq!(drawn.len(), 62 * 4);
        for digit in DIGITS {
            assert_eq!(drawn.iter().filter(|drawn| *drawn == digit).count(), 4, "{digit}");
        }
    }

    #[test]
    fn what_is_generated_is_read_and_differs() {
        let (one, other) = (generate(), generate());
        let (one, other) =
            (Presented::parse(one.expose()).unwrap(), Presented::parse(other.expose()).unwrap());
        assert_ne!(one.id(), other.id());
        assert_ne!(one.digest(), other.digest());
        assert!(is_id(one.id()) && is_meant(one.0));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            String::new(),
            "ss_".into(),
            KEY[..64].into(),
            format!("{KEY}0"),
            format!(" {KEY}"),
            format!("{KEY}\n"),
            format!("{}\0", &KEY[..64]),
            KEY.replacen("ss_", "SS_", 1),
            KEY.replacen("ss_", "sk_", 1),
            KEY.replacen("AB_", "AB-", 1),
            KEY.replacen("0123", "012_", 1),
            KEY.replacen("abcd", "abc+", 1),
            // As long in bytes, and one of them in the middle of a character.
            KEY.replacen("ab", "ä", 1),
            KEY.replacen("B_", "ä", 1),
        ] {
            assert_eq!(Presented::parse(bad.as_bytes()).unwrap_err(), NoApiKey::Form, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Presented::parse(&bytes).is_ok();
        }

        #[test]
        fn what_has_the_form_is_a_key_only_with_its_checksum(text in "ss_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}") {
            let sum = String::from_utf8(checksum(text.as_bytes()).to_vec()).unwrap();
            let accepted = |sum: &str| Presented::parse(format!("{text}{sum}").as_bytes()).is_ok();
            prop_assert!(accepted(&sum));
            let other: String = sum.chars().rev().collect();
            let refused = !accepted(&other);
            prop_assert_eq!(refused, other != sum);
        }

        #[test]
        fn one_character_changed_is_seen(at in 0..LENGTH, digit in "[0-9A-Za-z_]") {
            let mut text = KEY.to_owned();
            text.replace_range(at..=at, &digit);
            prop_assert_eq!(Presented::parse(text.as_bytes()).is_ok(), text == KEY);
        }
    }
}
