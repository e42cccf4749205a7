//! A header and its payload in files of their own: for payloads that are read-only,
//! or lie in a store that names them by their content. Rewrapping touches the
//! header's file only. The payload belongs to one header, as it does in one file.

use std::io::Write;

use super::error::ContainerError;
use super::seal::{Head, SealSpec, Summary};
use super::signature::Signer;
use super::stream::{Input, Named};
use crate::crypto::digest::Sha256;
use crate::progress::Progress;

/// Encrypts all of `input` as [`seal`](super::seal) does, the header to `header`
/// and the payload to `output`, signed by `signers`. `sealed_bytes` counts both.
pub fn seal_detached<R: Input, H: Write, W: Write + Send>(
    input: Named<R>,
    mut header: Named<H>,
    mut output: Named<W>,
    spec: &SealSpec<'_>,
    signers: &[Signer],
    progress: &dyn Progress,
) -> Result<Summary, ContainerError> {
    let json = spec.metadata.encode()?;
    let mut head = Head::new(&input.name, spec.recipients, &json, true, signers.len())?;
    let mut hash = (!signers.is_empty()).then(Sha256::new);
    let mut summary = head.payload(input, &mut output, spec, hash.as_mut(), progress)?;
    if let Some(hash) = hash {
        head.sign(signers, hash.finish());
    }
    let bytes = head.encode()?;
    header.stream.write_all(&bytes).map_err(|error| header.write_error(error))?;
    summary.sealed_bytes += bytes.len() as u64;
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{Kek, Metadata, ONNX, Recipient, Sealed};
    use crate::progress::Silent;
    use crate::secret::Secret;

    #[test]
    fn every_flip_in_the_preamble_of_a_header_alone_is_refused() {
        let recipients = [Recipient::Key(Kek::new(Secret::from_fn(|key| key.fill(1))))];
        let metadata = Metadata {
            name: "m".into(),
            version: "1".into(),
            media_type: ONNX.into(),
            created: "2026-01-02T03:04:05Z".into(),
            size: None,
            sha256: None,
        };
        let (mut header, mut payload) = (Vec::new(), Vec::new());
        seal_detached(
            Named::new("model", &b"model"[..]),
            Named::new("header", &mut header),
            Named::new("payload", &mut payload),
            &SealSpec { recipients: &recipients, metadata: &metadata },
            &[],
            &Silent,
        )
        .unwrap();
        assert!(Sealed::from_bytes("f", &header).is_ok());
        for bit in 0..64 * 8 {
            let mut flipped = header.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Sealed::from_bytes("f", &flipped).is_err(), "bit {bit}");
        }
    }
}
