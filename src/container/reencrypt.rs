//! Encrypting a sealed model again: new data key, new artifact id. Each chunk is
//! decrypted and encrypted in its place in one buffer, so memory stays constant
//! and the plaintext is never whole anywhere.

use std::io::Write;

use super::error::{ContainerError, Fault};
use super::payload::pipeline;
use super::recipients::Recipient;
use super::seal::{Head, Summary};
use super::stream::{Input, Named, read_up_to};
use super::unlocked::Unlocked;
use crate::crypto::cobblestone::{self, Cipher, PREFIX, SEALED_CHUNK, opened_len};
use crate::progress::Progress;

impl<S: Input> Unlocked<S> {
    /// Writes the model to `output`, sealed anew for `recipients`. The metadata are
    /// carried over byte for byte, members of later versions and the time of the
    /// first sealing included; signature records are not, since they vouch for the
    /// old payload. After an error `output` holds a part of a file, which the
    /// caller discards.
    pub fn reencrypt<W: Write + Send>(
        self,
        output: Named<W>,
        recipients: &[Recipient],
        progress: &dyn Progress,
    ) -> Result<Summary, ContainerError> {
        let head = self.new_head(recipients, false)?;
        let bytes = head.encode()?;
        self.recast(&head, &bytes, output, progress)
    }

    /// Like [`reencrypt`](Self::reencrypt), the header to `header` and the payload to
    /// `output`. `sealed_bytes` counts both.
    pub fn reencrypt_detached<H: Write, W: Write + Send>(
        self,
        mut header: Named<H>,
        output: Named<W>,
        recipients: &[Recipient],
        progress: &dyn Progress,
    ) -> Result<Summary, ContainerError> {
        let head = self.new_head(recipients, true)?;
        let bytes = head.encode()?;
        let mut summary = self.recast(&head, &[], output, progress)?;
        header.stream.write_all(&bytes).map_err(|e| header.write_error(e))?;
        summary.sealed_bytes += bytes.len() as u64;
        Ok(summary)
    }

    /// A header with a new data key and id, and with what this one says of the model.
    fn new_head(&self, recipients: &[Recipient], detached: bool) -> Result<Head, ContainerError> {
        self.require_payload()?;
        let name = &self.input().name;
        let context = self.header().preamble().context("meta");
        let json = cobblestone::open(self.data_key(), &context, &self.header().current().body.metadata)
            .map_err(|_| Fault::of(name)(Fault::MetadataForged))?;
        Head::new(name, recipients, json.expose(), detached, 0)
    }

    /// Writes `before` and then the payload, as the one that belongs to `head`.
    fn recast<W: Write + Send>(
        mut self,
        head: &Head,
        before: &[u8],
        mut output: Named<W>,
        progress: &dyn Progress,
    ) -> Result<Summary, ContainerError> {
        let name = self.input().name.clone();
        if let Some(total) = self.plaintext_len().map_err(Fault::of(&name))? {
            progress.total(total);
        }
        let size = self.metadata().size;
        let (new, prefix) = Cipher::new(&head.data_key, &head.preamble.context("payload"));
        let before = [before, &prefix].concat();

        let mut prefix = [0; PREFIX];
        let read =
            read_up_to(&mut self.input_mut().stream, &mut prefix).map_err(|e| self.input().read_error(e))?;
        if read < PREFIX {
            return Err(Fault::of(&name)(Fault::PayloadTruncated));
        }
        let old = self.cipher(&prefix).map_err(Fault::of(&name))?;

        output.stream.write_all(&before).map_err(|e| output.write_error(e))?;
        let totals = pipeline::run(
            self.into_input(),
            output,
            SEALED_CHUNK,
            |batch| batch.reencrypt(&old, &new).map_err(Fault::of(&name)),
            progress,
        )?;
        let plaintext_bytes = opened_len(PREFIX as u64 + totals.read).unwrap_or_default();
        match size {
            Some(expected) if expected != plaintext_bytes => {
                Err(Fault::of(&name)(Fault::Size { expected, found: plaintext_bytes }))
            }
            _ => Ok(Summary {
                artifact_id: head.preamble.artifact_id,
                recipients: head.body.recipients.clone(),
                plaintext_bytes,
                sealed_bytes: before.len() as u64 + totals.written,
            }),
        }
    }
}
