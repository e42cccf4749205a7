//! A model that is busy: who waits, who is sent away, and what becomes of work
//! that nobody waits for.

use crate::support::client::{Client, infer};
use crate::support::{text, wait_until};
use crate::{FOREVER, Served, refused, slow};

/// Sends a request and does not wait.
fn begin(served: &Served, iterations: u64) -> Client {
    let mut client = served.client();
    client.send(infer("slow", &served.token, &slow(iterations))).unwrap();
    client
}

/// Waits until a request that is soon done is answered: the session is free.
fn free_again(served: &Served) {
    wait_until("the session is free", || {
        served.client().ask(infer("slow", &served.token, &slow(1))).unwrap().status == 200
    });
}

/// Waits until the server works on `count` requests, none of them in the queue.
fn running(served: &Served, count: u64) {
    wait_until("the request runs", || {
        let status = served.status();
        status["requests"] == count && status["models"][0]["waiting"] == 0
    });
}

#[test]
fn a_full_queue_sends_away_and_says_when_to_come_back() {
    let served = Served::slow("sessions = 1\nqueue = 1", "[limits]\ninference_timeout = \"1h\"");
    let mut clients: Vec<Client> = (0..6).map(|_| begin(&served, FOREVER)).collect();
    // One runs and one waits, at most: the others must be answered.
    let mut refusals = 0;
    std::thread::scope(|scope| {
        let (sender, answers) = std::sync::mpsc::channel();
        for mut client in clients.drain(..) {
            let sender = sender.clone();
            scope.spawn(move || {
                if let Ok(answer) = client.answer() {
                    let _ = sender.send(answer);
                }
            });
        }
        while refusals < 4 {
            let answer = answers.recv_timeout(crate::support::PATIENCE).expect("four are sent away");
            refused("the queue is full", &answer, 429, "queue_full");
            assert_eq!(answer.header("retry-after"), Some("1"));
            refusals += 1;
        }
        let status = served.status();
        assert_eq!(status["models"][0]["done"], 0, "{status}");
        // Ends the server, and with it the threads that still wait.
        let pid = served.server.pid().to_string();
        assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    });
}

#[test]
fn an_inference_that_takes_too_long_is_ended_and_frees_its_session() {
    let served = Served::slow("sessions = 1", "[limits]\ninference_timeout = \"500ms\"");
    let mut client = served.client();
    for _ in 0..2 {
        let answer = client.ask(infer("slow", &served.token, &slow(FOREVER))).unwrap();
        refused("too long", &answer, 504, "deadline_exceeded");
    }
    free_again(&served);
    let lines = served.audit();
    let failed: Vec<_> = lines.iter().filter(|line| line["reason"] == "deadline_exceeded").collect();
    assert_eq!(failed.len(), 2);
    assert!(failed.iter().all(|line| line["verdict"] == "failed" && line["principal"] == "ann"));
}

#[test]
fn a_request_that_waits_too_long_is_answered_and_never_run() {
    let served = Served::slow("sessions = 1", "[limits]\ninference_timeout = \"500ms\"");
    let clients: Vec<Client> = (0..3).map(|_| begin(&served, FOREVER)).collect();
    for mut client in clients {
        refused("too long", &client.answer().unwrap(), 504, "deadline_exceeded");
    }
    free_again(&served);
}

#[test]
fn a_caller_that_goes_away_frees_its_session() {
    let served = Served::slow("sessions = 1", "[limits]\ninference_timeout = \"1h\"");
    let client = begin(&served, FOREVER);
    running(&served, 1);
    drop(client);
    free_again(&served);
}

#[test]
fn a_caller_that_goes_away_over_http2_frees_its_session() {
    let served = Served::slow("sessions = 1", "[limits]\ninference_timeout = \"1h\"");
    let mut curl = served
        .sandbox
        .program("curl")
        .args(["-q", "-sS", "--http2", "--cacert"])
        .arg(served.sandbox.home().join("pki/ca.pem"))
        .args(["-H", &format!("Authorization: Bearer {}", served.token)])
        .args(["--data-binary", &slow(FOREVER)])
        .arg(format!("{}/v2/models/slow/infer", served.server.url))
        .spawn()
        .unwrap();
    running(&served, 1);
    curl.kill().unwrap();
    curl.wait().unwrap();
    free_again(&served);
}

#[test]
fn a_caller_that_goes_away_is_in_the_audit_log() {
    let served = Served::slow("sessions = 1", "[limits]\ninference_timeout = \"1h\"");
    let client = begin(&served, FOREVER);
    running(&served, 1);
    drop(client);
    free_again(&served);
    let lines = served.audit();
    let line = lines.iter().find(|line| line["reason"] == "client_gone").expect("a line");
    assert_eq!(line["verdict"], "failed");
    assert_eq!(line["principal"], "ann");
    assert_eq!(line["action"], "infer");
    assert_eq!(line["model"], "slow");
}

#[test]
fn a_request_in_the_queue_keeps_its_share_of_memory() {
    let padding = " ".repeat(40_000);
    let limits = "[limits]\nbody = 65536\nbody_memory = 65536\ninference_timeout = \"1h\"";
    let served = Served::slow("sessions = 1", limits);
    let big = |iterations| infer("slow", &served.token, &(slow(iterations) + &padding));
    let mut first = served.client();
    first.send(big(FOREVER)).unwrap();
    running(&served, 1);
    let answer = served.client().ask(big(1)).unwrap();
    refused("no memory is left", &answer, 503, "no_body_memory");
    assert_eq!(answer.header("retry-after"), Some("1"));
    drop(first);
    wait_until("the memory is free", || served.client().ask(big(1)).unwrap().status == 200);
}

#[test]
fn several_sessions_run_at_once() {
    let served = Served::slow("sessions = 2", "[limits]\ninference_timeout = \"1h\"");
    let client = begin(&served, FOREVER);
    running(&served, 1);
    let answer = served.client().ask(infer("slow", &served.token, &slow(1))).unwrap();
    assert_eq!(answer.status, 200, "{}", text(&answer.body));
    drop(client);
}
