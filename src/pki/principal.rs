//! Whom a client certificate names.

use std::fmt;
use std::str::FromStr;

/// What stands before the name in the subject alternative name.
const PREFIX: &str = "urn:sealserve:principal:";

/// The name of a client, as a certificate carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal(String);

impl Principal {
    /// The name alone.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URI (RFC 8141) that stands in the subject alternative name. What may be
    /// in a name needs no escapes there, so two names never have one URI.
    pub fn uri(&self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    /// Whether `uri` is one for principals, and if so the one that it names, if that
    /// can be a name.
    pub fn of_uri(uri: &str) -> Option<Option<Self>> {
        uri.strip_prefix(PREFIX).map(|name| name.parse().ok())
    }
}

impl FromStr for Principal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-+@:".contains(c);
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if text.len() > 64 || !begins || !text.chars().all(allowed) {
            let rule = "1 to 64 of a-z A-Z 0-9 . _ - + @ :, first a letter or a digit";
            return Err(format!("'{text}' is not a principal for a certificate: {rule}"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_survives_its_uri() {
        for name in ["ann", "john.doe", "ci@build-7", "7", "ns:app", "a+b_c"] {
            let principal: Principal = name.parse().unwrap();
            assert_eq!(Principal::of_uri(&principal.uri()), Some(Some(principal)), "{name}");
        }
        for bad in ["", ".", "..", "-a", "a b", "a/b", "a%41", "ä", "a\n", "x".repeat(65).as_str()] {
            assert!(bad.parse::<Principal>().is_err(), "{bad}");
        }
        assert_eq!(Principal::of_uri("urn:sealserve:principal:a b"), Some(None));
        for uri in ["", "URN:sealserve:principal:ann", "https://ann"] {
            assert_eq!(Principal::of_uri(uri), None, "{uri}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text in ".{0,80}") {
            let _ = (text.parse::<Principal>().is_ok(), Principal::of_uri(&text));
        }
    }
}
