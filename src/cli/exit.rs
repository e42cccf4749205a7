//! Exit codes.

use crate::error::Kind;

pub(super) const HELP: &str = "\
Exit codes:
  0    done
  1    failed
  2    wrong usage
  3    checked, and the answer is no (verify, check, recipient list)
  4    a credential is missing or was refused
  130  interrupted

Secrets are never arguments: an option that takes one takes FILE, - (stdin), fd:N or env:NAME.";

pub(super) const DONE: u8 = 0;

pub(super) fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Failed => 1,
        Kind::Usage => 2,
        Kind::Negative => 3,
        Kind::Credential => 4,
    }
}
