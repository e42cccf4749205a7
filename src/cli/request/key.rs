//! The key that signs: of the home's keyring, or from a file.

use std::time::Duration;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::secret::{FORMS, Source, refused};
use crate::cli::{Outcome, Stop};
use crate::config::Span;
use crate::error::Kind;
use crate::keyring::{KeyState, KeyringError};
use crate::output::Failure;
use crate::signing::{MAX_WINDOW, RequestKey};

/// The text form and the white space around it.
const LIMIT: u64 = 256;

#[derive(Debug, Args)]
pub(super) struct SignKey {
    /// Request key of the home's keyring
    #[arg(long = "sign-key", value_name = "ID", conflicts_with_all = ["file", "id"], help_heading = "Signature")]
    named: Option<String>,
    /// Request key in a file, as `key create --use request --out` writes it
    #[arg(long = "sign-key-file", value_name = FORMS, help_heading = "Signature")]
    file: Option<Source>,
    /// Name under which the server knows the key in --sign-key-file
    #[arg(long = "sign-key-id", value_name = "ID", requires = "file", help_heading = "Signature")]
    id: Option<String>,
}

impl SignKey {
    pub(super) fn stdin_readers(&self) -> usize {
        usize::from(self.file == Some(Source::Stdin))
    }

    /// Whether a key is named.
    pub(super) fn is_given(&self) -> bool {
        self.named.is_some() || self.file.is_some()
    }

    /// The key to sign with.
    pub(super) fn to_sign(&self, context: &Context) -> Outcome<RequestKey> {
        match (&self.named, &self.file, &self.id) {
            (Some(id), ..) => of_keyring(context, id, |state| state == KeyState::Active),
            (None, Some(source), Some(id)) => parse(source, id),
            (None, Some(_), None) => {
                let message =
                    "--sign-key-file needs --sign-key-id: the name under which the server knows the key";
                Err(Failure::new(Kind::Usage, message).into())
            }
            (None, None, _) => Err(Failure::new(Kind::Usage, "no key to sign with is named")
                .hint("pass --sign-key ID, or --sign-key-file FILE with --sign-key-id ID")
                .into()),
        }
    }

    /// The key to verify with, for a signature that says it is of `key_id`.
    pub(super) fn to_verify(&self, context: &Context, key_id: &str) -> Outcome<RequestKey> {
        let wanted = self.named.as_deref().or(self.id.as_deref());
        if let Some(wanted) = wanted.filter(|wanted| *wanted != key_id) {
            let message = format!("the request is signed with key '{key_id}', not with '{wanted}'");
            return Err(Failure::new(Kind::Negative, message).into());
        }
        match &self.file {
            Some(source) => parse(source, key_id),
            // A key that is not accepted is the answer here, not a failure.
            None => of_keyring(context, key_id, KeyState::is_accepted).map_err(|stop| match stop {
                Stop::Failure(failure) if failure.conclusion() == Kind::Credential => {
                    failure.kind(Kind::Negative).into()
                }
                other => other,
            }),
        }
    }
}

fn parse(source: &Source, id: &str) -> Outcome<RequestKey> {
    let text = source.read(LIMIT)?;
    Ok(RequestKey::parse(id, text.expose(), &source.name()).map_err(Failure::from)?)
}

fn of_keyring(context: &Context, id: &str, usable: impl Fn(KeyState) -> bool) -> Outcome<RequestKey> {
    let keyring = context.store()?.read()?;
    let key = keyring.get(id).map_err(refused)?;
    let state = key.state_at(context.now());
    if !usable(state) {
        return Err(refused(KeyringError::NotUsable { id: id.to_owned(), state }).into());
    }
    Ok(RequestKey::of(key)?)
}

/// A validity that a server can accept.
pub(super) fn window(span: Span) -> Outcome<Duration> {
    let Span(window) = span;
    if window > MAX_WINDOW || window < Duration::from_secs(1) {
        let message = format!("a signature is valid for 1 s to {} s", MAX_WINDOW.as_secs());
        return Err(Failure::new(Kind::Usage, message).hint("choose another --window").into());
    }
    Ok(window)
}
