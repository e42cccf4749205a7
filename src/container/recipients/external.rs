//! Recipients of type 4: a command wraps and unwraps the data key, so that the key
//! which does it can stay in a KMS, a TPM or a token.
//!
//! What the command gets of a file is the wrapped key, on its standard input, and
//! nothing else: which key to use, and where it is, the caller says.

use std::time::Duration;

use super::stanza::{BOUND_KEY, Stanza, bind, unbind};
use crate::command::{CommandError, Program, Question};
use crate::container::error::{ContainerError, Fault};
use crate::container::ids::{KeyId, RecipientKind};
use crate::container::preamble::{LABEL, Preamble};
use crate::crypto::digest::sha256;
use crate::secret::{Secret, SecretBytes};

/// Bytes of a wrapped key that a command may answer with.
const MOST_WRAPPED: usize = 8192;
/// Bytes of a key's name.
const MOST_NAME: usize = 1024;

/// A command that wraps or unwraps data keys under a key that it knows by name.
#[derive(Debug, Clone)]
pub struct External {
    program: Program,
    name: String,
    time: Duration,
    hear: fn(&str),
}

impl External {
    /// `program` works with the key `name`, has `time` to answer, and what it says
    /// meanwhile goes to `hear`.
    pub fn new(program: Program, name: &str, time: Duration, hear: fn(&str)) -> Result<Self, ContainerError> {
        let right = (1..=MOST_NAME).contains(&name.len()) && !name.chars().any(char::is_control);
        if !right {
            return Err(ContainerError::CommandKey);
        }
        Ok(Self { program, name: name.to_owned(), time, hear })
    }

    /// What files sealed for its key call that.
    pub fn key_id(&self) -> KeyId {
        let digest = sha256(&[LABEL, b"external\0", self.name.as_bytes()]);
        KeyId(std::array::from_fn(|i| digest[i]))
    }

    /// The name of its key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Has it wrap `data_key`.
    pub(super) fn wrap(&self, preamble: &Preamble, data_key: &Secret<32>) -> Result<Stanza, ContainerError> {
        let wrapped = self.ask("wrap", bind(preamble, data_key).expose(), MOST_WRAPPED)?;
        let blob = wrapped.expose().to_vec();
        // `cat` is no encryption, nor is base64.
        if blob.is_empty() || holds(&blob, data_key) {
            return Err(ContainerError::CommandAnswer { key: self.name.clone() });
        }
        Ok(Stanza { kind: RecipientKind::External, key_id: self.key_id(), blob })
    }

    /// Has it unwrap the data key of `stanza`, which names its key.
    pub(super) fn unwrap(
        &self,
        file: &str,
        stanza: &Stanza,
        preamble: &Preamble,
    ) -> Result<Secret<32>, ContainerError> {
        // No command gave such a blob, so none is bothered with it.
        if !is_possible(&stanza.blob) {
            return Err(Fault::of(file)(Fault::Wrapping(stanza.key_id)));
        }
        let opened = match self.ask("unwrap", &stanza.blob, BOUND_KEY) {
            Ok(opened) if opened.len() == BOUND_KEY => opened,
            Ok(_) | Err(ContainerError::Command { source: CommandError::Flooded { .. }, .. }) => {
                return Err(Fault::of(file)(Fault::Answer(stanza.key_id)));
            }
            Err(error) => return Err(error),
        };
        unbind(preamble, opened.expose()).ok_or(Fault::Foreign(stanza.key_id)).map_err(Fault::of(file))
    }

    fn ask(&self, operation: &str, input: &[u8], limit: usize) -> Result<SecretBytes, ContainerError> {
        let id = self.key_id().to_string();
        let variables = [
            ("SEALSERVE_OPERATION", operation),
            ("SEALSERVE_KEY_NAME", self.name.as_str()),
            ("SEALSERVE_KEY_ID", id.as_str()),
        ];
        let question = Question { variables: &variables, input, limit, time: self.time };
        self.program.ask(&question, self.hear).map_err(|source| ContainerError::Command {
            operation: if operation == "wrap" { "wrap" } else { "unwrap" },
            key: self.name.clone(),
            source,
        })
    }
}

/// Whether a command can have answered with `blob`.
pub(super) fn is_possible(blob: &[u8]) -> bool {
    (1..=MOST_WRAPPED).contains(&blob.len())
}

/// Whether `blob` has the key inside, as it is or in a common text form.
fn holds(blob: &[u8], key: &Secret<32>) -> bool {
    use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
    let key = key.expose();
    // The first 30 bytes: what base64 makes of them does not hang on the rest.
    let texts =
        [HEXLOWER.encode(key), HEXUPPER.encode(key), BASE64.encode(&key[..30])].map(SecretBytes::from);
    let within = |part: &[u8]| blob.windows(part.len()).any(|window| window == part);
    within(key) || texts.iter().any(|text| within(text.expose()))
}
