//! What the tests share: a sandbox for the built binary, a server that dies with
//! its test, a Python with the pinned peers, ONNX Runtime. Whatever takes long to
//! make is made once, under a lock, below `target/tmp`.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

pub mod age;
pub mod client;
pub mod forge;
pub mod h2;
pub mod signer;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A generous guard: nothing is measured with it.
pub const PATIENCE: Duration = Duration::from_mins(1);

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether the committed copies of what the program says are to be written anew.
pub fn update_golden() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

pub fn testdata(name: &str) -> PathBuf {
    repository().join("testdata").join(name)
}

/// Directories of its own for every program that a test runs.
pub struct Sandbox {
    directory: tempfile::TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        let sandbox = Self { directory: tempfile::tempdir().unwrap() };
        for name in ["cwd", "tmp"] {
            fs::create_dir(sandbox.path(name)).unwrap();
        }
        sandbox
    }

    /// A path in the sandbox.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes a file that only its owner may read.
    pub fn write_secret(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.write(name, bytes);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// `program` with an environment that holds nothing but the sandbox.
    pub fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("user"))
            .env("TMPDIR", self.path("tmp"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("SEALSERVE_HOME", self.home())
            .current_dir(self.path("cwd"))
            .stdin(Stdio::null());
        command
    }

    /// The built binary, not run yet.
    pub fn sealserve(&self) -> Command {
        self.program(env!("CARGO_BIN_EXE_sealserve"))
    }

    /// Runs the built binary.
    pub fn run<I: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> Output {
        self.sealserve().args(arguments).output().unwrap()
    }

    /// Runs the built binary, which must succeed, and returns its stdout.
    pub fn ok<I: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs the built binary, which must exit with `code`, and returns its stderr.
    pub fn fails<I: AsRef<std::ffi::OsStr>>(
        &self,
        code: i32,
        arguments: impl IntoIterator<Item = I>,
    ) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{}{}", text(&output.stdout), text(&output.stderr));
        assert!(!text(&output.stderr).contains("panicked"), "{}", text(&output.stderr));
        text(&output.stderr)
    }

    /// Runs a `serve` that must end by itself; one that goes on is killed.
    pub fn serve_in_vain(&self, arguments: &[&str]) -> Output {
        let patience = PATIENCE.as_secs().to_string();
        self.program("timeout")
            .args(["-s", "KILL", &patience, env!("CARGO_BIN_EXE_sealserve"), "serve"])
            .args(arguments)
            .env("ORT_DYLIB_PATH", onnxruntime())
            .output()
            .unwrap()
    }

    /// Makes a home whose configuration has `more` at its end.
    pub fn init(&self, more: &str) {
        self.ok(["init"]);
        let path = self.home().join("sealserve.toml");
        let mut config = fs::read_to_string(&path).unwrap();
        // CI machines may have swap; that refusal has a test of its own.
        config = format!("allow_swap = true\n{config}\n{more}");
        if !more.contains("[signing]") {
            // What judges signatures is ready only seconds after its start.
            config.push_str("\n[signing]\nmode = \"off\"\n");
        }
        fs::write(path, config).unwrap();
    }

    /// Makes a home that serves `testdata/digits.onnx`, encrypted.
    pub fn init_with_digits(&self, more: &str) {
        self.init(&format!("{more}\n[[model]]\nname = \"digits\"\npath = \"models/digits.sealed\"\n"));
        self.encrypt(&testdata("digits.onnx"), "digits");
    }

    /// Encrypts a model into the home under `name`.
    pub fn encrypt(&self, model: &Path, name: &str) {
        let output = self.home().join(format!("models/{name}.sealed"));
        let arguments: [&std::ffi::OsStr; 7] = [
            "model".as_ref(),
            "encrypt".as_ref(),
            model.as_ref(),
            "--name".as_ref(),
            name.as_ref(),
            "-o".as_ref(),
            output.as_ref(),
        ];
        self.ok(arguments);
    }

    /// Mints a token and returns it.
    pub fn mint(&self, subject: &str, scope: &str) -> String {
        self.ok(["token", "mint", "--subject", subject, "--scope", scope, "-o", "-"]).trim().to_owned()
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running server; dropped, it is killed.
pub struct Server {
    child: Child,
    pub url: String,
    pub log: PathBuf,
}

impl Server {
    /// Starts `serve` with `arguments` on a free port, and waits until it is ready.
    pub fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let mut command = sandbox.sealserve();
        command.arg("serve").args(arguments);
        Self::spawn(sandbox, command)
    }

    /// Starts `command`, which is a `serve`, perhaps under another program.
    pub fn spawn(sandbox: &Sandbox, command: Command) -> Self {
        Self::spawn_within(PATIENCE, sandbox, command)
    }

    /// The same, for one that has much to load.
    pub fn spawn_within(patience: Duration, sandbox: &Sandbox, command: Command) -> Self {
        let (mut server, ready) = Self::launch(sandbox, command);
        server.wait(patience, "not ready", || ready.exists());
        let ready: serde_json::Value = serde_json::from_slice(&fs::read(ready).unwrap()).unwrap();
        ready["url"].as_str().unwrap().clone_into(&mut server.url);
        server
    }

    /// Starts `serve` and returns as soon as it takes connections, with the file that
    /// will say that it is ready.
    pub fn listening(sandbox: &Sandbox) -> (Self, PathBuf) {
        let mut command = sandbox.sealserve();
        command.arg("serve");
        let (mut server, ready) = Self::launch(sandbox, command);
        let log = server.log.clone();
        let url =
            || Some(fs::read_to_string(&log).ok()?.split_once("listening url=")?.1.lines().next()?.into());
        server.wait(PATIENCE, "does not listen", || url().is_some());
        server.url = url().unwrap();
        (server, ready)
    }

    fn launch(sandbox: &Sandbox, mut command: Command) -> (Self, PathBuf) {
        static SERIAL: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let serial = SERIAL.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (ready, log) = (sandbox.path(&format!("ready-{serial}")), sandbox.path(&format!("log-{serial}")));
        // Who names a library may be on a machine that can fetch no other.
        if !command.get_args().any(|argument| argument == "--runtime") {
            command.env("ORT_DYLIB_PATH", onnxruntime());
        }
        command
            .args(["--listen", "127.0.0.1:0", "--ready-file"])
            .arg(&ready)
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap());
        (Self { child: command.spawn().unwrap(), url: String::new(), log }, ready)
    }

    /// Waits until `holds` does, while the server runs.
    fn wait(&mut self, patience: Duration, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + patience;
        while !holds() {
            let log = || fs::read_to_string(&self.log).unwrap();
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended with {status}: {}", log());
            }
            assert!(Instant::now() < deadline, "{what}: {}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends SIGKILL and waits for the end.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        self.url.strip_prefix("https://").unwrap()
    }

    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Sends SIGTERM and waits for the end.
    pub fn stop(mut self) -> std::process::ExitStatus {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
        let status = self.child.wait().unwrap();
        if !status.success() {
            eprintln!("the server ended with {status}: {}", fs::read_to_string(&self.log).unwrap());
        }
        status
    }

    /// Waits for the end of a server that was told to end.
    pub fn ended(mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", text(&self.body)))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// Asks with curl, trusting the sandbox's CA; `arguments` may hold anything that curl takes.
pub fn curl<I: AsRef<std::ffi::OsStr>>(sandbox: &Sandbox, arguments: impl IntoIterator<Item = I>) -> Answer {
    let (headers, body) = (tempfile::NamedTempFile::new().unwrap(), tempfile::NamedTempFile::new().unwrap());
    let output = sandbox
        .program("curl")
        .args(["-q", "-sS", "--max-time", "60", "--cacert"])
        .arg(sandbox.home().join("pki/ca.pem"))
        .arg("-D")
        .arg(headers.path())
        .arg("-o")
        .arg(body.path())
        .args(["-w", "%{http_code}"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "curl: {}", text(&output.stderr));
    let lines = fs::read_to_string(headers.path()).unwrap();
    let pair = |line: &str| line.split_once(':').map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()));
    Answer {
        status: text(&output.stdout).parse().unwrap(),
        headers: lines.lines().filter_map(pair).collect(),
        body: fs::read(body.path()).unwrap(),
    }
}

/// Sends `body` to `model`'s infer route with `token`.
pub fn infer(sandbox: &Sandbox, server: &Server, model: &str, token: &str, body: &str) -> Answer {
    let path = sandbox.write("request.json", body);
    curl(
        sandbox,
        [
            "-H".to_owned(),
            format!("Authorization: Bearer {token}"),
            "--data-binary".into(),
            format!("@{}", path.display()),
            format!("{}/v2/models/{model}/infer", server.url),
        ],
    )
}

/// A directory below `target/tmp` that `make` fills once, for all tests and runs.
pub fn once(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(base).unwrap();
    let lock = File::create(base.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let (path, done) = (base.join(name), base.join(format!("{name}.done")));
    if !done.exists() {
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        make(&path);
        File::create(done).unwrap().write_all(b"").unwrap();
    }
    path
}

/// The pinned ONNX Runtime, installed by the built binary.
pub fn onnxruntime() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let home = once("onnxruntime", |path| {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
            let install = Command::new(env!("CARGO_BIN_EXE_sealserve"))
                .args(["--home", path.to_str().unwrap(), "runtime", "install"])
                .output()
                .unwrap();
            assert!(install.status.success(), "{}", text(&install.stderr));
        });
        let found = fs::read_dir(home.join("runtime")).unwrap().flatten().find_map(|entry| {
            let inside = fs::read_dir(entry.path()).ok()?;
            inside.flatten().map(|e| e.path()).find(|p| p.to_string_lossy().contains("libonnxruntime.so"))
        });
        found.expect("an installed library")
    })
    .clone()
}

/// A Python interpreter that has the packages of `tests/peers/requirements.txt`.
pub fn python() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| python_with(&repository().join("tests/peers/requirements.txt"))).clone()
}

/// A Python interpreter that has KServe's client.
pub fn python_with_kserve() -> PathBuf {
    let requirements = repository().join("tests/peers/requirements-kserve.txt");
    python_in(&requirements, &["--no-deps"])
}

/// A Python interpreter that has the packages of `requirements`.
pub fn python_with(requirements: &Path) -> PathBuf {
    python_in(requirements, &[])
}

/// The same, installed with these options of pip's.
fn python_in(requirements: &Path, options: &[&str]) -> PathBuf {
    // Another list of packages needs another environment.
    let hash = fs::read(requirements)
        .unwrap()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    let venv = once(&format!("venv-{hash:016x}"), |path| {
        let make = Command::new("python3").args(["-m", "venv"]).arg(path).output().unwrap();
        assert!(make.status.success(), "{}", text(&make.stderr));
        let install = Command::new(path.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--only-binary=:all:"])
            .args(options)
            .arg("-r")
            .arg(requirements)
            .output()
            .unwrap();
        assert!(install.status.success(), "{}", text(&install.stderr));
    });
    venv.join("bin/python")
}

/// Runs a script of `tests/peers`, which must succeed, and returns its JSON document.
pub fn peer<I: AsRef<std::ffi::OsStr>>(
    sandbox: &Sandbox,
    script: &str,
    arguments: impl IntoIterator<Item = I>,
) -> serde_json::Value {
    peer_of(&python(), sandbox, script, arguments)
}

/// The same with another Python.
pub fn peer_of<I: AsRef<std::ffi::OsStr>>(
    python: &Path,
    sandbox: &Sandbox,
    script: &str,
    arguments: impl IntoIterator<Item = I>,
) -> serde_json::Value {
    let output = sandbox
        .program(python)
        .arg(repository().join("tests/peers").join(script))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}: {}{}", text(&output.stdout), text(&output.stderr));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{script}: {e}: {}", text(&output.stdout)))
}

/// Waits until `holds` does.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The keyring generation that the server says it obeys.
pub fn generation(sandbox: &Sandbox) -> u64 {
    let status = sandbox.ok(["status", "--format", "json"]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    status["keyring"]["generation"].as_u64().unwrap()
}
