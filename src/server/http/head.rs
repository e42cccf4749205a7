//! Checks the head of every request: its size, its authority, and the framing of its body.

use axum::http::Version;
use axum::http::header::{HOST, HeaderValue, TRANSFER_ENCODING};
use axum::http::request::Parts;
use axum::http::uri::{Authority, PathAndQuery};

use super::error::{headers_too_large, unsupported_transfer_encoding};
use crate::pipeline::ApiError;

/// Header fields of one request.
pub(in crate::server) const MAX_FIELDS: usize = 100;
/// The size that HTTP/2 adds for each field (RFC 9113, section 6.5.2).
const FIELD: usize = 32;

/// Refuses a head that is larger than `limit` or ambiguous.
pub(in crate::server) fn check(head: &Parts, limit: usize) -> Result<(), ApiError> {
    let fields = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD);
    let size = fields.sum::<usize>() + pseudo_fields(head);
    // Over HTTP/1.1, hyper enforces the limit on the bytes of the head.
    if head.headers.len() > MAX_FIELDS || (head.version == Version::HTTP_2 && size > limit) {
        return Err(headers_too_large());
    }
    authority(head)?;
    transfer_encoding(head)
}

/// The size of the pseudo-header fields (RFC 9113, section 8.3.1).
fn pseudo_fields(head: &Parts) -> usize {
    let uri = &head.uri;
    let method = (":method", Some(head.method.as_str()));
    let scheme = (":scheme", uri.scheme_str());
    let authority = (":authority", uri.authority().map(Authority::as_str));
    let path = (":path", uri.path_and_query().map(PathAndQuery::as_str));
    let fields = [method, scheme, authority, path].into_iter();
    fields.filter_map(|(name, value)| Some(name.len() + value?.len() + FIELD)).sum()
}

/// RFC 9112, section 3.2, and RFC 9113, section 8.3.1.
fn authority(head: &Parts) -> Result<(), ApiError> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(ApiError::malformed("Host is there twice"));
    }
    let host = host.map(HeaderValue::as_bytes);
    if host.is_some_and(|host| !is_host(host)) {
        return Err(ApiError::malformed("Host must be a host name or address, and perhaps a port"));
    }
    let authority = head.uri.authority();
    if authority.is_some_and(|authority| !is_host(authority.as_str().as_bytes())) {
        return Err(ApiError::malformed("the authority must be a host name or address, and perhaps a port"));
    }
    match (head.version, host, authority) {
        (Version::HTTP_2, Some(host), Some(authority))
            if !host.eq_ignore_ascii_case(authority.as_str().as_bytes()) =>
        {
            Err(ApiError::malformed("Host contradicts :authority"))
        }
        (Version::HTTP_2, None, None) => Err(ApiError::malformed(":authority is missing")),
        (Version::HTTP_11, None, _) => Err(ApiError::malformed("Host is missing")),
        _ => Ok(()),
    }
}

fn is_host(value: &[u8]) -> bool {
    let authority = Authority::try_from(value);
    authority.is_ok_and(|authority| {
        // `Authority` also accepts user information.
        !authority.host().is_empty() && !authority.as_str().contains(['@', ','])
    })
}

/// RFC 9112, section 6.1: an unknown transfer coding is an error.
fn transfer_encoding(head: &Parts) -> Result<(), ApiError> {
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(unsupported_transfer_encoding()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;
    use crate::server::http::error::status;

    const LIMIT: usize = 16 << 10;

    fn checked(version: Version, uri: &str, fields: &[(&str, &str)]) -> Option<u16> {
        let mut request = Request::get(uri).version(version);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        check(&head, LIMIT).err().map(|error| status(error.class()).as_u16())
    }

    #[test]
    fn a_request_says_exactly_once_whom_it_is_for() {
        let (h1, h2) = (Version::HTTP_11, Version::HTTP_2);
        for (version, uri, hosts, expected) in [
            (h1, "/", &["a"][..], None),
            (h1, "/", &["a:8443"], None),
            (h1, "/", &["[::1]:8443"], None),
            (h1, "/", &[], Some(400)),
            (h1, "/", &["a", "a"], Some(400)),
            (h1, "/", &[""], Some(400)),
            (h1, "/", &["a b"], Some(400)),
            (h1, "/", &["a,b"], Some(400)),
            (h1, "/", &["user@a"], Some(400)),
            (h1, "/", &["a/b"], Some(400)),
            // RFC 9112, section 3.2.2: the absolute form comes before Host, which must be there.
            (h1, "https://a/", &["b"], None),
            (h1, "https://a/", &[], Some(400)),
            (Version::HTTP_10, "/", &[], None),
            (Version::HTTP_10, "/", &["a", "b"], Some(400)),
            (h1, "https://user@a/", &["a"], Some(400)),
            (h2, "https://user@a/", &[], Some(400)),
            (h2, "https://user@a/", &["user@a"], Some(400)),
            (h2, "https://a/", &[], None),
            (h2, "https://a/", &["A"], None),
            (h2, "https://a/", &["b"], Some(400)),
            (h2, "https://a/", &["a:443"], Some(400)),
            (h2, "https://a/", &["a", "a"], Some(400)),
            (h2, "/", &["a"], None),
            (h2, "/", &[], Some(400)),
        ] {
            let fields: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            assert_eq!(checked(version, uri, &fields), expected, "{version:?} {uri} {hosts:?}");
        }
    }

    #[test]
    fn fields_are_limited_in_number_and_in_bytes() {
        let many =
            |count| [("host", "a")].into_iter().chain((1..count).map(|_| ("x", "y"))).collect::<Vec<_>>();
        for version in [Version::HTTP_11, Version::HTTP_2] {
            assert_eq!(checked(version, "/", &many(100)), None);
            assert_eq!(checked(version, "/", &many(101)), Some(431));
        }
        let line = ":method".len() + "GET".len() + ":path".len() + "/".len() + 2 * FIELD;
        let long = "y".repeat(LIMIT - line - 2 * FIELD - "host".len() - "a".len() - "x".len());
        assert_eq!(checked(Version::HTTP_2, "/", &[("host", "a"), ("x", &long)]), None);
        let long = format!("{long}y");
        assert_eq!(checked(Version::HTTP_2, "/", &[("host", "a"), ("x", &long)]), Some(431));
        let path = format!("https://a/{}", "y".repeat(LIMIT));
        assert_eq!(checked(Version::HTTP_2, &path, &[]), Some(431));
    }

    #[test]
    fn only_chunked_is_undone() {
        let coded = |codings: &[&'static str]| {
            let host = [("host", "a")].into_iter();
            let fields: Vec<_> =
                host.chain(codings.iter().map(|coding| ("transfer-encoding", *coding))).collect();
            checked(Version::HTTP_11, "/", &fields)
        };
        assert_eq!(coded(&["chunked"]), None);
        assert_eq!(coded(&["Chunked"]), None);
        for codings in
            [&["gzip, chunked"][..], &["chunked", "chunked"], &["identity"], &[""], &["chunked;q=1"]]
        {
            assert_eq!(coded(codings), Some(501), "{codings:?}");
        }
    }
}
