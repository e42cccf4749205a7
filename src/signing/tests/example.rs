//! `docs/request-signing.md`: its worked example, to the letter.

use data_encoding::{BASE64, HEXLOWER};

use super::*;

const PAGE: &str = include_str!("../../../docs/request-signing.md");

/// The block of the page that follows the line `title`.
fn block(title: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("\n{title}\n\n```")).unwrap_or_else(|| panic!("{title}"));
    rest.split_once('\n').unwrap().1.split_once("\n```").unwrap().0
}

fn fields_of(block: &str) -> HeaderMap {
    let pair = |line: &str| line.split_once(": ").map(|(n, v)| (n.to_lowercase(), v.to_owned()));
    let mut headers = HeaderMap::new();
    for (name, value) in block.lines().take_while(|line| !line.is_empty()).filter_map(pair) {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    headers
}

#[test]
fn the_worked_example_is_what_we_compute() {
    let digits =
        block("The key `ci`, in hexadecimal as `sealserve key create --use request --out` writes it:");
    let key = RequestKey::parse("ci", digits.as_bytes(), "the page").unwrap();

    let request = block("The request before it is signed:");
    let (head, body) = request.split_once("\n\n").unwrap();
    let mut headers = fields_of(head);
    let authority = headers.remove("host").unwrap();
    headers.insert("content-digest", content_digest(body.as_bytes()));
    let message = Request {
        method: Method::POST,
        authority: authority.to_str().unwrap().into(),
        path: "/v2/models/digits/infer".into(),
        query: None,
        headers,
    };
    assert!(head.starts_with(&format!("{} {} HTTP/1.1\n", message.method, message.path)));

    let added = fields_of(block("The fields that signing adds:"));
    let nonce: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).unwrap());
    let validity = Validity { created: NOW, expires: NOW + 60 };
    let signed = sign(&message.head(), &key, validity, nonce).unwrap();
    assert_eq!(added["content-digest"], message.headers["content-digest"]);
    assert_eq!(added["signature-input"], signed.fields.input);
    assert_eq!(added["signature"], signed.fields.signature);

    // The base on the page, and its HMAC by another way than ours.
    let base = block("The signature base:");
    let text = signed.fields.input.to_str().unwrap();
    assert_eq!(message.base_of(text).unwrap(), base);
    let raw = HEXLOWER.decode(digits.as_bytes()).unwrap();
    let raw = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &raw);
    let mac = BASE64.encode(ring::hmac::sign(&raw, base.as_bytes()).as_ref());
    assert_eq!(added["signature"], format!("sealserve=:{mac}:"));

    let answer = block("The signed response:");
    let (head, body) = answer.split_once("\n\n").unwrap();
    let headers = fields_of(head);
    let response = ResponseHead { status: StatusCode::OK, headers: &headers };
    let received = verify_response(&signed.binding, &response, key.secret()).unwrap();
    assert_eq!(received.digest, Some(crate::crypto::digest::sha256(&[body.as_bytes()])));
    let mut plain = headers.clone();
    plain.remove("signature");
    plain.remove("signature-input");
    let head = ResponseHead { status: StatusCode::OK, headers: &plain };
    let fields = sign_response(&signed.binding, &head, &key, received.created).unwrap();
    assert_eq!(fields.input, headers["signature-input"]);
    let base = block("Its signature base:");
    let mac = BASE64.encode(ring::hmac::sign(&raw, base.as_bytes()).as_ref());
    assert_eq!(headers["signature"], format!("sealserve=:{mac}:"));
}

#[test]
fn the_page_names_every_bound() {
    let page = PAGE.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        format!("{} bytes", fields::MAX_FIELD),
        format!("{} components", input::MAX_COMPONENTS),
        format!("{} signatures", fields::MAX_MEMBERS),
        format!("1 to {} printable ASCII characters", input::MAX_KEY_ID),
        format!("{} s", MAX_WINDOW.as_secs()),
        format!("{} s ahead", CLOCK_SKEW),
        format!("`{REQUEST_TAG}`"),
        format!("`{RESPONSE_TAG}`"),
    ] {
        assert!(page.contains(&words), "{words}");
    }
}
