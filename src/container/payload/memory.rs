//! A payload into memory: allocated once, decrypted on all cores from positioned
//! reads, and handed over only when every chunk has proved authentic.

use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::batch::{self, Batch};
use super::workers;
use crate::container::error::{ContainerError, Fault};
use crate::container::stream::{Named, ReadAt};
use crate::crypto::cobblestone::{CHUNK, Cipher, SEALED_CHUNK, TAG};
use crate::crypto::digest::Sha256;
use crate::progress::Progress;
use crate::secret::SecretPages;

const MAX_WORKERS: usize = 16;

/// Decrypts a payload of `length` bytes of plaintext, whose first chunk stands at
/// `offset`. `hash` hears of the payload, in order, as it was read.
pub(in crate::container) fn load(
    source: &Named<impl ReadAt>,
    offset: u64,
    length: u64,
    cipher: &Cipher,
    hash: Option<&mut Sha256>,
    progress: &dyn Progress,
) -> Result<SecretPages, ContainerError> {
    let mut plaintext = usize::try_from(length)
        .ok()
        .and_then(SecretPages::zeroed)
        .ok_or_else(|| ContainerError::TooLarge { name: source.name.clone(), bytes: length })?;

    // Where full batches hold everything, one more holds the empty last chunk.
    let places = plaintext.expose_mut().chunks_mut(batch::PLAIN).chain(iter::once(&mut [][..]));
    let last = length / batch::PLAIN as u64;
    let queue = Mutex::new(((0..=last).zip(places), hash));
    let failed = AtomicBool::new(false);
    let failure: Mutex<Option<(u64, ContainerError)>> = Mutex::new(None);

    workers::run(MAX_WORKERS, || {
        let mut secret = batch::buffer();
        let buffer = secret.expose_mut();
        while !failed.load(Ordering::Relaxed) {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            let (jobs, hash) = &mut *queue;
            let Some((number, place)) = jobs.next() else { return };
            let chunks = place.len() / CHUNK + usize::from(number == last);
            let filled = place.len() + chunks * TAG;
            let start = offset + number * (batch::CHUNKS * SEALED_CHUNK) as u64;
            let mut read = || source.stream.read_exact_at(&mut buffer[..filled], start);
            // A hash must hear of one batch after the other; without one, all read at once.
            let read = if let Some(hash) = hash {
                let read = read();
                hash.update(&buffer[..filled]);
                drop(queue);
                read
            } else {
                drop(queue);
                read()
            };
            let batch = Batch { number, buffer: &mut *buffer, filled, last: number == last };
            let loaded = read
                .map_err(|error| source.read_error(error))
                .and_then(|()| batch.open(cipher).map_err(Fault::of(&source.name)))
                .map(|plain| {
                    SecretPages::populate(place);
                    place.copy_from_slice(plain);
                });
            match loaded {
                Ok(()) => progress.advance(place.len() as u64),
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    // Batches begin in order, so the earliest failure is always seen.
                    let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                    if failure.as_ref().is_none_or(|(earliest, _)| number < *earliest) {
                        *failure = Some((number, error));
                    }
                }
            }
        }
    });

    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        None => Ok(plaintext),
        Some((_, error)) => Err(error),
    }
}
