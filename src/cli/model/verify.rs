//! `model verify`.

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::files::{Inputs, Rows};
use super::inspect::ArchiveDocument;
use super::io::{Payload, one_header};
use super::keys::{EachTime, Keys};
use super::sign::Trusted;
use crate::cli::context::Context;
use crate::cli::{Outcome, answered, written};
use crate::container::{ContainerError, KeyId, SignerId, TrustedSigner};
use crate::error::{Diagnose, Kind};
use crate::ops::{self, Part};
use crate::output::{self, Document, Failure};
use crate::progress::Progress;

/// Decrypt and verify files without writing output; exit 3 if a file is invalid
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve model verify digits.sealed
  sealserve model verify digits.sealed --trusted-signer pki/signer.pem
  sealserve model verify models/ --trusted-signer pki/signer.pem --format json |
      jq -r '.files[] | select(.status == \"failed\") | .path'

Of a directory, of several files and of a list, each file gets its answer. Exit code 3 when one is
damaged, or not signed as demanded; 4 when all that is wrong is that nothing opens some; else 1.")]
pub(super) struct Verify {
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    payload: Payload,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    trusted: Trusted,
}

#[derive(Serialize)]
struct VerifyDocument {
    verified: bool,
    #[serde(flatten)]
    found: Found,
}

/// What is in a file that is as it should be.
#[derive(Serialize)]
struct Found {
    name: String,
    version: String,
    plaintext_bytes: u64,
    /// What opened it.
    opened_by: OpenedBy,
    /// The trusted signers that signed it.
    signed_by: Vec<SignerId>,
    /// The older generation that a slot holds, where a rewrap was interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<ArchiveDocument>,
}

#[derive(Serialize)]
struct OpenedBy {
    kind: &'static str,
    key_id: KeyId,
}

impl Found {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "'{}' version {}, {} bytes", self.name, self.version, self.plaintext_bytes)?;
        for (i, signer) in self.signed_by.iter().enumerate() {
            write!(out, "{} {signer}", if i == 0 { ", signed by" } else { "," })?;
        }
        writeln!(out)
    }
}

impl Document for VerifyDocument {
    const SCHEMA: &'static str = "sealserve.model.verify/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "verified: ")?;
        self.found.text(out)?;
        self.found.archive.as_ref().map_or(Ok(()), |archive| archive.text(out))
    }
}

/// Of many files.
#[derive(Serialize)]
struct VerifiesDocument {
    #[serde(flatten)]
    rows: Rows<Found>,
}

impl Document for VerifiesDocument {
    const SCHEMA: &'static str = "sealserve.model.verify.files/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for (path, found) in self.rows.each() {
            if let Some(found) = found {
                write!(out, "verified: {}: ", output::one_line(&path.to_string_lossy()))?;
                found.text(out)?;
            }
        }
        Ok(())
    }
}

impl Verify {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let Some(file) = self.inputs.only().map(Path::to_owned) else { return self.run_many(context) };
        answered::<VerifyDocument>(context.output, self.run_one(context, &file))
    }

    fn run_one(self, context: &Context, file: &Path) -> Outcome {
        self.keys.check_stdin_with(context, self.payload.stdin_readers(file))?;
        let trusted = self.trusted.read(context, &self.keys)?;
        let mut each = self.keys.for_each(context);
        let progress = context.output.progress("verifying");
        let found = verify(file, &self.payload, &mut each, &trusted, &progress)?;
        drop(progress);
        warn_of_stale(context, file, found.stale_generation);
        written(context.output.document(&VerifyDocument { verified: true, found }))
    }

    fn run_many(self, context: &Context) -> Outcome {
        if self.payload.file().is_some() {
            return Err(one_header("verified").into());
        }
        let files = self.inputs.many();
        self.keys.check_stdin_with(context, files.stdin_readers())?;
        let trusted = self.trusted.read(context, &self.keys)?;
        let mut each = self.keys.for_each(context);
        let files = files.find("verified with others")?;
        let progress = context.output.progress("verifying");
        progress.total(ops::total(&files));
        let part = Part(&progress);
        let rows = Rows::answers(files, |path| verify(path, &self.payload, &mut each, &trusted, &part))?;
        drop(progress);
        let document = VerifiesDocument { rows };
        for (path, found) in document.rows.each() {
            warn_of_stale(context, path, found.and_then(|found| found.stale_generation));
        }
        let said = context.output.document(&document);
        document.rows.judge(context, "verified")?;
        written(said)
    }
}

/// Verifies one file.
fn verify(
    path: &Path,
    payload: &Payload,
    each: &mut EachTime<'_>,
    trusted: &[TrustedSigner],
    progress: &dyn Progress,
) -> Outcome<Found> {
    let sealed = payload.open(path).map_err(answer)?;
    let identities = each.identities(sealed.header())?;
    let unlocked = sealed.unlock(identities).map_err(answer)?;
    let (name, version) = (unlocked.metadata().name.clone(), unlocked.metadata().version.clone());
    let stale_generation = unlocked.header().stale_generation();
    let opened_by = OpenedBy { kind: unlocked.kind().name(), key_id: unlocked.key_id() };
    let verified = match trusted {
        [] => unlocked.verify_contents(progress),
        trusted => unlocked.verify_signed(trusted, progress),
    };
    let verified = verified.map_err(answer)?;
    Ok(Found {
        name,
        version,
        plaintext_bytes: verified.plaintext_bytes,
        opened_by,
        signed_by: verified.signed_by,
        stale_generation,
        archive: verified.archive.map(ArchiveDocument::from),
    })
}

/// Tells of a rewrap of the file at `path` that did not end.
pub(super) fn warn_of_stale(context: &Context, path: &Path, generation: Option<u64>) {
    if let Some(generation) = generation {
        context.output.warn(&format!(
            "a rewrap was interrupted: the keys of generation {generation} are still in the header of '{}'; run it again",
            path.display()
        ));
    }
}

/// What is wrong inside the file is this command's answer, not its failure.
pub(super) fn answer(error: ContainerError) -> Failure {
    let kind = if error.is_fault() { Kind::Negative } else { error.kind() };
    Failure::from(error).kind(kind)
}
