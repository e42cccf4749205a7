//! A signed message, and every single change of it.

use super::*;

#[test]
fn what_is_signed_verifies_and_tells_what_it_says() {
    let (request, binding) = Request::full().signed();
    request.check().unwrap();
    let received = read(&request.head()).unwrap().unwrap();
    assert_eq!(received.key_id(), "ci");
    assert_eq!((received.created(), received.expires()), (NOW, NOW + 60));
    assert_eq!(received.nonce(), "BwcHBwcHBwcHBwcHBwcHBw");
    assert_eq!(received.digest(), Some(&crate::crypto::digest::sha256(&[BODY])));
    assert_eq!(received.into_binding(), binding);

    let mut get = Request::full();
    get.method = Method::GET;
    get.query = None;
    get.headers = HeaderMap::new();
    let (get, _) = get.signed();
    get.check().unwrap();
    assert!(get.text("signature-input").starts_with(
        r#"sealserve=("@method" "@authority" "@path" "@query");created=1790000000;expires=1790000060;nonce="#
    ));
    assert_eq!(read(&get.head()).unwrap().unwrap().digest(), None);
}

#[test]
fn another_key_does_not_verify() {
    let (request, _) = Request::full().signed();
    let received = read(&request.head()).unwrap().unwrap();
    let other = Secret::from_fn(|out| *out = [0x5b; 32]);
    assert_eq!(received.verify(&other), Err(SigningError::Mac));
}

#[test]
fn every_change_of_what_is_covered_is_refused() {
    let (signed, _) = Request::full().signed();
    let mut changes: Vec<(String, Request)> = Vec::new();
    let mut change = |name: &str, apply: &dyn Fn(&mut Request)| {
        let mut changed = signed.clone();
        apply(&mut changed);
        changes.push((name.to_owned(), changed));
    };
    change("method", &|r| r.method = Method::PUT);
    change("authority", &|r| r.authority = "models.example".into());
    change("path", &|r| r.path = "/v2/models/other/infer".into());
    change("query", &|r| r.query = Some("trace=2".into()));
    change("no query", &|r| r.query = None);
    for name in [
        "content-type",
        "content-encoding",
        "inference-header-content-length",
        "authorization",
        "x-api-key",
        "dpop",
    ] {
        change(name, &|r| r.set(name, "changed"));
        change(name, &|r| {
            r.headers.append(name, HeaderValue::from_static("more"));
        });
        change(name, &|r| {
            r.headers.remove(name);
        });
    }
    change("content-digest", &|r| {
        r.headers.insert("content-digest", content_digest(b"other"));
    });
    change("content-digest", &|r| {
        r.headers.remove("content-digest");
    });
    for (from, to) in [
        ("1790000060", "1790000061"),
        ("created=1790000000", "created=1790000001"),
        ("BwcH", "BwcI"),
        ("\"ci\"", "\"cj\""),
        ("\"@method\" \"@authority\"", "\"@authority\" \"@method\""),
        (";created", ";alg=\"hmac-sha256\";created"),
    ] {
        change(from, &|r| {
            let text = r.text("signature-input").replace(from, to);
            assert_ne!(text, r.text("signature-input"));
            r.set("signature-input", &text);
        });
    }
    change("mac", &|r| {
        let mut mac =
            data_encoding::BASE64.decode(r.text("signature").split(':').nth(1).unwrap().as_bytes()).unwrap();
        mac[31] ^= 1;
        r.set("signature", &format!("sealserve=:{}:", data_encoding::BASE64.encode(&mac)));
    });
    assert!(changes.len() > 25);
    for (name, changed) in changes {
        let error = changed.check().unwrap_err();
        let expected =
            matches!(error, SigningError::Mac | SigningError::ComponentAbsent { .. }) || name == "1790000060";
        assert!(expected, "{name}: {error}");
    }
    // What is not covered may change on its way.
    let mut changed = signed;
    changed.set("accept", "text/plain");
    changed.set("via", "1.1 proxy");
    changed.check().unwrap();
}

#[test]
fn an_authority_is_the_same_in_whatever_form_it_is_written() {
    let mut request = Request::full();
    request.authority = "Models.Example:443".into();
    let (mut request, _) = request.signed();
    request.authority = "models.example".into();
    request.check().unwrap();
    request.authority = "models.example:444".into();
    assert_eq!(request.check(), Err(SigningError::Mac));
}

#[test]
fn a_response_is_bound_to_its_request() {
    let (request, binding) = Request::full().signed();
    let headers = signed_response(&read(&request.head()).unwrap().unwrap().into_binding());
    let received = check_response(&binding, 200, &headers).unwrap();
    assert_eq!(received.created, NOW);
    assert_eq!(received.digest, Some(crate::crypto::digest::sha256(&[b"{}"])));
    assert_eq!(
        headers["signature-input"],
        "sealserve=(\"@status\" \"content-digest\" \"content-type\" \"content-encoding\" \
         \"inference-header-content-length\" \"signature\";req;key=\"sealserve\" \"@method\";req \
         \"@path\";req \"content-digest\";req);created=1790000000;keyid=\"ci\";tag=\"sealserve-response\""
    );

    // Each of these requests has another answer.
    for change in [
        |r: &mut Request| r.method = Method::PUT,
        |r: &mut Request| r.path = "/v2/models/other/infer".into(),
        |r: &mut Request| r.query = Some("trace=2".into()),
        |r: &mut Request| r.set("authorization", "Bearer other"),
        |r: &mut Request| drop(r.headers.insert("content-digest", content_digest(b"other"))),
        |r: &mut Request| drop(r.headers.remove("content-digest")),
    ] {
        let mut other = Request::full();
        change(&mut other);
        let (_, other) = other.signed();
        assert!(check_response(&other, 200, &headers).is_err());
    }
}

#[test]
fn every_change_of_a_response_is_refused() {
    let (_, binding) = Request::full().signed();
    let signed = signed_response(&binding);
    check_response(&binding, 200, &signed).unwrap();
    assert_eq!(check_response(&binding, 201, &signed), Err(SigningError::Mac));
    for name in ["content-digest", "content-type", "content-encoding", "inference-header-content-length"] {
        let mut changed = signed.clone();
        changed.insert(name, content_digest(b"changed"));
        assert_eq!(check_response(&binding, 200, &changed), Err(SigningError::Mac), "{name}");
        changed.remove(name);
        let error = check_response(&binding, 200, &changed).unwrap_err();
        assert!(matches!(error, SigningError::ComponentAbsent { .. }), "{name}: {error}");
    }
    for name in ["signature", "signature-input"] {
        let mut changed = signed.clone();
        changed.remove(name);
        let error = check_response(&binding, 200, &changed).unwrap_err();
        assert!(matches!(error, SigningError::FieldMissing { .. }), "{name}: {error}");
    }
    assert_eq!(check_response(&binding, 200, &response()), Err(SigningError::Unsigned));
    let other = Secret::from_fn(|out| *out = [0x5b; 32]);
    let head = ResponseHead { status: StatusCode::OK, headers: &signed };
    assert_eq!(verify_response(&binding, &head, &other), Err(SigningError::Mac));
}

#[test]
fn a_field_that_was_added_after_signing_is_refused() {
    let (_, binding) = Request::full().signed();
    let mut plain = HeaderMap::new();
    let head = ResponseHead { status: StatusCode::OK, headers: &plain };
    let fields = sign_response(&binding, &head, &key(), NOW).unwrap();
    plain.insert("signature-input", fields.input);
    plain.insert("signature", fields.signature);
    assert_eq!(check_response(&binding, 200, &plain).unwrap().digest, None);
    plain.insert("content-type", HeaderValue::from_static("text/html"));
    let component = "\"content-type\"".into();
    assert_eq!(check_response(&binding, 200, &plain), Err(SigningError::ComponentMissing { component }));
}

#[test]
fn a_response_under_another_key_id_is_refused() {
    let (_, binding) = Request::full().signed();
    let mut headers = response();
    let other = RequestKey::new("other", key().secret().clone()).unwrap();
    let head = ResponseHead { status: StatusCode::OK, headers: &headers };
    let fields = sign_response(&binding, &head, &other, NOW).unwrap();
    headers.insert("signature-input", fields.input);
    headers.insert("signature", fields.signature);
    assert_eq!(
        check_response(&binding, 200, &headers),
        Err(SigningError::OtherKey { found: "other".into(), wanted: "ci".into() })
    );
}
