//! Answers whose size a short request decides: they are bounded, and neither end the
//! process nor keep it from answering others.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Server, generation, wait_until};
use crate::{Served, memory, refused, testdata};

/// A request for an answer of this shape.
fn of_shape(shape: &[i64]) -> String {
    format!(
        r#"{{"inputs":[{{"name":"shape","shape":[{}],"datatype":"INT64","data":{shape:?}}}]}}"#,
        shape.len()
    )
}

/// Serves `grow`, with this much address space.
fn grow(bytes: Option<u64>, more: &str) -> Served {
    grow_as(bytes, more, "")
}

/// Serves `grow`, of whose table this is the end.
fn grow_as(bytes: Option<u64>, more: &str, table: &str) -> Served {
    let sandbox = crate::Sandbox::new();
    let model = format!("[[model]]\nname = \"grow\"\npath = \"models/grow.sealed\"\n{table}\n");
    sandbox.init(&format!("{more}\n{model}"));
    sandbox.encrypt(&testdata("models/grow.onnx"), "grow");
    let server = match bytes {
        None => Server::start(&sandbox, &[]),
        Some(bytes) => {
            let mut command = sandbox.program("prlimit");
            command.arg(format!("--as={bytes}")).arg(env!("CARGO_BIN_EXE_sealserve")).arg("serve");
            Server::spawn(&sandbox, command)
        }
    };
    let token = sandbox.mint("ann", "model:*:*");
    Served { server, token, sandbox }
}

fn lives(served: &Served) {
    assert_eq!(served.curl("/v2/health/live", &[]).status, 200);
    assert_eq!(served.post("grow", &[], of_shape(&[2, 3]).as_bytes()).status, 200);
}

#[test]
fn a_short_request_for_a_huge_answer_is_refused_and_the_server_lives() {
    let served = grow(Some(3 << 30), "");
    lives(&served);
    for (shape, code) in [
        (&[300_000_000][..], "answer_too_large"),
        (&[1 << 31], "out_of_memory"),
        (&[1 << 40], "out_of_memory"),
        (&[1 << 40, 1 << 40], "out_of_memory"),
        (&[i64::MAX, 2], "out_of_memory"),
    ] {
        let answer = served.post("grow", &[], of_shape(shape).as_bytes());
        refused(&format!("{shape:?}"), &answer, 422, code);
        lives(&served);
    }
    // No element, whatever the other dimension is.
    assert_eq!(served.post("grow", &[], of_shape(&[0, 1 << 30]).as_bytes()).status, 200);
}

#[test]
fn a_model_has_no_more_memory_for_a_run_than_the_config_gives_it() {
    let served = grow_as(None, "", "run_memory = 8_388_608");
    for _ in 0..3 {
        let answer = served.post("grow", &[], of_shape(&[3_000_000]).as_bytes());
        refused("12 MB", &answer, 422, "out_of_memory");
        lives(&served);
        assert_eq!(served.post("grow", &[], of_shape(&[1_000_000]).as_bytes()).status, 200);
    }
}

#[test]
fn memory_of_large_answers_goes_back() {
    let served = grow(None, "");
    lives(&served);
    let before = memory(&served.server);
    // Each is larger than the last, so that it fits nowhere that one before it took.
    for mebibytes in [100, 150, 200] {
        let shape = of_shape(&[mebibytes << 18]);
        let body = shape.replacen('{', r#"{"parameters":{"binary_data_output":true},"#, 1);
        assert_eq!(served.post("grow", &[], body.as_bytes()).status, 200);
    }
    // One session may keep 32 MiB, and the C library about as much.
    let most = before + (96 << 20);
    wait_until("memory goes back", || memory(&served.server) < most);
    lives(&served);
}

#[test]
fn each_form_of_an_answer_is_bounded() {
    let served = grow(None, "[limits]\nanswer = 1_000_000\nanswer_memory = 4_000_000");
    let binary =
        |count: i64| of_shape(&[count]).replacen('{', r#"{"parameters":{"binary_data_output":true},"#, 1);
    let post = |body: String| served.post("grow", &[], body.as_bytes());
    // As a tensor, four bytes for each element; as text, also four: "1.5,".
    assert_eq!(post(of_shape(&[200_000])).status, 200);
    refused("the tensor", &post(of_shape(&[250_001])), 422, "answer_too_large");
    refused("the text, with what is around it", &post(of_shape(&[250_000])), 422, "answer_too_large");
    refused("binary, with what is around it", &post(binary(250_000)), 422, "answer_too_large");
    assert_eq!(post(binary(200_000)).status, 200);
    let zipped = served.post("grow", &["Accept-Encoding: gzip"], of_shape(&[200_000]).as_bytes());
    assert_eq!((zipped.status, zipped.header("content-encoding")), (200, Some("gzip")));
    // All of it comes back: many times what there is at once.
    for _ in 0..20 {
        assert_eq!(post(of_shape(&[200_000])).status, 200);
    }
}

#[test]
fn answers_share_one_memory() {
    let served = grow(None, "[limits]\nanswer = 1_000_000\nanswer_memory = 1_000_000");
    let answer = served.post("grow", &[], of_shape(&[200_000]).as_bytes());
    refused("tensor and text together", &answer, 503, "no_answer_memory");
    assert_eq!(answer.header("retry-after"), Some("1"));
    lives(&served);
}

#[test]
fn health_is_answered_while_large_answers_are_written() {
    let served = grow(None, "");
    let (begun, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut checks = 0;
    std::thread::scope(|scope| {
        let large: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = served.client();
                    let body = of_shape(&[6_000_000]);
                    begun.store(true, Ordering::SeqCst);
                    let answer = client.ask(crate::support::client::infer("grow", &served.token, &body));
                    ended.store(true, Ordering::SeqCst);
                    answer.unwrap().status
                })
            })
            .collect();
        while !begun.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        let mut client = served.client();
        let mut longest = std::time::Duration::ZERO;
        let started = std::time::Instant::now();
        while !ended.load(Ordering::SeqCst) {
            let asked = std::time::Instant::now();
            let health = client.ask("GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            assert_eq!(health.status, 200);
            longest = longest.max(asked.elapsed());
            checks += 1;
        }
        // Written where connections are served, each answer would hold up a check for as
        // long as it takes to write.
        let all = started.elapsed();
        assert!(
            checks >= 20 && longest * 4 < all,
            "{checks} checks, the longest took {longest:?} of {all:?}"
        );
        for one in large {
            assert_eq!(one.join().unwrap(), 200);
        }
    });
}

#[test]
fn inputs_that_no_memory_is_left_for_are_refused_and_the_server_lives() {
    const MIB: usize = 1 << 20;
    let served = grow(None, "");
    lives(&served);
    let request = |data: String, kind: &str, count: usize| {
        format!(r#"{{"inputs":[{{"name":"shape","shape":[{count}],"datatype":"{kind}",{data}}}]}}"#)
    };
    let numbers = |count| format!(r#""data":[{}0]"#, "0,".repeat(count - 1));
    // The bodies have room, their elements have not.
    for (what, body, headers) in [
        ("JSON", request(numbers(30 * MIB), "INT64", 30 * MIB).into_bytes(), vec![]),
        ("gzip", crate::compression::gzip(&vec![b' '; 63 * MIB]), vec!["Content-Encoding: gzip"]),
    ] {
        let pages = std::fs::read_to_string(format!("/proc/{}/statm", served.server.pid())).unwrap();
        let now = pages.split(' ').next().unwrap().parse::<usize>().unwrap() * 4096;
        let room = if what == "JSON" { 200 } else { 40 };
        let limit = |bytes: String| {
            let mut command = served.sandbox.program("prlimit");
            command.arg(format!("--as={bytes}:")).arg(format!("--pid={}", served.server.pid()));
            assert!(command.status().unwrap().success());
        };
        limit((now + room * MIB).to_string());
        let answer = served.post("grow", &headers, &body);
        refused(what, &answer, 503, "no_body_memory");
        limit("unlimited".into());
        lives(&served);
    }
}

/// Revokes with `revoke` once the model has run, while its answer is still being written.
fn revoked_while_written(served: &Served, revoke: &[&str]) -> crate::Answer {
    std::thread::scope(|scope| {
        let ask = || served.post("grow", &["Accept-Encoding: gzip"], of_shape(&[6_000_000]).as_bytes());
        let answer = scope.spawn(ask);
        wait_until("it has run", || served.status()["models"][0]["done"] == 1);
        let before = generation(&served.sandbox);
        served.sandbox.ok(revoke.iter().copied());
        wait_until("the server has seen it", || generation(&served.sandbox) > before);
        assert!(!answer.is_finished(), "it was still being written");
        answer.join().unwrap()
    })
}

#[test]
fn no_answer_goes_out_after_its_credential_was_revoked() {
    let served = grow(None, "");
    let answer = revoked_while_written(&served, &["key", "revoke", "token-1"]);
    refused("a revoked key", &answer, 401, "invalid_token");
}

#[test]
fn no_answer_goes_out_after_its_model_was_withdrawn() {
    let served = grow(None, "");
    served.sandbox.ok(["key", "rotate", "--use", "model"]);
    let answer = revoked_while_written(&served, &["key", "revoke", "model-1", "--unload"]);
    refused("a withdrawn model", &answer, 503, "model_withdrawn");
}
