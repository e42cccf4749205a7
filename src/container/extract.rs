//! Archives out of sealed files.

use std::io::{self, Write};

use super::archive::{Contents, Manifest, Nowhere, Reader, Receive};
use super::error::ContainerError;
use super::ids::SignerId;
use super::payload::random_access::Listing;
use super::signature::SignaturePolicy;
use super::stream::{Input, Named, ReadAt};
use super::unlocked::Unlocked;
use super::verify::Hash;
use crate::crypto::digest::Sha256;
use crate::progress::Progress;

impl<S: Input> Unlocked<S> {
    /// Decrypts the archive inside, each member to `receiver`, and compares all of
    /// it with its manifest. Returns the plaintext's length too. Until this
    /// succeeds, nothing that was received is whole.
    pub fn extract<V: Receive + Send>(
        mut self,
        receiver: V,
        progress: &dyn Progress,
    ) -> Result<(u64, Manifest, V), ContainerError> {
        self.extract_to(receiver, None, None, progress)
    }

    /// Decrypts the archive inside to `output`, as it is. Nothing of an entry comes out
    /// before its header, its name and all before it have been found right; that the end
    /// is there and the manifest agrees is known when this succeeds.
    pub fn decrypt_archive<W: Write + Send>(
        mut self,
        mut output: Named<W>,
        progress: &dyn Progress,
    ) -> Result<(u64, Manifest), ContainerError> {
        let copy = Named::new(output.name, &mut output.stream as &mut (dyn Write + Send));
        let (length, manifest, _) = self.run(Nowhere, Some(copy), None, progress)?;
        Ok((length, manifest))
    }

    /// As [`extract`](Self::extract); `content` hears the whole plaintext, and `payload`
    /// what it was encrypted to.
    pub(super) fn extract_to<V: Receive + Send>(
        &mut self,
        receiver: V,
        content: Option<&mut Hash>,
        payload: Option<&mut Sha256>,
        progress: &dyn Progress,
    ) -> Result<(u64, Manifest, V), ContainerError> {
        let content = content.map(|hash| Named::new("the archive", hash as &mut (dyn Write + Send)));
        self.run(receiver, content, payload, progress)
    }

    fn run<V: Receive + Send>(
        &mut self,
        receiver: V,
        copy: Option<Named<&mut (dyn Write + Send)>>,
        payload: Option<&mut Sha256>,
        progress: &dyn Progress,
    ) -> Result<(u64, Manifest, V), ContainerError> {
        let name = self.payload_name().to_owned();
        let limit = self.plaintext_len().map_err(super::Fault::of(&name))?.unwrap_or(u64::MAX);
        let mut reader = Reader::new(receiver, limit, true);
        let (output, copy) = copy.map_or(("the archive".to_owned(), None), |c| (c.name, Some(c.stream)));
        let outcome = self.stream(Named::new(output, Tee(&mut reader, copy)), payload, progress);
        let archive = |fault| ContainerError::Archive { name: name.clone(), fault };
        match (outcome, reader.fault()) {
            (_, Some(fault)) => Err(archive(fault)),
            // A receiver says itself what it could not do with which file.
            (Err(ContainerError::Write { source, name: output }), None) => {
                match source.downcast::<ContainerError>() {
                    Ok(error) => Err(error),
                    Err(source) => Err(ContainerError::Write { name: output, source }),
                }
            }
            (Err(error), None) => Err(error),
            (Ok(length), None) => {
                let (manifest, receiver) = reader.finish().map_err(archive)?;
                Ok((length, manifest, receiver))
            }
        }
    }
}

impl<S: ReadAt> Unlocked<S> {
    /// The archive inside, in memory, if whoever must have signed the file by `policy`
    /// has, and who that is, where it was asked. Every byte is authentic; digests, which
    /// say no more than that, are not compared.
    pub fn read_signed_archive(
        &self,
        policy: &SignaturePolicy,
        progress: &dyn Progress,
    ) -> Result<(Contents, Vec<SignerId>), ContainerError> {
        let (bytes, signers) = self.read_signed_to_memory(policy, progress)?;
        let archive = |fault| ContainerError::Archive { name: self.payload_name().to_owned(), fault };
        Ok((Contents::find(bytes).map_err(archive)?, signers))
    }

    /// What is in the archive inside, without decrypting all of it.
    pub fn list(&self) -> Result<Manifest, ContainerError> {
        let mut chunks = self.chunks()?;
        super::archive::list(&mut chunks).map_err(|error| match error {
            Listing::Archive(fault) => {
                ContainerError::Archive { name: self.payload_name().to_owned(), fault }
            }
            Listing::Container(error) => error,
        })
    }
}

/// Writes to both; what the archive does not take, nobody gets.
struct Tee<'a, 'b, V>(&'a mut Reader<V>, Option<&'b mut (dyn Write + Send)>);

impl<V: Receive> Write for Tee<'_, '_, V> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.0.write(bytes)?;
        if let Some(copy) = &mut self.1 {
            copy.write_all(&bytes[..taken])?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.1.as_mut().map_or(Ok(()), Write::flush)
    }
}
