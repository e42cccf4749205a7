//! The binary tensor extension, seen from outside.

use crate::support::Answer;
use crate::{GOOD, Served, refused, still_answers};

const HEADER: &str = "inference-header-content-length";

/// Sends `json` with `data` behind it.
fn mixed(served: &Served, model: &str, json: &str, data: &[u8]) -> Answer {
    let length = format!("{HEADER}: {}", json.len());
    served.post(model, &[&length], &[json.as_bytes(), data].concat())
}

/// An input with binary data.
fn input(name: &str, shape: &str, datatype: &str, size: &str) -> String {
    format!(
        r#"{{"name":"{name}","shape":{shape},"datatype":"{datatype}","parameters":{{"binary_data_size":{size}}}}}"#
    )
}

fn digits(size: &str) -> String {
    format!(r#"{{"inputs":[{}]}}"#, input("pixels", "[1,64]", "FP32", size))
}

/// The binary outputs of an answer by name, and its JSON.
#[track_caller]
fn outputs(answer: &Answer) -> (Vec<(String, Vec<u8>)>, serde_json::Value) {
    assert_eq!(answer.status, 200, "{}", crate::support::text(&answer.body));
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    let length: usize = answer.header(HEADER).unwrap().parse().unwrap();
    let (json, mut data) = answer.body.split_at(length);
    let json: serde_json::Value = serde_json::from_slice(json).unwrap();
    let mut found = Vec::new();
    for output in json["outputs"].as_array().unwrap() {
        let Some(size) = output["parameters"]["binary_data_size"].as_u64() else {
            assert!(output["data"].is_array(), "{output}");
            continue;
        };
        assert!(output.get("data").is_none(), "{output}");
        let (taken, rest) = data.split_at(usize::try_from(size).unwrap());
        found.push((output["name"].as_str().unwrap().to_owned(), taken.to_vec()));
        data = rest;
    }
    assert!(data.is_empty(), "{} bytes are left", data.len());
    (found, json)
}

/// Two elements of every data type that echo takes, as bytes, NaN and infinities among them.
fn every_type() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let f32s = [f32::from_bits(0xffc0_1234), f32::NEG_INFINITY].map(f32::to_le_bytes).concat();
    vec![
        ("bool", "BOOL", vec![1, 0]),
        ("int8", "INT8", vec![0x80, 0x7f]),
        ("int16", "INT16", [i16::MIN, 258].map(i16::to_le_bytes).concat()),
        ("int32", "INT32", [i32::MIN, 258].map(i32::to_le_bytes).concat()),
        ("int64", "INT64", [i64::MIN, 258].map(i64::to_le_bytes).concat()),
        ("uint8", "UINT8", vec![0, 255]),
        ("uint16", "UINT16", [u16::MAX, 258].map(u16::to_le_bytes).concat()),
        ("uint32", "UINT32", [u32::MAX, 258].map(u32::to_le_bytes).concat()),
        ("uint64", "UINT64", [u64::MAX, 258].map(u64::to_le_bytes).concat()),
        ("fp16", "FP16", vec![0x01, 0x7e, 0, 0xfc]),
        ("fp32", "FP32", f32s),
        ("fp64", "FP64", [f64::NAN, -0.0].map(f64::to_le_bytes).concat()),
        ("string", "BYTES", b"\x07\0\0\0Gr\xc3\xbc\xc3\x9fe\0\0\0\0".to_vec()),
    ]
}

#[test]
fn every_data_type_comes_back_bit_by_bit() {
    let served = Served::models(&["echo", "bf16"], "");
    let types = every_type();
    let inputs: Vec<_> = types
        .iter()
        .map(|(name, datatype, data)| input(&format!("{name}_in"), "[2]", datatype, &data.len().to_string()))
        .collect();
    let data: Vec<u8> = types.iter().flat_map(|(_, _, data)| data.clone()).collect();
    let inputs = format!(r#""inputs":[{}]"#, inputs.join(","));
    let expected: Vec<_> =
        types.iter().map(|(name, _, data)| (format!("{name}_out"), data.clone())).collect();

    let all = format!(r#"{{"id":"7",{inputs},"parameters":{{"binary_data_output":true}}}}"#);
    let answer = mixed(&served, "echo", &all, &data);
    let (found, json) = outputs(&answer);
    assert_eq!(found, expected);
    assert_eq!((json["id"].as_str(), json["outputs"][0]["shape"][0].as_u64()), (Some("7"), Some(2)));

    // An output that says otherwise; the answer keeps the order that was asked for.
    let some = format!(
        r#"{{{inputs},"parameters":{{"binary_data_output":true}},"outputs":[{{"name":"fp32_out"}},{{"name":"int8_out","parameters":{{"binary_data":false}}}},{{"name":"string_out"}}]}}"#
    );
    let (found, json) = outputs(&mixed(&served, "echo", &some, &data));
    assert_eq!(found, [expected[10].clone(), expected[12].clone()]);
    assert_eq!(json["outputs"][1]["data"], serde_json::json!([-128, 127]));
    assert!(json["outputs"][1].get("parameters").is_none());

    // Binary in, JSON out, and NaN then has no form.
    let json_out = format!(r#"{{{inputs},"outputs":[{{"name":"bool_out"}},{{"name":"string_out"}}]}}"#);
    let answer = mixed(&served, "echo", &json_out, &data);
    assert_eq!((answer.header("content-type"), answer.header(HEADER)), (Some("application/json"), None));
    assert_eq!(answer.json()["outputs"][0]["data"], serde_json::json!([true, false]));
    assert_eq!(answer.json()["outputs"][1]["data"], serde_json::json!(["Grüße", ""]));
    let answer = mixed(&served, "echo", &format!(r#"{{{inputs},"outputs":[{{"name":"fp16_out"}}]}}"#), &data);
    refused("NaN in JSON", &answer, 422, "not_json");

    let bf16 = [0xc0, 0x7f, 0x80, 0xff];
    let request = format!(
        r#"{{"inputs":[{}],"outputs":[{{"name":"bf16_out","parameters":{{"binary_data":true}}}}]}}"#,
        input("bf16_in", "[2]", "BF16", "4")
    );
    assert_eq!(outputs(&mixed(&served, "bf16", &request, &bf16)).0, [("bf16_out".to_owned(), bf16.to_vec())]);
}

#[test]
fn json_and_binary_inputs_stand_side_by_side_and_tensors_may_be_empty() {
    let served = Served::models(&["echo"], "");
    let types = every_type();
    let json = [("bool", "[true,false]"), ("int64", "[1,2]"), ("string", r#"["a",""]"#)];
    let mut data = Vec::new();
    let inputs: Vec<_> = types
        .iter()
        .map(|(name, datatype, bytes)| match json.iter().find(|(other, _)| other == name) {
            Some((_, values)) => {
                format!(r#"{{"name":"{name}_in","shape":[2],"datatype":"{datatype}","data":{values}}}"#)
            }
            None => {
                data.extend(bytes);
                input(&format!("{name}_in"), "[2]", datatype, &bytes.len().to_string())
            }
        })
        .collect();
    let inputs = format!(r#"{{"inputs":[{}],"parameters":{{"binary_data_output":true}}}}"#, inputs.join(","));
    let (found, _) = outputs(&mixed(&served, "echo", &inputs, &data));
    let bytes = |name: &str| found.iter().find(|(found, _)| found == name).unwrap().1.clone();
    assert_eq!(bytes("int64_out"), [1, 2].map(i64::to_le_bytes).concat());
    assert_eq!(bytes("string_out"), b"\x01\0\0\0a\0\0\0\0");
    assert_eq!(bytes("fp64_out"), types[11].2);

    // Nothing of everything: no byte follows the JSON, with the header or without it.
    let inputs: Vec<_> =
        types.iter().map(|(name, datatype, _)| input(&format!("{name}_in"), "[0]", datatype, "0")).collect();
    let body = format!(r#"{{"inputs":[{}],"parameters":{{"binary_data_output":true}}}}"#, inputs.join(","));
    for answer in [mixed(&served, "echo", &body, &[]), served.post("echo", &[], body.as_bytes())] {
        let (found, _) = outputs(&answer);
        assert_eq!(found.len(), 13);
        assert!(found.iter().all(|(_, data)| data.is_empty()), "{found:?}");
    }
}

#[test]
fn a_raw_body_is_the_one_input_and_all_outputs_are_binary() {
    let served = Served::models(&["bf16", "text", "grid", "echo", "slow"], "");
    let raw = |model: &str, body: &[u8]| served.post(model, &["Inference-Header-Content-Length: 0"], body);
    let out = |model: &str, body: &[u8]| {
        let (found, json) = outputs(&raw(model, body));
        (found[0].1.clone(), json["outputs"][0]["shape"].to_string())
    };
    assert_eq!(out("bf16", &[1, 2, 3, 4, 5, 6]), (vec![1, 2, 3, 4, 5, 6], "[3]".into()));
    assert_eq!(out("bf16", &[]), (vec![], "[0]".into()));
    // A string is the whole body, and no length stands before it.
    assert_eq!(out("text", b"hello").0, b"\x05\0\0\0hello");
    assert_eq!(out("slow", &1i64.to_le_bytes()).1, "[1]");
    for (what, model, body) in [
        ("half an element", "bf16", &[1, 2, 3][..]),
        ("two free sizes", "grid", &[0; 16]),
        ("thirteen inputs", "echo", &[0; 16]),
        ("more than the shape", "slow", &[0; 16]),
        ("less than the shape", "slow", &[0; 7]),
        ("nothing where there is a shape", "slow", &[]),
        ("a string with NUL", "text", b"a\0b"),
        ("a string that is no text", "text", b"\xff"),
    ] {
        refused(what, &raw(model, body), 400, "invalid_input");
    }
}

#[test]
fn the_answer_in_binary_is_the_answer_in_json() {
    let served = Served::digits("");
    let json = served.infer(GOOD).json();
    let parsed: serde_json::Value = serde_json::from_str(GOOD).unwrap();
    let pixels = parsed["inputs"][0]["data"].as_array().unwrap().iter();
    #[expect(clippy::cast_possible_truncation, reason = "pixels are small")]
    let pixels: Vec<u8> = pixels.flat_map(|pixel| (pixel.as_f64().unwrap() as f32).to_le_bytes()).collect();
    // With the protocol's content type, with JSON's, with none, and as a form, which curl says.
    for kind in [
        "Content-Type: application/octet-stream",
        "Content-Type: application/json",
        "Content-Type:",
        "Content-Type: application/x-www-form-urlencoded",
    ] {
        let (found, _) =
            outputs(&served.post("digits", &["Inference-Header-Content-Length: 0", kind], &pixels));
        let probabilities: Vec<f32> =
            found[0].1.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let expected: Vec<f32> = serde_json::from_value(json["outputs"][0]["data"].clone()).unwrap();
        assert_eq!(probabilities, expected, "{kind}");
    }
    let metadata = served.curl_as(&served.token, "/v2", &[]).json();
    assert_eq!(metadata["extensions"], serde_json::json!(["binary_tensor_data"]));
}

#[test]
fn a_header_that_is_no_length_is_refused() {
    let served = Served::digits("");
    let malformed = "malformed_request";
    let length = |value: &str| format!("Inference-Header-Content-Length: {value}");
    for value in ["x", "-1", "+1", "1 0", "0x10", "1.0", "1e2", "10,10", "18446744073709551616", "99999999"] {
        refused(value, &served.post("digits", &[&length(value)], GOOD.as_bytes()), 400, malformed);
    }
    // curl sends a header without a value when it ends with a semicolon.
    let empty = "Inference-Header-Content-Length;";
    refused("empty", &served.post("digits", &[empty], GOOD.as_bytes()), 400, malformed);
    let all = length(&GOOD.len().to_string());
    refused("twice", &served.post("digits", &[&all, &all], GOOD.as_bytes()), 400, malformed);
    let too_far = length(&(GOOD.len() + 1).to_string());
    refused("larger than the body", &served.post("digits", &[&too_far], GOOD.as_bytes()), 400, malformed);
    refused("within the JSON", &served.post("digits", &[&length("10")], GOOD.as_bytes()), 400, malformed);
    let answer = served.post("digits", &["Content-Type: application/octet-stream"], GOOD.as_bytes());
    refused("binary without its header", &answer, 415, "unsupported_media_type");
    // All of it JSON is fine.
    assert_eq!(served.post("digits", &[&all], GOOD.as_bytes()).status, 200);
    still_answers(&served);
}

#[test]
fn sizes_that_do_not_agree_are_refused() {
    let served = Served::digits("");
    let (malformed, invalid) = ("malformed_request", "invalid_input");
    let zeros = [0; 256];
    let one = |input: &str| format!(r#"{{"inputs":[{input}]}}"#);
    let shaped = |shape: &str, size: &str| one(&input("pixels", shape, "FP32", size));
    let both = r#"{"name":"pixels","shape":[1,64],"datatype":"FP32","data":[],"parameters":{"binary_data_size":256}}"#;
    let shared =
        r#"{"name":"pixels","shape":[1,64],"datatype":"FP32","parameters":{"shared_memory_region":"r"}}"#;
    for (what, json, data, code) in [
        ("a byte left over", digits("256"), &[0; 257][..], malformed),
        ("a byte missing", digits("256"), &zeros[1..], malformed),
        ("all bytes missing", digits("256"), &[], malformed),
        ("a size below the shape", digits("252"), &zeros[4..], invalid),
        ("a size above the shape", digits("260"), &[0; 260], invalid),
        ("a size of half an element", digits("254"), &zeros[2..], invalid),
        ("a size of nothing", digits("0"), &[], invalid),
        ("a size beyond the body", digits("18446744073709551615"), &zeros, malformed),
        ("a size beyond numbers", digits("18446744073709551616"), &zeros, malformed),
        ("a negative size", digits("-256"), &zeros, malformed),
        ("a size as text", digits("\"256\""), &zeros, malformed),
        ("a size with a fraction", digits("256.0"), &zeros, malformed),
        ("no size", digits("null"), &zeros, malformed),
        ("data and size", one(both), &zeros, malformed),
        ("shared memory", one(shared), &zeros, malformed),
        ("an empty shape", shaped("[0,64]", "256"), &zeros, invalid),
        ("a huge shape", shaped("[4294967296,4294967296]", "256"), &zeros, invalid),
        ("a shape of zero in 64 bits", shaped("[4294967296,4294967296]", "0"), &[], invalid),
        ("a wrong rank", shaped("[64]", "256"), &zeros, invalid),
        ("a wrong type", one(&input("pixels", "[1,64]", "INT32", "256")), &zeros, invalid),
        ("an unknown type", one(&input("pixels", "[1,64]", "FP31", "256")), &zeros, malformed),
        ("a wrong name", one(&input("pixel", "[1,64]", "FP32", "256")), &zeros, invalid),
        ("data and no input for it", r#"{"inputs":[]}"#.into(), &zeros, malformed),
        ("data behind JSON inputs", GOOD.trim_end().into(), &[0], malformed),
        (
            "an input twice",
            {
                let input = input("pixels", "[1,64]", "FP32", "128");
                one(&format!("{input},{input}"))
            },
            &zeros,
            invalid,
        ),
    ] {
        refused(what, &mixed(&served, "digits", &json, data), 400, code);
        still_answers(&served);
    }
    // Binary data without the header is nowhere.
    refused("no header", &served.post("digits", &[], digits("256").as_bytes()), 400, malformed);
    assert_eq!(mixed(&served, "digits", &digits("256"), &zeros).status, 200);
}

#[test]
fn bytes_that_are_no_elements_are_refused() {
    let served = Served::models(&["echo"], "");
    let (malformed, invalid) = ("malformed_request", "invalid_input");
    for (what, name, data, code) in [
        ("a boolean of 2", "bool", &[1, 2][..], malformed),
        ("a boolean of 255", "bool", &[255, 0], malformed),
        ("a string beyond the data", "string", b"\x01\0\0\0a\x02\0\0\0b", malformed),
        ("a string of 4 GiB", "string", b"\xff\xff\xff\xff\0\0\0\0", malformed),
        ("a length of three bytes", "string", b"\x01\0\0\0a\0\0\0", malformed),
        ("three strings for two", "string", b"\0\0\0\0\0\0\0\0\0\0\0\0", invalid),
        ("one string for two", "string", b"\x05\0\0\0abcde", malformed),
        ("no string for two", "string", b"", invalid),
        ("no text", "string", b"\x01\0\0\0\xff\0\0\0\0", invalid),
        ("a text with NUL", "string", b"\x03\0\0\0a\0b\0\0\0\0", invalid),
    ] {
        let mut bytes = Vec::new();
        let inputs: Vec<_> = every_type()
            .into_iter()
            .map(|(other, datatype, good)| {
                let data = if other == name { data } else { &good };
                bytes.extend(data);
                input(&format!("{other}_in"), "[2]", datatype, &data.len().to_string())
            })
            .collect();
        let json =
            format!(r#"{{"inputs":[{}],"parameters":{{"binary_data_output":true}}}}"#, inputs.join(","));
        refused(what, &mixed(&served, "echo", &json, &bytes), 400, code);
    }
}
