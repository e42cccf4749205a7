//! `model`: encrypt, decrypt, inspect, verify.

use std::fs::File;
use std::io::{self, IoSliceMut, IsTerminal, Read, Stdin, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::context::Context;
use super::secret::{self, Source};
use super::{Outcome, Stop, written};
use crate::clock::rfc3339;
use crate::container::{
    ContainerError, Header, Kek, KeyId, KeySource, Metadata, Named, ONNX, SealSpec, Sealed, SlotState, seal,
};
use crate::error::{Diagnose, Kind};
use crate::fs::{self, AtomicFile, Existing, FsError};
use crate::keyring::{Key, KeyUse, Keyring, KeyringError};
use crate::output::{Document, Failure};
use crate::progress::Progress;
use crate::secret::Secret;

/// Encrypt and decrypt model files
#[derive(Debug, Args)]
pub(super) struct ModelCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Encrypt(Encrypt),
    Decrypt(Decrypt),
    Inspect(Inspect),
    Verify(Verify),
}

impl ModelCommand {
    pub(super) fn run(self, context: &Context) -> Outcome {
        match self.verb {
            Verb::Encrypt(verb) => verb.run(context),
            Verb::Decrypt(verb) => verb.run(context),
            Verb::Inspect(verb) => verb.run(context),
            Verb::Verify(verb) => verb.run(context),
        }
    }
}

/// Which key-encryption keys; with neither option, those of the home.
#[derive(Debug, Args)]
struct Keys {
    /// Key file: 32 bytes, or their hex or base64; may be repeated
    #[arg(long = "key-file", value_name = secret::FORMS)]
    files: Vec<Source>,
    /// Model key of the keyring; may be repeated [default: the active one to encrypt, all to decrypt]
    #[arg(long = "key", value_name = "ID")]
    ids: Vec<String>,
}

impl Keys {
    /// The keys to encrypt for.
    fn to_encrypt(&self, context: &Context) -> Outcome<Vec<Kek>> {
        self.resolve(context, |keyring| Ok(vec![kek(keyring.active(KeyUse::Model)?)?]))
    }

    /// The keys that may decrypt.
    fn to_decrypt(&self, context: &Context) -> Outcome<Vec<Kek>> {
        self.resolve(context, |keyring| {
            let now = context.now();
            keyring.of(KeyUse::Model).filter(|key| key.state_at(now).is_accepted()).map(kek).collect()
        })
    }

    /// The keys that the options name, or else those that `default` finds in the keyring.
    fn resolve(
        &self,
        context: &Context,
        default: impl FnOnce(&Keyring) -> Outcome<Vec<Kek>>,
    ) -> Outcome<Vec<Kek>> {
        let read = |source: &Source| Ok(Kek::parse(&source.name(), source.read(256)?.expose())?);
        let mut keks: Vec<Kek> = self.files.iter().map(read).collect::<Outcome<_>>()?;
        if self.ids.is_empty() {
            return if keks.is_empty() { default(&context.store()?.read()?) } else { Ok(keks) };
        }
        let keyring = context.store()?.read()?;
        for id in &self.ids {
            keks.push(usable(&keyring, id, context)?);
        }
        Ok(keks)
    }

    /// One reader of stdin at most.
    fn check_stdin(&self, input: &Path) -> Outcome {
        let readers = self.files.iter().filter(|source| **source == Source::Stdin).count();
        if readers + usize::from(is_dash(input)) > 1 {
            return Err(Failure::new(Kind::Usage, "only one thing can be read from standard input").into());
        }
        Ok(())
    }
}

fn usable(keyring: &Keyring, id: &str, context: &Context) -> Outcome<Kek> {
    let key = keyring.get(id)?;
    if key.usage != KeyUse::Model {
        let (found, wanted) = (key.usage, KeyUse::Model);
        return Err(KeyringError::WrongUse { id: id.to_owned(), found, wanted }.into());
    }
    match key.state_at(context.now()) {
        state if state.is_accepted() => kek(key),
        state => Err(KeyringError::NotUsable { id: id.to_owned(), state }.into()),
    }
}

fn kek(key: &Key) -> Outcome<Kek> {
    let secret = Secret::from_slice(key.secret.expose());
    secret.map(Kek::new).ok_or_else(|| {
        Failure::new(Kind::Failed, format!("model key '{}' of the keyring is not 32 bytes", key.id)).into()
    })
}

fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}

/// A file or standard input.
enum Input {
    File(File),
    Stdin(Stdin),
}

impl Read for Input {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buf),
            Self::Stdin(stdin) => stdin.read(buf),
        }
    }

    // Without this, each buffer of a batch would cost a system call of its own.
    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_vectored(bufs),
            Self::Stdin(stdin) => stdin.read_vectored(bufs),
        }
    }
}

impl Input {
    fn open(path: &Path) -> Outcome<Named<Self>> {
        if is_dash(path) {
            return Ok(Named::new("standard input", Self::Stdin(io::stdin())));
        }
        let file = File::open(path).map_err(FsError::io("read", path))?;
        let kind = file.metadata().map_err(FsError::io("read", path))?.file_type();
        if kind.is_dir() {
            return Err(Failure::new(Kind::Failed, format!("'{}' is a directory", path.display())).into());
        }
        Ok(Named::new(path.to_string_lossy(), Self::File(file)))
    }

    /// Number of bytes, of a regular file.
    fn size(&self) -> Option<u64> {
        match self {
            Self::File(file) => file.metadata().ok().filter(std::fs::Metadata::is_file).map(|m| m.len()),
            Self::Stdin(_) => None,
        }
    }
}

/// Where an answer of bytes goes: a file that appears when it is whole, or stdout.
enum Destination {
    File(AtomicFile, PathBuf),
    Stdout,
}

impl Destination {
    fn open(path: &Path, mode: u32, force: bool) -> Outcome<Self> {
        if is_dash(path) {
            if io::stdout().is_terminal() {
                return Err(Failure::new(Kind::Usage, "binary output is not written to a terminal")
                    .hint("pass -o FILE, or pipe it into another program")
                    .into());
            }
            return Ok(Self::Stdout);
        }
        let existing = if force { Existing::Replace } else { Existing::Refuse };
        Ok(Self::File(AtomicFile::create(path, mode, existing)?, path.to_owned()))
    }

    /// Writes through `write` and, if that succeeds, gives the file its name.
    fn fill<T>(
        mut self,
        write: impl FnOnce(Named<&mut (dyn Write + Send)>) -> Result<T, ContainerError>,
    ) -> Outcome<T> {
        let answer = match &mut self {
            Self::File(file, path) => write(Named::new(path.to_string_lossy(), file))?,
            Self::Stdout => write(Named::new("standard output", &mut io::stdout())).map_err(broken_pipe)?,
        };
        if let Self::File(file, _) = self {
            file.commit()?;
        }
        Ok(answer)
    }
}

/// Who closes the pipe has read enough.
fn broken_pipe(error: ContainerError) -> Stop {
    match error {
        ContainerError::Write { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => {
            Stop::Output(source)
        }
        other => other.into(),
    }
}

/// Encrypt a model
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve model encrypt digits.onnx -o models/digits.sealed
  sealserve model encrypt --key-file model.key --name digits - < digits.onnx > digits.sealed")]
struct Encrypt {
    /// The model; - is standard input
    #[arg(default_value = "-")]
    input: PathBuf,
    /// The encrypted file; - is standard output [default: INPUT.sealed, or standard output]
    #[arg(long, short)]
    output: Option<PathBuf>,
    #[command(flatten)]
    keys: Keys,
    /// Name that the model will be served under [default: the file's stem]
    #[arg(long)]
    name: Option<String>,
    /// Version that the model will be served as
    #[arg(long, default_value = "1", value_name = "VERSION")]
    model_version: String,
    /// Media type of what is inside
    #[arg(long, default_value = ONNX)]
    media_type: String,
    /// Replace an existing output
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct EncryptDocument {
    output: PathBuf,
    artifact_id: String,
    recipients: Vec<KeyId>,
    plaintext_bytes: u64,
    sealed_bytes: u64,
}

impl Document for EncryptDocument {
    const SCHEMA: &'static str = "sealserve.model.encrypt/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.output.display())
    }
}

impl Encrypt {
    fn run(self, context: &Context) -> Outcome {
        self.keys.check_stdin(&self.input)?;
        let output = self.output.clone().unwrap_or_else(|| {
            if is_dash(&self.input) { "-".into() } else { self.input.with_extension("sealed") }
        });
        let input = Input::open(&self.input)?;
        let stem = || Some(self.input.file_stem()?.to_string_lossy().into_owned()).filter(|stem| stem != "-");
        let name = self.name.clone().or_else(stem).ok_or_else(|| {
            Failure::new(Kind::Usage, "a model from standard input has no name").hint("pass --name NAME")
        })?;
        let keys = self.keys.to_encrypt(context)?;
        let metadata = Metadata {
            name,
            version: self.model_version,
            media_type: self.media_type,
            created: rfc3339(context.now()),
            size: input.stream.size(),
            sha256: None,
        };
        let spec = SealSpec { keys: &keys, metadata: &metadata };
        let destination = Destination::open(&output, fs::PUBLIC, self.force)?;
        let progress = context.output.progress("encrypting");
        let summary = destination.fill(|out| seal(input, out, &spec, &progress))?;
        drop(progress);
        let names: Vec<_> = summary.recipients.iter().map(ToString::to_string).collect();
        context.output.note(&format!(
            "encrypted {} bytes as '{}' version {} for {}",
            summary.plaintext_bytes,
            metadata.name,
            metadata.version,
            names.join(", ")
        ));
        if is_dash(&output) {
            return Ok(());
        }
        written(context.output.document(&EncryptDocument {
            output,
            artifact_id: summary.artifact_id.to_string(),
            recipients: summary.recipients,
            plaintext_bytes: summary.plaintext_bytes,
            sealed_bytes: summary.sealed_bytes,
        }))
    }
}

/// Decrypt a model; the output appears only when all of it is authentic
#[derive(Debug, Args)]
struct Decrypt {
    /// The encrypted file; - is standard input
    #[arg(default_value = "-")]
    input: PathBuf,
    /// The model in the clear (0600); - is standard output
    #[arg(long, short, default_value = "-")]
    output: PathBuf,
    #[command(flatten)]
    keys: Keys,
    /// Replace an existing output
    #[arg(long)]
    force: bool,
}

impl Decrypt {
    fn run(self, context: &Context) -> Outcome {
        self.keys.check_stdin(&self.input)?;
        let destination = Destination::open(&self.output, fs::SECRET, self.force)?;
        let keys = self.keys.to_decrypt(context)?;
        let progress = context.output.progress("decrypting");
        let name = self.input.display().to_string();
        let (bytes, damaged) = destination.fill(|out| {
            if is_dash(&self.input) {
                decrypt(Sealed::read(Named::new("standard input", io::stdin()))?, &keys, out, &progress)
            } else {
                decrypt(Sealed::open(&self.input)?, &keys, out, &progress)
            }
        })?;
        drop(progress);
        if damaged {
            context.output.warn(&format!("one of the two headers of '{name}' is damaged; encrypt it again"));
        }
        context.output.note(&format!("decrypted {bytes} bytes"));
        Ok(())
    }
}

fn decrypt<S: Read + Send>(
    sealed: Sealed<S>,
    keys: &[Kek],
    out: Named<&mut (dyn Write + Send)>,
    progress: &dyn Progress,
) -> Result<(u64, bool), ContainerError> {
    let unlocked = sealed.unlock(keys)?;
    let damaged = unlocked.header().damaged_slot().is_some();
    Ok((unlocked.decrypt(out, progress)?, damaged))
}

/// Show what a file tells, and with a key also what it says about the model
#[derive(Debug, Args)]
struct Inspect {
    /// The encrypted file
    input: PathBuf,
    #[command(flatten)]
    keys: Keys,
}

#[derive(Serialize)]
struct InspectDocument {
    artifact_id: String,
    format: u16,
    generation: u64,
    slot_bytes: u32,
    slots: [&'static str; 2],
    recipients: Vec<RecipientDocument>,
    signatures: usize,
    /// Authentic, where a key opened the file; without one, nothing here is.
    authentic: bool,
    metadata: Option<MetadataDocument>,
}

#[derive(Serialize)]
struct RecipientDocument {
    kind: &'static str,
    key_id: KeyId,
}

#[derive(Serialize)]
struct MetadataDocument {
    name: String,
    version: String,
    media_type: String,
    created: String,
    size: Option<u64>,
}

impl InspectDocument {
    fn new(header: &Header, metadata: Option<&Metadata>) -> Self {
        Self {
            artifact_id: header.artifact_id().to_string(),
            format: 1,
            generation: header.generation(),
            slot_bytes: header.slot_len(),
            slots: header.slots().map(|slot| match slot {
                SlotState::Damaged => "damaged",
                _ => "intact",
            }),
            recipients: header
                .recipients()
                .iter()
                .map(|r| RecipientDocument { kind: r.kind.name(), key_id: r.key_id })
                .collect(),
            signatures: header.signatures().len(),
            authentic: metadata.is_some(),
            metadata: metadata.map(|m| MetadataDocument {
                name: m.name.clone(),
                version: m.version.clone(),
                media_type: m.media_type.clone(),
                created: m.created.clone(),
                size: m.size,
            }),
        }
    }
}

impl Document for InspectDocument {
    const SCHEMA: &'static str = "sealserve.model.inspect/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "artifact    {}", self.artifact_id)?;
        writeln!(out, "generation  {}", self.generation)?;
        writeln!(out, "headers     {} and {}, {} bytes each", self.slots[0], self.slots[1], self.slot_bytes)?;
        for recipient in &self.recipients {
            writeln!(out, "recipient   {} {}", recipient.kind, recipient.key_id)?;
        }
        writeln!(out, "signatures  {}", self.signatures)?;
        let Some(metadata) = &self.metadata else {
            return writeln!(out, "no key was used: nothing above is proven, and the rest is encrypted");
        };
        writeln!(out, "name        {}", metadata.name)?;
        writeln!(out, "version     {}", metadata.version)?;
        writeln!(out, "type        {}", metadata.media_type)?;
        writeln!(out, "created     {}", metadata.created)?;
        metadata.size.map_or(Ok(()), |size| writeln!(out, "size        {size}"))
    }
}

impl Inspect {
    fn run(self, context: &Context) -> Outcome {
        let sealed = Sealed::open(&self.input)?;
        let asked = !self.keys.files.is_empty() || !self.keys.ids.is_empty();
        // Without a key this must work where there is no home, too.
        let keys = match self.keys.to_decrypt(context) {
            Ok(keys) => keys,
            Err(_) if !asked => Vec::new(),
            Err(stop) => return Err(stop),
        };
        let known = sealed.header().recipients().iter().any(|r| keys.as_slice().find(&r.key_id).is_some());
        if !known && !asked {
            return written(context.output.document(&InspectDocument::new(sealed.header(), None)));
        }
        let unlocked = sealed.unlock(keys.as_slice())?;
        written(context.output.document(&InspectDocument::new(unlocked.header(), Some(unlocked.metadata()))))
    }
}

/// Decrypt everything and write nothing; exit 3 when anything is wrong
#[derive(Debug, Args)]
struct Verify {
    /// The encrypted file; - is standard input
    #[arg(default_value = "-")]
    input: PathBuf,
    #[command(flatten)]
    keys: Keys,
}

#[derive(Serialize)]
struct VerifyDocument {
    verified: bool,
    name: String,
    version: String,
    plaintext_bytes: u64,
}

impl Document for VerifyDocument {
    const SCHEMA: &'static str = "sealserve.model.verify/v1";

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "verified: '{}' version {}, {} bytes", self.name, self.version, self.plaintext_bytes)
    }
}

impl Verify {
    fn run(self, context: &Context) -> Outcome {
        self.keys.check_stdin(&self.input)?;
        let keys = self.keys.to_decrypt(context)?;
        let progress = context.output.progress("verifying");
        let outcome = if is_dash(&self.input) {
            Sealed::read(Named::new("standard input", io::stdin())).and_then(|s| verify(s, &keys, &progress))
        } else {
            Sealed::open(&self.input).and_then(|s| verify(s, &keys, &progress))
        };
        drop(progress);
        let document = outcome.map_err(|error| {
            // What is wrong inside the file is this command's answer, not its failure.
            let negative = matches!(error, ContainerError::Fault { .. });
            let kind = if negative { Kind::Negative } else { error.kind() };
            Failure::from(error).kind(kind)
        })?;
        written(context.output.document(&document))
    }
}

fn verify<S: Read + Send>(
    sealed: Sealed<S>,
    keys: &[Kek],
    progress: &dyn Progress,
) -> Result<VerifyDocument, ContainerError> {
    let unlocked = sealed.unlock(keys)?;
    let (name, version) = (unlocked.metadata().name.clone(), unlocked.metadata().version.clone());
    Ok(VerifyDocument { verified: true, name, version, plaintext_bytes: unlocked.verify(progress)? })
}
