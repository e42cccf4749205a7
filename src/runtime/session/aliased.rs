//! Tests: outputs that share their memory with inputs, weights or each other hold what
//! they should. The models and the rule of their outputs' names: `testdata/make_aliased.py`,
//! which also compares them with Python's onnxruntime.

use crate::runtime::testing::{model, open_with, run};
use crate::runtime::{DataType, Tensor, TensorData};

/// The models of `testdata/models/aliased`.
pub(super) fn names() -> Vec<String> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/models/aliased");
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() >= 25, "{names:?}");
    names
}

/// `count` elements that differ with `seed`, and their negatives where there are such.
fn elements(data_type: DataType, count: usize, seed: usize) -> (TensorData, TensorData) {
    let numbers = (0..count).map(|n| n * 3 + seed * 1_000_003 + 1);
    match data_type {
        DataType::Fp32 => {
            let values: Vec<f32> = numbers.map(|n| n as f32).collect();
            let negated = values.iter().map(|x| -x).collect();
            (TensorData::Fp32(values), TensorData::Fp32(negated))
        }
        DataType::Int64 => {
            let values: Vec<i64> = numbers.map(|n| n as i64).collect();
            let negated = values.iter().map(|x| -x).collect();
            (TensorData::Int64(values), TensorData::Int64(negated))
        }
        DataType::Bool => {
            let values: Vec<bool> = numbers.map(|n| n % 7 < 3).collect();
            (TensorData::Bool(values.clone()), TensorData::Bool(values))
        }
        DataType::Bytes => {
            let text = |n: usize| format!("text {n} that is too long to be kept in place").into_bytes();
            let values: Vec<_> = numbers.take(5_000).map(text).collect();
            (TensorData::Bytes(values.clone()), TensorData::Bytes(values))
        }
        other => panic!("no model takes {other}"),
    }
}

fn bytes(data: &TensorData) -> Vec<u8> {
    let mut bytes = Vec::new();
    data.write_bytes(&mut bytes);
    bytes
}

/// Runs every model with tensors of several sizes.
fn run_all(seed: usize) {
    for name in names() {
        let mut session = open_with(&model(&format!("models/aliased/{name}")), &[]).unwrap();
        let data_type = session.inputs()[0].data_type;
        for count in [0, 1, 5, 4096, 300_000, 5] {
            let (same, negated) = elements(data_type, count, seed);
            let input = Tensor::new("x", vec![same.len()], same.clone()).unwrap();
            let answers = run(&mut session, vec![input.clone()], &[]).unwrap();
            assert_eq!(answers.len(), session.outputs().len());
            for answer in &answers {
                let weights = || TensorData::Fp32((0..answer.data().len()).map(|n| n as f32).collect());
                let expected = match answer.name() {
                    output if output.starts_with("negated") => negated.clone(),
                    output if output.starts_with("weight") => weights(),
                    _ => same.clone(),
                };
                let agrees = bytes(answer.data()) == bytes(&expected);
                assert!(agrees, "{name}, {count} elements: {} is not what it should be", answer.name());
                let alone = run(&mut session, vec![input.clone()], &[answer.name()]).unwrap();
                let agrees = bytes(alone[0].data()) == bytes(&expected);
                assert!(agrees, "{name}, {count} elements: {} alone is not", answer.name());
            }
        }
    }
}

#[test]
fn outputs_that_share_memory_hold_what_they_should() {
    run_all(0);
}

#[test]
fn outputs_that_share_memory_show_nothing_of_other_runs() {
    std::thread::scope(|scope| {
        for seed in 1..5 {
            scope.spawn(move || run_all(seed));
        }
    });
}

#[test]
#[ignore = "needs valgrind"]
fn no_freed_memory_is_read() {
    let test = "runtime::session::aliased::outputs_that_share_memory_hold_what_they_should";
    let suppressions = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/valgrind.supp");
    let output = std::process::Command::new("valgrind")
        .arg(format!("--suppressions={suppressions}"))
        // What was never written the library reads on purpose, in whole vectors.
        .args(["--tool=memcheck", "--undef-value-errors=no", "--leak-check=no", "--num-callers=30"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--test-threads=1"])
        .output()
        .unwrap();
    let (said, found) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{found}");
    for finding in ["Invalid read", "Invalid write", "Invalid free"] {
        assert!(!found.contains(finding), "{found}");
    }
}
