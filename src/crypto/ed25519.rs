//! Ed25519 (RFC 8032), with keys in the encodings of RFC 8410.

use std::fmt;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::{Unauthentic, digest, pem, random};
use crate::secret::{Secret, SecretBytes};

/// What stands before the 32 bytes of a private key in PKCS#8, version 1: ring
/// writes version 2, which OpenSSL 3.0 does not read.
const PKCS8: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
/// What stands before the 32 bytes of a public key in a SubjectPublicKeyInfo.
const SPKI: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// A text or DER that is not one Ed25519 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 key")]
pub struct NotAKey;

/// A key that signs.
#[derive(Clone)]
pub struct SigningKey {
    pkcs8: SecretBytes,
    public: PublicKey,
}

impl SigningKey {
    /// A new random key.
    pub fn generate() -> Self {
        let seed: Secret<32> = random::secret();
        let mut pkcs8 = SecretBytes::with_capacity(PKCS8.len() + 32);
        pkcs8.expose_mut().extend_from_slice(PKCS8);
        pkcs8.expose_mut().extend_from_slice(seed.expose());
        match Self::from_pkcs8(pkcs8) {
            Ok(key) => key,
            Err(NotAKey) => unreachable!("any 32 bytes are a key"),
        }
    }

    /// The key in a PKCS#8 structure of either version, in DER.
    pub fn from_pkcs8(pkcs8: SecretBytes) -> Result<Self, NotAKey> {
        let pair = pair(&pkcs8).ok_or(NotAKey)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| NotAKey)?;
        Ok(Self { pkcs8, public: PublicKey(public) })
    }

    /// The one key in a PEM text.
    pub fn from_pem(text: &[u8]) -> Result<Self, NotAKey> {
        let blocks = pem::decode_all("PRIVATE KEY", text).ok_or(NotAKey)?;
        let mut keys = blocks.into_iter();
        match (keys.next(), keys.next()) {
            (Some(pkcs8), None) => Self::from_pkcs8(pkcs8),
            _ => Err(NotAKey),
        }
    }

    /// The key in PKCS#8, DER.
    pub fn pkcs8(&self) -> &SecretBytes {
        &self.pkcs8
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs the concatenation of `parts`.
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; 64] {
        let mut out = [0; 64];
        match pair(&self.pkcs8) {
            Some(pair) => out.copy_from_slice(pair.sign(&parts.concat()).as_ref()),
            None => unreachable!("it was parsed when this key was made"),
        }
        out
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(redacted)")
    }
}

fn pair(pkcs8: &SecretBytes) -> Option<Ed25519KeyPair> {
    // "Unchecked" is only that version 1 holds no public key to compare with.
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8.expose()).ok()
}

/// A key that verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The keys in a PEM text: at least one, and nothing but Ed25519.
    pub fn from_pem(text: &[u8]) -> Result<Vec<Self>, NotAKey> {
        let blocks = pem::decode_all("PUBLIC KEY", text).filter(|blocks| !blocks.is_empty());
        blocks.ok_or(NotAKey)?.iter().map(|der| Self::from_spki(der.expose())).collect()
    }

    fn from_spki(der: &[u8]) -> Result<Self, NotAKey> {
        let key = der.strip_prefix(SPKI).and_then(|key| key.try_into().ok());
        key.map(Self).ok_or(NotAKey)
    }

    fn spki(&self) -> Vec<u8> {
        [SPKI, &self.0].concat()
    }

    /// The key as a PEM text.
    pub fn to_pem(&self) -> String {
        pem::encode("PUBLIC KEY", &self.spki())
    }

    /// A name that no other key has: the first half of the SHA-256 of its
    /// SubjectPublicKeyInfo.
    pub fn id(&self) -> [u8; 16] {
        let digest = digest::sha256(&[&self.spki()]);
        std::array::from_fn(|i| digest[i])
    }

    /// Checks that `signature` is one over the concatenation of `parts`.
    pub fn verify(&self, parts: &[&[u8]], signature: &[u8]) -> Result<(), Unauthentic> {
        UnparsedPublicKey::new(&ED25519, self.0).verify(&parts.concat(), signature).map_err(|_| Unauthentic)
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER_PERMISSIVE as HEX;

    use super::*;

    /// RFC 8032, section 7.1, test 3.
    #[test]
    fn agrees_with_rfc_8032() {
        let seed = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7";
        let public = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
        let signature = "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
                         18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";
        let seed = HEX.decode(seed.as_bytes()).unwrap();
        let key = SigningKey::from_pkcs8([PKCS8, &seed].concat().into()).unwrap();
        assert_eq!(key.public().0.to_vec(), HEX.decode(public.as_bytes()).unwrap());
        let made = key.sign(&[b"\xaf", b"\x82"]);
        assert_eq!(made.to_vec(), HEX.decode(signature.as_bytes()).unwrap());
        assert_eq!(key.public().verify(&[b"\xaf\x82"], &made), Ok(()));
        assert_eq!(key.public().verify(&[b"\xaf\x83"], &made), Err(Unauthentic));
        assert_eq!(SigningKey::generate().public().verify(&[b"\xaf\x82"], &made), Err(Unauthentic));
    }

    /// RFC 8410, section 10: both versions of PKCS#8, and the public key.
    #[test]
    fn agrees_with_rfc_8410() {
        let public = "-----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
            -----END PUBLIC KEY-----\n";
        let first = "-----BEGIN PRIVATE KEY-----\n\
            MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
            -----END PRIVATE KEY-----\n";
        let key = SigningKey::from_pem(first.as_bytes()).unwrap();
        assert_eq!(key.public().to_pem(), public);
        assert_eq!(PublicKey::from_pem(public.as_bytes()), Ok(vec![key.public()]));
        assert_eq!(pem::encode("PRIVATE KEY", key.pkcs8().expose()), first);
        let second = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
        assert!(SigningKey::from_pkcs8(second.as_ref().to_vec().into()).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn any_der_is_parsed_without_panic(der: Vec<u8>, begin in 0..3_usize) {
            let der = [[&[][..], PKCS8, SPKI][begin], &der].concat();
            let _ = PublicKey::from_pem(pem::encode("PUBLIC KEY", &der).as_bytes());
            let _ = SigningKey::from_pem(pem::encode("PRIVATE KEY", &der).as_bytes());
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let public = SigningKey::generate().public();
        let text = public.to_pem();
        let other = pem::encode("PUBLIC KEY", &[&[0x30, 0x2a], &public.spki()[2..], &[0]].concat());
        for bad in ["", "key", &text.replace("PUBLIC", "PRIVATE"), &other, &format!("{text}{other}")] {
            assert_eq!(PublicKey::from_pem(bad.as_bytes()), Err(NotAKey), "{bad}");
            assert!(SigningKey::from_pem(bad.as_bytes()).is_err());
        }
        // Two keys: which one would sign?
        let key = pem::encode("PRIVATE KEY", SigningKey::generate().pkcs8().expose());
        assert!(SigningKey::from_pem(format!("{key}{key}").as_bytes()).is_err());
        assert!(SigningKey::from_pem(key.as_bytes()).is_ok());
    }
}
