//! Compressed bodies (RFC 9110, section 8.4): gzip and deflate, for requests and responses. The
//! limits apply to the decompressed size, so a decompression bomb costs no more than any other
//! body.

mod inflate;

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use bytes::Bytes;
use flate2::{Compression, write};

pub(in crate::server) use self::inflate::decode;
use crate::pipeline::{ApiError, Budget, Buffer, of_size};
use crate::server::http::error::unsupported_coding;

/// Smaller responses are not compressed: they fit into one packet anyway.
const LEAST: usize = 1024;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum ContentCoding {
    /// RFC 1952, one member.
    Gzip,
    /// RFC 1950: deflate in the zlib format. The raw format that some call by this name is not
    /// accepted; no client of the protocol sends it.
    Deflate,
}

impl ContentCoding {
    /// Its name in headers.
    pub(in crate::server) fn name(self) -> &'static str {
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

    /// The coding of a request's body, if it has one. More than one is refused.
    pub(in crate::server) fn of_body(headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let mut codings = headers.get_all(CONTENT_ENCODING).iter();
        let (first, second) = (codings.next(), codings.next());
        let Some(first) = first else { return Ok(None) };
        let name = first.to_str().unwrap_or_default();
        if second.is_none() && name.eq_ignore_ascii_case("identity") {
            return Ok(None);
        }
        let coding = Self::named(name).filter(|_| second.is_none());
        coding.map(Some).ok_or_else(unsupported_coding)
    }

    /// The coding that a client accepts for the response, if any. With equal weights, gzip comes
    /// before deflate, and `identity` before both.
    pub(in crate::server) fn wanted(headers: &HeaderMap) -> Option<Self> {
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

    #[cfg(test)]
    fn packed(self, body: &[u8]) -> Vec<u8> {
        let output = Buffer::new(usize::MAX, &Budget::new(1 << 30)).unwrap();
        self.deflate(body, output).unwrap().into()
    }

    fn deflate(self, body: &[u8], output: Buffer) -> std::io::Result<Bytes> {
        use std::io::Write;
        match self {
            Self::Gzip => {
                let mut writer = write::GzEncoder::new(output, Compression::fast());
                writer.write_all(body)?;
                writer.finish().map(Buffer::into_bytes)
            }
            Self::Deflate => {
                let mut writer = write::ZlibEncoder::new(output, Compression::fast());
                writer.write_all(body)?;
                writer.finish().map(Buffer::into_bytes)
            }
        }
    }
}

/// A weight from 0 to 1. Anything else counts as 0.
fn quality(text: &str) -> f32 {
    text.parse().ok().filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(0.0)
}

/// Compresses a response body with the `wanted` coding, and returns the coding that was used: a
/// body that would not become smaller stays as it is. Waits up to `patience` for a core.
pub(in crate::server) async fn encode(
    memory: &Budget,
    body: Bytes,
    wanted: Option<ContentCoding>,
    patience: Duration,
) -> Result<(Bytes, Option<ContentCoding>), ApiError> {
    let Some(coding) = wanted.filter(|_| body.len() >= LEAST) else { return Ok((body, None)) };
    let size = body.len();
    // Stops once the output would be larger than the input, or memory runs out.
    let output = Buffer::new(size, memory)?;
    let compress = move || match coding.deflate(&body, output) {
        Ok(smaller) if smaller.len() < body.len() => Ok((smaller, Some(coding))),
        _ => Ok((body, None)),
    };
    of_size(size, patience, compress).await
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::http::HeaderValue;
    use axum::http::header::HeaderName;
    use flate2::read::{GzDecoder, ZlibDecoder};

    use super::*;
    use crate::audit::RequestId;
    use crate::server::http::error;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn one_coding_is_read_from_the_headers_and_no_other() {
        let of = |values: &[&str]| ContentCoding::of_body(&headers(CONTENT_ENCODING, values));
        for (values, coding) in [
            (&[][..], None),
            (&["identity"], None),
            (&["Identity"], None),
            (&["gzip"], Some(ContentCoding::Gzip)),
            (&["GZIP"], Some(ContentCoding::Gzip)),
            (&["x-gzip"], Some(ContentCoding::Gzip)),
            (&["deflate"], Some(ContentCoding::Deflate)),
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
            let error = of(values).unwrap_err();
            assert_eq!(error::status(error.class()).as_u16(), 415, "{values:?}");
            assert_eq!(error::response(&error, RequestId(0)).headers()[ACCEPT_ENCODING], "gzip, deflate");
        }
    }

    #[test]
    fn a_client_gets_the_coding_that_it_likes_best() {
        let (gzip, deflate) = (Some(ContentCoding::Gzip), Some(ContentCoding::Deflate));
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
            assert_eq!(ContentCoding::wanted(&headers(ACCEPT_ENCODING, values)), coding, "{values:?}");
        }
    }

    fn plain(coding: ContentCoding, body: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        match coding {
            ContentCoding::Gzip => GzDecoder::new(body).read_to_end(&mut plain).unwrap(),
            ContentCoding::Deflate => ZlibDecoder::new(body).read_to_end(&mut plain).unwrap(),
        };
        plain
    }

    #[tokio::test]
    async fn small_answers_and_those_that_do_not_shrink_stay_as_they_are() {
        let memory = Budget::new(1 << 30);
        for coding in [ContentCoding::Gzip, ContentCoding::Deflate] {
            for (length, compressed) in [(LEAST - 1, false), (LEAST, true), (1 << 20, true)] {
                let body = Bytes::from(vec![7; length]);
                let (encoded, done) = encode(&memory, body.clone(), Some(coding), PATIENCE).await.unwrap();
                assert_eq!(done, compressed.then_some(coding), "{length}");
                if compressed {
                    assert!(encoded.len() < length / 10 && plain(coding, &encoded) == body);
                } else {
                    assert_eq!(encoded, body);
                }
            }
            let noise: Bytes = (0..LEAST / 16).flat_map(|_| crate::crypto::random::bytes::<16>()).collect();
            assert_eq!(encode(&memory, noise.clone(), Some(coding), PATIENCE).await.unwrap(), (noise, None));
        }
        assert_eq!(encode(&memory, vec![7; 1 << 20].into(), None, PATIENCE).await.unwrap().1, None);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(value: Vec<u8>) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let mut map = HeaderMap::new();
                map.insert(ACCEPT_ENCODING, value.clone());
                map.insert(CONTENT_ENCODING, value);
                let _ = (ContentCoding::wanted(&map), ContentCoding::of_body(&map));
            }
        }
    }
}
