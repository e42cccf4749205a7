//! A response as `curl -i` writes it: status line, fields, an empty line, body.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// A response read from a file.
#[derive(Debug)]
pub(super) struct RawResponse<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: &'a [u8],
}

/// The final response in `bytes`; interim ones (1xx) that stand before it are skipped.
pub(super) fn response(mut bytes: &[u8]) -> Result<RawResponse<'_>, &'static str> {
    loop {
        let (line, rest) = line(bytes).ok_or("it ends before its status line does")?;
        let status = status(line).ok_or("it does not begin with a status line such as 'HTTP/1.1 200 OK'")?;
        let (headers, body) = fields(rest)?;
        if !status.is_informational() {
            return Ok(RawResponse { status, headers, body });
        }
        bytes = body;
    }
}

/// The next line without its end, and what follows it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest))
}

fn status(line: &[u8]) -> Option<StatusCode> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let version = words.next()?;
    if !["HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3"].contains(&version) {
        return None;
    }
    StatusCode::from_bytes(words.next()?.as_bytes()).ok()
}

fn fields(mut bytes: &[u8]) -> Result<(HeaderMap, &[u8]), &'static str> {
    let mut headers = HeaderMap::new();
    loop {
        let (line, rest) = line(bytes).ok_or("it ends before the empty line that ends its fields")?;
        bytes = rest;
        if line.is_empty() {
            return Ok((headers, bytes));
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or("a field has no colon")?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let name = HeaderName::from_bytes(name).map_err(|_| "a field has a malformed name")?;
        let value = HeaderValue::from_bytes(value).map_err(|_| "a field has a malformed value")?;
        // As `HeaderMap` would panic beyond its capacity.
        headers.try_append(name, value).map_err(|_| "it has too many fields")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_curl_writes_is_read() {
        for (text, status) in [
            ("HTTP/1.1 200 OK\r\nA: 1\r\na:  2 \r\n\r\nbody\r\n", 200),
            ("HTTP/2 200 \nA: 1\nA: 2\n\nbody\r\n", 200),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nA: 1\r\nA: 2\r\n\r\nbody\r\n", 404),
        ] {
            let response = response(text.as_bytes()).unwrap();
            assert_eq!(response.status, status);
            assert_eq!(response.headers.get_all("a").iter().collect::<Vec<_>>(), ["1", "2"]);
            assert_eq!(response.body, b"body\r\n");
        }
    }

    #[test]
    fn what_is_no_response_is_refused() {
        for text in [
            "",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nA: 1\r\n",
            "HTTP/1.1\r\n\r\n",
            "HTTP/1.1 abc\r\n\r\n",
            "HTTP/9 200 OK\r\n\r\n",
            "{\"outputs\": []}\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\n a: b\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
        ] {
            assert!(response(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(0_u8..=255, 0..200)) {
            let _ = response(&bytes);
            let _ = response(&[b"HTTP/1.1 200 OK\n", &bytes[..]].concat());
        }
    }
}
