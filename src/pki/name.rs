//! A name that a server answers to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A DNS name or an IP address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A host name (RFC 1123), perhaps with a leading `*.`.
    Dns(String),
    /// An address.
    Ip(IpAddr),
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        let host = text.strip_prefix("*.").unwrap_or(text);
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        // A last label of digits alone would be an IPv4 address gone wrong.
        let numeric = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        if text.len() > 253 || numeric || !host.split('.').all(label) {
            return Err(format!("'{text}' is neither a host name nor an IP address"));
        }
        Ok(Self::Dns(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_names_from_addresses_and_from_neither() {
        assert!(matches!("localhost".parse(), Ok(Name::Dns(_))));
        assert!(matches!("*.models.example".parse(), Ok(Name::Dns(_))));
        assert!(matches!("::1".parse(), Ok(Name::Ip(_))));
        for bad in ["", "a..b", "-a", "a b", "a_b", "1.2.3", "*.*.a", "x".repeat(64).as_str()] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
