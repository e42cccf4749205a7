//! Who made a model: signing, verifying, and what a server takes, by the built
//! binary.

mod support;

use std::fs;

use serde_json::Value;
use support::{Sandbox, Server, infer, testdata, text};

const GOOD: &str = include_str!("../testdata/digits-request.json");
const SERVED: &str = "[[model]]\nname = \"digits\"\npath = \"models/digits.sealed\"\n";

fn json(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let all: Vec<&str> = arguments.iter().copied().chain(["--format", "json"]).collect();
    serde_json::from_str(&sandbox.ok(all)).unwrap()
}

fn path(sandbox: &Sandbox, name: &str) -> String {
    sandbox.path(name).to_str().unwrap().to_owned()
}

/// A home that serves digits, with `top` at the beginning of its configuration,
/// `model` in the model's table, and signers `release` and `other`.
fn home(top: &str, model: &str) -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    sandbox.init(&format!("{SERVED}{model}"));
    sandbox.encrypt(&testdata("digits.onnx"), "digits");
    for id in ["release", "other"] {
        sandbox.ok(["key", "create", "--use", "signer", "--id", id]);
        let public = sandbox.home().join(format!("pki/{id}.pem"));
        sandbox.ok(["key", "public", "--signer", id, "-o", public.to_str().unwrap()]);
    }
    let file = sandbox.home().join("sealserve.toml");
    let config = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{top}\n{config}")).unwrap();
    let sealed = sandbox.home().join("models/digits.sealed").to_str().unwrap().to_owned();
    (sandbox, sealed)
}

/// What `serve` says when it does not start.
fn refused(sandbox: &Sandbox) -> String {
    let output = sandbox.serve_in_vain(&["--check"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

fn accepted(sandbox: &Sandbox) {
    let output = sandbox.serve_in_vain(&["--check"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

const REQUIRED: &str = "require_signature = true\ntrusted_signers = [\"pki/release.pem\"]";

#[test]
fn a_server_that_requires_a_signature_serves_a_signed_model_and_no_other() {
    let (sandbox, sealed) = home(REQUIRED, "");
    assert!(refused(&sandbox).contains("nobody has signed it"));
    sandbox.ok(["model", "sign", &sealed, "--signer", "other"]);
    assert!(refused(&sandbox).contains("no trusted signer has signed it"));
    sandbox.ok(["model", "sign", &sealed, "--signer", "release"]);
    let server = Server::start(&sandbox, &[]);
    let token = sandbox.mint("ann", "model:digits:infer");
    assert_eq!(infer(&sandbox, &server, "digits", &token, GOOD).status, 200);
    drop(server);
    // Encrypted anew by who holds the model key: not signed any more.
    fs::remove_file(&sealed).unwrap();
    sandbox.encrypt(&testdata("digits.onnx"), "digits");
    assert!(refused(&sandbox).contains("nobody has signed it"));
}

#[test]
fn a_models_own_signers_count_instead_of_those_of_all() {
    let own = "require_signature = true\ntrusted_signers = [\"pki/other.pem\"]\n";
    let (sandbox, sealed) = home("trusted_signers = [\"pki/release.pem\"]", own);
    sandbox.ok(["model", "sign", &sealed, "--signer", "release"]);
    assert!(refused(&sandbox).contains("no trusted signer has signed it"));
    sandbox.ok(["model", "sign", &sealed, "--signer", "other"]);
    accepted(&sandbox);
}

#[test]
fn a_revoked_signer_vouches_for_nothing() {
    let (sandbox, sealed) = home(REQUIRED, "");
    sandbox.ok(["model", "sign", &sealed, "--signer", "release"]);
    let public = sandbox.home().join("pki/release.pem").to_str().unwrap().to_owned();
    let verify = ["model", "verify", &sealed, "--trusted-signer", &public];
    accepted(&sandbox);
    sandbox.ok(verify);
    // Rotated, the old key is still good for what it signed.
    sandbox.ok(["key", "rotate", "--use", "signer", "--id", "release"]);
    accepted(&sandbox);
    sandbox.ok(verify);
    sandbox.ok(["key", "revoke", "release"]);
    let said = refused(&sandbox);
    assert!(
        said.contains("not trusted any more") && said.contains("no trusted signer has signed it"),
        "{said}"
    );
    assert!(sandbox.fails(3, verify).contains("every trusted signer's key is revoked"));
    let said = sandbox.fails(1, ["model", "sign", &sealed, "--signer", "release"]);
    assert!(said.contains("key 'release' is revoked"), "{said}");
}

/// Whatever opens the file: the home is looked at where there is one.
#[test]
fn a_revoked_signer_vouches_for_nothing_with_a_key_file_either() {
    let (sandbox, _) = home("", "");
    sandbox.ok(["key", "create", "--use", "model", "--out", "key"]);
    let digits = testdata("digits.onnx");
    let sealed = ["model", "encrypt", digits.to_str().unwrap(), "-o", "s.sealed", "--key-file", "key"];
    sandbox.ok([&sealed[..], &["--signer", "release"]].concat());
    let (release, other) = (path(&sandbox, "home/pki/release.pem"), path(&sandbox, "home/pki/other.pem"));
    let verify = ["model", "verify", "s.sealed", "--key-file", "key", "--trusted-signer", &release];
    sandbox.ok(verify);
    sandbox.ok(["key", "revoke", "release", "--compromised"]);
    assert!(sandbox.fails(3, verify).contains("every trusted signer's key is revoked"));
    let said = sandbox.fails(3, [&verify[..], &["--trusted-signer", &other]].concat());
    assert!(
        said.contains("is not trusted any more") && said.contains("no trusted signer has signed it"),
        "{said}"
    );
    // A partner has no home, or one that does not open; he is told what was not looked at.
    let warning = "not known whether a trusted signer's key is revoked";
    for (place, warned) in [(["--home", "nowhere"], false), (["--root-key", "absent"], true)] {
        let output = sandbox.run([&place[..], &verify].concat());
        let said = text(&output.stderr);
        assert!(output.status.success() && said.contains(warning) == warned, "{said}");
        assert!(text(&output.stdout).contains("signed by "), "{}", text(&output.stdout));
    }
    // And who asks for no signer is told nothing.
    let unsigned = sandbox.run([&["--root-key", "absent"], &verify[..5]].concat());
    assert!(unsigned.status.success() && !text(&unsigned.stderr).contains(warning));
    // Where the keys are the home's, it must open.
    sandbox.fails(4, ["--root-key", "absent", "model", "verify", "s.sealed", "--trusted-signer", &release]);
}

#[test]
fn a_signature_survives_a_new_header_and_no_new_content() {
    let (sandbox, sealed) = home(REQUIRED, "");
    sandbox.ok(["model", "sign", &sealed, "--signer", "release"]);
    let before = json(&sandbox, &["model", "inspect", &sealed]);
    // Another key, and another signature, is a rewritten header.
    sandbox.ok(["key", "rotate", "--use", "model"]);
    sandbox.ok(["model", "rewrap", &sealed]);
    let rewrapped = json(&sandbox, &["model", "inspect", &sealed]);
    assert_ne!(rewrapped["recipients"], before["recipients"]);
    accepted(&sandbox);
    sandbox.ok(["model", "sign", &sealed, "--signer", "other"]);
    let after = json(&sandbox, &["model", "inspect", &sealed]);
    assert_eq!(after["generation"], rewrapped["generation"].as_u64().unwrap() + 1);
    assert_eq!(after["artifact_id"], before["artifact_id"]);
    assert_eq!(after["signers"].as_array().unwrap().len(), 2);
    accepted(&sandbox);
    let mut bytes = fs::read(&sealed).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&sealed, bytes).unwrap();
    assert!(refused(&sandbox).contains("does not authenticate"));
}

#[test]
fn a_configuration_that_trusts_nobody_is_refused() {
    let (sandbox, _) = home("require_signature = true", "");
    assert!(refused(&sandbox).contains("a signature is required, but trusted_signers is empty"));
    for (contents, why) in
        [("", "holds no public signer key"), ("-----BEGIN PUBLIC KEY-----", "holds no public")]
    {
        let (sandbox, _) = home(REQUIRED, "");
        fs::write(sandbox.home().join("pki/release.pem"), contents).unwrap();
        assert!(refused(&sandbox).contains(why));
    }
    let (sandbox, _) = home(REQUIRED, "");
    fs::remove_file(sandbox.home().join("pki/release.pem")).unwrap();
    assert!(refused(&sandbox).contains("pki/release.pem"));
}

/// A model and keys in files: no home.
struct Files {
    sandbox: Sandbox,
}

impl Files {
    fn new() -> Self {
        let files = Self { sandbox: Sandbox::new() };
        files.sandbox.write("m.onnx", vec![7; 100_000]);
        files.run("key create --use model --out {key}");
        for signer in ["ann", "bob"] {
            files.run(&format!("key create --use signer --out {{{signer}}}"));
            files.run(&format!("key public --signer-key {{{signer}}} -o {{{signer}.pem}}"));
        }
        files
    }

    fn words(&self, line: &str) -> Vec<String> {
        let word = |word: &str| match word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
            Some(name) => path(&self.sandbox, name),
            None => word.to_owned(),
        };
        line.split_whitespace().map(word).collect()
    }

    fn run(&self, line: &str) -> String {
        self.sandbox.ok(self.words(line))
    }

    fn fails(&self, code: i32, line: &str) -> String {
        self.sandbox.fails(code, self.words(line))
    }
}

#[test]
fn openssl_and_sealserve_read_each_others_signer_keys() {
    let files = Files::new();
    let openssl = |line: &str| {
        let output = files.sandbox.program("openssl").args(files.words(line)).output().unwrap();
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
        output.stdout
    };
    let public = openssl("pkey -in {ann} -pubout");
    assert_eq!(public, fs::read(files.sandbox.path("ann.pem")).unwrap());
    files.sandbox.write_secret("theirs", openssl("genpkey -algorithm ed25519"));
    files.sandbox.write("theirs.pem", openssl("pkey -in {theirs} -pubout"));
    assert_eq!(
        files.run("key public --signer-key {theirs}").as_bytes(),
        openssl("pkey -in {theirs} -pubout")
    );
    files.run("model encrypt {m.onnx} -o {f} --key-file {key} --signer-key {theirs}");
    let said = files.run("model verify {f} --key-file {key} --trusted-signer {theirs.pem} --format json");
    let said: Value = serde_json::from_str(&said).unwrap();
    // The id is the one that the document tells how to get.
    let line = format!(
        "openssl pkey -pubin -in {} -outform DER | sha256sum | head -c 32",
        path(&files.sandbox, "theirs.pem")
    );
    let id = files.sandbox.program("bash").args(["-c", &line]).output().unwrap();
    assert_eq!(said["signed_by"], Value::from(vec![text(&id.stdout)]));
    // Keys of other kinds are no signer keys.
    files.sandbox.write_secret("ec", openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"));
    files.sandbox.write("ec.pem", openssl("pkey -in {ec} -pubout"));
    assert!(
        files.fails(4, "model sign {f} --key-file {key} --signer-key {ec}").contains("holds no signer key")
    );
    let said = files.fails(1, "model verify {f} --key-file {key} --trusted-signer {ec.pem}");
    assert!(said.contains("holds no public signer key"), "{said}");
}

#[test]
fn verify_answers_no_where_no_trusted_signer_signed() {
    let files = Files::new();
    files.run("model encrypt {m.onnx} -o {f} --key-file {key}");
    let verify = "model verify {f} --key-file {key} --trusted-signer";
    assert!(files.fails(3, &format!("{verify} {{ann.pem}}")).contains("nobody has signed it"));
    files.run("model sign {f} --key-file {key} --signer-key {bob}");
    assert!(files.fails(3, &format!("{verify} {{ann.pem}}")).contains("no trusted signer has signed it"));
    files.run(&format!("{verify} {{ann.pem}} --trusted-signer {{bob.pem}}"));
    // From standard input too.
    let mut command = files.sandbox.sealserve();
    command.args(files.words("model verify --key-file {key} --trusted-signer {bob.pem}"));
    let output = command.stdin(fs::File::open(files.sandbox.path("f")).unwrap()).output().unwrap();
    assert!(output.status.success() && text(&output.stdout).contains(", signed by "));
    // And who asks for no signer hears of none.
    assert!(!files.run("model verify {f} --key-file {key}").contains("signed by"));
}

#[test]
fn what_cannot_be_signed_is_left_as_it_was() {
    let files = Files::new();
    files.run("model encrypt {m.onnx} -o {f} --key-file {key}");
    let before = fs::read(files.sandbox.path("f")).unwrap();
    files.run("key create --use model --out {wrong}");
    files.fails(4, "model sign {f} --key-file {wrong} --signer-key {ann}");
    files.fails(2, "model sign {f} --key-file {key} --signer-key {ann} --signer-key {ann}");
    files.fails(2, "model sign - --key-file {key} --signer-key {ann}");
    files.fails(2, "model sign {f} --key-file - --signer-key -");
    files.fails(4, "model sign {f} --key-file {key} --signer-key {key}");
    files.fails(1, "model sign {absent} --key-file {key} --signer-key {ann}");
    files.fails(1, "model sign {m.onnx} --key-file {key} --signer-key {ann}");
    assert!(fs::read(files.sandbox.path("f")).unwrap() == before);
    // Of several, the others are signed all the same.
    files.run("model encrypt {m.onnx} -o {g} --key-file {key}");
    let line = "model sign {absent} {g} {m.onnx} --key-file {key} --signer-key {ann} --format json";
    let output = files.sandbox.run(files.words(line));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!((&said["done"], &said["failed"]), (&1.into(), &2.into()));
    assert!(text(&output.stderr).contains("2 of 3 files could not be signed"));
    files.run("model verify {g} --key-file {key} --trusted-signer {ann.pem}");
    // A stream is not signed while it is written; nothing is made.
    files.fails(2, "model encrypt {m.onnx} -o - --key-file {key} --signer-key {ann}");
    let said = files.fails(4, "model encrypt {m.onnx} -o {new} --key-file {key} --signer-key {key}");
    assert!(said.contains("holds no signer key") && !files.sandbox.path("new").exists(), "{said}");
}

#[test]
fn the_slot_that_counts_is_written_last() {
    let files = Files::new();
    files.run("model encrypt {m.onnx} -o {f} --key-file {key} --signer-key {ann}");
    let before = fs::read(files.sandbox.path("f")).unwrap();
    // Slot B begins after 12 KiB, and nothing may be written there: as slot A counts, B
    // comes first, and nothing is changed at all.
    let line = "trap '' XFSZ; ulimit -f 12; exec \"$@\"";
    let sign = files.words("model sign {f} --key-file {key} --signer-key {bob}");
    let mut command = files.sandbox.program("bash");
    let output =
        command.args(["-c", line, "bash", env!("CARGO_BIN_EXE_sealserve")]).args(&sign).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("File too large"), "{}", text(&output.stderr));
    assert!(fs::read(files.sandbox.path("f")).unwrap() == before);
    // Where B alone is whole, A comes first, and B stays until A is there.
    let mut torn = before.clone();
    torn[5000] ^= 1;
    files.sandbox.write("f", &torn);
    let mut command = files.sandbox.program("bash");
    let output =
        command.args(["-c", line, "bash", env!("CARGO_BIN_EXE_sealserve")]).args(&sign).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let after = fs::read(files.sandbox.path("f")).unwrap();
    assert!(after[12288..] == torn[12288..] && after[4096..12288] != torn[4096..12288]);
    files.run("model decrypt {f} -o {out} --key-file {key}");
    files.run("model sign {f} --key-file {key} --signer-key {bob}");
    files.run("model verify {f} --key-file {key} --trusted-signer {bob.pem} --trusted-signer {ann.pem}");
}

#[test]
fn a_range_is_that_part_of_the_model() {
    let files = Files::new();
    let model: Vec<u8> = (0..100_000_u32).flat_map(u32::to_be_bytes).collect();
    files.sandbox.write("m.onnx", &model);
    files.run("model encrypt {m.onnx} -o {f} --key-file {key}");
    let decrypt = |range: &str| {
        let line = format!("model decrypt {{f}} --key-file {{key}} --range {range}");
        files.sandbox.run(files.words(&line))
    };
    for (range, expected) in [
        ("0-0", &model[..1]),
        ("16380-16390", &model[16380..16391]),
        ("300000-", &model[300_000..]),
        ("-3", &model[model.len() - 3..]),
        ("0-999999999", &model[..]),
    ] {
        let output = decrypt(range);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(output.stdout == expected, "{range}");
    }
    for (range, code) in [("400000-", 2), ("5-4", 2), ("x", 2), ("0:5", 2)] {
        assert_eq!(decrypt(range).status.code(), Some(code), "{range}");
    }
    // Another chunk may be damaged; the one that is read may not.
    let mut bytes = fs::read(files.sandbox.path("f")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    files.sandbox.write("f", bytes);
    assert!(decrypt("0-99").stdout == model[..100]);
    let output = decrypt("-1");
    assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()));
}
