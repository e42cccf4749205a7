//! Work that combines several domains. A request goes in, a report comes out;
//! nothing here prints.

mod authority;
mod dev;
mod doubts;
mod error;
mod file_set;
mod files;
mod init;
mod issue;
mod model_files;
mod renew;
mod rotate;
mod send;

pub use authority::{create_authority, inventory, open_authority, read_certificates};
pub use dev::{DevHome, DevRequest, sample};
pub use doubts::{doubt_members, doubt_model, doubt_name};
pub use error::HomeError;
pub use files::{Found, find, sealed_for};
pub use init::{InitReport, InitRequest, init};
pub use issue::{IssueRequest, issue, write_authority};
pub use model_files::{ModelFiles, ModelFilesError, restore};
pub use renew::{Kept, kept};
pub use rotate::{Item, Outcome, Part, Payloads, Reencrypted, reencrypt, rewrap, sign, total};
pub use send::{Outgoing, Proof, SendError, SendReport, SendRequest, SignedOutgoing, Signer, send};
