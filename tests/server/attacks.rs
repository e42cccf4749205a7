//! Strangers who try to end, fill or freeze the server. It answers throughout, within the
//! limits of its process.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::crypto::aws_lc_rs;

use crate::support::client::{Client, tls};
use crate::support::h2::{self, frame};
use crate::support::{PATIENCE, Sandbox, Server, generation, text, wait_until};
use crate::{FOREVER, GOOD, Served, memory, slow, still_answers};

const LIVE: &str = "/v2/health/live";

/// Serves digits in a process with `limits`, which is an argument of ulimit.
fn limited(limits: &str, more: &str) -> Served {
    let sandbox = Sandbox::new();
    sandbox.init_with_digits(more);
    let mut command = sandbox.program("sh");
    command
        .args(["-c", &format!("ulimit {limits} && exec \"$@\""), "sh"])
        .args([env!("CARGO_BIN_EXE_sealserve"), "serve"]);
    let server = Server::spawn(&sandbox, command);
    let token = sandbox.mint("ann", "model:*:*");
    Served { server, token, sandbox }
}

/// Lets this process hold the sockets of an attack.
fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

fn http2(served: &Served) -> Client {
    Client::with(tls(&served.sandbox, aws_lc_rs::default_provider(), &["h2"]), &served.server).unwrap()
}

/// Asks for the health of the server all the time while `attack` runs, and at least once.
fn health_during<T>(served: &Served, attack: impl FnOnce() -> T) -> T {
    /// Set when it is dropped, so that an attack that fails ends the questions too.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            loop {
                assert_eq!(served.curl(LIVE, &[]).status, 200);
                if over.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let result = {
            let _over = Over(&over);
            attack()
        };
        asked.join().unwrap();
        result
    })
}

#[test]
fn references_to_the_header_table_take_no_memory() {
    const CONNECTIONS: usize = 250;
    const STREAMS: u32 = 32;
    raise_descriptor_limit();
    let served = limited("-v 4000000", "");
    // 900 fields of one byte each: over the limit for their number, and for their size too,
    // but not over what is parsed.
    let table = [h2::request("POST", "/v2/models/digits/infer"), h2::indexed_field("a", "b")].concat();
    let first = [table, vec![h2::NEWEST; 900]].concat();
    let others = [h2::request("POST", "/v2/models/digits/infer"), vec![h2::NEWEST; 900]].concat();
    let attackers = health_during(&served, || {
        let mut attackers: Vec<Client> = (0..CONNECTIONS).map(|_| http2(&served)).collect();
        for attacker in &mut attackers {
            attacker.send([h2::PREFACE.as_bytes(), &frame(h2::SETTINGS, 0, 0, &[])].concat()).unwrap();
            for stream in 0..STREAMS {
                let fields = if stream == 0 { &first } else { &others };
                // No END_STREAM: there is a body to come.
                attacker.send(frame(h2::HEADERS, h2::END_HEADERS, 2 * stream + 1, fields)).unwrap();
            }
        }
        attackers
    });
    let held = memory(&served.server);
    assert!(held < 300 << 20, "{} MiB", held >> 20);
    still_answers(&served);
    drop(attackers);
}

#[test]
fn one_hundred_fields_are_taken_and_one_more_is_refused() {
    let served = Served::digits("");
    for (fields, expected) in [(100, "\"live\":true"), (101, "headers_too_large")] {
        let mut client = http2(&served);
        let head = [h2::request("GET", LIVE), h2::indexed_field("a", "b"), vec![h2::NEWEST; fields - 1]];
        let frames = [
            h2::PREFACE.as_bytes().to_vec(),
            frame(h2::SETTINGS, 0, 0, &[]),
            frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, 1, &head.concat()),
            frame(h2::GOAWAY, 0, 0, &[0; 8]),
        ];
        client.send(frames.concat()).unwrap();
        let answer = text(&client.rest());
        assert!(answer.contains(expected), "{fields}: {answer}");
        // Host is a field too.
        let lines = "a: b\r\n".repeat(fields - 1);
        let mut client = served.client();
        let answer = client.ask(format!("GET {LIVE} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")).unwrap();
        assert!(text(&answer.body).contains(expected), "{fields}: {answer:?}");
    }
}

#[test]
fn idle_connections_suspend_no_revocation_and_keep_no_client_out() {
    raise_descriptor_limit();
    let served = limited("-n 1024", "[limits]\nconnections = 100000\nconnections_per_address = 100000\n");
    let (sandbox, key) = (&served.sandbox, served.sandbox.path("key"));
    sandbox.ok([
        "apikey",
        "create",
        "--subject",
        "leak",
        "--scope",
        "model:*:*",
        "-o",
        key.to_str().unwrap(),
    ]);
    let key = std::fs::read_to_string(&key).unwrap();
    let (header, id) = (format!("X-Api-Key: {}", key.trim()), key.split('_').nth(1).unwrap());
    let ask = || served.curl("/v2", &["-H", &header]).status;
    wait_until("the key is known", || ask() == 200);
    // Connections that were let in and say nothing, and others that keep coming.
    let connect = || TcpStream::connect(("127.0.0.1", served.server.port()));
    let idle: Vec<_> = (0..1100).map(|_| connect().unwrap()).collect();
    health_during(&served, || {
        wait_until("every place is taken", || {
            let status = served.status();
            status["connections"].as_u64() >= status["connection_limit"].as_u64().map(|limit| limit - 8)
        });
        let status = served.status();
        assert!(status["connection_limit"].as_u64().unwrap() < 1024 - 64, "{status}");
        let before = generation(sandbox);
        sandbox.ok(["apikey", "revoke", id]);
        wait_until("the server has seen it", || generation(sandbox) > before);
        assert_eq!(ask(), 401, "revoked");
    });
    assert_eq!(served.infer(GOOD).status, 200);
    let status = served.status();
    assert!(status["connections_evicted"].as_u64().unwrap() > 0, "{status}");
    assert_eq!((&status["audit_healthy"], &status["audit_lines_lost"]), (&true.into(), &0.into()));
    wait_until("it is logged", || {
        std::fs::read_to_string(&served.server.log).unwrap().contains("connections were turned away")
    });
    drop(idle);
}

/// Sends `again` for as long as the connection is open, and fails if that is for ever.
fn ends_although_it_sends(client: &mut Client, again: &[u8]) {
    ends_although_it_goes_on(client, |_| again.to_vec());
}

/// The same with what `again` makes each time, for one stream after the other; 1 is taken.
fn ends_although_it_goes_on(client: &mut Client, again: impl Fn(u32) -> Vec<u8>) {
    let deadline = Instant::now() + PATIENCE;
    let mut stream = 3;
    while client.send(again(stream)).is_ok() {
        assert!(Instant::now() < deadline, "still open");
        stream += 2;
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(stream > 3, "it was open");
}

/// A request for the server's health.
fn ask_for_health(stream: u32) -> Vec<u8> {
    frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, stream, &h2::request("GET", LIVE))
}

#[test]
fn ping_keeps_no_connection_open() {
    let served = Served::digits("[limits]\nheader_timeout = \"1s\"\nbody_timeout = \"1s\"\n");
    let ping = frame(h2::PING, 0, 0, &[7; 8]);
    // An idle connection, and one that has asked and takes nothing of the answer.
    let asks = [
        frame(h2::SETTINGS, 0, 0, &h2::setting(h2::INITIAL_WINDOW_SIZE, 0)),
        frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, 1, &h2::request("GET", LIVE)),
    ];
    for begin in [frame(h2::SETTINGS, 0, 0, &[]), asks.concat()] {
        let mut client = http2(&served);
        client.send([h2::PREFACE.as_bytes(), &begin].concat()).unwrap();
        ends_although_it_sends(&mut client, &ping);
    }
    still_answers(&served);
}

#[test]
fn an_answer_that_stalls_is_cut_although_others_go_on() {
    let served = Served::digits("[limits]\nheader_timeout = \"1h\"\nbody_timeout = \"1s\"\n");
    let mut client = http2(&served);
    // Stream 1 begins with a window of 0, the others have one.
    let begin = [frame(h2::SETTINGS, 0, 0, &h2::setting(h2::INITIAL_WINDOW_SIZE, 0)), ask_for_health(1)];
    client.send([h2::PREFACE.as_bytes(), &begin.concat()].concat()).unwrap();
    ends_although_it_goes_on(&mut client, |stream| {
        [ask_for_health(stream), frame(h2::WINDOW_UPDATE, 0, stream, &1000_u32.to_be_bytes())].concat()
    });
    still_answers(&served);
}

#[test]
fn an_answer_whose_end_is_not_taken_is_cut_although_requests_go_on() {
    let served = Served::digits("[limits]\nheader_timeout = \"1h\"\nbody_timeout = \"1s\"\n");
    // The window of a connection is 64 KiB.
    let rows = 400;
    let data = vec!["0"; 64 * rows].join(",");
    let body = format!(
        r#"{{"inputs":[{{"name":"pixels","shape":[{rows},64],"datatype":"FP32","data":[{data}]}}]}}"#
    );
    let length = u32::try_from(served.infer(&body).body.len()).unwrap();
    let end = length % (16 << 10);
    assert!(length > 32 << 10 && end > 1);
    let mut client = http2(&served);
    // There is a window for one byte of the last piece: so hyper has handed it on, and is done.
    let window = frame(h2::SETTINGS, 0, 0, &h2::setting(h2::INITIAL_WINDOW_SIZE, length - end + 1));
    let more = frame(h2::WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes());
    let bearer = format!("Bearer {}", served.token);
    let head = [h2::request("POST", "/v2/models/digits/infer"), h2::field("authorization", &bearer)].concat();
    client.send([h2::PREFACE.as_bytes(), &window, &more].concat()).unwrap();
    client.send(frame(h2::HEADERS, h2::END_HEADERS, 1, &head)).unwrap();
    let mut pieces = body.as_bytes().chunks(8 << 10).peekable();
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() { h2::END_STREAM } else { 0 };
        client.send(frame(h2::DATA, flags, 1, piece)).unwrap();
    }
    ends_although_it_goes_on(&mut client, ask_for_health);
    still_answers(&served);
}

#[test]
fn a_preface_or_header_block_that_comes_in_drops_has_a_deadline() {
    let served = Served::slow("", "[limits]\nheader_timeout = \"1s\"\ninference_timeout = \"1h\"\n");
    let settings = frame(h2::SETTINGS, 0, 0, &[]);
    // A request that keeps the connection busy whatever else is on it.
    let (path, bearer) = ("/v2/models/slow/infer", format!("Bearer {}", served.token));
    let head = [h2::request("POST", path), h2::field("authorization", &bearer)].concat();
    let busy = [
        frame(h2::HEADERS, h2::END_HEADERS, 1, &head),
        frame(h2::DATA, h2::END_STREAM, 1, slow(FOREVER).as_bytes()),
    ]
    .concat();
    // A frame that h2 waits for, and counts none of the bytes of.
    let block = frame(h2::HEADERS, h2::END_HEADERS, 3, &h2::field("a", &"b".repeat(8 << 10)));
    let begin = [h2::PREFACE.as_bytes(), &settings, &busy].concat();
    for (begin, drops) in [(&[][..], h2::PREFACE.as_bytes()), (&begin, &block)] {
        let mut client = http2(&served);
        client.send(begin).unwrap();
        let cut = drops.iter().take(40).any(|drop| {
            std::thread::sleep(Duration::from_millis(400));
            client.send([*drop]).is_err()
        });
        assert!(cut, "all was taken");
    }
    assert_eq!(served.curl(LIVE, &[]).status, 200);
}

#[test]
fn a_slow_handshake_takes_nothing_from_the_time_for_a_request() {
    let served = Served::digits("[limits]\nheader_timeout = \"1s\"\nhandshake_timeout = \"1h\"\n");
    let tcp = TcpStream::connect(("127.0.0.1", served.server.port())).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let config = tls(&served.sandbox, aws_lc_rs::default_provider(), &["http/1.1"]);
    let mut client = Client::over(std::sync::Arc::new(config), tcp).unwrap();
    // The server looks at idle connections meanwhile.
    std::thread::sleep(Duration::from_millis(600));
    let answer = client.ask(format!("GET {LIVE} HTTP/1.1\r\nHost: localhost\r\n\r\n")).unwrap();
    assert_eq!(answer.status, 200);
}

#[test]
fn a_reader_that_is_slow_and_does_not_stop_gets_all_of_its_answer() {
    let served = Served::digits("[limits]\nheader_timeout = \"1s\"\nbody_timeout = \"1s\"\n");
    // 20,000 rows: some megabytes of answer, more than two sockets hold.
    let rows = 20_000;
    let data = vec!["0"; 64 * rows].join(",");
    let body = format!(
        r#"{{"inputs":[{{"name":"pixels","shape":[{rows},64],"datatype":"FP32","data":[{data}]}}]}}"#
    );
    let mut client = served.client();
    let request = crate::support::client::infer("digits", &served.token, &body);
    let answer = client.ask_for_head(request).unwrap();
    let length: usize = answer.header("content-length").unwrap().parse().unwrap();
    let mut read = 0;
    while read < length {
        let most = (length - read).min(256 << 10);
        read += client.some(most).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(read, length);
}

#[test]
fn plain_http_is_told_to_use_https() {
    use std::io::{Read, Write};
    let served = Served::digits("");
    let mut plain = TcpStream::connect(("127.0.0.1", served.server.port())).unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(plain, "GET {LIVE} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains(r#""code":"https_required""#), "{answer}");
    still_answers(&served);
}
