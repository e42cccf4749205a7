//! What a server answers to, and what an authority may vouch for.

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

impl Name {
    /// Whether it stands for many names.
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Dns(name) if name.starts_with("*."))
    }
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

/// A part of the space of names (RFC 5280, section 4.2.1.10): a domain with all
/// that lies below it, or a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subtree {
    /// A host name and all names below it.
    Domain(String),
    /// All addresses that share the first so many bits of this one.
    Network(IpAddr, u8),
}

impl From<&Name> for Subtree {
    fn from(name: &Name) -> Self {
        match name {
            Name::Dns(name) => Self::Domain(name.trim_start_matches("*.").to_owned()),
            Name::Ip(address) => Self::Network(*address, if address.is_ipv4() { 32 } else { 128 }),
        }
    }
}

impl FromStr for Subtree {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((address, prefix)) = text.split_once('/') else {
            return Ok(Self::from(&text.parse::<Name>()?));
        };
        let refused = || format!("'{text}' is no network such as 10.0.0.0/8");
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let prefix: u8 = prefix.parse().map_err(|_| refused())?;
        let host_bits = match address {
            IpAddr::V4(address) if prefix <= 32 => u128::from(address.to_bits()) << prefix & 0xffff_ffff,
            IpAddr::V6(address) if prefix <= 128 => address.to_bits().checked_shl(prefix.into()).unwrap_or(0),
            _ => return Err(refused()),
        };
        // Nobody can tell which of the two was meant.
        if host_bits != 0 {
            return Err(format!("'{text}' has bits beyond its prefix"));
        }
        Ok(Self::Network(address, prefix))
    }
}

impl fmt::Display for Subtree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(name) => f.write_str(name),
            Self::Network(address, prefix) => write!(f, "{address}/{prefix}"),
        }
    }
}

/// What an authority may vouch for. A kind of name that is not limited is free
/// (RFC 5280, section 4.2.1.10).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// The permitted domains with all names below them; all names where this is `None`.
    pub domains: Option<Vec<String>>,
    /// The permitted networks; all addresses where this is `None`.
    pub networks: Option<Vec<(IpAddr, u8)>>,
}

impl Limits {
    /// Names limited to the domains of `permitted`. Addresses are limited to its
    /// networks only if `addresses` says so: BoringSSL refuses a certificate with
    /// an address below an authority that limits addresses.
    pub fn new(permitted: &[Subtree], addresses: bool) -> Self {
        let domains = permitted.iter().filter_map(|subtree| match subtree {
            Subtree::Domain(name) => Some(name.clone()),
            Subtree::Network(..) => None,
        });
        let networks = permitted.iter().filter_map(|subtree| match subtree {
            Subtree::Network(address, prefix) => Some((*address, *prefix)),
            Subtree::Domain(_) => None,
        });
        Self { domains: Some(domains.collect()), networks: addresses.then(|| networks.collect()) }
    }

    /// Whether everything is free.
    pub fn is_none(&self) -> bool {
        self.domains.is_none() && self.networks.is_none()
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

    #[test]
    fn a_subtree_is_a_domain_or_a_network() {
        for (text, subtree) in [
            ("models.example", Subtree::Domain("models.example".into())),
            ("*.models.example", Subtree::Domain("models.example".into())),
            ("10.0.0.0/8", Subtree::Network("10.0.0.0".parse().unwrap(), 8)),
            ("10.0.0.7", Subtree::Network("10.0.0.7".parse().unwrap(), 32)),
            ("0.0.0.0/0", Subtree::Network("0.0.0.0".parse().unwrap(), 0)),
            ("fd00::/8", Subtree::Network("fd00::".parse().unwrap(), 8)),
            ("::/0", Subtree::Network("::".parse().unwrap(), 0)),
            ("::1/128", Subtree::Network("::1".parse().unwrap(), 128)),
        ] {
            assert_eq!(text.parse(), Ok(subtree), "{text}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0.7/8", "fd00::1/8", "::/129", "a/8", "10.0.0.0/", "10.0.0.0/-1"]
        {
            assert!(bad.parse::<Subtree>().is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text in ".{0,80}") {
            let _ = (text.parse::<Name>().is_ok(), text.parse::<Subtree>().is_ok());
        }
    }
}
