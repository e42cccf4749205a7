//! What names a token in memory: the same however its signature is written. ECDSA takes
//! (r, s) and (r, n - s) for the same message, and whoever has one can compute the other.

use data_encoding::BASE64URL_NOPAD;

use super::MAX_LENGTH;
use crate::crypto::digest::{self, Digest};

/// The order of P-256 (SP 800-186, section 3.2.1.3).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// Names `token` by what its signature covers and by the signature with the smaller s.
/// That says nothing of whether the signature is valid. A text whose signature has not the
/// form of ES256 is no token that is accepted, and has no name.
pub fn fingerprint(token: &str) -> Option<Digest> {
    let (message, signature) = token.rsplit_once('.').filter(|_| token.len() <= MAX_LENGTH)?;
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
    let (r, s) = signature.split_first_chunk::<32>()?;
    let s: [u8; 32] = s.try_into().ok()?;
    let s = negated(&s).map_or(s, |negated| negated.min(s));
    // The parts cannot be divided in another way: the last two have 32 bytes each.
    Some(digest::sha256(&[message.as_bytes(), r, &s]))
}

/// n - s. What is not below n is the s of no signature.
fn negated(s: &[u8; 32]) -> Option<[u8; 32]> {
    let mut negated = [0; 32];
    let mut borrow = false;
    for place in (0..32).rev() {
        let (difference, first) = ORDER[place].overflowing_sub(s[place]);
        let (difference, second) = difference.overflowing_sub(u8::from(borrow));
        negated[place] = difference;
        borrow = first || second;
    }
    (!borrow).then_some(negated)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// `token` with the other signature that is as valid.
    pub(crate) fn twin(token: &str) -> String {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let mut signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        let s = negated(signature[32..].try_into().unwrap()).unwrap();
        signature[32..].copy_from_slice(&s);
        format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(r: u8, s: [u8; 32]) -> String {
        format!("e30.e30.{}", BASE64URL_NOPAD.encode(&[[r; 32], s].concat()))
    }

    #[test]
    fn only_what_a_token_says_and_its_signature_name_it() {
        let s = [7; 32];
        let name = fingerprint(&token(1, s)).unwrap();
        assert_eq!(fingerprint(&token(1, negated(&s).unwrap())).unwrap(), name);
        assert_eq!(negated(&negated(&s).unwrap()).unwrap(), s);
        assert_ne!(fingerprint(&token(2, s)).unwrap(), name);
        assert_ne!(fingerprint(&token(1, [8; 32])).unwrap(), name);
        assert_ne!(fingerprint(&token(1, s).replacen("e30", "e31", 1)).unwrap(), name);
        // Beyond the order there is no other form.
        assert_eq!(negated(&[0xff; 32]), None);
        assert!(fingerprint(&token(1, [0xff; 32])).is_some());
    }

    #[test]
    fn what_has_no_signature_of_es256_has_no_name() {
        for bad in ["", "a", "a.b", "a.b.", "a.b.AA", &format!("a.b.{}", "A".repeat(88)), "a.b.!"] {
            assert_eq!(fingerprint(bad), None, "{bad}");
        }
        let long = format!("{}{}", "a".repeat(MAX_LENGTH), token(1, [7; 32]));
        assert_eq!(fingerprint(&long), None);
    }
}
