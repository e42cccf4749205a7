//! Who is refused, with what, and what the refusal tells.

use serde_json::json;

use crate::support::forge::{AUTHORITY, Forge, encode, now};
use crate::support::{Answer, text};
use crate::{GOOD, Served, refused};

const INFER: &str = "/v2/models/digits/infer";

/// Asks for an inference with these header lines.
fn ask(served: &Served, headers: &[String]) -> Answer {
    let mut arguments = vec!["--data-binary", GOOD];
    for header in headers {
        arguments.extend(["-H", header]);
    }
    served.curl(INFER, &arguments)
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// Asserts that nothing of the token comes back.
#[track_caller]
fn tells_nothing(what: &str, answer: &Answer, token: &str) {
    let body = text(&answer.body);
    for secret in token.split('.').filter(|part| part.len() > 8).chain(["mallory", "forged-token", AUTHORITY])
    {
        assert!(!body.contains(secret), "{what}: {body}");
    }
}

/// Asserts that every one of `tokens` is refused as the same invalid token.
#[track_caller]
fn all_invalid(served: &Served, tokens: &[(&str, String)]) {
    let mut messages = std::collections::BTreeSet::new();
    for (what, token) in tokens {
        let answer = ask(served, &[bearer(token)]);
        refused(what, &answer, 401, "invalid_token");
        let challenge = r#"Bearer realm="sealserve", error="invalid_token""#;
        assert_eq!(answer.header("www-authenticate"), Some(challenge), "{what}");
        tells_nothing(what, &answer, token);
        messages.insert(answer.json()["error"].to_string());
    }
    // One message for all: no refusal tells which check it was.
    assert_eq!(messages.len(), 1, "{messages:?}");
}

/// The control of every negative test: this forge's tokens are good.
fn forge(served: &Served) -> Forge {
    let forge = Forge::new(&served.sandbox);
    assert_eq!(ask(served, &[bearer(&forge.with_claims(json!({})))]).status, 200);
    forge
}

#[test]
fn a_token_that_does_not_hold_here_and_now_is_refused() {
    let served = Served::digits("");
    let forge = forge(&served);
    let now = now();
    all_invalid(
        &served,
        &[
            ("expired", forge.with_claims(json!({ "exp": now - 1, "iat": now - 60 }))),
            ("expiring now", forge.with_claims(json!({ "exp": now, "iat": now - 60 }))),
            ("not yet valid", forge.with_claims(json!({ "nbf": now + 300 }))),
            ("issued in the future", forge.with_claims(json!({ "iat": now + 300, "exp": now + 600 }))),
            ("for another audience", forge.with_claims(json!({ "aud": "https://elsewhere" }))),
            ("for other audiences", forge.with_claims(json!({ "aud": ["https://elsewhere", "x"] }))),
            ("for no audience", forge.with_claims(json!({ "aud": [] }))),
            (
                "for an audience that begins alike",
                forge.with_claims(json!({ "aud": format!("{AUTHORITY}/") })),
            ),
            ("from another issuer", forge.with_claims(json!({ "iss": "https://elsewhere" }))),
            ("from this issuer's path", forge.with_claims(json!({ "iss": format!("{AUTHORITY}/") }))),
            ("bound to a certificate", forge.with_claims(json!({ "cnf": { "x5t#S256": "AAAA" } }))),
            ("bound to something unknown", forge.with_claims(json!({ "cnf": {} }))),
        ],
    );
    let several = forge.with_claims(json!({ "aud": ["https://elsewhere", AUTHORITY] }));
    assert_eq!(ask(&served, &[bearer(&several)]).status, 200);
}

#[test]
fn a_token_without_a_required_claim_or_with_one_twice_is_refused() {
    let served = Served::digits("");
    let forge = forge(&served);
    let mut tokens: Vec<(&str, String)> = ["iss", "sub", "aud", "client_id", "iat", "exp", "jti"]
        .map(|claim| (claim, forge.with_claims(json!({ claim: null }))))
        .into();
    let (header, claims) = (forge.header().to_string(), forge.claims().to_string());
    let doubled = |member: &str| format!("{},{member}}}", claims.trim_end_matches('}'));
    for member in
        [r#""exp":9999999999"#, r#""aud":"https://localhost""#, r#""scope":"model:*:*""#, r#""sub":"x""#]
    {
        tokens.push((member, forge.sign(&header, &doubled(member))));
    }
    for (what, member) in [
        ("exp as text", json!({ "exp": "9999999999" })),
        ("exp as fraction", json!({ "exp": 9_999_999_999.5 })),
        ("exp below zero", json!({ "exp": -1 })),
        ("iat as text", json!({ "iat": "0" })),
        ("nbf as text", json!({ "nbf": "0" })),
        ("sub as number", json!({ "sub": 7 })),
        ("aud as object", json!({ "aud": { "https://localhost": true } })),
        ("scope as list", json!({ "scope": ["model:digits:infer"] })),
    ] {
        tokens.push((what, forge.with_claims(member)));
    }
    tokens.push(("claims that are a list", forge.sign(&header, "[]")));
    tokens.push(("claims that are no JSON", forge.sign(&header, "claims")));
    tokens.push(("claims and more", forge.sign(&header, &format!("{claims}{{}}"))));
    all_invalid(&served, &tokens);
}

#[test]
fn a_header_that_asks_for_anything_but_the_profile_is_refused() {
    let served = Served::digits("");
    let forge = forge(&served);
    let (header, claims) = (forge.header().to_string(), forge.claims().to_string());
    let doubled = |member: &str| format!("{},{member}}}", header.trim_end_matches('}'));
    // A key of the attacker's, offered in every way that a header has.
    let own = json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" });
    all_invalid(
        &served,
        &[
            ("typ JWT", forge.with_header(json!({ "typ": "JWT" }))),
            ("typ id_token", forge.with_header(json!({ "typ": "id_token+jwt" }))),
            ("typ with a suffix", forge.with_header(json!({ "typ": "at+jwtx" }))),
            ("no typ", forge.with_header(json!({ "typ": null }))),
            ("no kid", forge.with_header(json!({ "kid": null }))),
            ("the key's id instead of its kid", forge.with_header(json!({ "kid": "token-1" }))),
            ("a kid that is nobody's", forge.with_header(json!({ "kid": "nobody" }))),
            ("a kid that is a path", forge.with_header(json!({ "kid": "../../keyring.json" }))),
            ("the kid of a request key", forge.with_header(json!({ "kid": "ci" }))),
            ("no alg", forge.with_header(json!({ "alg": null }))),
            ("alg in lower case", forge.with_header(json!({ "alg": "es256" }))),
            ("alg ES384", forge.with_header(json!({ "alg": "ES384" }))),
            ("alg none, signed", forge.with_header(json!({ "alg": "none" }))),
            ("alg RS256", forge.with_header(json!({ "alg": "RS256" }))),
            ("crit", forge.with_header(json!({ "crit": ["exp"] }))),
            ("crit of nothing", forge.with_header(json!({ "crit": [] }))),
            ("b64", forge.with_header(json!({ "b64": false, "crit": ["b64"] }))),
            ("b64 alone", forge.with_header(json!({ "b64": false }))),
            ("jwk", forge.with_header(json!({ "jwk": own }))),
            ("jwk, the right one", forge.with_header(json!({ "jwk": forge.jwk() }))),
            ("jku", forge.with_header(json!({ "jku": "https://elsewhere/jwks" }))),
            ("x5u", forge.with_header(json!({ "x5u": "https://elsewhere/x5u" }))),
            ("x5c", forge.with_header(json!({ "x5c": ["AAAA"] }))),
            ("zip", forge.with_header(json!({ "zip": "DEF" }))),
            ("cty", forge.with_header(json!({ "cty": "JWT" }))),
            ("alg twice", forge.sign(&doubled(r#""alg":"ES256""#), &claims)),
            ("kid twice", forge.sign(&doubled(&format!(r#""kid":"{}""#, forge.kid())), &claims)),
            ("a header that is no JSON", forge.sign("header", &claims)),
            ("a header that is a list", forge.sign("[]", &claims)),
        ],
    );
    for typ in ["AT+JWT", "application/at+jwt"] {
        assert_eq!(ask(&served, &[bearer(&forge.with_header(json!({ "typ": typ })))]).status, 200, "{typ}");
    }
}

#[test]
fn a_signature_that_is_not_the_keys_is_refused() {
    let served = Served::digits("");
    let forge = forge(&served);
    let good = forge.with_claims(json!({}));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = message.split_once('.').unwrap();
    let raw = data_encoding::BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let signed = |raw: &[u8]| format!("{message}.{}", encode(raw));
    let mut flipped = raw.clone();
    flipped[0] ^= 1;
    let none = encode(json!({ "typ": "at+jwt", "alg": "none", "kid": forge.kid() }).to_string());
    let other = crate::support::Sandbox::new();
    other.init("");
    let stranger = Forge::new(&other);
    let jwk = forge.jwk().to_string();
    let pem = forge.public_pem();
    all_invalid(
        &served,
        &[
            ("alg none", format!("{none}.{}.AAAA", encode(forge.claims().to_string()))),
            ("HS256 with nothing", forge.hs256(b"")),
            ("HS256 with the public key in PEM", forge.hs256(pem.as_bytes())),
            ("HS256 with that PEM, trimmed", forge.hs256(pem.trim().as_bytes())),
            ("HS256 with the public key as JWK", forge.hs256(jwk.as_bytes())),
            ("HS256 with the kid", forge.hs256(forge.kid().as_bytes())),
            ("a bit flipped", signed(&flipped)),
            ("zeros", signed(&[0; 64])),
            ("one byte less", signed(&raw[..63])),
            ("one byte more", signed(&[raw.as_slice(), &[0]].concat())),
            ("other claims", format!("{header}.{}.{signature}", encode(forge.claims().to_string() + " "))),
            ("another home's key", stranger.with_claims(json!({}))),
            ("another home's key under this kid", stranger.with_header(json!({ "kid": forge.kid() }))),
        ],
    );
}

#[test]
fn a_spelling_that_is_not_the_tokens_own_is_refused() {
    let served = Served::digits("");
    let forge = forge(&served);
    let good = forge.with_claims(json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("{good}") };
    // 64 bytes leave four unused bits in the last of 86 characters.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = alphabet.find(signature.chars().last().unwrap()).unwrap();
    let unused = format!("{}{}", &signature[..85], &alphabet[last + 1..=last + 1]);
    let long = forge.with_claims(json!({ "sub": "x".repeat(8 << 10) }));
    all_invalid(
        &served,
        &[
            ("padding", format!("{header}.{claims}.{signature}==")),
            ("unused bits", format!("{header}.{claims}.{unused}")),
            ("standard alphabet", format!("{header}.{claims}.{}", "+/".repeat(43))),
            ("no signature", format!("{header}.{claims}.")),
            ("two parts", format!("{header}.{claims}")),
            ("four parts", format!("{good}.{claims}")),
            ("one word", "token".into()),
            ("dots", "..".into()),
            ("a dot in front", format!(".{good}")),
            ("a quoted token", format!("\"{good}\"")),
            ("not ASCII", format!("{good}ä")),
            ("a token that is too long", long),
        ],
    );
}

#[test]
fn exactly_one_credential_in_the_bearer_scheme_is_taken() {
    let served = Served::digits("");
    let token = &served.token;
    let realm = r#"Bearer realm="sealserve""#;
    let invalid = r#"Bearer realm="sealserve", error="invalid_request""#;
    let none: (u16, &str, &str) = (401, "no_credential", realm);
    let broken = (400, "malformed_credential", invalid);
    let several = (400, "several_credentials", invalid);
    for (what, headers, (status, code, challenge)) in [
        ("nothing", vec![], none),
        ("another scheme", vec!["Authorization: Basic YW5uOnB3".to_owned()], none),
        ("another scheme with a token", vec![format!("Authorization: DPoP {token}")], none),
        ("an API key in another scheme", vec!["Authorization: ApiKey ss_x_y".into()], none),
        ("a scheme alone", vec!["Authorization: Bearer".into()], broken),
        ("a token alone", vec![format!("Authorization: {token}")], none),
        ("two tokens in one", vec![bearer(&format!("{token} {token}"))], broken),
        ("a list", vec![bearer(&format!("{token}, Bearer {token}"))], broken),
        ("two headers", vec![bearer(token), bearer(token)], several),
        ("two headers, one of them empty", vec![bearer(token), "Authorization;".into()], several),
        ("a token and an API key", vec![bearer(token), "X-Api-Key: ss_x_y".into()], several),
        ("two API keys", vec!["X-Api-Key: a".into(), "X-Api-Key: b".into()], several),
    ] {
        let answer = ask(&served, &headers);
        refused(what, &answer, status, code);
        assert_eq!(answer.header("www-authenticate"), Some(challenge), "{what}");
        tells_nothing(what, &answer, token);
    }
    let query = served.curl(&format!("{INFER}?access_token={token}"), &["--data-binary", GOOD]);
    refused("a token in the address", &query, 401, "no_credential");
    assert_eq!(ask(&served, &[format!("authorization: bEARER {token}")]).status, 200);
}

#[test]
fn a_scope_allows_what_it_names_and_nothing_else() {
    let served = Served::digits("");
    let forge = forge(&served);
    let metadata = "/v2/models/digits";
    let challenge = r#"Bearer realm="sealserve", error="insufficient_scope""#;
    for scope in [
        json!(null),
        json!(""),
        json!("model:other:infer"),
        json!("model:digits:metadata"),
        json!("model:DIGITS:infer"),
        json!("model:dig*:infer"),
        json!("model:digits:infer:x"),
        json!("model:digits"),
        json!("model::infer"),
        json!("model:digits:inf*"),
        json!("admin:*"),
        json!("admin:infer"),
        json!("*"),
        json!("*:*:*"),
        json!("model:digits:infer,model:other:infer"),
        json!("model:digits:infer\tx"),
    ] {
        let token = forge.with_claims(json!({ "scope": scope }));
        let answer = ask(&served, &[bearer(&token)]);
        refused(&scope.to_string(), &answer, 403, "insufficient_scope");
        assert_eq!(answer.header("www-authenticate"), Some(challenge), "{scope}");
        tells_nothing(&scope.to_string(), &answer, &token);
    }
    for scope in
        ["model:digits:infer", "model:*:infer", "model:digits:*", "model:*:*", "x model:digits:infer y"]
    {
        let token = forge.with_claims(json!({ "scope": scope }));
        assert_eq!(ask(&served, &[bearer(&token)]).status, 200, "{scope}");
    }
    let reader = forge.with_claims(json!({ "scope": "model:digits:metadata" }));
    assert_eq!(served.curl_as(&reader, metadata, &[]).status, 200);
    let runner = forge.with_claims(json!({ "scope": "model:digits:infer" }));
    refused("metadata", &served.curl_as(&runner, metadata, &[]), 403, "insufficient_scope");
    assert_eq!(served.curl_as(&runner, "/v2/models/digits/ready", &[]).status, 200);
    let admin = forge.with_claims(json!({ "scope": "admin:*" }));
    refused("ready", &served.curl_as(&admin, "/v2/models/digits/ready", &[]), 403, "insufficient_scope");
}

#[test]
fn a_stranger_reaches_health_and_public_keys_and_nothing_else() {
    let served = Served::digits("");
    for path in ["/v2/health/live", "/v2/health/ready", "/.well-known/jwks.json"] {
        assert_eq!(served.curl(path, &[]).status, 200, "{path}");
    }
    let keys = served.curl("/.well-known/jwks.json", &[]).json();
    for key in keys["keys"].as_array().unwrap() {
        let mut members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    }
    for path in [
        "/v2",
        "/v2/models/digits",
        "/v2/models/digits/ready",
        "/v2/models/digits/versions/1",
        "/v2/models/digits/versions/1/ready",
        "/v2/models/other",
    ] {
        refused(path, &served.curl(path, &[]), 401, "no_credential");
    }
    refused("infer", &served.curl(INFER, &["--data-binary", GOOD]), 401, "no_credential");
}

/// What a caller can tell an answer from another by.
fn fingerprint(answer: &Answer) -> String {
    let id = answer.header("x-request-id").unwrap().to_owned();
    let headers: Vec<_> = answer.headers.iter().filter(|(name, _)| name != "date").collect();
    format!("{} {headers:?} {}", answer.status, text(&answer.body)).replace(&id, "ID")
}

#[test]
fn an_unknown_model_and_a_forbidden_one_answer_alike() {
    let served = Served::digits("");
    let outsider = served.sandbox.mint("eve", "model:other:*");
    for (form, arguments) in [
        ("/v2/models/MODEL", vec![]),
        ("/v2/models/MODEL/ready", vec![]),
        ("/v2/models/MODEL/versions/1", vec![]),
        ("/v2/models/MODEL/versions/9", vec![]),
        ("/v2/models/MODEL/infer", vec!["--data-binary", GOOD]),
        ("/v2/models/MODEL/infer", vec!["--data-binary", "{"]),
        ("/v2/models/MODEL/infer", vec!["--data-binary", GOOD, "-H", "Content-Encoding: gzip"]),
        ("/v2/models/MODEL/versions/9/infer", vec!["--data-binary", GOOD]),
    ] {
        let ask = |model: &str| served.curl_as(&outsider, &form.replace("MODEL", model), &arguments);
        let (forbidden, unknown) = (ask("digits"), ask("nobody"));
        assert_eq!(forbidden.status, 403, "{form}");
        assert_eq!(fingerprint(&forbidden), fingerprint(&unknown), "{form}");
    }
    // Who may, learns that there is none.
    let insider = &served.token;
    refused("unknown", &served.curl_as(insider, "/v2/models/nobody", &[]), 404, "no_such_model");
    let other = served.curl_as(&outsider, "/v2/models/other", &[]);
    refused("allowed, but not there", &other, 404, "no_such_model");
}

#[test]
fn the_audit_log_names_the_reason_of_every_refusal() {
    let served = Served::digits("");
    let forge = forge(&served);
    let outsider = served.sandbox.mint("eve", "model:other:*");
    for _ in 0..3 {
        ask(&served, &[bearer(&forge.with_claims(json!({ "exp": now() - 1 })))]);
    }
    ask(&served, &[]);
    ask(&served, &[bearer("x y")]);
    ask(&served, &[bearer("x"), bearer("x")]);
    ask(&served, &[bearer(&outsider)]);
    served.curl("/nothing", &[]);
    let lines = served.audit();
    let line = |reason: &str| {
        let found: Vec<_> = lines.iter().filter(|line| line["reason"] == reason).collect();
        assert_eq!(found.len(), 1, "{reason}: {lines:?}");
        assert_eq!(found[0]["verdict"], "denied");
        found[0]
    };
    // Strangers are counted, and cannot fill the log.
    assert_eq!(line("invalid_token")["count"], 3);
    assert!(line("invalid_token")["detail"].as_str().unwrap().contains("expired"));
    assert_eq!(line("no_credential")["status"], 401);
    assert_eq!(line("malformed_credential")["status"], 400);
    assert_eq!(line("several_credentials")["status"], 400);
    assert_eq!(line("no_such_route")["status"], 404);
    let forbidden = line("insufficient_scope");
    assert_eq!(forbidden["principal"], "eve");
    assert_eq!(forbidden["model"], "digits");
    assert_eq!(forbidden["action"], "infer");
}
