//! Signed requests (RFC 9421): what is signed here is read and verified here, for the
//! same request and no other, and a stranger's fields prove nothing.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use sealserve::secret::Secret;
use sealserve::signing::{
    RequestHead, RequestKey, ResponseHead, SignatureFields, Validity, read, sign, sign_response,
    verify_response,
};

const NOW: u64 = 1_790_000_000;

/// A request: a line of method, authority, path and query, then one for each field.
pub(super) fn holds(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let first = std::str::from_utf8(lines.next().unwrap_or_default()).unwrap_or_default();
    let mut words = first.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (method, authority, target) = (word().parse().unwrap_or(Method::POST), word(), word());
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let mut headers = HeaderMap::new();
    for line in lines.take(64) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
        let (name, value) = (&line[..colon], line[colon..].get(1..).unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    let key = RequestKey::new("fuzz", Secret::from_fn(|bytes| bytes.fill(7))).unwrap();
    a_strangers_proves_nothing(
        &RequestHead { method: &method, authority, path, query, headers: &headers },
        &key,
    );

    for own in ["signature", "signature-input"] {
        headers.remove(own);
    }
    signs_and_verifies(&RequestHead { method: &method, authority, path, query, headers: &headers }, &key);
}

fn a_strangers_proves_nothing(head: &RequestHead<'_>, key: &RequestKey) {
    let longest = Duration::from_mins(5);
    let Ok(Some(received)) = read(head) else { return };
    assert!(received.verify(key.secret()).is_err());
    if received.check_window(NOW, longest).is_ok() {
        assert!(received.created() <= NOW + 5 && received.expires() > NOW);
        assert!(received.expires() - received.created() <= longest.as_secs());
    }
}

fn signs_and_verifies(head: &RequestHead<'_>, key: &RequestKey) {
    let validity = Validity { created: NOW, expires: NOW + 60 };
    let Ok(signed) = sign(head, key, validity, [9; 16]) else { return };
    let headers = with(head.headers, &signed.fields);
    let head = RequestHead { headers: &headers, ..*head };
    let received = read(&head).unwrap().unwrap();
    assert_eq!((received.key_id(), received.created(), received.expires()), ("fuzz", NOW, NOW + 60));
    received.check_window(NOW, Duration::from_mins(5)).unwrap();
    received.verify(key.secret()).unwrap();

    let elsewhere = format!("{}x", head.path);
    let fails = |head: &RequestHead<'_>| match read(head) {
        Ok(received) => received.unwrap().verify(key.secret()).is_err(),
        Err(_) => true,
    };
    let method = if head.method == Method::PUT { Method::POST } else { Method::PUT };
    assert!(fails(&RequestHead { method: &method, ..head }));
    assert!(fails(&RequestHead { path: &elsewhere, ..head }));
    assert!(fails(&RequestHead { authority: &format!("x{}", head.authority), ..head }));
    let query = format!("{}x", head.query.unwrap_or_default());
    assert!(fails(&RequestHead { query: Some(&query), ..head }));

    // The answer is bound to the request, on both sides alike.
    let fields = HeaderMap::new();
    let response = ResponseHead { status: StatusCode::OK, headers: &fields };
    let answer = sign_response(&received.into_binding(), &response, key, NOW).unwrap();
    let headers = with(&fields, &answer);
    let response = ResponseHead { headers: &headers, ..response };
    let verified = verify_response(&signed.binding, &response, key.secret()).unwrap();
    assert_eq!(verified.created, NOW);
    let other = ResponseHead { status: StatusCode::ACCEPTED, ..response };
    assert!(verify_response(&signed.binding, &other, key.secret()).is_err());
}

fn with(headers: &HeaderMap, fields: &SignatureFields) -> HeaderMap {
    let mut headers = headers.clone();
    headers.append("signature-input", fields.input.clone());
    headers.append("signature", fields.signature.clone());
    headers
}
