//! An operation that nothing interrupts: it blocks its callers no longer than it must.

use std::time::{Duration, Instant};

use crate::support::wait_until;
use crate::{Served, refused};

/// As many pairs as take far longer than any test waits.
const FOREVER: u64 = 2_000_000;

fn body(boxes: u64) -> String {
    format!(r#"{{"inputs":[{{"name":"boxes","shape":[1],"datatype":"INT64","data":[{boxes}]}}]}}"#)
}

fn ask(served: &Served, boxes: u64) -> crate::Answer {
    served.post("stuck", &[], body(boxes).as_bytes())
}

fn model(served: &Served) -> serde_json::Value {
    served.status()["models"][0].clone()
}

#[test]
fn a_further_session_takes_over_and_then_the_model_is_busy_at_once() {
    let served = Served::models(&["stuck"], "[limits]\ninference_timeout = \"3s\"\n");
    assert_eq!(ask(&served, 10).json()["outputs"][0]["data"], serde_json::json!([10]));
    refused("the first", &ask(&served, FOREVER), 504, "deadline_exceeded");
    // The only session goes on with it, and another takes over.
    wait_until("a further session takes over", || ask(&served, 10).status == 200);
    let shown = model(&served);
    assert_eq!(
        (&shown["state"], &shown["sessions"], &shown["stuck"]),
        (&"ready".into(), &2.into(), &1.into())
    );
    std::thread::scope(|scope| {
        let before = served.status()["requests"].as_u64();
        let second = scope.spawn(|| ask(&served, FOREVER));
        wait_until("it runs", || {
            let status = served.status();
            status["requests"].as_u64() > before && status["models"][0]["waiting"] == 0
        });
        std::thread::sleep(Duration::from_secs(1));
        let waiting: Vec<_> = (0..3).map(|_| scope.spawn(|| ask(&served, 10).status)).collect();
        refused("the second", &second.join().unwrap(), 504, "deadline_exceeded");
        for waited in waiting {
            assert!([503, 504].contains(&waited.join().unwrap()));
        }
    });
    wait_until("the model is stuck", || model(&served)["state"] == "stuck");
    // What waited is not held for a session that takes nothing.
    assert_eq!(model(&served)["waiting"], 0);
    let started = Instant::now();
    for _ in 0..3 {
        let answer = ask(&served, 10);
        refused("while it is stuck", &answer, 503, "model_busy");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    let ready = |path: &str| served.curl_as(&served.token, path, &[]);
    refused("its readiness", &ready("/v2/models/stuck/ready"), 503, "model_busy");
    assert_eq!(ready("/v2/health/ready").status, 503);
    assert_eq!(ready("/v2/health/live").status, 200);
    assert_eq!(ready("/v2/models/stuck").status, 200, "what it takes is known all the same");
    // It keeps no server from its end.
    let started = Instant::now();
    assert!(served.server.stop().success());
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn callers_that_wait_are_told_and_the_model_recovers_by_itself() {
    let served = Served::models(&["stuck"], "[limits]\ninference_timeout = \"2s\"\n");
    std::thread::scope(|scope| {
        // Takes some seconds more than its caller waits, on both sessions.
        let long: Vec<_> = (0..2)
            .map(|_| {
                let asked = scope.spawn(|| ask(&served, 120_000).status);
                wait_until("it runs", || asked.is_finished() || model(&served)["waiting"] == 0);
                asked
            })
            .collect();
        for asked in long {
            assert!([504, 503].contains(&asked.join().unwrap()));
        }
    });
    wait_until("it answers again", || ask(&served, 10).status == 200);
    assert_eq!(model(&served)["state"], "ready");
    wait_until("no session is stuck", || model(&served)["stuck"] == 0);
}
