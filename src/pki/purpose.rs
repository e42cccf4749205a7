//! What a certificate is for.

use std::str::FromStr;

/// What a certificate is shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// TLS as the server.
    Server,
    /// TLS as the client.
    Client,
}

impl Purpose {
    /// The extended key usage that says so.
    pub fn usage(self) -> &'static str {
        match self {
            Self::Server => "serverAuth",
            Self::Client => "clientAuth",
        }
    }
}

impl FromStr for Purpose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "server" => Ok(Self::Server),
            "client" => Ok(Self::Client),
            _ => Err("a purpose is server or client".into()),
        }
    }
}
