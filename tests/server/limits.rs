//! Connections that take without giving are closed.

use std::io::Read;
use std::net::TcpStream;

use rustls::crypto::aws_lc_rs;

use crate::support::client::{Client, head, infer, tls};
use crate::support::{PATIENCE, wait_until};
use crate::{GOOD, Served, refused, slow};

const LIVE: &str = "GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn connect(served: &Served, alpn: &[&str]) -> std::io::Result<Client> {
    Client::with(tls(&served.sandbox, aws_lc_rs::default_provider(), alpn), &served.server)
}

#[test]
fn an_address_has_so_many_connections_and_no_more() {
    let served = Served::digits("[limits]\nconnections_per_address = 2\n");
    let mut first = served.client();
    let mut second = served.client();
    assert!(connect(&served, &["http/1.1"]).is_err());
    // Those who are in stay in.
    assert_eq!(first.ask(LIVE).unwrap().status, 200);
    assert_eq!(second.ask(LIVE).unwrap().status, 200);
    drop(first);
    wait_until("a place is free", || connect(&served, &["http/1.1"]).is_ok());
}

#[test]
fn the_server_has_so_many_connections_and_no_more() {
    let served = Served::digits("[limits]\nconnections = 2\n");
    // Those who have shown a credential stay in.
    let known = || {
        let mut client = served.client();
        let bearer = format!("Authorization: Bearer {}\r\n", served.token);
        let request = format!("GET /v2 HTTP/1.1\r\nHost: localhost\r\n{bearer}\r\n");
        assert_eq!(client.ask(request).unwrap().status, 200);
        client
    };
    let (first, mut second) = (known(), known());
    assert!(connect(&served, &["http/1.1"]).is_err());
    assert_eq!(second.ask(LIVE).unwrap().status, 200);
    drop(first);
    wait_until("a place is free", || connect(&served, &["http/1.1"]).is_ok());
}

#[test]
fn a_handshake_that_does_not_come_is_not_waited_for() {
    let served = Served::digits("[limits]\nhandshake_timeout = \"500ms\"\n");
    let mut silent = TcpStream::connect(("127.0.0.1", served.server.port())).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(silent.read(&mut [0; 16]).unwrap(), 0);
}

#[test]
fn headers_that_do_not_come_close_the_connection() {
    let served = Served::digits("[limits]\nheader_timeout = \"500ms\"\n");
    for beginning in ["", "G", "GET /v2 HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
        let mut client = served.client();
        client.send(beginning).unwrap();
        assert!(client.is_closed(), "{beginning}");
    }
    assert_eq!(served.infer(GOOD).status, 200);
}

#[test]
fn headers_that_come_byte_by_byte_close_the_connection() {
    let served = Served::digits("[limits]\nheader_timeout = \"1s\"\n");
    let mut client = served.client();
    let deadline = std::time::Instant::now() + PATIENCE;
    client.send("GET /v2 HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").unwrap();
    while client.send("x").is_ok() {
        assert!(std::time::Instant::now() < deadline, "still open");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn idle_connections_are_closed() {
    let served = Served::digits("[limits]\nheader_timeout = \"500ms\"\n");
    let mut client = served.client();
    assert_eq!(client.ask(LIVE).unwrap().status, 200);
    assert_eq!(client.ask(LIVE).unwrap().status, 200);
    assert!(client.is_closed());
    // HTTP/2: silent from the start, and after its preface with an empty SETTINGS.
    for preface in ["", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"] {
        let mut client = connect(&served, &["h2"]).unwrap();
        client.send(preface).unwrap();
        assert!(client.is_closed(), "{preface:?}");
    }
}

#[test]
fn a_connection_that_waits_for_its_inference_is_not_idle() {
    let served = Served::slow("", "[limits]\nheader_timeout = \"500ms\"\n");
    // At least two seconds of work: a round takes one to ten milliseconds.
    let mut client = served.client();
    for iterations in [2000, 1] {
        // Afterwards the connection is as good as before.
        let answer = client.ask(infer("slow", &served.token, &slow(iterations))).unwrap();
        assert_eq!((answer.status, answer.header("connection")), (200, None));
    }
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let served = Served::digits("[limits]\nbody_timeout = \"500ms\"\n");
    let path = "/v2/models/digits/infer";
    for (length, sent) in [
        ("Content-Length: 100\r\n", ""),
        ("Content-Length: 100\r\n", "{"),
        ("Transfer-Encoding: chunked\r\n", "1\r\n{\r\n"),
    ] {
        let mut client = served.client();
        let answer = client.ask(head(path, &served.token, length) + sent).unwrap();
        refused(length, &answer, 408, "body_timeout");
        assert!(client.is_closed(), "{length}");
    }
    assert_eq!(served.infer(GOOD).status, 200);
}

#[test]
fn headers_beyond_the_limit_are_refused() {
    let served = Served::digits("[limits]\nheaders = 8192\n");
    let mut client = served.client();
    let request = format!("GET /v2 HTTP/1.1\r\nHost: localhost\r\nX-Big: {}\r\n\r\n", "x".repeat(64 << 10));
    // The answer may be cut off by what the client still sends; the connection always is.
    if client.send(request).is_ok() {
        if let Ok(answer) = client.answer() {
            assert_eq!(answer.status, 431);
        }
        assert!(client.is_closed());
    }
    assert_eq!(served.infer(GOOD).status, 200);
}

#[test]
fn what_is_not_http_is_closed() {
    let served = Served::digits("");
    let mut client = served.client();
    client.send("\0\0\0\0\0\0\0\0\r\n\r\n").unwrap();
    assert!(client.is_closed());
    assert_eq!(served.infer(GOOD).status, 200);
}
