//! What the form of a request costs the server: JSON against binary tensors, and a
//! signature on the request with one on its response, by the size of the body.
//!
//!     cargo bench --bench protocol
//!     SEALSERVE_BIN=target/dist/sealserve cargo bench --bench protocol
//!
//! CPU time is that of the server process alone. The larger bodies go through a model
//! that returns what it is given, so what is measured is the way there and back.

#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints figures, ends by a panic, and is no part of the program"
)]

mod support;

use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;

use rustls::ClientConfig;
use support::client::{CONNECTIONS, Client, Spent, tls};
use support::harness::signer::{Signed, Signer};
use support::harness::{Sandbox, Server, testdata};
use support::{Table, binary, median, number, rounds};

/// A request's form.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Json,
    Binary,
}

/// A model with one FP32 input, and a shape to ask it with.
#[derive(Clone)]
struct Work {
    name: String,
    model: &'static str,
    input: &'static str,
    shape: [usize; 2],
    /// Requests of one round.
    total: usize,
}

impl Work {
    /// Bytes of the input in binary.
    fn bytes(&self) -> usize {
        4 * self.shape[0] * self.shape[1]
    }

    fn request(&self, token: &str, form: Form) -> Signed {
        let Self { input, shape: [rows, columns], .. } = self;
        let count = rows * columns;
        let target = format!("/v2/models/{}/infer", self.model);
        let describe = format!(r#""name":"{input}","shape":[{rows},{columns}],"datatype":"FP32""#);
        // As long as the numbers of a real tensor.
        let element = |at: usize| (at as f32).mul_add(0.618_034, 0.1).fract() * 16.0;
        if form == Form::Json {
            let mut body = format!(r#"{{"inputs":[{{{describe},"data":["#);
            for at in 0..count {
                write!(body, "{}{}", if at > 0 { "," } else { "" }, element(at)).unwrap();
            }
            body.push_str("]}]}");
            return Signed::new("POST", &target, token, body.as_bytes());
        }
        let json = format!(
            r#"{{"inputs":[{{{describe},"parameters":{{"binary_data_size":{}}}}}],"parameters":{{"binary_data_output":true}}}}"#,
            4 * count
        );
        let mut body = json.clone().into_bytes();
        body.extend((0..count).flat_map(|at| element(at).to_le_bytes()));
        let mut request = Signed::new("POST", &target, token, &body);
        request.set("content-type", Some("application/octet-stream"));
        request.set("inference-header-content-length", Some(&json.len().to_string()));
        request
    }
}

/// One round of `work`: each request is made for this round alone.
fn load(
    tokio: &tokio::runtime::Runtime,
    server: &Server,
    tls: &Arc<ClientConfig>,
    work: &Work,
    make: impl Fn() -> Vec<u8>,
    distinct: bool,
) -> Spent {
    let warm_up = work.total / 10 + CONNECTIONS;
    let count = if distinct { work.total + warm_up } else { 1 };
    let mut requests: Vec<_> = (0..count).map(|_| make()).collect();
    let first = Rc::new(if distinct { requests.split_off(work.total) } else { requests.clone() });
    let requests = Rc::new(requests);
    tokio.block_on(async {
        let mut client = Client::connect(server.port(), tls).await;
        client.load(&first, warm_up, server.pid()).await;
        client.load(&requests, work.total, server.pid()).await
    })
}

fn main() {
    let total = number("SEALSERVE_BENCH_REQUESTS", 10_000);
    let sandbox = Sandbox::new();
    let models = "[[model]]\nname = \"digits\"\npath = \"models/digits.sealed\"\n\
                  [[model]]\nname = \"grid\"\npath = \"models/grid.sealed\"\n";
    sandbox.init(&format!("[signing]\nmode = \"optional\"\nwindow = \"300s\"\n{models}"));
    sandbox.encrypt(&testdata("digits.onnx"), "digits");
    sandbox.encrypt(&testdata("models/grid.onnx"), "grid");
    let (signer, token) = (Signer::new(&sandbox, "ci"), sandbox.mint("ci", "model:*:infer"));
    let tls = tls(&sandbox);
    let mut serve = sandbox.program(binary());
    serve.args(["serve", "--device", "cpu"]);
    let server = Server::spawn(&sandbox, serve);
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    let mut works = Vec::new();
    for rows in [1, 64] {
        let name = format!("digits, {rows} x 64");
        works.push(Work { name, model: "digits", input: "pixels", shape: [rows, 64], total });
    }
    for kib in [1, 64, 1024] {
        works.push(Work {
            name: format!("echo of {kib} KiB"),
            model: "grid",
            input: "grid_in",
            shape: [kib * 4, 64],
            total: (total / kib).max(100),
        });
    }
    // By work: JSON, binary, signed binary.
    let mut spent = vec![[const { Vec::new() }; 3]; works.len()];
    for _ in 0..rounds() {
        for (work, spent) in works.iter().zip(&mut spent) {
            for (row, form) in [Form::Json, Form::Binary].into_iter().enumerate() {
                let make = || work.request(&token, form).bytes();
                spent[row].push(load(&tokio, &server, &tls, work, make, false).microseconds);
            }
            let make = || {
                let mut request = work.request(&token, Form::Binary);
                request.expires = request.created + 300;
                request.sign(&signer).bytes()
            };
            spent[2].push(load(&tokio, &server, &tls, work, make, true).microseconds);
        }
    }

    support::heading(&binary());
    let mut table =
        Table::new(&["CPU us/request", "JSON", "binary", "JSON / binary", "signed", "+ us", "+ us/KiB"]);
    for (work, spent) in works.iter().zip(spent) {
        let [json, binary, signed] = spent.map(median);
        // The same body comes out that went in, and each is hashed.
        let kib = (work.model == "grid").then(|| 2.0 * work.bytes() as f64 / 1024.0);
        let more = signed - binary;
        let row = [json, binary, json / binary, signed, more].map(Some);
        table.row(&work.name, &[&row[..], &[kib.map(|kib| more / kib)]].concat());
    }
    table.print(&format!("TLS 1.3, {CONNECTIONS} connections, median of {} rounds", rounds()));
}
