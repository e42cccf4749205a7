//! `model sign`, and the options of other verbs about who made a file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::files::{Files, Rows};
use super::io::{is_dash, no_stream, one_header};
use super::keys::{Keys, keyring_if_any};
use crate::cli::context::Context;
use crate::cli::secret::{self, Source};
use crate::cli::{Outcome, written};
use crate::container::{Signed, Signer, SignerId, TrustedSigner};
use crate::error::Kind;
use crate::fs;
use crate::keyring::{Key, KeyUse, KeyringError};
use crate::ops;
use crate::output::{Document, Failure};

/// Most bytes of a file with one key, and of one with public keys.
const KEY_LIMIT: u64 = 16 << 10;
const PUBLIC_LIMIT: u64 = 1 << 20;

/// Sign encrypted files in place, so that recipients can verify the author
#[derive(Debug, Args)]
#[command(after_help = "Examples, the first three in the home's directory:
  sealserve key create --use signer --id release
  sealserve key public --signer release -o pki/signer.pem
  sealserve model sign models/
  sealserve model sign --signer-key signer.key --key-file model.key digits.sealed   # no home needed

Each file is read and authenticated wholly, and only then its header written. Files that these
signers have signed already are skipped, so an interrupted run is simply run again.")]
pub(super) struct Sign {
    #[command(flatten)]
    files: Files,
    /// The payload of a detached header
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    signers: Signers,
    /// Read all files, print what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Which signer keys.
#[derive(Debug, Args)]
pub(in crate::cli) struct Signers {
    /// Signer key file: Ed25519 in PKCS#8, PEM; may be repeated
    #[arg(long = "signer-key", value_name = secret::FORMS)]
    signer_files: Vec<Source>,
    /// Signer key of the keyring; may be repeated
    #[arg(long = "signer", value_name = "ID")]
    signer_ids: Vec<String>,
}

impl Signers {
    /// Whether an option names any.
    pub(super) fn are_named(&self) -> bool {
        !self.signer_files.is_empty() || !self.signer_ids.is_empty()
    }

    /// One reader of stdin at most.
    pub(in crate::cli) fn check_stdin(&self, context: &Context) -> Outcome {
        context.check_stdin(self.stdin_readers())
    }

    /// How many of them are read from standard input.
    pub(super) fn stdin_readers(&self) -> usize {
        self.signer_files.iter().filter(|source| **source == Source::Stdin).count()
    }

    /// The keys that the options name.
    pub(super) fn named(&self, context: &Context) -> Outcome<Vec<Signer>> {
        let read = |source: &Source| Ok(Signer::parse(&source.name(), source.read(KEY_LIMIT)?.expose())?);
        let mut signers: Vec<Signer> = self.signer_files.iter().map(read).collect::<Outcome<_>>()?;
        if !self.signer_ids.is_empty() {
            let keyring = context.store()?.read()?;
            for id in &self.signer_ids {
                let key = keyring.get(id)?;
                if key.usage != KeyUse::Signer {
                    let (found, wanted) = (key.usage, KeyUse::Signer);
                    return Err(KeyringError::WrongUse { id: id.to_owned(), found, wanted }.into());
                }
                match key.state_at(context.now()) {
                    state if state.is_accepted() => signers.push(signer(key)?),
                    state => return Err(KeyringError::NotUsable { id: id.to_owned(), state }.into()),
                }
            }
        }
        let mut ids: Vec<_> = signers.iter().map(Signer::id).collect();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Failure::new(Kind::Usage, format!("signer {} is given twice", pair[0])).into()),
            None => Ok(signers),
        }
    }

    /// The keys that the options name, or else the active one of the keyring.
    pub(in crate::cli) fn or_active(&self, context: &Context) -> Outcome<Vec<Signer>> {
        if self.are_named() {
            return self.named(context);
        }
        Ok(vec![signer(context.store()?.read()?.active(KeyUse::Signer)?)?])
    }
}

fn signer(key: &Key) -> Outcome<Signer> {
    Ok(Signer::from_pkcs8(&format!("key '{}' of the keyring", key.id), key.secret.clone())?)
}

/// Whose signatures count.
#[derive(Debug, Args)]
pub(super) struct Trusted {
    /// Public keys in PEM, one of which must have signed the file; may be repeated
    #[arg(long = "trusted-signer", value_name = "FILE")]
    trusted_signers: Vec<PathBuf>,
}

impl Trusted {
    /// The keys in the named files. Those that the home's keyring says are revoked count
    /// no more. Who needs no home, since `keys` are not of it, is told where it does not open.
    pub(super) fn read(&self, context: &Context, keys: &Keys) -> Outcome<Vec<TrustedSigner>> {
        let mut trusted = Vec::new();
        for path in &self.trusted_signers {
            trusted.extend(read_trusted(path)?);
        }
        if trusted.is_empty() {
            return Ok(trusted);
        }
        let keyring = match keyring_if_any(context) {
            Err(stop) if keys.need_keyring() => return Err(stop),
            Err(_) => {
                context.output.warn(
                    "the home's keyring cannot be read, so it is not known whether a trusted signer's key is revoked",
                );
                None
            }
            Ok(keyring) => keyring,
        };
        if let Some(keyring) = keyring {
            let now = context.now();
            let revoked = |signer: &TrustedSigner| keyring.refuses(&signer.id().to_string(), now);
            for signer in trusted.extract_if(.., |signer| revoked(signer).is_some()) {
                context.output.warn(&format!("signer {} is not trusted any more", signer.id()));
            }
            if trusted.is_empty() {
                return Err(Failure::new(Kind::Negative, "every trusted signer's key is revoked")
                    .hint("name another with --trusted-signer")
                    .into());
            }
        }
        Ok(trusted)
    }
}

/// The public keys in the file at `path`.
pub(in crate::cli) fn read_trusted(path: &Path) -> Outcome<Vec<TrustedSigner>> {
    let contents = fs::read(path, PUBLIC_LIMIT)?;
    Ok(TrustedSigner::parse(&format!("'{}'", path.display()), contents.expose())?)
}

#[derive(Serialize)]
struct SignDocument {
    new_signers: Vec<SignerId>,
    #[serde(flatten)]
    rows: Rows<SignedDocument>,
}

#[derive(Serialize)]
struct SignedDocument {
    artifact_id: String,
    generation: u64,
    signers: Vec<SignerId>,
    plaintext_bytes: u64,
}

impl From<Signed> for SignedDocument {
    fn from(signed: Signed) -> Self {
        Self {
            artifact_id: signed.artifact_id.to_string(),
            generation: signed.generation,
            signers: signed.signers,
            plaintext_bytes: signed.plaintext_bytes,
        }
    }
}

impl Document for SignDocument {
    const SCHEMA: &'static str = "sealserve.model.sign/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.rows.text(out)
    }
}

impl Sign {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let payload = self.payload.as_deref();
        if payload.is_some_and(is_dash) {
            return Err(no_stream("signed in place").into());
        }
        if payload.is_some() && !self.files.is_one() {
            return Err(one_header("signed").into());
        }
        let readers = self.signers.stdin_readers() + self.files.stdin_readers();
        self.keys.check_stdin_with(context, readers)?;
        let files = self.files.find("signed in place")?;
        let signers = self.signers.or_active(context)?;
        let identities = self.keys.to_decrypt_any(context)?;
        let progress = context.output.progress("signing");
        let items = ops::sign(files, &identities, &signers, payload, self.dry_run, &progress);
        drop(progress);
        let new_signers: Vec<_> = signers.iter().map(Signer::id).collect();
        let names: Vec<_> = new_signers.iter().map(ToString::to_string).collect();
        let rows = Rows::new(items, self.dry_run, SignedDocument::from);
        let document = SignDocument { new_signers, rows };
        let said = context.output.document(&document);
        document.rows.conclude(context, &format!("signed by {}", names.join(", ")))?;
        written(said)
    }
}
