//! Servers that misbehave, over plain HTTP on this machine.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::*;
use crate::client::ClientError;
use crate::clock::SystemClock;

/// A server that gives each of `answers` to one connection, in turn, and returns
/// what it was sent.
fn server(answers: Vec<Vec<u8>>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/path?x=1", listener.local_addr().unwrap());
    let serve = move |answer: Vec<u8>| {
        let (mut stream, _) = listener.accept().unwrap();
        let head = head(&mut stream);
        // A client that has seen enough closes its side.
        let _ = stream.write_all(&answer);
        head
    };
    (url, std::thread::spawn(move || answers.into_iter().map(serve).collect()))
}

fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap() == 0 {
            break;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn request(url: &str, retries: u32) -> SendRequest<'static> {
    SendRequest {
        outgoing: Outgoing {
            target: url.parse().unwrap(),
            method: Method::GET,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        },
        signer: None,
        trust: Trust::System,
        identity: None,
        insecure: true,
        timeout: Duration::from_mins(1),
        retries,
        response_limit: 1000,
        clock: &SystemClock,
    }
}

fn once(answer: impl Into<Vec<u8>>) -> Result<SendReport, SendError> {
    let (url, server) = server(vec![answer.into()]);
    let answer = send(&request(&url, 3));
    server.join().unwrap();
    answer
}

#[test]
fn what_is_sent_is_what_was_given() {
    let (url, server) = server(vec![b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()]);
    let report = send(&request(&url, 0)).unwrap();
    assert_eq!((report.status, report.attempts, report.proof), (StatusCode::NO_CONTENT, 1, Proof::NotAsked));
    let head = &server.join().unwrap()[0];
    let authority = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let mut lines: Vec<_> = head.trim_end().lines().collect();
    lines[1..].sort_unstable();
    let version = env!("CARGO_PKG_VERSION");
    let expected = [
        "GET /path?x=1 HTTP/1.1",
        &format!("host: {authority}"),
        &format!("user-agent: sealserve/{version}"),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn an_answer_beyond_the_limit_is_not_taken_in() {
    let body = |length: usize| {
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes(), vec![b'a'; length]]
            .concat()
    };
    assert_eq!(once(body(1000)).unwrap().body.len(), 1000);
    assert!(matches!(
        once(body(1001)),
        Err(SendError::Client(ClientError::ResponseTooLarge { limit: 1000 }))
    ));
    // Nor one that says nothing of its length.
    let endless = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &[b'a'; 2000]].concat();
    assert!(matches!(once(endless), Err(SendError::Client(ClientError::ResponseTooLarge { .. }))));
}

#[test]
fn an_answer_that_is_broken_off_is_none_and_nothing_is_sent_again() {
    for answer in [
        &b""[..],
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
        b"220 mail.example ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    ] {
        // With a second attempt, nobody would answer it and the test would not end.
        let error = once(answer).err().unwrap();
        assert!(matches!(error, SendError::Client(ClientError::Exchange { .. })), "{answer:?}: {error}");
    }
}

#[test]
fn words_of_a_refusal_are_taken_from_its_body() {
    let said = |body: &str| {
        let head = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        once(head).err().unwrap().to_string()
    };
    assert_eq!(said(r#"{"error": "no", "code": "forbidden"}"#), "the server answered 403: no (forbidden)");
    assert_eq!(said(r#"{"error": {"deep": 1}}"#), "the server answered 403: forbidden");
    assert_eq!(said("<html>"), "the server answered 403: forbidden");
    assert_eq!(said(""), "the server answered 403: forbidden");
    let long = said(&format!(r#"{{"error": "{}"}}"#, "a".repeat(900)));
    assert!(long.len() < 400);
    assert!(said(r#"{"error": "\u001b[2J\n"}"#).ends_with("\u{fffd}[2J\u{fffd}"));
}

#[test]
fn busy_servers_are_asked_again_and_no_others() {
    let answer = |status: &str| {
        format!("HTTP/1.1 {status} x\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n").into_bytes()
    };
    for (statuses, retries, attempts) in [
        (&["503", "429", "200"][..], 2, 3),
        (&["503", "200"], 5, 2),
        (&["503", "503"], 1, 0),
        (&["500"], 5, 0),
        (&["401"], 5, 0),
        (&["302"], 5, 0),
    ] {
        let (url, server) = server(statuses.iter().map(|status| answer(status)).collect());
        let found = send(&request(&url, retries)).map_or(0, |report| report.attempts);
        assert_eq!(found, attempts, "{statuses:?}");
        assert_eq!(server.join().unwrap().len(), statuses.len());
    }
}

#[test]
fn what_a_server_asks_to_wait_is_waited_up_to_a_bound() {
    let wait = |asked: Option<u64>, status: u16, attempt: u32| {
        let status = StatusCode::from_u16(status).unwrap();
        SendError::refused(status, asked.map(Duration::from_secs), b"", false).wait(attempt)
    };
    for status in [429, 503] {
        for attempt in [1, 7, 100] {
            assert_eq!(wait(Some(6), status, attempt), Some(Duration::from_secs(6)));
            assert_eq!(wait(Some(60), status, attempt), Some(LONGEST_WAIT));
        }
        assert_eq!(wait(None, status, 1), Some(Duration::from_millis(250)));
        assert_eq!(wait(None, status, 100), Some(Duration::from_secs(16)));
    }
    assert_eq!(wait(Some(6), 500, 1), None);
    // A server that asks for more is not asked again: with a second attempt, this would not end.
    for asked in ["61", "18446744073709551615"] {
        let error = once(format!("HTTP/1.1 503 x\r\nRetry-After: {asked}\r\nContent-Length: 0\r\n\r\n"));
        assert!(matches!(error, Err(SendError::Refused { retry_after: Some(_), .. })), "{asked}");
    }
}

#[test]
fn a_connection_that_ends_in_its_handshake_is_made_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        for _ in 0..3 {
            drop(listener.accept().unwrap());
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let made = crate::pki::AuthorityRequest {
        title: "test",
        limits: &crate::pki::Limits::default(),
        root_lifetime: None,
        issuing_lifetime: None,
    };
    let authority = crate::pki::Authority::create(&made, SystemClock.unix()).unwrap();
    let pki = directory.path().join("pki");
    crate::ops::write_authority(&pki, &authority).unwrap();
    let mut request = request(&url, 2);
    request.trust = Trust::File(pki.join("ca.pem"));
    let error = send(&request).err().unwrap();
    assert!(matches!(error, SendError::Client(ClientError::Handshake { .. })), "{error}");
    server.join().unwrap();
}

/// A server that reads the beginning of a request, writes `answer` and closes, while the
/// client is writing.
fn send_too_much_to(answer: &'static [u8]) -> Result<SendReport, SendError> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/path", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        head(&mut stream);
        stream.read_exact(&mut vec![0; 8 << 20]).unwrap();
        stream.write_all(answer).unwrap();
    });
    let mut request = request(&url, 0);
    request.outgoing.method = Method::POST;
    // More than the buffers of two sockets hold.
    request.outgoing.body = Bytes::from(vec![0; 64 << 20]);
    let answer = send(&request);
    server.join().unwrap();
    answer
}

#[test]
fn an_answer_that_comes_before_everything_is_sent_is_read() {
    // Which of the two comes first is chance, so it is tried several times.
    for _ in 0..50 {
        let refused = send_too_much_to(
            b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 13\r\nConnection: close\r\n\r\n{\"error\":\"x\"}",
        );
        let Err(SendError::Refused { status, message, .. }) = refused else { panic!("{:?}", refused.err()) };
        assert_eq!((status, &*message), (StatusCode::UNAUTHORIZED, "x"));
    }
}

#[test]
fn a_server_that_closes_without_a_word_is_told_from_one_that_answers() {
    let refused = send_too_much_to(b"");
    assert!(matches!(refused, Err(SendError::Client(ClientError::Unanswered { .. }))), "{:?}", refused.err());
}
