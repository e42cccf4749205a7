//! Where a request goes.

use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;

use super::error::ClientError;

/// An `https` or `http` URL, in the parts that are sent and signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    tls: bool,
    host: String,
    port: u16,
    authority: String,
    path: String,
    query: Option<String>,
}

impl FromStr for Target {
    type Err = ClientError;

    fn from_str(text: &str) -> Result<Self, ClientError> {
        let refused = |detail: &str| ClientError::Url { detail: detail.to_owned() };
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refused("white space and letters beyond ASCII must be percent-encoded"));
        }
        let uri: Uri = text.parse().map_err(|_| refused("it is not of the form https://host/path"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(refused("it must begin with https://")),
        };
        let authority = uri.authority().ok_or_else(|| refused("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(refused("it holds a user name; credentials have options of their own"));
        }
        let port = match (authority.port_u16(), authority.as_str().len() == authority.host().len()) {
            (Some(port), _) if port > 0 => port,
            (None, true) => {
                if tls {
                    443
                } else {
                    80
                }
            }
            _ => return Err(refused("its port is not one of 1 to 65535")),
        };
        Ok(Self {
            tls,
            // Brackets belong to the URL, not to the address.
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path: uri.path().to_owned(),
            query: uri.query().map(ToOwned::to_owned),
        })
    }
}

impl Target {
    /// Whether it is `https`.
    pub(super) fn is_tls(&self) -> bool {
        self.tls
    }

    /// A name or an address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, given or not.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as they are written: the Host field.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What follows the question mark.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Whether it can only be this machine.
    pub(super) fn is_loopback(&self) -> bool {
        self.host.parse::<IpAddr>().map_or(self.host == "localhost", |address| address.is_loopback())
    }

    pub(super) fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (bool, String, u16, String, String) {
        let target: Target = text.parse().unwrap();
        (target.tls, target.host.clone(), target.port, target.authority.clone(), target.path_and_query())
    }

    #[test]
    fn a_url_is_kept_as_it_is_written() {
        let is = |text, tls, host: &str, port, authority: &str, path: &str| {
            assert_eq!(parts(text), (tls, host.into(), port, authority.into(), path.into()), "{text}");
        };
        is("https://models.example", true, "models.example", 443, "models.example", "/");
        is(
            "https://Models.example:8443/a%2Fb/../c?x=1&y",
            true,
            "Models.example",
            8443,
            "Models.example:8443",
            "/a%2Fb/../c?x=1&y",
        );
        is("http://[::1]:80/?", false, "::1", 80, "[::1]:80", "/?");
        is("https://127.0.0.1/v2#part", true, "127.0.0.1", 443, "127.0.0.1", "/v2");
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for text in [
            "",
            "/v2",
            "localhost:8443",
            "localhost/v2",
            "ftp://a/",
            "https://",
            "https:///v2",
            "https://a b/",
            "https://ä/",
            "https://user@a/",
            "https://user:pass@a/",
            "https://a:0/",
            "https://a:65536/",
            "https://a:/",
            "https://a:b/",
            "https://a/\n",
        ] {
            assert!(matches!(text.parse::<Target>(), Err(ClientError::Url { .. })), "{text:?}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (text, expected) in [
            ("http://127.0.0.1/", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]/", true),
            ("http://localhost/", true),
            ("http://localhost.example/", false),
            ("http://10.0.0.1/", false),
            ("http://[::ffff:127.0.0.1]/", false),
            ("http://127.0.0.1.example/", false),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().is_loopback(), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text in "\\PC{0,60}", rest in "[ -~]{0,40}") {
            let _ = text.parse::<Target>();
            let _ = format!("https://{rest}").parse::<Target>();
        }
    }
}
