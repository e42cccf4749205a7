//! Ids, and the names of the kinds of recipients and of the slots. An id is 16 bytes,
//! shown as 32 hexadecimal digits; each kind has a type of its own, so that one is not
//! taken for another.

use std::fmt;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Serialize, Serializer};

/// A text that is not 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has 32 hexadecimal digits")]
pub struct ParseIdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                parse(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

id! {
    /// Names one encryption of one model: random, the same through every rewrap.
    ArtifactId
}
id! {
    /// Names a key-encryption key: derived from it, so it cannot name another.
    KeyId
}
id! {
    /// Names the key of a signer.
    SignerId
}

/// How a recipient unwraps the data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecipientKind {
    /// With a 256-bit key-encryption key.
    Key,
    /// With a passphrase; it is then the file's only recipient.
    Passphrase,
    /// With an age identity.
    Age,
    /// With a command, which asks a KMS, a TPM, a token.
    External,
}

impl RecipientKind {
    pub(super) fn parse(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Key),
            2 => Some(Self::Passphrase),
            3 => Some(Self::Age),
            4 => Some(Self::External),
            _ => None,
        }
    }

    pub(super) fn number(self) -> u16 {
        match self {
            Self::Key => 1,
            Self::Passphrase => 2,
            Self::Age => 3,
            Self::External => 4,
        }
    }

    /// The word for it in messages and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Passphrase => "passphrase",
            Self::Age => "age",
            Self::External => "external",
        }
    }
}

/// One of the two slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotName {
    /// The first.
    A,
    /// The second.
    B,
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

fn parse(text: &str) -> Result<[u8; 16], ParseIdError> {
    let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| ParseIdError)?;
    bytes.try_into().map_err(|_| ParseIdError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree() {
        let id = KeyId(*b"0123456789abcdef");
        assert_eq!(id.to_string(), "30313233343536373839616263646566");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        assert_eq!(format!("{id:?}"), format!("KeyId({id})"));
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{id}\""));
        for bad in ["", "30", "3031323334353637383961626364656", "zz313233343536373839616263646566"] {
            assert_eq!(bad.parse::<KeyId>(), Err(ParseIdError));
        }
    }
}
