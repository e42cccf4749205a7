//! What one request costs the server: digits over TLS 1.3, 1,000 principals with
//! an ES256 token each, an audit line for each decision. Against FastAPI + PyJWT +
//! onnxruntime (benches/peers/fastapi_app.py) under the same load in the same run,
//! and against the floor: TLS and HTTP alone (the health route, over as many connections)
//! plus the model alone, in a loop.
//!
//!     cargo bench --bench server
//!     SEALSERVE_BIN=target/dist/sealserve cargo bench --bench server
//!     SEALSERVE_BENCH_REQUESTS=2000 SEALSERVE_BENCH_ROUNDS=1 cargo bench --bench server
//!
//! CPU time is that of the server process alone, to the nanosecond; requests per
//! second are those that one client thread on the same machine gets. "cold" means
//! that each request brings a token that the server has not seen before.

#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints figures, ends by a panic, and is no part of the program"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use sealserve::keyring::{KeyUse, RootKey, Store};
use sealserve::secret::SecretPages;
use sealserve::token::{Grant, JwkSet, SigningKey};
use support::client::{CONNECTIONS, Client, tls};
use support::harness::{self, Sandbox, Server, onnxruntime, repository, testdata};
use support::{Peer, Table, binary, median, number, own_cpu, rounds};

const PRINCIPALS: usize = 1000;
const AUTHORITY: &str = "https://localhost";

/// FastAPI, which knows the keys of `jwks`.
fn fastapi(sandbox: &Sandbox, jwks: &JwkSet) -> Peer {
    let peers = repository().join("benches/peers");
    let python = harness::python_with(&peers.join("requirements.txt"));
    let jwks = sandbox.write("jwks.json", serde_json::to_vec(jwks).unwrap());
    Peer::start("FastAPI", |port| {
        let mut command = sandbox.program(python);
        command.args(["-m", "uvicorn", "fastapi_app:app", "--host", "127.0.0.1", "--workers", "1"]);
        command.args(["--loop", "uvloop", "--http", "httptools"]);
        command.args(["--no-access-log", "--log-level", "warning"]);
        command.arg("--app-dir").arg(peers).args(["--port", &port.to_string()]);
        command.arg("--ssl-keyfile").arg(sandbox.home().join("pki/server.key"));
        command.arg("--ssl-certfile").arg(sandbox.home().join("pki/server.pem"));
        command.env("PEER_MODEL", testdata("digits.onnx")).env("PEER_JWKS", jwks);
        command.env("PEER_ISSUER", AUTHORITY).env("PEER_AUDIENCE", AUTHORITY);
        command
    })
}

/// A token for each of the principals, and one more to warm up with.
fn tokens(sandbox: &Sandbox) -> (Vec<String>, JwkSet) {
    let root = RootKey::read(&sandbox.path("config/sealserve/root.key")).unwrap();
    let keyring = Store::new(&sandbox.home(), root).read().unwrap();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let key = SigningKey::new(keyring.active(KeyUse::Token).unwrap());
    let mint = |serial: usize| {
        let name = format!("principal-{serial}");
        let grant = Grant {
            issuer: AUTHORITY.into(),
            audience: AUTHORITY.into(),
            subject: name.clone(),
            client: name,
            scopes: vec!["model:digits:infer".into()],
            lifetime: Duration::from_hours(1),
        };
        let (token, _) = key.mint(&grant, now).unwrap();
        String::from_utf8(token.expose().to_vec()).unwrap()
    };
    ((0..=PRINCIPALS).map(mint).collect(), JwkSet::new(&keyring, now))
}

/// CPU microseconds of one run of the model, in a process of its own: the
/// library must find its telemetry switched off before it is loaded.
fn model_alone() -> f64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("--model-alone").arg(onnxruntime()).env("ORT_DISABLE_TELEMETRY", "1");
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// Runs digits in a loop and prints the CPU microseconds of one run.
fn run_model(library: &Path) {
    use sealserve::runtime::{
        Allowance, Device, Library, Model, Placement, Runtime, SessionOptions, Tensor, TensorData,
    };
    const RUNS: u32 = 50_000;
    let runtime = Runtime::load(Library::check(library, Device::Cpu, false).unwrap()).unwrap();
    let onnx = std::fs::read(testdata("digits.onnx")).unwrap();
    let options = SessionOptions { placement: Placement::Cpu, intra_threads: 1, run_memory: None };
    let mut plaintext = SecretPages::zeroed(onnx.len()).unwrap();
    plaintext.expose_mut().copy_from_slice(&onnx);
    let model = Model { onnx: 0..onnx.len(), members: Vec::new(), plaintext };
    let mut session = runtime.prepare(model, 1).unwrap().open(&options).unwrap();
    let input = Tensor::new("pixels", vec![1, 64], TensorData::Fp32(vec![3.0; 64])).unwrap();
    let mut start = own_cpu();
    let unbounded = Allowance::new(usize::MAX, |_| true);
    for run in 0..RUNS + RUNS / 10 {
        if run == RUNS / 10 {
            start = own_cpu();
        }
        session.run(vec![input.clone()], &[], &unbounded, &runtime.interrupt().unwrap()).unwrap();
    }
    println!("{}", (own_cpu() - start) * 1e6 / f64::from(RUNS));
}

fn main() {
    let arguments: Vec<PathBuf> = std::env::args_os().map(Into::into).collect();
    if let Some(at) = arguments.iter().position(|argument| argument.as_os_str() == "--model-alone") {
        return run_model(&arguments[at + 1]);
    }
    let total = number("SEALSERVE_BENCH_REQUESTS", 20_000);
    let sandbox = Sandbox::new();
    sandbox.init_with_digits("");
    let config = std::fs::read_to_string(sandbox.home().join("sealserve.toml")).unwrap();
    let required = sandbox.write("home/required.toml", format!("{config}\n[audit]\nmode = \"required\"\n"));
    let (tokens, jwks) = tokens(&sandbox);
    let tls = tls(&sandbox);
    let body = std::fs::read_to_string(testdata("digits-request.json")).unwrap();
    let infer = |token: &String| {
        format!(
            "POST /v2/models/digits/infer HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    let binary_infer = |token: &String| {
        let json = r#"{"inputs":[{"name":"pixels","shape":[1,64],"datatype":"FP32","parameters":{"binary_data_size":256}}],"parameters":{"binary_data_output":true}}"#;
        let mut request = format!(
            "POST /v2/models/digits/infer HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/octet-stream\r\nInference-Header-Content-Length: {}\r\n\
             Content-Length: {}\r\n\r\n{json}",
            json.len(),
            json.len() + 256
        )
        .into_bytes();
        request.extend((0..64_u8).flat_map(|pixel| f32::from(pixel % 17).to_le_bytes()));
        request
    };
    let warm_up = Rc::new(vec![infer(&tokens[PRINCIPALS])]);
    let requests: Rc<Vec<Vec<u8>>> = Rc::new(tokens[..PRINCIPALS].iter().map(infer).collect());
    let binary_requests: Rc<Vec<Vec<u8>>> = Rc::new(tokens[..PRINCIPALS].iter().map(binary_infer).collect());
    let health = Rc::new(vec![b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()]);

    let peer = fastapi(&sandbox, &jwks);
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let names = [
        "sealserve, audit best effort, warm",
        "sealserve, audit best effort, cold",
        "sealserve, audit required, warm",
        "sealserve, audit required, cold",
        "binary",
        "TLS and HTTP alone",
        "one connection",
        "TLS and HTTP alone, one connection",
        "FastAPI",
    ];
    let (binary_row, floor_row, one_row, one_floor_row, peer_row) = (4, 5, 6, 7, 8);
    let mut spent = vec![Vec::new(); names.len()];
    let mut model = Vec::new();
    for _ in 0..rounds() {
        model.push(model_alone());
        for (pair, config) in [sandbox.home().join("sealserve.toml"), required.clone()].iter().enumerate() {
            let mut serve = sandbox.program(binary());
            serve.args(["serve", "--device", "cpu", "--config"]).arg(config);
            let server = Server::spawn(&sandbox, serve);
            tokio.block_on(async {
                let mut client = Client::connect(server.port(), &tls).await;
                client.load(&warm_up, total / 10, server.pid()).await;
                spent[2 * pair + 1].push(client.load(&requests, PRINCIPALS, server.pid()).await);
                spent[2 * pair].push(client.load(&requests, total, server.pid()).await);
                if pair == 0 {
                    spent[binary_row].push(client.load(&binary_requests, total, server.pid()).await);
                    spent[floor_row].push(client.load(&health, total, server.pid()).await);
                    let mut one = Client::with(1, server.port(), &tls).await;
                    spent[one_row].push(one.load(&requests, total / 2, server.pid()).await);
                    spent[one_floor_row].push(one.load(&health, total / 2, server.pid()).await);
                }
            });
        }
        tokio.block_on(async {
            let mut client = Client::connect(peer.port, &tls).await;
            client.load(&warm_up, total / 40, peer.pid()).await;
            spent[peer_row].push(client.load(&requests, total / 4, peer.pid()).await);
        });
    }

    support::heading(&binary());
    let cpu = |row: usize| median(spent[row].iter().map(|spent| spent.microseconds));
    let (theirs, model) = (cpu(peer_row), median(model));
    // What no server can be without: TLS and HTTP, and the model where it runs.
    let floor = |row: usize| match row {
        _ if row == floor_row || row == one_floor_row || row == peer_row => None,
        _ if row == one_row => Some(cpu(one_floor_row) + model),
        _ => Some(cpu(floor_row) + model),
    };
    let mut table = Table::new(&["", "CPU us/request", "requests/s", "FastAPI / it", "it / floor"]);
    for (row, name) in names.iter().enumerate() {
        let per_second = median(spent[row].iter().map(|spent| spent.per_second));
        let over_floor = floor(row).map(|floor| cpu(row) / floor);
        table.row(name, &[Some(cpu(row)), Some(per_second), Some(theirs / cpu(row)), over_floor]);
    }
    table.row("the model alone", &[Some(model), None, Some(theirs / model), None]);
    table.print(&format!(
        "digits, TLS 1.3, {PRINCIPALS} principals, {CONNECTIONS} connections, median of {} rounds",
        rounds()
    ));
}
