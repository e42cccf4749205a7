//! What every module's error type can tell beyond its message: what the caller
//! should conclude, and what the person may do next.

/// What an error means for the caller. The command line turns it into an exit
/// code; `sealserve --help` and the README list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The work could not be done.
    Failed,
    /// The request itself makes no sense; nothing was tried.
    Usage,
    /// The thing was checked, and the answer is no.
    Negative,
    /// A credential is missing or was refused.
    Credential,
}

/// An error that a person can act upon.
pub trait Diagnose: std::error::Error {
    /// What the caller should conclude.
    fn kind(&self) -> Kind {
        Kind::Failed
    }

    /// What to do next, as a phrase without a full stop.
    fn hint(&self) -> Option<String> {
        None
    }
}
