//! The examples of RFC 9421 and of a peer (`testdata/signing/bases.json`).

use data_encoding::BASE64;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Vector {
    name: String,
    message: Message,
    signature_input: String,
    signature: String,
    base: Vec<String>,
    hmac_key: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    status: Option<u16>,
    method: Option<String>,
    authority: Option<String>,
    path: Option<String>,
    query: Option<String>,
    headers: Vec<(String, String)>,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../../testdata/signing/bases.json")).unwrap()
}

impl Message {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        headers
    }
}

/// The base that we compute for `vector`. Whatever algorithm its signature is of,
/// the base is the same, so 32 zeros stand for it.
fn base(vector: &Vector) -> String {
    let label = vector.signature_input.split_once('=').unwrap().0;
    let zeros = format!("{label}=:{}:", BASE64.encode(&[0; 32]));
    let inputs = fields::dictionary(&vector.signature_input, "Signature-Input").unwrap();
    let macs = fields::dictionary(&zeros, "Signature").unwrap();
    let input = input::Input::read(&inputs[0], &macs).unwrap();
    let (message, headers) = (&vector.message, vector.message.headers());
    let base = match message.status {
        Some(status) => {
            let status = StatusCode::from_u16(status).unwrap();
            input.base(|component| ResponseHead { status, headers: &headers }.value(component))
        }
        None => {
            let method = message.method.as_deref().unwrap().parse().unwrap();
            let head = RequestHead {
                method: &method,
                authority: message.authority.as_deref().unwrap(),
                path: message.path.as_deref().unwrap(),
                query: message.query.as_deref(),
                headers: &headers,
            };
            input.base(|component| head.value(component))
        }
    };
    String::from_utf8(base.unwrap().expose().to_vec()).unwrap()
}

#[test]
fn signature_bases_are_those_of_the_standard() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 12);
    for vector in &vectors {
        assert_eq!(base(vector), vector.base.join("\n"), "{}", vector.name);
    }
}

#[test]
fn hmac_signatures_are_those_of_the_standard_and_of_a_peer() {
    let mut count = 0;
    for vector in vectors() {
        let Some(key) = &vector.hmac_key else { continue };
        // Their key has 64 bytes, ours have 32: so not through `crypto::mac`.
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &BASE64.decode(key.as_bytes()).unwrap());
        let found = BASE64.encode(ring::hmac::sign(&key, base(&vector).as_bytes()).as_ref());
        let label = vector.signature_input.split_once('=').unwrap().0;
        assert_eq!(format!("{label}=:{found}:"), vector.signature, "{}", vector.name);
        count += 1;
    }
    assert_eq!(count, 2);
}

/// RFC 9421, section 2.2: the examples in the text.
#[test]
fn derived_components_are_those_of_the_standard() {
    let value = |authority: &str, path: &str, query: Option<&str>, component: &str| {
        let request = Request {
            method: Method::POST,
            authority: authority.into(),
            path: path.into(),
            query: query.map(Into::into),
            headers: HeaderMap::new(),
        };
        let base = request.base_of(&format!("sealserve=({component})")).unwrap();
        base.lines().next().unwrap().split_once(": ").unwrap().1.to_owned()
    };
    let at = |component: &str| value("www.example.com", "/path", Some("param=value"), component);
    assert_eq!(at("\"@method\""), "POST");
    assert_eq!(at("\"@target-uri\""), "https://www.example.com/path?param=value");
    assert_eq!(at("\"@authority\""), "www.example.com");
    assert_eq!(at("\"@scheme\""), "https");
    assert_eq!(at("\"@request-target\""), "/path?param=value");
    assert_eq!(at("\"@path\""), "/path");
    assert_eq!(at("\"@query\""), "?param=value");
    assert_eq!(value("a", "", None, "\"@path\""), "/");
    assert_eq!(value("a", "/", None, "\"@query\""), "?");
    assert_eq!(value("a", "/", Some(""), "\"@query\""), "?");
    assert_eq!(
        value("a", "/", Some("param=value&foo=bar&baz=bat%2Dman"), "\"@query\""),
        "?param=value&foo=bar&baz=bat%2Dman"
    );
    for (given, normal) in [
        ("WWW.Example.COM", "www.example.com"),
        ("example.com:443", "example.com"),
        ("example.com:", "example.com"),
        ("example.com:80", "example.com:80"),
        ("[::1]", "[::1]"),
        ("[::1]:443", "[::1]"),
        ("[2001:DB8::443]:8443", "[2001:db8::443]:8443"),
    ] {
        assert_eq!(value(given, "/", None, "\"@authority\""), normal);
    }
    let param =
        |query: &str, name: &str| value("a", "/", Some(query), &format!("\"@query-param\";name=\"{name}\""));
    let query = "param=value&foo=bar&baz=batman&qux=";
    assert_eq!(param(query, "baz"), "batman");
    assert_eq!(param(query, "qux"), "");
    let query =
        "var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something";
    assert_eq!(param(query, "var"), "this%20is%20a%20big%0Amultiline%20value");
    assert_eq!(param(query, "bar"), "with%20plus%20whitespace");
    assert_eq!(param(query, "fa%C3%A7ade%22%3A%20"), "something");
}

/// RFC 9421, section 2.1: the example in the text.
#[test]
fn field_values_are_combined_as_in_the_standard() {
    let mut request = Request::full();
    request.headers = HeaderMap::new();
    for (name, value) in [
        ("host", "www.example.com"),
        ("date", "Tue, 20 Apr 2021 02:07:56 GMT"),
        ("x-ows-header", "   Leading and trailing whitespace.   "),
        ("cache-control", "max-age=60"),
        ("cache-control", "   must-revalidate"),
        ("example-dict", "a=1,    b=2;x=1;y=2,   c=(a   b   c)"),
        ("x-empty-header", ""),
    ] {
        request.headers.append(name, HeaderValue::from_static(value));
    }
    let names = ["host", "date", "x-ows-header", "cache-control", "example-dict", "x-empty-header"];
    let list = names.map(|name| format!("\"{name}\"")).join(" ");
    let base = request.base_of(&format!("sealserve=({list})")).unwrap();
    assert_eq!(
        base,
        "\"host\": www.example.com\n\
         \"date\": Tue, 20 Apr 2021 02:07:56 GMT\n\
         \"x-ows-header\": Leading and trailing whitespace.\n\
         \"cache-control\": max-age=60, must-revalidate\n\
         \"example-dict\": a=1,    b=2;x=1;y=2,   c=(a   b   c)\n\
         \"x-empty-header\": \n\
         \"@signature-params\": "
            .to_owned()
            + &format!("({list})")
    );
}
