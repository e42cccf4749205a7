//! Signatures that verify, but are not after the profile; and any bytes at all.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const ALL: &str = r#""@method" "@authority" "@path" "@query" "content-type" "content-encoding" "content-digest" "inference-header-content-length" "authorization" "x-api-key" "dpop""#;
const PARAMETERS: &str =
    r#";created=1790000000;expires=1790000060;nonce="0123456789abcdef";keyid="ci";tag="sealserve""#;

#[test]
fn each_component_that_must_be_covered_is_missed() {
    Request::full().signed_as(ALL, PARAMETERS).check().unwrap();
    for component in ALL.split(' ') {
        let rest = ALL.replace(component, "");
        let error = Request::full().signed_as(&rest, PARAMETERS).check().unwrap_err();
        assert_eq!(error, SigningError::ComponentMissing { component: component.to_owned() });
        assert!(error.to_string().contains(component));
    }
}

#[test]
fn each_parameter_is_missed() {
    for (parameter, text) in [
        ("created", ";created=1790000000"),
        ("expires", ";expires=1790000060"),
        ("nonce", ";nonce=\"0123456789abcdef\""),
        ("keyid", ";keyid=\"ci\""),
    ] {
        let rest = PARAMETERS.replace(text, "");
        assert_ne!(rest, PARAMETERS);
        let error = Request::full().signed_as(ALL, &rest).check().unwrap_err();
        assert_eq!(error, SigningError::ParameterMissing { parameter });
    }
    let untagged = Request::full().signed_as(ALL, &PARAMETERS.replace(";tag=\"sealserve\"", ""));
    assert_eq!(untagged.check(), Err(SigningError::NoTag { tag: "sealserve" }));
}

#[test]
fn order_extra_components_and_a_redundant_algorithm_are_accepted() {
    let mut reversed: Vec<&str> = ALL.split(' ').collect();
    reversed.reverse();
    let extra = format!(
        r#"{} "accept" "@target-uri" "@scheme" "@request-target" "@query-param";name="trace""#,
        reversed.join("   ")
    );
    let parameters =
        r#"; tag="sealserve"; keyid="ci";nonce="0123456789abcdef";expires=1790000060;created=1790000000"#;
    Request::full().signed_as(&extra, parameters).check().unwrap();
    Request::full().signed_as(ALL, &format!("{PARAMETERS};alg=\"hmac-sha256\"")).check().unwrap();
}

#[test]
fn components_that_cannot_be_honoured_are_refused() {
    for extra in [
        r#""accept";sf"#,
        r#""accept";bs"#,
        r#""accept";tr"#,
        r#""accept";key="a""#,
        r#""accept";req"#,
        r#""accept";unknown=1"#,
        r#""accept";req=?0"#,
        r#""@method";req"#,
        r#""@status""#,
        r#""@unknown""#,
        r#""@signature-params""#,
        r#""@query-param""#,
        r#""@query-param";name=trace"#,
        r#""@path";name="x""#,
        r#""signature""#,
        r#""signature-input""#,
        r#""signature";key="sealserve""#,
        r#""signature";req;key="sealserve""#,
        r#""Accept""#,
        r#""not a name""#,
        r#""""#,
    ] {
        let mut request = Request::full().signed_as(ALL, PARAMETERS);
        request.set("signature-input", &format!("sealserve=({ALL} {extra}){PARAMETERS}"));
        let error = request.check().unwrap_err();
        assert!(matches!(error, SigningError::ComponentUnsupported { .. }), "{extra}: {error}");
    }
    for (extra, wanted) in [
        (r#""x-absent""#, SigningError::ComponentAbsent { component: "\"x-absent\"".into() }),
        (r#""accept" "accept""#, SigningError::ComponentDuplicate { component: "\"accept\"".into() }),
        (r#""@method""#, SigningError::ComponentDuplicate { component: "\"@method\"".into() }),
        (r#""accept";sf;sf"#, SigningError::ParameterDuplicate { parameter: "sf".into() }),
    ] {
        let mut request = Request::full().signed_as(ALL, PARAMETERS);
        request.set("signature-input", &format!("sealserve=({ALL} {extra}){PARAMETERS}"));
        assert_eq!(request.check(), Err(wanted));
    }
    for no_string in ["accept", "1", ":AAAA:", "?1"] {
        let mut request = Request::full().signed_as(ALL, PARAMETERS);
        request.set("signature-input", &format!("sealserve=({ALL} {no_string}){PARAMETERS}"));
        assert!(matches!(request.check(), Err(SigningError::FieldMalformed { .. })), "{no_string}");
    }
}

#[test]
fn parameters_of_another_kind_are_refused() {
    for (from, to, parameter) in [
        ("created=1790000000", "created=\"1790000000\"", "created"),
        ("created=1790000000", "created=-1", "created"),
        ("created=1790000000", "created=1790000000.0", "created"),
        ("created=1790000000", "created=@1790000000", "created"),
        ("expires=1790000060", "expires", "expires"),
        ("\"0123456789abcdef\"", "\"0123456789abcde\"", "nonce"),
        ("\"0123456789abcdef\"", ":MDEyMzQ1Njc4OWFiY2RlZg==:", "nonce"),
        ("0123456789abcdef", &"0".repeat(65), "nonce"),
        ("\"ci\"", "ci", "keyid"),
        ("\"ci\"", "\"\"", "keyid"),
        ("\"ci\"", &format!("\"{}\"", "c".repeat(129)), "keyid"),
        (";keyid", ";alg=\"hmac-sha512\";keyid", "alg"),
        (";keyid", ";alg=\"ed25519\";keyid", "alg"),
        (";keyid", ";alg=hmac-sha256;keyid", "alg"),
    ] {
        let parameters = PARAMETERS.replace(from, to);
        assert_ne!(parameters, PARAMETERS);
        let error = Request::full().signed_as(ALL, &parameters).check().unwrap_err();
        let found = match error {
            SigningError::ParameterInvalid { parameter, .. } => parameter,
            other => panic!("{to}: {other}"),
        };
        assert_eq!(found, parameter);
    }
    let refused = |parameters: &str| Request::full().signed_as(ALL, parameters).check().unwrap_err();
    let parameter = "audience".to_owned();
    assert_eq!(refused(&format!("{PARAMETERS};audience=1")), SigningError::ParameterUnknown { parameter });
    for twice in ["created=1790000000", "keyid=\"ci\"", "tag=\"sealserve\"", "nonce=\"0123456789abcdef\""] {
        let error = refused(&format!("{PARAMETERS};{twice}"));
        assert!(matches!(error, SigningError::ParameterDuplicate { .. }), "{twice}: {error}");
    }
}

#[test]
fn the_window_is_checked_on_both_sides() {
    let window = |created: u64, expires: u64, now: u64, longest: u64| {
        let mut request = Request::full();
        let validity = Validity { created, expires };
        let fields = sign(&request.head(), &key(), validity, [1; 16]).unwrap().fields;
        request.headers.insert("signature-input", fields.input);
        request.headers.insert("signature", fields.signature);
        let received = read(&request.head()).unwrap().unwrap();
        received.verify(key().secret()).unwrap();
        received.check_window(now, Duration::from_secs(longest))
    };
    assert_eq!(window(100, 160, 100, 60), Ok(()));
    assert_eq!(window(100, 160, 159, 60), Ok(()));
    assert_eq!(window(100, 160, 160, 60), Err(SigningError::Expired { at: 160 }));
    assert_eq!(window(100, 160, 95, 60), Ok(()));
    assert_eq!(window(100, 160, 94, 60), Err(SigningError::CreatedInFuture { at: 100 }));
    assert_eq!(window(100, 161, 100, 60), Err(SigningError::Window { given: 61, limit: 60 }));
    assert_eq!(window(100, 400, 100, 300), Ok(()));
    assert_eq!(window(100, 401, 100, 9999), Err(SigningError::Window { given: 301, limit: 300 }));
    assert_eq!(window(100, 100, 100, 60), Err(SigningError::NoValidity));
    assert_eq!(window(100, 99, 98, 60), Err(SigningError::NoValidity));
    let limit = 60;
    let given = 999_999_999_999_999;
    assert_eq!(window(0, given, u64::MAX, limit), Err(SigningError::Window { given, limit }));
}

#[test]
fn a_signature_that_is_not_ours_does_not_pass_for_none() {
    let unsigned = Request::full();
    assert!(read(&unsigned.head()).unwrap().is_none());
    let mut foreign = Request::full();
    foreign.set("signature-input", r#"sig1=("@method");created=1;keyid="x""#);
    foreign.set("signature", "sig1=:AAAA:");
    assert_eq!(foreign.check(), Err(SigningError::NoTag { tag: "sealserve" }));
    for (name, absent) in [("signature-input", "Signature-Input"), ("signature", "Signature")] {
        let (mut request, _) = Request::full().signed();
        request.headers.remove(name);
        assert!(matches!(request.check(), Err(SigningError::FieldMissing { absent: a, .. }) if a == absent));
    }
    // Empty fields are fields.
    let mut empty = Request::full();
    empty.set("signature-input", "");
    assert!(matches!(empty.check(), Err(SigningError::FieldMissing { .. })));
    empty.set("signature", "");
    assert_eq!(empty.check(), Err(SigningError::NoTag { tag: "sealserve" }));
}

#[test]
fn other_signatures_may_stand_beside_ours_but_not_in_its_place() {
    let (request, _) = Request::full().signed();
    let (input, signature) = (request.text("signature-input"), request.text("signature"));
    let with = |input: &str, signature: &str| {
        let mut request = request.clone();
        request.set("signature-input", input);
        request.set("signature", signature);
        request.check()
    };
    let proxy = r#"proxy=("@method";odd 7);created=1;tag="proxy""#;
    with(&format!("{proxy}, {input}"), &format!("{signature}, proxy=:AAAA:")).unwrap();
    with(&format!("{input},{proxy}"), &signature).unwrap();
    // Two lines are one field.
    let mut lines = request.clone();
    lines.headers.append("signature-input", HeaderValue::from_static(proxy));
    lines.headers.append("signature", HeaderValue::from_static("proxy=:AAAA:"));
    lines.check().unwrap();

    let again = input.replacen("sealserve=", "again=", 1);
    let error = with(&format!("{input}, {again}"), &signature);
    assert_eq!(error, Err(SigningError::SeveralTags { tag: "sealserve" }));
    let twice = |field, label: &str| Err(SigningError::LabelDuplicate { field, label: label.into() });
    assert_eq!(with(&format!("{input}, {input}"), &signature), twice("Signature-Input", "sealserve"));
    assert_eq!(with(&input, &format!("{signature}, {signature}")), twice("Signature", "sealserve"));
    assert_eq!(with(&format!("p=1, p=2, {input}"), &signature), twice("Signature-Input", "p"));
    assert_eq!(with(&input, "other=:AAAA:"), Err(SigningError::LabelMissing { label: "sealserve".into() }));
    for not_mac in ["sealserve", "sealserve=1", "sealserve=:AAAA:", "sealserve=(:AAAA:)"] {
        let label = "sealserve".into();
        assert_eq!(with(&input, not_mac), Err(SigningError::NotMac { label }), "{not_mac}");
    }
    let label = "sealserve".into();
    assert_eq!(with(&input, &format!("{signature};a=1")), Err(SigningError::NotMac { label }));
    let no_list = r#"sealserve=1;tag="sealserve""#;
    assert!(matches!(with(no_list, &signature), Err(SigningError::FieldMalformed { .. })));
}

#[test]
fn all_is_bounded() {
    let with = |input: &str| {
        let mut request = Request::full().signed_as(ALL, PARAMETERS);
        request.set("signature-input", input);
        request.check()
    };
    let field = "Signature-Input";
    let long = format!("a=(\"{}\")", "a".repeat(8200));
    assert_eq!(with(&long), Err(SigningError::FieldTooLong { field, limit: 8192 }));
    let many: Vec<String> = (0..9).map(|n| format!("a{n}=()")).collect();
    assert_eq!(with(&many.join(",")), Err(SigningError::TooMany { what: field, limit: 8 }));
    let components: Vec<String> = (0..40).map(|n| format!("\"x-{n}\"")).collect();
    let many = format!("sealserve=({}){PARAMETERS}", components.join(" "));
    assert_eq!(with(&many), Err(SigningError::TooMany { what: "components", limit: 32 }));
    let parameters: Vec<String> = (0..20).map(|n| format!(";p{n}")).collect();
    let many = format!("sealserve=({ALL}){PARAMETERS}{}", parameters.concat());
    assert_eq!(with(&many), Err(SigningError::TooMany { what: "parameters", limit: 16 }));
    // A message quotes the beginning of a long name only.
    let long = format!("sealserve=(\"@{}\"){PARAMETERS}", "a".repeat(4000));
    assert!(with(&long).unwrap_err().to_string().len() < 200);
}

#[test]
fn values_that_could_pass_for_two_components_are_refused() {
    for change in [
        |r: &mut Request| r.path = "/a\n\"@query\": ?".into(),
        |r: &mut Request| r.query = Some("a b".into()),
        |r: &mut Request| r.query = Some("ä".into()),
        |r: &mut Request| r.authority = "a\nb".into(),
        |r: &mut Request| r.authority = String::new(),
        |r: &mut Request| r.authority = "user@host".into(),
        |r: &mut Request| r.authority = "host:port".into(),
        |r: &mut Request| r.authority = ":443".into(),
        |r: &mut Request| drop(r.headers.insert("x-api-key", HeaderValue::from_bytes(b"\xff").unwrap())),
    ] {
        let mut request = Request::full().signed_as(ALL, PARAMETERS);
        change(&mut request);
        let error = request.check().unwrap_err();
        assert!(matches!(error, SigningError::ComponentValue { .. }), "{error}");
        let validity = Validity { created: NOW, expires: NOW + 60 };
        assert!(sign(&request.head(), &key(), validity, [7; 16]).is_err());
    }
    // A query parameter that is there twice, or is no text.
    for query in ["a=1&a=2", "a=1&%61=2", "a=%FF"] {
        let mut request = Request::full();
        request.query = Some(query.into());
        let error = request.base_of(r#"sealserve=("@query-param";name="a")"#).unwrap_err();
        assert!(matches!(error, SigningError::ComponentValue { .. }), "{query}: {error}");
    }
}

#[test]
fn a_key_needs_a_name_and_32_bytes() {
    let digits = "0f".repeat(32);
    assert_eq!(RequestKey::parse("ci", format!("{digits}\n").as_bytes(), "k").unwrap().id(), "ci");
    for id in ["", "a\n", "é", &"a".repeat(129)] {
        let error = RequestKey::parse(id, digits.as_bytes(), "k").unwrap_err();
        assert_eq!(error, SigningError::KeyId { limit: 128 });
    }
    for text in ["", "0f", "zz", &digits[1..], &format!("{digits}00")] {
        assert!(matches!(RequestKey::parse("ci", text.as_bytes(), "k"), Err(SigningError::KeyText { .. })));
    }
    // Any name that a key may have comes back.
    let odd = RequestKey::new(r#"a "quoted\" name"#, key().secret().clone()).unwrap();
    let mut request = Request::full();
    let validity = Validity { created: NOW, expires: NOW + 60 };
    let fields = sign(&request.head(), &odd, validity, [7; 16]).unwrap().fields;
    request.headers.insert("signature-input", fields.input);
    request.headers.insert("signature", fields.signature);
    assert_eq!(read(&request.head()).unwrap().unwrap().key_id(), odd.id());
    request.check().unwrap();
}

proptest! {
    #[test]
    fn any_fields_are_read_without_panic(
        input in proptest::collection::vec(any::<u8>(), 0..300),
        signature in proptest::collection::vec(any::<u8>(), 0..300),
        query in "\\PC{0,40}",
        authority in "\\PC{0,40}",
    ) {
        let mut request = Request::full();
        if let (Ok(input), Ok(signature)) = (HeaderValue::from_bytes(&input), HeaderValue::from_bytes(&signature)) {
            request.headers.insert("signature-input", input);
            request.headers.insert("signature", signature);
        }
        request.query = Some(query);
        request.authority = authority;
        let _ = request.check();
    }

    #[test]
    fn any_components_are_read_without_panic(
        components in "(\"(@?[a-z-]{1,12}|@query-param)\"(;(req|key=\"a\"|name=\"[ -~&&[^\"\\\\]]{0,5}\"|sf|[a-z]=[0-9]{1,3}))? ?){0,6}",
        parameters in "(;(created|expires|nonce|keyid|tag|alg)=(\"[ -~&&[^\"\\\\]]{0,20}\"|-?[0-9]{1,15}|[a-z]{1,5})){0,6}",
        query in "([a-c]|%[0-9a-fA-F]{2}|[=&+%]){0,20}",
    ) {
        let mut request = Request::full();
        request.query = Some(query);
        request.set("signature", &format!("a=:{}:", data_encoding::BASE64.encode(&[0; 32])));
        request.set("signature-input", &format!("a=({components}){parameters};tag=\"sealserve\""));
        prop_assert!(request.check().is_err());
        let (_, binding) = Request::full().signed();
        let text = request.text("signature-input").replace("\"sealserve\"", "\"sealserve-response\"");
        request.set("signature-input", &text);
        prop_assert!(check_response(&binding, 200, &request.headers).is_err());
    }

    #[test]
    fn whatever_is_signed_verifies(
        method in "[A-Z]{1,10}",
        host in "[a-zA-Z0-9.-]{1,20}(:[0-9]{1,5})?",
        path in "(/[!-~&&[^?#]]{0,10}){0,4}",
        query in proptest::option::of("[!-~&&[^#]]{0,30}"),
        token in "[ -~]{0,40}",
    ) {
        let mut request = Request::full();
        request.method = method.parse().unwrap();
        request.authority = host;
        request.path = path;
        request.query = query;
        request.set("authorization", &token);
        let (request, binding) = request.signed();
        prop_assert_eq!(request.check(), Ok(()));
        prop_assert!(check_response(&binding, 200, &signed_response(&binding)).is_ok());
    }
}
