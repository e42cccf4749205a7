//! What can be wrong with a certificate, under names that stay.

use std::fmt;

use serde::{Serialize, Serializer};

use super::Certificate;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The certificate does not hold.
    Error,
    /// It holds, and somebody should know.
    Warning,
}

macro_rules! checks {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $section:literal,)+) => {
        /// What was looked at. Each has a name and a section of RFC 5280.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Check {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Check {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name, as documents and docs/pki.md have it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The section of RFC 5280 that demands it.
            pub fn section(self) -> &'static str {
                match self { $(Self::$variant => $section),+ }
            }
        }
    };
}

checks! {
    /// Issuer and subject key identifiers: there, and equal.
    AuthorityKeyId "authority-key-id" "4.2.1.1",
    /// Whether it is an authority, said in a critical extension.
    BasicConstraints "basic-constraints" "4.2.1.9",
    /// Extensions that must be critical are, others that must not are not.
    Criticality "criticality" "4.2",
    /// A critical extension that nobody here understands.
    CriticalExtension "critical-extension" "4.2",
    /// No extension is there twice.
    DuplicateExtension "duplicate-extension" "4.2",
    /// Its time is over.
    Expired "expired" "6.1.3",
    /// What its key may do besides.
    KeyUsage "key-usage" "4.2.1.3",
    /// How long it lasts.
    Lifetime "lifetime" "4.1.2.5",
    /// It can be read at all.
    Malformed "malformed" "4.1",
    /// The name that was asked for is among its names.
    Name "name" "4.2.1.6",
    /// Its names are those that all authorities above may vouch for.
    NameConstraints "name-constraints" "4.2.1.10",
    /// Its time has not begun.
    NotYetValid "not-yet-valid" "6.1.3",
    /// The certificate comes first, then each one's issuer.
    Order "order" "6.1",
    /// Not more authorities in between than allowed.
    PathLength "path-length" "4.2.1.9",
    /// Whoever shows the certificate has its key.
    Possession "possession" "6.1",
    /// Kind and size of its key.
    PublicKey "public-key" "4.1.2.7",
    /// It is for what was asked.
    Purpose "purpose" "4.2.1.12",
    /// The serial number: positive, at most 20 octets.
    Serial "serial" "4.1.2.2",
    /// The signature is by the issuer's key.
    Signature "signature" "6.1.3",
    /// With what it is signed.
    SignatureAlgorithm "signature-algorithm" "4.1.1.2",
    /// Whom it names, and where.
    Subject "subject" "4.1.2.6",
    /// The identifier of its own key is there.
    SubjectKeyId "subject-key-id" "4.2.1.2",
    /// A way up to an authority that is trusted.
    UnknownIssuer "unknown-issuer" "6.1",
    /// An extension that cannot be read.
    UnreadableExtension "unreadable-extension" "4.2",
    /// Its times: in order, and encoded as they must be.
    Validity "validity" "4.1.2.5",
    /// Version 3.
    Version "version" "4.1.2.1",
}

impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at.
    pub check: Check,
    /// The section of RFC 5280 that demands it.
    pub section: &'static str,
    /// The subject of the certificate.
    pub certificate: String,
    /// What is wrong.
    pub detail: String,
}

impl Finding {
    pub(super) fn error(check: Check, certificate: &Certificate, detail: impl Into<String>) -> Self {
        Self::new(Level::Error, check, certificate, detail.into())
    }

    pub(super) fn warning(check: Check, certificate: &Certificate, detail: impl Into<String>) -> Self {
        Self::new(Level::Warning, check, certificate, detail.into())
    }

    fn new(level: Level, check: Check, certificate: &Certificate, detail: String) -> Self {
        let certificate = certificate.facts.subject.clone();
        Self { level, check, section: check.section(), certificate, detail }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check.name(), self.detail)
    }
}
