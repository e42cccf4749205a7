//! Compressed bodies, in and out.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::{GzDecoder, ZlibDecoder};
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use crate::support::text;
use crate::{GOOD, Served, peak_memory, refused, still_answers};

pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(plain).unwrap();
    writer.finish().unwrap()
}

fn deflate(plain: &[u8]) -> Vec<u8> {
    let mut writer = ZlibEncoder::new(Vec::new(), Compression::default());
    writer.write_all(plain).unwrap();
    writer.finish().unwrap()
}

fn bare(plain: &[u8]) -> Vec<u8> {
    let mut writer = DeflateEncoder::new(Vec::new(), Compression::default());
    writer.write_all(plain).unwrap();
    writer.finish().unwrap()
}

/// A request of so many rows.
fn rows(count: usize) -> String {
    let data = vec!["7"; count * 64].join(",");
    format!(r#"{{"inputs":[{{"name":"pixels","shape":[{count},64],"datatype":"FP32","data":[{data}]}}]}}"#)
}

#[test]
fn a_compressed_request_gets_the_answer_of_the_plain_one() {
    let served = Served::digits("");
    // The second takes many pieces.
    for plain in [GOOD.to_owned(), rows(2000)] {
        let expected = served.infer(&plain).json();
        let plain = plain.as_bytes();
        for (header, body) in [
            ("Content-Encoding: gzip", gzip(plain)),
            ("Content-Encoding: x-gzip", gzip(plain)),
            ("Content-Encoding: DEFLATE", deflate(plain)),
            ("Content-Encoding: identity", plain.to_vec()),
        ] {
            assert_eq!(served.post("digits", &[header], &body).json(), expected, "{header}");
        }
    }
    // The length of the JSON is that before compression.
    let json = r#"{"inputs":[{"name":"pixels","shape":[1,64],"datatype":"FP32","parameters":{"binary_data_size":256}}]}"#;
    let body = gzip(&[json.as_bytes(), &[0; 256]].concat());
    let length = format!("Inference-Header-Content-Length: {}", json.len());
    assert_eq!(served.post("digits", &["Content-Encoding: gzip", &length], &body).status, 200);
}

#[test]
fn codings_that_are_not_there_and_streams_that_are_not_whole_are_refused() {
    let served = Served::digits("");
    let good = gzip(GOOD.as_bytes());
    for headers in [
        &["Content-Encoding: br"][..],
        &["Content-Encoding: zstd"],
        &["Content-Encoding: gzip, gzip"],
        &["Content-Encoding: identity, gzip"],
        &["Content-Encoding: gzip", "Content-Encoding: gzip"],
        &["Content-Encoding;"],
    ] {
        let answer = served.post("digits", headers, &good);
        refused(headers[0], &answer, 415, "unsupported_media_type");
        assert_eq!(answer.header("accept-encoding"), Some("gzip, deflate"));
        still_answers(&served);
    }
    let changed = |at: usize| {
        let mut changed = good.clone();
        changed[at] ^= 1;
        changed
    };
    let zlib = deflate(GOOD.as_bytes());
    for (what, coding, body) in [
        ("nothing", "gzip", vec![]),
        ("half of it", "gzip", good[..good.len() / 2].to_vec()),
        ("all but a byte", "gzip", good[..good.len() - 1].to_vec()),
        ("a wrong checksum", "gzip", changed(good.len() - 8)),
        ("a wrong length", "gzip", changed(good.len() - 4)),
        ("garbage behind it", "gzip", [&good[..], b"x"].concat()),
        ("two members", "gzip", good.repeat(2)),
        ("a request that is not compressed", "gzip", GOOD.into()),
        ("zlib as gzip", "gzip", zlib.clone()),
        ("gzip as deflate", "deflate", good.clone()),
        ("a bare stream", "deflate", bare(GOOD.as_bytes())),
        ("half of a zlib stream", "deflate", zlib[..zlib.len() / 2].to_vec()),
        ("no zlib checksum", "deflate", zlib[..zlib.len() - 4].to_vec()),
        ("garbage behind a zlib stream", "deflate", [&zlib[..], b"x"].concat()),
        ("something else than a request", "gzip", gzip(b"pixels=0")),
    ] {
        let answer = served.post("digits", &[&format!("Content-Encoding: {coding}")], &body);
        refused(what, &answer, 400, "malformed_request");
        still_answers(&served);
    }
}

#[test]
fn a_bomb_costs_no_more_than_a_large_body() {
    const LIMIT: usize = 4 << 20;
    let served = Served::digits(&format!("[limits]\nbody = {LIMIT}\nbody_memory = {}\n", 2 * LIMIT));
    still_answers(&served);
    let before = peak_memory(&served.server);
    // 32 MiB in 32 KiB, and a byte more than is allowed.
    let zeros = gzip(&vec![0; 32 << 20]);
    assert!(zeros.len() < 64 << 10);
    refused("32 MiB", &served.post("digits", &["Content-Encoding: gzip"], &zeros), 413, "body_too_large");
    let padded = |length: usize| gzip(format!("{GOOD}{}", " ".repeat(length - GOOD.len())).as_bytes());
    let answer = served.post("digits", &["Content-Encoding: gzip"], &padded(LIMIT + 1));
    refused("a byte too many", &answer, 413, "body_too_large");
    assert!(peak_memory(&served.server) < before + 3 * LIMIT as u64);
    assert_eq!(served.post("digits", &["Content-Encoding: gzip"], &padded(LIMIT)).status, 200);
    // What they took was given back: the two shares together are all that there is.
    for _ in 0..3 {
        let answer = served.post("digits", &["Content-Encoding: gzip"], &zeros);
        refused("again", &answer, 413, "body_too_large");
    }
    still_answers(&served);
}

#[test]
fn what_a_body_unfolds_to_is_bounded_too() {
    const LIMIT: usize = 4 << 20;
    let served = Served::digits(&format!("[limits]\nbody = {LIMIT}\nbody_memory = {}\n", 2 * LIMIT));
    still_answers(&served);
    let before = peak_memory(&served.server);
    // As many times `piece` as there is room for.
    let full = |head: &str, piece: &str, tail: &str| {
        let count = (LIMIT - head.len() - tail.len()) / (piece.len() + 1);
        format!("{head}{}{tail}", vec![piece; count].join(","))
    };
    let data = |shape: &str, datatype: &str| {
        format!(r#"{{"inputs":[{{"name":"pixels","shape":{shape},"datatype":"{datatype}","data":["#)
    };
    for (what, body) in [
        ("outputs", full(r#"{"inputs":[],"outputs":["#, r#"{"name":""}"#, "]}")),
        ("inputs", full(r#"{"inputs":["#, r#"{"name":"","shape":[],"datatype":""}"#, "]}")),
        ("dimensions", full(r#"{"inputs":[{"name":"pixels","shape":["#, "1", r#"],"datatype":"FP32"}]}"#)),
        ("elements that the shape has not", full(&data("[1]", "FP64"), "1", "]}]}")),
        ("strings that the shape has not", full(&data("[1]", "BYTES"), r#""""#, "]}]}")),
        ("a string that is quoted", full(r#"{"inputs":""#, &"\u{7f}".repeat(999), r#""}"#)),
    ] {
        for (coding, body) in [("identity", body.clone().into_bytes()), ("gzip", gzip(body.as_bytes()))] {
            let answer = served.post("digits", &[&format!("Content-Encoding: {coding}")], &body);
            // One string could be as long as the text; for that much there is no room.
            let status = if what.starts_with("strings") { 503 } else { 400 };
            assert_eq!(answer.status, status, "{what}: {}", text(&answer.body));
            let grown = peak_memory(&served.server).saturating_sub(before);
            assert!(grown < 4 * LIMIT as u64, "{what}, {coding}: {grown}");
        }
    }
    still_answers(&served);
}

#[test]
fn strings_are_paid_for_before_they_are_there() {
    const LIMIT: usize = 4 << 20;
    let served = Served::digits(&format!("[limits]\nbody = {LIMIT}\nbody_memory = {}\n", 2 * LIMIT));
    still_answers(&served);
    let before = peak_memory(&served.server);
    let count = (LIMIT - 1000) / 4;
    let head = |data: &str| {
        format!(r#"{{"inputs":[{{"name":"pixels","shape":[{count}],"datatype":"BYTES",{data}}}]}}"#)
    };
    let text = head(&format!(r#""data":[{}]"#, vec![r#""""#; count].join(",")));
    let binary = head(&format!(r#""parameters":{{"binary_data_size":{}}}"#, 4 * count));
    let length = format!("Inference-Header-Content-Length: {}", binary.len());
    let binary = [binary.as_bytes(), &vec![0; 4 * count]].concat();
    for (what, header, body) in
        [("text", "Accept: */*", text.as_bytes()), ("binary", length.as_str(), binary.as_slice())]
    {
        for (coding, body) in [("identity", body.to_vec()), ("gzip", gzip(body))] {
            let answer = served.post("digits", &[header, &format!("Content-Encoding: {coding}")], &body);
            refused(what, &answer, 503, "no_body_memory");
            assert_eq!(answer.header("retry-after"), Some("1"));
            let grown = peak_memory(&served.server).saturating_sub(before);
            assert!(grown < 4 * LIMIT as u64, "{what}, {coding}: {grown}");
        }
    }
    // What they took was given back.
    still_answers(&served);
}

#[test]
fn what_does_not_fit_into_the_memory_for_bodies_is_put_off() {
    const LIMIT: usize = 1 << 20;
    let served = Served::digits(&format!("[limits]\nbody = {LIMIT}\nbody_memory = {LIMIT}\n"));
    let padded = gzip(format!("{GOOD}{}", " ".repeat(LIMIT - GOOD.len())).as_bytes());
    let answer = served.post("digits", &["Content-Encoding: gzip"], &padded);
    // Its text and what comes out of it are more than all bodies may have.
    refused("compressed and not", &answer, 503, "no_body_memory");
    assert_eq!(answer.header("retry-after"), Some("1"));
    still_answers(&served);
}

#[test]
fn answers_are_compressed_for_those_who_want_it() {
    let served = Served::digits("");
    let large = rows(200);
    let plain = served.infer(&large);
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, Some("accept-encoding")));
    for (wanted, coding) in [
        ("gzip", Some("gzip")),
        ("deflate", Some("deflate")),
        ("deflate, gzip, br, zstd", Some("gzip")),
        ("gzip;q=0.2, deflate;q=0.8", Some("deflate")),
        ("*", Some("gzip")),
        ("br", None),
        ("identity", None),
        ("gzip;q=0", None),
        ("identity, gzip", None),
    ] {
        let answer = served.post("digits", &[&format!("Accept-Encoding: {wanted}")], large.as_bytes());
        assert_eq!((answer.status, answer.header("content-encoding")), (200, coding), "{wanted}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
        let mut body = Vec::new();
        match coding {
            Some("gzip") => GzDecoder::new(&answer.body[..]).read_to_end(&mut body).unwrap(),
            Some(_) => ZlibDecoder::new(&answer.body[..]).read_to_end(&mut body).unwrap(),
            None => answer.body.as_slice().read_to_end(&mut body).unwrap(),
        };
        assert!(body == plain.body, "{wanted}");
        assert_eq!(coding.is_some(), answer.body.len() < plain.body.len(), "{wanted}");
    }
    // One row is less than a packet; a refusal too.
    let answer = served.post("digits", &["Accept-Encoding: gzip"], GOOD.as_bytes());
    assert!(answer.body.len() < 1024);
    assert_eq!((answer.header("content-encoding"), answer.header("vary")), (None, Some("accept-encoding")));
    refused("a refusal", &served.post("digits", &["Accept-Encoding: gzip"], b""), 400, "malformed_request");
}

#[test]
fn curl_undoes_what_it_asked_for() {
    let served = Served::digits("");
    let plain = served.infer(&rows(200));
    let data = format!("@{}", served.sandbox.path("request.json").display());
    let answer =
        served.curl_as(&served.token, "/v2/models/digits/infer", &["--compressed", "--data-binary", &data]);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let sent: usize = answer.header("content-length").unwrap().parse().unwrap();
    assert!(sent < plain.body.len() && answer.body == plain.body);
}

#[test]
fn the_length_of_the_json_is_that_before_compression() {
    let served = Served::digits("");
    let request = rows(200).replace(r#"{"inputs""#, r#"{"parameters":{"binary_data_output":true},"inputs""#);
    let plain = served.infer(&request);
    let length = plain.header("inference-header-content-length").unwrap();
    let answer = served.post("digits", &["Accept-Encoding: gzip"], request.as_bytes());
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    assert_eq!(answer.header("inference-header-content-length"), Some(length));
    let mut body = Vec::new();
    GzDecoder::new(&answer.body[..]).read_to_end(&mut body).unwrap();
    assert!(body == plain.body);
}
