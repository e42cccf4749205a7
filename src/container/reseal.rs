//! Encrypting a sealed model again: new data key, new artifact id. Each chunk is
//! decrypted and encrypted in its place in one buffer, so memory stays constant
//! and the plaintext is never whole anywhere.

use std::io::{Read, Write};

use super::error::{ContainerError, Fault};
use super::open::Unlocked;
use super::pipeline;
use super::recipient::Wrapper;
use super::seal::{Head, Summary};
use super::stream::{Named, read_up_to};
use crate::crypto::cobblestone::{self, Cipher, PREFIX, SEALED_CHUNK, opened_len};
use crate::progress::Progress;

impl<S: Read + Send> Unlocked<S> {
    /// Writes the model to `output`, sealed anew for `recipients`. The metadata are
    /// carried over byte for byte, members of later versions and the time of the
    /// first sealing included; signature records are not, since they vouch for the
    /// old payload. After an error `output` holds a part of a file, which the
    /// caller discards.
    pub fn reseal<W: Write + Send>(
        self,
        mut output: Named<W>,
        recipients: &[Wrapper],
        progress: &dyn Progress,
    ) -> Result<Summary, ContainerError> {
        let name = self.input().name.clone();
        self.require_payload()?;
        if let Some(total) = self.plaintext_len().map_err(Fault::of(&name))? {
            progress.total(total);
        }
        let context = self.header().preamble().context("meta");
        let json = cobblestone::open(self.data_key(), &context, &self.header().current().body.metadata)
            .map_err(|_| Fault::of(&name)(Fault::MetadataForged))?;
        let size = self.metadata().size;

        let made = Head::new(&name, recipients, json.expose(), false, 0)?;
        let (new, prefix) = Cipher::new(&made.data_key, &made.preamble.context("payload"));
        let mut head = made.encode()?;
        head.extend_from_slice(&prefix);

        let mut prefix = [0; PREFIX];
        let mut unlocked = self;
        let read = read_up_to(&mut unlocked.input_mut().stream, &mut prefix)
            .map_err(|e| unlocked.input().read_error(e))?;
        if read < PREFIX {
            return Err(Fault::of(&name)(Fault::PayloadTruncated));
        }
        let old = unlocked.cipher(&prefix).map_err(Fault::of(&name))?;

        output.stream.write_all(&head).map_err(|e| output.write_error(e))?;
        let totals = pipeline::run(
            unlocked.into_input(),
            output,
            SEALED_CHUNK,
            |batch| batch.reseal(&old, &new).map_err(Fault::of(&name)),
            progress,
        )?;
        let plaintext_bytes = opened_len(PREFIX as u64 + totals.read).unwrap_or_default();
        match size {
            Some(expected) if expected != plaintext_bytes => {
                Err(Fault::of(&name)(Fault::Size { expected, found: plaintext_bytes }))
            }
            _ => Ok(Summary {
                artifact_id: made.preamble.artifact_id,
                recipients: made.body.recipients,
                plaintext_bytes,
                sealed_bytes: head.len() as u64 + totals.written,
            }),
        }
    }
}
