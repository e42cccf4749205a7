//! Loads an encrypted model. It is decrypted in memory only, and completely authenticated
//! before ONNX Runtime sees its first byte.

use std::io::Read;
use std::path::Path;
use std::time::Instant;

use super::scheduler::Scheduler;
use super::sessions::OpenSpare;
use super::spec::{ModelSource, ModelSpec};
use super::{LoadError, Model, Provenance};
use crate::auth::ModelId;
use crate::container::archive::TAR;
use crate::container::{ContainerError, Header, KeyId, KeySource, ReadAt, RecipientKind, Sealed, SignerId};
use crate::process;
use crate::progress::Progress;
use crate::runtime::{self, Placement, Runtime, SessionOptions};

/// The plaintext of a model of at most this size is kept, so that one more session can be
/// opened when all others are stuck.
const SPARE: usize = 64 << 20;
/// A model whose plaintext has at most this size gets a session for each core, unless its
/// configuration says otherwise, so that requests do not wait for each other.
const SMALL: usize = 4 << 20;
/// The most sessions that a model gets that way.
const MOST_SESSIONS: usize = 16;

/// Loads the model `spec` with a key from `keys`.
pub fn load(
    runtime: Runtime,
    spec: &ModelSpec,
    keys: &(impl KeySource + ?Sized),
    progress: &dyn Progress,
) -> Result<Model, LoadError> {
    let started = Instant::now();
    let (plain, provenance) = decrypt(spec, keys, progress)?;
    let options = SessionOptions {
        placement: spec.placement,
        intra_threads: spec.threads,
        run_memory: spec.run_memory,
    };
    let refused = |source| LoadError::Model { model: spec.name.clone(), source };
    let has_spare = plain.plaintext.len() <= SPARE;
    let count = spec.sessions.unwrap_or_else(|| default_sessions(spec.placement, plain.plaintext.len()));
    let most = count + usize::from(has_spare);
    let prepared =
        if spec.share_weights { runtime.prepare_shared(plain, most) } else { runtime.prepare(plain, most) };
    let mut loader = prepared.map_err(refused)?;
    let sessions = (0..count).map(|_| {
        let session = loader.open(&options);
        // Returns the library's temporary copies to the system. They are not wiped and would
        // not be reused.
        process::release_freed_memory();
        session
    });
    let sessions = sessions.collect::<Result<Vec<_>, _>>().map_err(refused)?;
    let open_spare: Option<OpenSpare> = has_spare.then(|| Box::new(move || loader.open(&options)) as _);
    let scheduler = Scheduler::start(runtime, &spec.name, sessions, open_spare, spec.queue)
        .map_err(|source| LoadError::Thread { model: spec.name.clone(), source })?;
    tracing::info!(
        model = spec.name,
        version = spec.version,
        seconds = started.elapsed().as_secs_f64(),
        "loaded"
    );
    Ok(Model::new(ModelId::new(&spec.name), spec.version.clone(), spec.placement, scheduler, provenance))
}

/// The number of sessions of a model of `size` bytes whose configuration does not set it.
fn default_sessions(placement: Placement, size: usize) -> usize {
    if placement == Placement::Cpu && size <= SMALL {
        std::thread::available_parallelism().map_or(1, usize::from).min(MOST_SESSIONS)
    } else {
        1
    }
}

/// The recipient keys and the signers that the file's header names. Not authenticated.
pub fn claimed(spec: &ModelSpec) -> Result<(Vec<KeyId>, Vec<SignerId>), ContainerError> {
    let said = |header: &Header| {
        let keys = header.recipients().iter().filter(|recipient| recipient.kind == RecipientKind::Key);
        let signers = header.signatures().iter().map(|record| record.signer);
        (keys.map(|recipient| recipient.key_id).collect(), signers.collect())
    };
    match &spec.source {
        ModelSource::File(path) | ModelSource::Detached { header: path, .. } => {
            Sealed::open(path).map(|sealed| said(sealed.header()))
        }
        ModelSource::Memory(bytes) => {
            Sealed::from_bytes(&spec.name, bytes).map(|sealed| said(sealed.header()))
        }
    }
}

fn decrypt(
    spec: &ModelSpec,
    keys: &(impl KeySource + ?Sized),
    progress: &dyn Progress,
) -> Result<(runtime::Model, Provenance), LoadError> {
    let container = |source| LoadError::Container { model: spec.name.clone(), source };
    let file = |path: &Path| path.display().to_string();
    match &spec.source {
        ModelSource::File(path) => {
            authentic(spec, &file(path), Sealed::open(path).map_err(container)?, keys, progress)
        }
        ModelSource::Detached { header, payload } => {
            let sealed = Sealed::open_detached(header, payload).map_err(container)?;
            authentic(spec, &file(header), sealed, keys, progress)
        }
        ModelSource::Memory(bytes) => {
            let sealed = Sealed::from_bytes(&spec.name, bytes).map_err(container)?;
            authentic(spec, &spec.name, sealed, keys, progress)
        }
    }
}

fn authentic<S: Read + ReadAt + Send>(
    spec: &ModelSpec,
    file: &str,
    sealed: Sealed<S>,
    keys: &(impl KeySource + ?Sized),
    progress: &dyn Progress,
) -> Result<(runtime::Model, Provenance), LoadError> {
    let container = |source| LoadError::Container { model: spec.name.clone(), source };
    let unlocked = sealed.unlock(keys).map_err(container)?;
    let metadata = unlocked.metadata();
    // A valid file under a wrong name is an attack or a mistake: refuse both.
    if !metadata.is(&spec.name, &spec.version) {
        return Err(LoadError::WrongModel {
            file: file.to_owned(),
            found: format!("{} version {}", metadata.name, metadata.version),
            wanted: format!("{} version {}", spec.name, spec.version),
        });
    }
    let (kind, key) = (unlocked.kind(), unlocked.key_id());
    let (model, signers) = if metadata.media_type == TAR {
        let read = unlocked.read_signed_archive(&spec.signatures, progress);
        let (contents, signers) = read.map_err(container)?;
        let members = contents.beside_model().map(|(name, range)| (name.to_owned(), range)).collect();
        (runtime::Model { onnx: contents.model(), members, plaintext: contents.bytes }, signers)
    } else {
        let read = unlocked.read_signed_to_memory(&spec.signatures, progress);
        let (plaintext, signers) = read.map_err(container)?;
        (runtime::Model { onnx: 0..plaintext.len(), members: Vec::new(), plaintext }, signers)
    };
    Ok((model, Provenance { kind, key, signers }))
}
