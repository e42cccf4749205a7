//! What is read of requests, and what is said of those that cannot be read.

use crate::pipeline::Budget;

use super::super::bounded::SMALL;
use super::*;

/// Parses where there is memory enough.
fn parse(form: Form, body: &[u8], specs: &[TensorSpec]) -> Result<(Inference, Vec<Tensor>), ApiError> {
    let mut memory = Budget::new(1 << 20).take(0)?;
    super::parse(form, body, specs, &mut memory)
}

fn read(body: &str) -> Result<(Inference, Vec<Tensor>), ApiError> {
    parse(Form::Json, body.as_bytes(), &[])
}

fn refused(body: &str) -> String {
    read(body).unwrap_err().message().to_owned()
}

/// `json`, then `data`.
fn mixed(json: &str, data: &[u8]) -> Result<(Inference, Vec<Tensor>), ApiError> {
    parse(Form::Mixed(json.len()), &[json.as_bytes(), data].concat(), &[])
}

fn input(name: &str, rest: &str) -> String {
    format!(r#"{{"name":"{name}","shape":[2],"datatype":"INT8",{rest}}}"#)
}

#[test]
fn reads_flat_and_nested_data_in_any_order_of_members() {
    for body in [
        r#"{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[1,2,3,4]}]}"#,
        r#"{"inputs":[{"data":[[1,2],[3.0,4e0]],"datatype":"FP32","shape":[2,2],"name":"x"}],"id":"","unknown":7}"#,
    ] {
        let (request, inputs) = read(body).unwrap();
        assert_eq!(request.id, None);
        assert_eq!(inputs[0].data(), &crate::runtime::TensorData::Fp32(vec![1.0, 2.0, 3.0, 4.0]));
    }
}

#[test]
fn says_what_is_wrong() {
    for (body, part) in [
        ("", "no inference request"),
        ("{}", "\"inputs\" is missing"),
        (r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP31","data":[1]}]}"#, "unknown datatype"),
        (r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32"}]}"#, "no data"),
        (r#"{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1]}]}"#, "elements"),
        (r#"{"inputs":[{"name":"x","shape":[-1],"datatype":"FP32","data":[1]}]}"#, "non-negative integer"),
        (
            r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1e39]}]}"#,
            "a number that FP32 holds, found 1e39",
        ),
        (
            r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1e999]}]}"#,
            "larger than a double holds",
        ),
        (r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[NaN]}]}"#, "expected a JSON value"),
        (r#"{"inputs":[{"name":"x","shape":[1],"datatype":"INT8","data":[128]}]}"#, "INT8"),
        (r#"{"inputs":[{"name":"x","shape":[1],"datatype":"INT8","data":[1.5]}]}"#, "INT8"),
        (r#"{"inputs":[],"parameters":{"binary_data_output":1}}"#, "expected a boolean"),
        (r#"{"inputs":[],"outputs":[{"name":"y","parameters":{"classification":3}}]}"#, "classification"),
        (r#"{"inputs":[],"inputs":[]}"#, "inputs: it is there twice"),
    ] {
        assert!(refused(body).contains(part), "{body}: {}", refused(body));
    }
}

#[test]
fn an_error_names_the_member_and_its_place_and_speaks_no_rust() {
    let body = |input: &str| format!("{{\n \"inputs\": [{input}]}}");
    let good = r#"{"name":"x","shape":[2],"datatype":"INT8","data":[1,2]}"#;
    let with = |old: &str, new: &str| body(&format!("{good}, {}", good.replacen(old, new, 1)));
    let parameters = |text: &str| with(r#""data":[1,2]"#, &format!(r#""parameters":{text}"#));
    let size = "a non-negative integer";
    let int8 = "an integer that INT8 holds";
    for (body, path, what) in [
        (with("[2]", "[2,-1]"), "inputs[1].shape[1]", format!("expected {size}, found -1")),
        (with("[2]", "[0.5]"), "inputs[1].shape[0]", format!("expected {size}, found 0.5")),
        (with("[2]", "[1e300]"), "inputs[1].shape[0]", format!("expected {size}, found 1e300")),
        (with("[2]", "[true]"), "inputs[1].shape[0]", format!("expected {size}, found true")),
        (with("[2]", "[\"2\"]"), "inputs[1].shape[0]", format!("expected {size}, found a string")),
        (with("[2]", "[null]"), "inputs[1].shape[0]", format!("expected {size}, found null")),
        (with("[2]", "[[2]]"), "inputs[1].shape[0]", format!("expected {size}, found an array")),
        (with("[2]", "[{}]"), "inputs[1].shape[0]", format!("expected {size}, found an object")),
        (with("[2]", "{}"), "inputs[1].shape", "expected an array, found an object".into()),
        (with("[2]", "2"), "inputs[1].shape", "expected an array, found 2".into()),
        (with(r#""x""#, "7"), "inputs[1].name", "expected a string, found 7".into()),
        (with(r#""name""#, r#""nam""#), "inputs[1]", r#""name" is missing"#.into()),
        (with(r#""INT8""#, "[]"), "inputs[1].datatype", "expected a string, found an array".into()),
        (with("[1,2]", "[1,[2,300]]"), "inputs[1].data[2]", format!("expected {int8}, found 300")),
        (with("[1,2]", "[1,{}]"), "inputs[1].data[1]", format!("expected {int8}, found an object")),
        (with("[1,2]", "1"), "inputs[1].data", "expected an array, found 1".into()),
        (body("7"), "inputs[0]", "expected an object, found 7".into()),
        (body("[]"), "inputs[0]", "expected an object, found an array".into()),
        (parameters("[]"), "inputs[1].parameters", "expected an object, found an array".into()),
        (
            parameters(r#"{"binary_data_size":-5}"#),
            "inputs[1].parameters.binary_data_size",
            format!("expected {size}, found -5"),
        ),
        (body(&format!("{good},")), "inputs[1]", "trailing comma".into()),
        (body(good) + "7", "the body is no inference request", "more follows where the JSON must end".into()),
        ("[]".into(), "the body is no inference request", "expected an object, found an array".into()),
    ] {
        let message = refused(&body);
        assert!(message.starts_with(&format!("{path}: {what} (line ")), "{body}: {message}");
        for rust in ["usize", "u64", "sequence", "map,", "invalid type", "invalid value", "EOF", "at line"] {
            assert!(!message.contains(rust), "{message}");
        }
    }
    for (body, place) in [
        (r#"{"inputs":[{"name":"x","shape":[1,-1],"datatype":"INT8","data":[]}]}"#, "(line 1, column 36)"),
        ("{\"inputs\":[\n{\"shape\":[\n-1]}]}", "(line 3, column 2)"),
        // What is read later is at the same place of the same body.
        (r#"{"inputs":[],"parameters":{"binary_data_output":1}}"#, "(line 1, column 49)"),
        ("{\"inputs\":[],\n\"parameters\":{\n\"binary_data_output\":1}}", "(line 3, column 22)"),
        (r#"{"inputs":[{"name":"x","shape":[1],"datatype":"INT8","data":[300]}]}"#, "(line 1, column 64)"),
    ] {
        assert!(refused(body).ends_with(place), "{body}: {}", refused(body));
        let detail = read(body).unwrap_err().into_record().1;
        assert!(detail.ends_with(place) && !detail.contains("found"), "{detail}");
    }
}

#[test]
fn tensors_are_paid_for_before_they_are_there() {
    let json = |datatype: &str, data: &str| {
        format!(r#"{{"inputs":[{{"name":"x","shape":[9],"datatype":"{datatype}",{data}}}]}}"#).into_bytes()
    };
    let binary = |datatype: &str, data: &[u8]| {
        let head = json(datatype, &format!(r#""parameters":{{"binary_data_size":{}}}"#, data.len()));
        (Form::Mixed(head.len()), [&head[..], data].concat())
    };
    let raw =
        |data_type| [TensorSpec { name: "x".into(), data_type, shape: vec![-1], dimensions: Vec::new() }];
    for ((form, body), specs, cost) in [
        ((Form::Json, json("INT64", r#""data":[1,1,1,1,1,1,1,1,1]"#)), vec![], 72),
        ((Form::Json, json("BYTES", r#""data":["","","","","","","","",""]"#)), vec![], 9 * 192 + 3 * 28),
        (binary("INT64", &[0; 72]), vec![], 72),
        (binary("BYTES", &[0; 36]), vec![], 9 * 192),
        (binary("BYTES", &[&[0; 32][..], &[2, 0, 0, 0, b'a', b'b']].concat()), vec![], 9 * 192 + 6),
        ((Form::Raw, vec![0; 72]), raw(DataType::Fp32).to_vec(), 72),
        ((Form::Raw, b"text".to_vec()), raw(DataType::Bytes).to_vec(), 192 + 12),
    ] {
        for left in [cost - 1, cost] {
            let budget = Budget::new(body.len() + left);
            let memory = budget.take(body.len()).unwrap();
            let held = Held { bytes: body.clone().into(), memory };
            match super::read(form, held, &specs) {
                Ok((_, _inputs)) => {
                    assert_eq!(left, cost, "{form:?}");
                    // The larger of the two goes with the inputs.
                    assert_eq!(budget.left(), cost.min(body.len()));
                }
                Err(error) => assert_eq!((left, error.code()), (cost - 1, "no_body_memory"), "{form:?}"),
            }
            assert_eq!(budget.left(), body.len() + left);
        }
    }
}

#[test]
fn everything_but_data_is_bounded() {
    let outputs =
        |count| format!(r#"{{"inputs":[],"outputs":[{}]}}"#, vec![r#"{"name":""}"#; count].join(","));
    assert_eq!(read(&outputs(MAX_TENSORS)).unwrap().0.outputs.len(), MAX_TENSORS);
    assert!(refused(&outputs(MAX_TENSORS + 1)).contains("more than 1024"));
    let input = r#"{"name":"x","shape":[0],"datatype":"FP32","data":[]}"#;
    let inputs = |count| format!(r#"{{"inputs":[{}]}}"#, vec![input; count].join(","));
    assert_eq!(read(&inputs(MAX_TENSORS)).unwrap().1.len(), MAX_TENSORS);
    assert!(refused(&inputs(MAX_TENSORS + 1)).contains("more than 1024"));
    let shape = |count| inputs(1).replace("[0]", &format!("[0{}]", ",1".repeat(count - 1)));
    assert_eq!(read(&shape(MAX_DIMENSIONS)).unwrap().1[0].shape().len(), MAX_DIMENSIONS);
    assert!(refused(&shape(MAX_DIMENSIONS + 1)).contains("more than 32"));
    for count in [SMALL - 2, SMALL - 1] {
        let text = "x".repeat(count);
        for body in [
            inputs(1).replace(r#""x""#, &format!(r#""{text}""#)),
            format!(r#"{{"inputs":[],"id":"{text}"}}"#),
            format!(r#"{{"inputs":[],"outputs":[{{"name":"{text}"}}]}}"#),
        ] {
            assert_eq!(read(&body).is_ok(), count == SMALL - 2);
            assert!(count == SMALL - 2 || refused(&body).contains("longer than 16384 bytes"));
        }
    }
}

#[test]
fn no_error_quotes_a_long_string() {
    let text = format!(r#""{}""#, "\u{7f}".repeat(SMALL));
    let input = r#"{"name":"x","shape":[1],"datatype":"FP32","data":[1]}"#;
    for body in [
        text.clone(),
        format!(r#"{{"inputs":{text}}}"#),
        format!(r#"{{"inputs":[{text}]}}"#),
        format!(r#"{{"inputs":[],"outputs":{text}}}"#),
        format!(r#"{{"inputs":[],"outputs":[{text}]}}"#),
        format!(r#"{{"inputs":[],"parameters":{text}}}"#),
        format!(r#"{{"inputs":[],"parameters":{{"binary_data_output":{text}}}}}"#),
        format!(r#"{{"inputs":[{}]}}"#, input.replace("[1]", &text)),
        format!(r#"{{"inputs":[{}]}}"#, input.replace(r#""data":[1]"#, &format!(r#""data":{text}"#))),
        format!(r#"{{"inputs":[{}]}}"#, input.replace(r#""data":[1]"#, &format!(r#""data":[{text}]"#))),
        format!(r#"{{"inputs":[{}]}}"#, input.replace(r#""FP32""#, &text)),
    ] {
        assert!(!refused(&body).contains("7f"), "{}", refused(&body));
    }
}

#[test]
fn no_more_elements_are_kept_than_the_shape_has() {
    for (shape, kept) in [("[2]", 2), ("[3]", 3), ("[9]", 0), ("[18446744073709551615,2]", 0)] {
        let shape: Vec<usize> = serde_json::from_str(shape).unwrap();
        let (data, seen) = json::read("[1,[2,3]]", DataType::Fp64, &shape).unwrap();
        assert_eq!((data.len(), seen), (kept, 3), "{shape:?}");
    }
}

#[test]
fn binary_data_belongs_to_its_inputs_in_their_order() {
    let binary = |name, size| input(name, &format!(r#""parameters":{{"binary_data_size":{size}}}"#));
    let json =
        format!(r#"{{"inputs":[{},{},{}]}}"#, binary("a", 2), input("b", r#""data":[5,6]"#), binary("c", 2));
    let (_, inputs) = mixed(&json, &[1, 2, 3, 4]).unwrap();
    let data: Vec<_> = inputs.iter().map(|tensor| (tensor.name(), tensor.data().clone())).collect();
    let int8 = |values: [i8; 2]| crate::runtime::TensorData::Int8(values.into());
    assert_eq!(data, [("a", int8([1, 2])), ("b", int8([5, 6])), ("c", int8([3, 4]))]);
    for (data, part) in [
        (&[1, 2, 3, 4, 5][..], "1 bytes of the body belong to no input"),
        (&[1, 2, 3], "input 'c'"),
        (&[], "input 'a'"),
    ] {
        let message = mixed(&json, data).unwrap_err().message().to_owned();
        assert!(message.contains(part), "{message}");
    }
    for (size, part) in [(1, "do not take 1 bytes"), (3, "do not take 3 bytes")] {
        let json = format!(r#"{{"inputs":[{}]}}"#, binary("a", size));
        let message = mixed(&json, &[1, 2, 3][..size]).unwrap_err().message().to_owned();
        assert!(message.contains(part), "{message}");
    }
    let both = input("a", r#""data":[1,2],"parameters":{"binary_data_size":2}"#);
    assert!(mixed(&format!(r#"{{"inputs":[{both}]}}"#), &[1, 2]).unwrap_err().message().contains("both"));
    assert!(parse(Form::Mixed(9), b"{}", &[]).unwrap_err().message().contains("larger than the body"));
}

#[test]
fn each_output_has_the_form_that_was_asked_for() {
    let forms = |rest: &str| {
        let (request, _) = read(&format!(r#"{{"inputs":[]{rest}}}"#)).unwrap();
        [0, 1].map(|position| request.forms.is_binary(position))
    };
    let outputs = |first, second| {
        format!(
            r#","outputs":[{{"name":"a","parameters":{{"binary_data":{first}}}}},{{"name":"b","parameters":{second}}}]"#
        )
    };
    let all = |binary| format!(r#","parameters":{{"binary_data_output":{binary}}}"#);
    for (rest, expected) in [
        (String::new(), [false, false]),
        (all("true"), [true, true]),
        (outputs("true", "{}"), [true, false]),
        (outputs("true", "null") + &all("false"), [true, false]),
        (outputs("false", "null") + &all("true"), [false, true]),
        (r#","outputs":null,"parameters":null"#.into(), [false, false]),
    ] {
        assert_eq!(forms(&rest), expected, "{rest}");
    }
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow_the_stack() {
    let data = "[".repeat(100_000);
    let body = format!(r#"{{"inputs":[{{"name":"x","shape":[1],"datatype":"FP32","data":{data}"#);
    assert!(read(&body).is_err());
}

proptest::proptest! {
    #[test]
    fn never_panics(body: Vec<u8>) {
        let _ = parse(Form::Json, &body, &[]);
    }

    #[test]
    fn never_panics_on_binary_data(
        data: Vec<u8>,
        shape: Vec<u32>,
        size: u64,
        length in 0..400usize,
        kind in 0..DataType::ALL.len(),
    ) {
        let datatype = DataType::ALL[kind];
        for size in [size, data.len() as u64] {
            let json = format!(
                r#"{{"inputs":[{{"name":"x","shape":{shape:?},"datatype":"{datatype}","parameters":{{"binary_data_size":{size}}}}}]}}"#
            );
            let _ = mixed(&json, &data);
            let body = [json.as_bytes(), &data].concat();
            let _ = parse(Form::Mixed(length), &body, &[]);
        }
    }
}
