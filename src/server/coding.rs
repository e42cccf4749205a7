//! Compressed bodies (RFC 9110, section 8.4): gzip and deflate, both ways. What comes
//! is bounded by what it becomes, so a bomb costs no more than any other body.

use std::sync::{Arc, LazyLock};

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use bytes::Buf;
use flate2::{Compression, Decompress, FlushDecompress, Status, write};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::app::App;
use super::body::Held;
use super::fault::Fault;

/// An answer below this is sent as it is: it fits into one packet either way.
const LEAST: usize = 1024;
/// Work up to this many bytes, read or written, stays on the thread that asks: it
/// takes less than a millisecond.
const PIECE: usize = 64 << 10;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// RFC 1952, one member.
    Gzip,
    /// RFC 1950: deflate in the zlib format. The bare form that some mean by this
    /// name is not read; no client of the protocol sends it.
    Deflate,
}

impl Coding {
    /// Its name in headers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    fn named(name: &str) -> Option<Self> {
        // RFC 9110, section 8.4.1.3: x-gzip is gzip.
        ["gzip", "x-gzip"]
            .iter()
            .any(|gzip| name.eq_ignore_ascii_case(gzip))
            .then_some(Self::Gzip)
            .or_else(|| name.eq_ignore_ascii_case("deflate").then_some(Self::Deflate))
    }

    /// The coding of a request's body, if it has one; more than one is not undone.
    pub(super) fn of_body(headers: &HeaderMap) -> Result<Option<Self>, Fault> {
        let mut codings = headers.get_all(CONTENT_ENCODING).iter();
        let (first, second) = (codings.next(), codings.next());
        let Some(first) = first else { return Ok(None) };
        let name = first.to_str().unwrap_or_default();
        if second.is_none() && name.eq_ignore_ascii_case("identity") {
            return Ok(None);
        }
        let coding = Self::named(name).filter(|_| second.is_none());
        coding.map(Some).ok_or_else(Fault::unsupported_coding)
    }

    /// The coding that a client wants for the answer, if it wants one. Where it likes
    /// both alike it gets gzip; a client that says that it likes `identity` no less
    /// gets that.
    pub(super) fn wanted(headers: &HeaderMap) -> Option<Self> {
        let mut listed = Vec::new();
        for value in headers.get_all(ACCEPT_ENCODING) {
            for element in value.to_str().unwrap_or_default().split(',') {
                let mut parts = element.split(';').map(str::trim);
                let name = parts.next().unwrap_or_default();
                let weight = parts.find_map(|part| part.strip_prefix(['q', 'Q'])?.strip_prefix('='));
                listed.push((name, weight.map_or(1.0, quality)));
            }
        }
        let weight = |of: &dyn Fn(&str) -> bool| listed.iter().find(|(name, _)| of(name)).map(|(_, w)| *w);
        let of_coding = |coding| {
            weight(&|name| Self::named(name) == Some(coding)).or(weight(&|name| name == "*")).unwrap_or(0.0)
        };
        let (gzip, deflate) = (of_coding(Self::Gzip), of_coding(Self::Deflate));
        let (coding, best) = if gzip >= deflate { (Self::Gzip, gzip) } else { (Self::Deflate, deflate) };
        let identity = weight(&|name| name.eq_ignore_ascii_case("identity")).unwrap_or(0.0);
        (best > identity).then_some(coding)
    }

    fn inflater(self) -> Decompress {
        match self {
            Self::Gzip => Decompress::new_gzip(15),
            Self::Deflate => Decompress::new(true),
        }
    }

    fn deflate(self, body: &[u8]) -> std::io::Result<Vec<u8>> {
        use std::io::Write;
        // Rarely does a tensor of numbers become less than half of it.
        let output = Vec::with_capacity(body.len() / 2);
        match self {
            Self::Gzip => {
                let mut writer = write::GzEncoder::new(output, Compression::fast());
                writer.write_all(body)?;
                writer.finish()
            }
            Self::Deflate => {
                let mut writer = write::ZlibEncoder::new(output, Compression::fast());
                writer.write_all(body)?;
                writer.finish()
            }
        }
    }
}

/// A weight from 0 to 1; what is none means that the coding is not wanted.
fn quality(text: &str) -> f32 {
    text.parse().ok().filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0)
}

/// Undoes `coding`. What comes out takes its own share of the memory for bodies, and
/// the text that it came from gives its share back.
pub(super) async fn decode(app: &App, held: Held, coding: Option<Coding>) -> Result<Held, Fault> {
    let Some(coding) = coding else { return Ok(held) };
    let mut inflation = Inflation::of(held, coding, Arc::clone(&app.body_memory), app.limits.body)?;
    if inflation.step()? {
        return Ok(inflation.end());
    }
    elsewhere(move || {
        while !inflation.step()? {}
        Ok(inflation.end())
    })
    .await
}

/// Compresses an answer as its client wants it; what would not become smaller stays as
/// it is. Says what was done.
pub(super) async fn encode(
    body: Vec<u8>,
    wanted: Option<Coding>,
) -> Result<(Vec<u8>, Option<Coding>), Fault> {
    let Some(coding) = wanted.filter(|_| body.len() >= LEAST) else { return Ok((body, None)) };
    let is_small = body.len() <= PIECE;
    let work = move || match coding.deflate(&body) {
        Ok(smaller) if smaller.len() < body.len() => Ok((smaller, Some(coding))),
        _ => Ok((body, None)),
    };
    if is_small { work() } else { elsewhere(work).await }
}

/// Does long work away from the threads that serve all connections, and no more of it
/// at once than there are cores: those threads then still get their turn.
async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    static CORES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
        Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)))
    });
    let core = Arc::clone(&CORES).acquire_owned().await;
    let outcome = spawn_blocking(move || {
        // Held to the end of the work, also where its request has gone.
        let _core = core;
        work()
    });
    outcome.await.unwrap_or_else(|error| Err(Fault::failed().detail(error.to_string())))
}

/// A body that is being decompressed.
struct Inflation {
    inflater: Decompress,
    input: Held,
    output: Vec<u8>,
    /// The share of `output`.
    memory: OwnedSemaphorePermit,
    pool: Arc<Semaphore>,
    limit: usize,
}

impl Inflation {
    fn of(input: Held, coding: Coding, pool: Arc<Semaphore>, limit: usize) -> Result<Self, Fault> {
        let memory = Arc::clone(&pool).try_acquire_many_owned(0).map_err(|_| Fault::no_memory())?;
        Ok(Self { inflater: coding.inflater(), input, output: Vec::new(), memory, pool, limit })
    }

    fn end(self) -> Held {
        Held { bytes: self.output.into(), memory: self.memory }
    }

    /// Decompresses a piece; whether it was the last.
    fn step(&mut self) -> Result<bool, Fault> {
        if self.output.len() == self.output.capacity() {
            self.grow()?;
        }
        let piece = &self.input.bytes[..self.input.bytes.len().min(PIECE)];
        let (read, written) = (self.inflater.total_in(), self.output.len());
        let status = self
            .inflater
            .decompress_vec(piece, &mut self.output, FlushDecompress::None)
            .map_err(|_| Fault::malformed("the body cannot be decompressed"))?;
        let read = usize::try_from(self.inflater.total_in() - read).unwrap_or(usize::MAX);
        self.input.bytes.advance(read.min(self.input.bytes.len()));
        if self.output.len() > self.limit {
            return Err(Fault::body_too_large(self.limit));
        }
        match status {
            Status::StreamEnd if self.input.bytes.is_empty() => Ok(true),
            Status::StreamEnd => Err(Fault::malformed("something follows the compressed body")),
            Status::Ok | Status::BufError if read == 0 && self.output.len() == written => {
                Err(Fault::malformed("the compressed body ends early"))
            }
            Status::Ok | Status::BufError => Ok(false),
        }
    }

    /// Makes room, up to the limit and one byte more, which shows that a body is too large.
    fn grow(&mut self) -> Result<(), Fault> {
        let capacity = (self.output.capacity() * 2).max(PIECE).min(self.limit.saturating_add(1));
        let share = capacity.min(self.limit).saturating_sub(self.memory.num_permits());
        let share = u32::try_from(share).map_err(|_| Fault::no_memory())?;
        let share = Arc::clone(&self.pool).try_acquire_many_owned(share).map_err(|_| Fault::no_memory())?;
        self.memory.merge(share);
        self.output.reserve_exact(capacity - self.output.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use axum::http::HeaderValue;
    use axum::http::header::HeaderName;
    use bytes::Bytes;

    use super::*;

    const BOTH: [Coding; 2] = [Coding::Gzip, Coding::Deflate];
    const LIMIT: usize = 1 << 20;
    const POOL: usize = 4 << 20;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    /// Decompresses `body`; what is left in the pool must be what it was without the result.
    fn inflate(coding: Coding, body: &[u8]) -> Result<Vec<u8>, Fault> {
        inflate_within(POOL, coding, body)
    }

    fn inflate_within(pool: usize, coding: Coding, body: &[u8]) -> Result<Vec<u8>, Fault> {
        let semaphore = Arc::new(Semaphore::new(pool));
        let share = u32::try_from(body.len()).unwrap();
        let memory = Arc::clone(&semaphore).try_acquire_many_owned(share).unwrap();
        let held = Held { bytes: Bytes::copy_from_slice(body), memory };
        let work = || {
            let mut inflation = Inflation::of(held, coding, Arc::clone(&semaphore), LIMIT)?;
            while !inflation.step()? {
                assert!(inflation.output.len() <= LIMIT);
                assert!(inflation.memory.num_permits() >= inflation.output.capacity().min(LIMIT));
            }
            let held = inflation.end();
            // The text has given its share back, and the result has its own.
            assert_eq!(semaphore.available_permits() + held.memory.num_permits(), pool);
            assert!(held.memory.num_permits() >= held.bytes.len());
            Ok(held.bytes.to_vec())
        };
        let outcome = work();
        assert_eq!(semaphore.available_permits(), pool);
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
    fn one_coding_is_read_from_the_headers_and_no_other() {
        let of = |values: &[&str]| Coding::of_body(&headers(CONTENT_ENCODING, values));
        for (values, coding) in [
            (&[][..], None),
            (&["identity"], None),
            (&["Identity"], None),
            (&["gzip"], Some(Coding::Gzip)),
            (&["GZIP"], Some(Coding::Gzip)),
            (&["x-gzip"], Some(Coding::Gzip)),
            (&["deflate"], Some(Coding::Deflate)),
        ] {
            assert_eq!(of(values).unwrap(), coding, "{values:?}");
        }
        for values in [
            &["br"][..],
            &["zstd"],
            &["compress"],
            &[""],
            &["gzip, gzip"],
            &["gzip,"],
            &["identity, gzip"],
            &["gzip", "gzip"],
            &["identity", "identity"],
            &["gzip;q=1"],
        ] {
            let fault = of(values).unwrap_err();
            assert_eq!(fault.status.as_u16(), 415, "{values:?}");
            assert_eq!(fault.response("").headers()[ACCEPT_ENCODING], "gzip, deflate");
        }
    }

    #[test]
    fn a_client_gets_the_coding_that_it_likes_best() {
        let (gzip, deflate) = (Some(Coding::Gzip), Some(Coding::Deflate));
        for (values, coding) in [
            (&[][..], None),
            (&[""], None),
            (&["br"], None),
            (&["gzip"], gzip),
            (&["deflate"], deflate),
            (&["deflate, gzip, br, zstd"], gzip),
            (&["deflate", "gzip"], gzip),
            (&["X-GZIP ; Q=0.5"], gzip),
            (&["gzip;q=0.5, deflate;q=0.501"], deflate),
            (&["gzip;q=0"], None),
            (&["gzip;q=0.000, deflate;q=0.001"], deflate),
            (&["*"], gzip),
            (&["*;q=0"], None),
            (&["gzip;q=0, *"], deflate),
            (&["identity"], None),
            (&["identity, gzip"], None),
            (&["identity;q=0.5, gzip"], gzip),
            (&["identity;q=0.5, gzip;q=0.4"], None),
            (&["identity;q=0, gzip;q=0.1"], gzip),
            (&["gzip;q=1.1"], None),
            (&["gzip;q=-1"], None),
            (&["gzip;q=NaN"], None),
            (&["gzip;q=inf"], None),
            (&["gzip;q=x"], None),
            (&["gzip;q="], None),
            (&[",,;;=,gzip;level=9;q=1,"], gzip),
        ] {
            assert_eq!(Coding::wanted(&headers(ACCEPT_ENCODING, values)), coding, "{values:?}");
        }
    }

    #[test]
    fn what_was_compressed_comes_back() {
        for coding in BOTH {
            for length in [0, 1, 1023, PIECE - 1, PIECE, PIECE + 1, LIMIT - 1, LIMIT] {
                let body = sample(length);
                assert!(
                    inflate(coding, &coding.deflate(&body).unwrap()).unwrap() == body,
                    "{coding:?} {length}"
                );
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        for coding in BOTH {
            for length in [LIMIT + 1, LIMIT * 8] {
                let bomb = coding.deflate(&vec![0; length]).unwrap();
                let fault = inflate(coding, &bomb).unwrap_err();
                assert_eq!((fault.status.as_u16(), fault.code), (413, "body_too_large"));
            }
        }
    }

    #[test]
    fn what_comes_out_must_have_its_place_in_memory() {
        for coding in BOTH {
            let body = coding.deflate(&sample(LIMIT)).unwrap();
            let fault = inflate_within(LIMIT, coding, &body).unwrap_err();
            assert_eq!((fault.status.as_u16(), fault.code), (503, "no_body_memory"));
            assert!(inflate_within(LIMIT + body.len(), coding, &body).is_ok());
        }
    }

    #[test]
    fn a_stream_that_is_not_whole_and_alone_is_refused() {
        let plain = sample(100_000);
        for coding in BOTH {
            let body = coding.deflate(&plain).unwrap();
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
                ("a wrong checksum", changed(body.len() - 5 + usize::from(coding == Coding::Deflate))),
                ("a wrong end", changed(body.len() - 1)),
                ("a bare stream", bare),
                ("no compression", plain.clone()),
                (
                    "the other coding",
                    BOTH.iter().find(|other| **other != coding).unwrap().deflate(&plain).unwrap(),
                ),
            ] {
                let fault = inflate(coding, &body).map(|body| body.len()).unwrap_err();
                assert_eq!(
                    (fault.status.as_u16(), fault.code),
                    (400, "malformed_request"),
                    "{coding:?}: {what}"
                );
            }
        }
    }

    #[tokio::test]
    async fn small_answers_and_those_that_do_not_shrink_stay_as_they_are() {
        for coding in BOTH {
            for (length, compressed) in [(LEAST - 1, false), (LEAST, true), (LIMIT, true)] {
                let body = vec![7; length];
                let (encoded, done) = encode(body.clone(), Some(coding)).await.unwrap();
                assert_eq!(done, compressed.then_some(coding), "{length}");
                if compressed {
                    assert!(encoded.len() < length / 10 && inflate(coding, &encoded).unwrap() == body);
                } else {
                    assert_eq!(encoded, body);
                }
            }
            let noise: Vec<u8> = (0..LEAST / 16).flat_map(|_| crate::crypto::random::bytes::<16>()).collect();
            assert_eq!(encode(noise.clone(), Some(coding)).await.unwrap(), (noise, None));
        }
        assert_eq!(encode(vec![7; LIMIT], None).await.unwrap().1, None);
    }

    #[tokio::test]
    async fn no_more_long_work_is_done_at_once_than_there_are_cores() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let cores = std::thread::available_parallelism().unwrap().get();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = || {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            tokio::spawn(elsewhere(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(std::time::Duration::from_millis(10));
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }))
        };
        let all: Vec<_> = (0..4 * cores).map(|_| work()).collect();
        for one in all {
            one.await.unwrap().unwrap();
        }
        assert!(most.load(Ordering::SeqCst) <= cores);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(body: Vec<u8>) {
            for coding in BOTH {
                let _ = inflate(coding, &body);
                // Behind a header that is right, damage is found later.
                let head: &[u8] = match coding {
                    Coding::Gzip => b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
                    Coding::Deflate => b"\x78\x9c",
                };
                let _ = inflate(coding, &[head, &body].concat());
            }
            if let Ok(value) = HeaderValue::from_bytes(&body) {
                let mut map = HeaderMap::new();
                map.insert(ACCEPT_ENCODING, value.clone());
                map.insert(CONTENT_ENCODING, value);
                let _ = (Coding::wanted(&map), Coding::of_body(&map));
            }
        }
    }
}
