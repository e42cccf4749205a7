//! Decompresses request bodies, piece by piece.

use bytes::Buf;
use flate2::{Decompress, FlushDecompress, Status};

use super::ContentCoding;
use crate::pipeline::{ApiError, Core, MemoryPermit, PIECE, offload};
use crate::server::http::body::Held;

/// Decompresses a body. The output has a memory permit of its own; the input's is released.
pub(in crate::server) async fn decode(
    core: &Core,
    held: Held,
    coding: Option<ContentCoding>,
) -> Result<Held, ApiError> {
    let Some(coding) = coding else { return Ok(held) };
    let mut inflation = Inflation::of(held, coding, core.body_memory.take(0)?, core.limits.body);
    if inflation.step()? {
        return Ok(inflation.end());
    }
    offload(core.limits.inference_timeout.0, move || {
        while !inflation.step()? {}
        Ok(inflation.end())
    })
    .await
}

/// A body that is being decompressed.
struct Inflation {
    inflater: Decompress,
    input: Held,
    output: Vec<u8>,
    /// The permit for `output`.
    memory: MemoryPermit,
    limit: usize,
}

impl Inflation {
    fn of(input: Held, coding: ContentCoding, memory: MemoryPermit, limit: usize) -> Self {
        let inflater = match coding {
            ContentCoding::Gzip => Decompress::new_gzip(15),
            ContentCoding::Deflate => Decompress::new(true),
        };
        Self { inflater, input, output: Vec::new(), memory, limit }
    }

    fn end(self) -> Held {
        Held { bytes: self.output.into(), memory: self.memory }
    }

    /// Decompresses one piece. Returns whether it was the last.
    fn step(&mut self) -> Result<bool, ApiError> {
        if self.output.len() == self.output.capacity() {
            self.grow()?;
        }
        let piece = &self.input.bytes[..self.input.bytes.len().min(PIECE)];
        let (read, written) = (self.inflater.total_in(), self.output.len());
        let status = self
            .inflater
            .decompress_vec(piece, &mut self.output, FlushDecompress::None)
            .map_err(|_| ApiError::malformed("the body cannot be decompressed"))?;
        let read = usize::try_from(self.inflater.total_in() - read).unwrap_or(usize::MAX);
        self.input.bytes.advance(read.min(self.input.bytes.len()));
        if self.output.len() > self.limit {
            return Err(ApiError::body_too_large(self.limit));
        }
        match status {
            Status::StreamEnd if self.input.bytes.is_empty() => Ok(true),
            Status::StreamEnd => Err(ApiError::malformed("something follows the compressed body")),
            Status::Ok | Status::BufError if read == 0 && self.output.len() == written => {
                Err(ApiError::malformed("the compressed body ends early"))
            }
            Status::Ok | Status::BufError => Ok(false),
        }
    }

    /// Grows the output, up to one byte beyond the limit, which shows that the body is too large.
    fn grow(&mut self) -> Result<(), ApiError> {
        let capacity = (self.output.capacity() * 2).max(PIECE).min(self.limit.saturating_add(1));
        self.memory.grow(capacity.min(self.limit).saturating_sub(self.memory.bytes()))?;
        self.output.try_reserve_exact(capacity - self.output.len()).map_err(|_| ApiError::no_memory())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use bytes::Bytes;
    use flate2::{Compression, write};

    use super::*;
    use crate::pipeline::{Budget, Class};
    use crate::server::http::error::status;

    const BOTH: [ContentCoding; 2] = [ContentCoding::Gzip, ContentCoding::Deflate];
    const LIMIT: usize = 1 << 20;
    const POOL: usize = 4 << 20;

    /// Decompresses `body`; what is left in the pool must be what it was without the result.
    fn inflate(coding: ContentCoding, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        inflate_within(POOL, coding, body)
    }

    fn inflate_within(pool: usize, coding: ContentCoding, body: &[u8]) -> Result<Vec<u8>, ApiError> {
        let budget = Budget::new(pool);
        let memory = budget.take(body.len()).unwrap();
        let held = Held { bytes: Bytes::copy_from_slice(body), memory };
        let work = || {
            let mut inflation = Inflation::of(held, coding, budget.take(0)?, LIMIT);
            while !inflation.step()? {
                assert!(inflation.output.len() <= LIMIT);
                assert!(inflation.memory.bytes() >= inflation.output.capacity().min(LIMIT));
            }
            let held = inflation.end();
            // The text has given its share back, and the result has its own.
            assert_eq!(budget.left() + held.memory.bytes(), pool);
            assert!(held.memory.bytes() >= held.bytes.len());
            Ok(held.bytes.to_vec())
        };
        let outcome = work();
        assert_eq!(budget.left(), pool);
        outcome
    }

    /// Bytes that do not compress to nothing.
    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 28).to_le_bytes()[0]
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn what_was_compressed_comes_back() {
        for coding in BOTH {
            for length in [0, 1, 1023, PIECE - 1, PIECE, PIECE + 1, LIMIT - 1, LIMIT] {
                let body = sample(length);
                assert!(inflate(coding, &coding.packed(&body)).unwrap() == body, "{coding:?} {length}");
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        for coding in BOTH {
            for length in [LIMIT + 1, LIMIT * 8] {
                let bomb = coding.packed(&vec![0; length]);
                let error = inflate(coding, &bomb).unwrap_err();
                assert_eq!((error.class(), error.code()), (Class::TooLarge, "body_too_large"));
            }
        }
    }

    #[test]
    fn what_comes_out_must_have_its_place_in_memory() {
        for coding in BOTH {
            let body = coding.packed(&sample(LIMIT));
            let error = inflate_within(LIMIT, coding, &body).unwrap_err();
            assert_eq!((error.class(), error.code()), (Class::Unavailable, "no_body_memory"));
            assert!(inflate_within(LIMIT + body.len(), coding, &body).is_ok());
        }
    }

    #[test]
    fn a_stream_that_is_not_whole_and_alone_is_refused() {
        let plain = sample(100_000);
        for coding in BOTH {
            let body = coding.packed(&plain);
            let bare = {
                let mut writer = write::DeflateEncoder::new(Vec::new(), Compression::fast());
                writer.write_all(&plain).unwrap();
                writer.finish().unwrap()
            };
            let changed = |at: usize| {
                let mut changed = body.clone();
                changed[at] ^= 1;
                changed
            };
            for (what, body) in [
                ("nothing", vec![]),
                ("only a beginning", body[..1].to_vec()),
                ("half of it", body[..body.len() / 2].to_vec()),
                ("no checksum", body[..body.len() - 8].to_vec()),
                ("all but a byte", body[..body.len() - 1].to_vec()),
                ("one byte more", [&body[..], b"\0"].concat()),
                ("twice", body.repeat(2)),
                ("another magic number", changed(0)),
                ("another method", changed(2)),
                ("another content", changed(body.len() / 2)),
                // gzip: the last byte of CRC-32; zlib: of Adler-32's high half.
                ("a wrong checksum", changed(body.len() - 5 + usize::from(coding == ContentCoding::Deflate))),
                ("a wrong end", changed(body.len() - 1)),
                ("a bare stream", bare),
                ("no compression", plain.clone()),
                ("the other coding", BOTH.iter().find(|other| **other != coding).unwrap().packed(&plain)),
            ] {
                let error = inflate(coding, &body).map(|body| body.len()).unwrap_err();
                assert_eq!(
                    (status(error.class()).as_u16(), error.code()),
                    (400, "malformed_request"),
                    "{coding:?}: {what}"
                );
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(body: Vec<u8>) {
            for coding in BOTH {
                let _ = inflate(coding, &body);
                // Behind a header that is right, damage is found later.
                let head: &[u8] = match coding {
                    ContentCoding::Gzip => b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
                    ContentCoding::Deflate => b"\x78\x9c",
                };
                let _ = inflate(coding, &[head, &body].concat());
            }
        }
    }
}
