//! Models of several files, and payloads in a file of their own, by the built
//! binary: encrypted, inspected, restored, served.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{Answer, Sandbox, Server, infer, repository, testdata, text};

/// Runs `testdata/external.py`.
fn external(arguments: &[&str]) {
    let output = Command::new("python3")
        .arg(repository().join("testdata/external.py"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// A directory with `digits.onnx`, its weights in `location`, and a text.
fn whole(sandbox: &Sandbox, location: &str) -> PathBuf {
    let directory = sandbox.path("digits");
    fs::create_dir(&directory).unwrap();
    external(&["split", testdata("digits.onnx").to_str().unwrap(), directory.to_str().unwrap(), location]);
    sandbox.write("digits/notes/README.txt", "what this is\n");
    directory
}

fn at(sandbox: &Sandbox, name: &str) -> String {
    sandbox.path(name).to_str().unwrap().to_owned()
}

/// A sandbox with a key file.
fn with_key() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ok(["key", "create", "--use", "model", "--out", &at(&sandbox, "key")]);
    sandbox
}

/// Arguments of a `model` verb, with the key.
fn model(sandbox: &Sandbox, arguments: &[&str]) -> Vec<String> {
    let key = ["--key-file".to_owned(), at(sandbox, "key")];
    ["model"].iter().chain(arguments).map(|a| (*a).to_owned()).chain(key).collect()
}

/// Every file below `directory`, by its path there.
fn tree(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn request() -> String {
    fs::read_to_string(testdata("digits-request.json")).unwrap()
}

fn outputs(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", text(&answer.body));
    answer.json()["outputs"].clone()
}

#[test]
fn a_directory_comes_back_as_it_was() {
    let sandbox = with_key();
    let directory = whole(&sandbox, "weights/w.bin");
    sandbox.write("digits/.git/config", "not a part of the model");
    let said = sandbox.run(model(&sandbox, &["encrypt", &at(&sandbox, "digits/"), "--format", "json"]));
    assert!(said.status.success(), "{}", text(&said.stderr));
    let document: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(document["files"], 3);
    let sealed = at(&sandbox, "digits.sealed");
    assert!(Path::new(&sealed).is_file());

    sandbox.ok(model(&sandbox, &["decrypt", &sealed, "-o", &at(&sandbox, "back")]));
    fs::remove_dir_all(directory.join(".git")).unwrap();
    assert_eq!(tree(&sandbox.path("back")), tree(&directory));
    for (path, mode) in [("back", 0o700), ("back/weights", 0o700), ("back/weights/w.bin", 0o600)] {
        assert_eq!(sandbox.path(path).metadata().unwrap().mode() & 0o777, mode, "{path}");
    }
    // Never over something that is there.
    let refused = sandbox.fails(1, model(&sandbox, &["decrypt", &sealed, "-o", &at(&sandbox, "back")]));
    assert!(refused.contains("exists already"), "{refused}");
    sandbox.fails(1, model(&sandbox, &["decrypt", &sealed, "-o", &at(&sandbox, "back"), "--force"]));
    assert_eq!(tree(&sandbox.path("back")), tree(&directory));
}

#[test]
fn the_plaintext_is_the_same_tar_every_time() {
    let sandbox = with_key();
    whole(&sandbox, "w.bin");
    let tar = |name: &str| {
        let out = at(&sandbox, name);
        sandbox.ok(model(&sandbox, &["encrypt", &at(&sandbox, "digits"), "-o", &out]));
        let output = sandbox.run(model(&sandbox, &["decrypt", &out, "-o", "-"]));
        assert!(output.status.success());
        output.stdout
    };
    let first = tar("a.sealed");
    assert_eq!(first, tar("b.sealed"));
    let path = sandbox.write("a.tar", &first);
    let listed = Command::new("tar").arg("tf").arg(path).output().unwrap();
    assert_eq!(text(&listed.stdout), "digits.onnx\nnotes/README.txt\nw.bin\n.sealserve-manifest.json\n");
}

#[test]
fn inspect_and_verify_show_the_members() {
    let sandbox = with_key();
    let directory = whole(&sandbox, "w.bin");
    let sealed = at(&sandbox, "digits.sealed");
    sandbox.ok(model(&sandbox, &["encrypt", directory.to_str().unwrap()]));
    for verb in ["inspect", "verify"] {
        let document: Value =
            serde_json::from_str(&sandbox.ok(model(&sandbox, &[verb, &sealed, "--format", "json"]))).unwrap();
        let archive = &document["archive"];
        assert_eq!(archive["model"], "digits.onnx", "{verb}");
        let sizes: BTreeMap<_, _> = archive["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|member| (member["name"].as_str().unwrap().to_owned(), member["size"].as_u64().unwrap()))
            .collect();
        let expected = tree(&directory).into_iter().map(|(name, bytes)| (name, bytes.len() as u64));
        assert_eq!(sizes, expected.collect(), "{verb}");
        assert!(sandbox.ok(model(&sandbox, &[verb, &sealed])).contains("model file  digits.onnx"), "{verb}");
    }
    // Without a key it says what it can.
    assert!(!sandbox.ok(["model", "inspect", &sealed]).contains("digits.onnx"));
}

#[test]
fn a_model_takes_the_files_that_it_names_and_no_others() {
    let sandbox = with_key();
    let directory = whole(&sandbox, "deep/er/w.bin");
    let onnx = directory.join("digits.onnx");
    sandbox.ok(model(&sandbox, &["encrypt", onnx.to_str().unwrap(), "-o", &at(&sandbox, "d.sealed")]));
    sandbox.ok(model(&sandbox, &["decrypt", &at(&sandbox, "d.sealed"), "-o", &at(&sandbox, "back")]));
    let found: Vec<_> = tree(&sandbox.path("back")).into_keys().collect();
    assert_eq!(found, ["deep/er/w.bin", "digits.onnx"]);

    // One that names none stays one file.
    let plain = testdata("digits.onnx");
    sandbox.ok(model(&sandbox, &["encrypt", plain.to_str().unwrap(), "-o", &at(&sandbox, "p.sealed")]));
    sandbox.ok(model(&sandbox, &["decrypt", &at(&sandbox, "p.sealed"), "-o", &at(&sandbox, "p.onnx")]));
    assert_eq!(fs::read(sandbox.path("p.onnx")).unwrap(), fs::read(plain).unwrap());
}

#[test]
fn weights_that_are_not_there_are_said_when_encrypting() {
    let sandbox = with_key();
    let directory = whole(&sandbox, "w.bin");
    let (onnx, weights) = (at(&sandbox, "digits/digits.onnx"), directory.join("w.bin"));
    let out = at(&sandbox, "out.sealed");
    let refused = |input: &str, what: &str| {
        let said = sandbox.fails(1, model(&sandbox, &["encrypt", input, "-o", &out]));
        assert!(said.contains(what) && said.contains("hint:"), "{said}");
        assert!(!Path::new(&out).exists());
    };
    let both =
        |what: &str| [onnx.as_str(), directory.to_str().unwrap()].iter().for_each(|i| refused(i, what));

    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[1..]).unwrap();
    both("but the tensor ends at");
    fs::remove_file(&weights).unwrap();
    both("which is not there");
    // A link may lead anywhere.
    let elsewhere = sandbox.write("elsewhere.bin", &bytes);
    symlink(elsewhere, &weights).unwrap();
    both("symbolic link");
    fs::remove_file(&weights).unwrap();
    // The model itself as a link: its weights may be beside that, or beside what it leads to.
    sandbox.write("linked/w.bin", &bytes);
    symlink(&onnx, sandbox.path("linked/digits.onnx")).unwrap();
    refused(&at(&sandbox, "linked/digits.onnx"), "linked/digits.onnx' is a symbolic link");
    // Outside of its directory.
    for name in ["models/external.onnx", "models/external-subgraph.onnx"] {
        let path = sandbox.path("outside/model.onnx");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(testdata(name), &path).unwrap();
        sandbox.write("secret.bin", [0; 64]);
        refused(path.to_str().unwrap(), "leads out");
        refused(&at(&sandbox, "outside"), "leads out");
    }
}

#[test]
fn which_onnx_file_is_the_model_follows_a_rule() {
    let sandbox = with_key();
    let directory = at(&sandbox, "several");
    let digits = fs::read(testdata("digits.onnx")).unwrap();
    let encrypt = |more: &[&str]| {
        let out = at(&sandbox, "several.sealed");
        let arguments: Vec<&str> =
            ["encrypt", &directory, "-o", &out, "--force"].iter().chain(more).copied().collect();
        sandbox.run(model(&sandbox, &arguments))
    };
    let chosen = |more: &[&str]| {
        let output = encrypt(more);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let arguments = ["inspect", &at(&sandbox, "several.sealed"), "--format", "json"];
        let document: Value = serde_json::from_str(&sandbox.ok(model(&sandbox, &arguments))).unwrap();
        document["archive"]["model"].as_str().unwrap().to_owned()
    };
    sandbox.write("several/config.json", "{}");
    assert!(text(&encrypt(&[]).stderr).contains("no ONNX file"));
    sandbox.write("several/a/encoder.onnx", &digits);
    assert_eq!(chosen(&[]), "a/encoder.onnx");
    sandbox.write("several/decoder.onnx", &digits);
    let undecided = encrypt(&[]);
    assert_eq!(undecided.status.code(), Some(2));
    assert!(text(&undecided.stderr).contains("--model-file"), "{}", text(&undecided.stderr));
    assert_eq!(chosen(&["--model-file", "decoder.onnx"]), "decoder.onnx");
    assert_eq!(encrypt(&["--model-file", "no.onnx"]).status.code(), Some(2));
    sandbox.write("several/model.onnx", &digits);
    assert_eq!(chosen(&[]), "model.onnx");
}

#[test]
fn nothing_is_left_of_an_archive_that_fails() {
    let sandbox = with_key();
    let directory = whole(&sandbox, "w.bin");
    // Long enough that files are restored before the damage is met.
    sandbox.write("digits/z.bin", vec![5; 3 << 20]);
    let sealed = at(&sandbox, "digits.sealed");
    sandbox.ok(model(&sandbox, &["encrypt", directory.to_str().unwrap()]));
    let good = fs::read(&sealed).unwrap();
    fs::create_dir(sandbox.path("out")).unwrap();
    let mut flipped = good.clone();
    let end = flipped.len() - 20_000;
    flipped[end] ^= 1;
    for (what, bytes) in [("flipped", flipped), ("cut", good[..good.len() - 30_000].to_vec())] {
        fs::write(&sealed, bytes).unwrap();
        sandbox.fails(1, model(&sandbox, &["decrypt", &sealed, "-o", &at(&sandbox, "out/back")]));
        assert_eq!(names(&sandbox.path("out")), [""; 0], "{what}");
        sandbox.fails(3, model(&sandbox, &["verify", &sealed]));
    }
}

#[test]
fn an_archive_of_another_form_is_authentic_and_refused_all_the_same() {
    let sandbox = with_key();
    whole(&sandbox, "w.bin");
    // What GNU tar makes has owners, modes and times.
    let tar =
        Command::new("tar").current_dir(sandbox.path("digits")).args(["cf", "../other.tar", "."]).status();
    assert!(tar.unwrap().success());
    let (input, sealed) = (at(&sandbox, "other.tar"), at(&sandbox, "other.sealed"));
    let said = sandbox.fails(2, model(&sandbox, &["encrypt", &input, "--media-type", "application/x-tar"]));
    assert!(said.contains("directory"), "{said}");
    // Another writer of the format could all the same.
    sandbox.ok(model(&sandbox, &["encrypt", &input, "--media-type", "application/x-tas", "-o", &sealed]));
    sandbox.ok(model(&sandbox, &["verify", &sealed]));
}

#[test]
fn weights_outside_give_the_answers_of_weights_inside() {
    let sandbox = Sandbox::new();
    let config = "[[model]]\nname = \"outside\"\npath = \"models/outside.sealed\"\nsessions = 3\n";
    sandbox.init_with_digits(config);
    whole(&sandbox, "sub/w.bin");
    sandbox.encrypt(&sandbox.path("digits"), "outside");
    let server = Server::start(&sandbox, &[]);
    let token = sandbox.mint("t", "model:*:*");
    for row in fs::read_to_string(testdata("digits-heldout.csv")).unwrap().lines().skip(1).step_by(12) {
        let pixels = row.rsplit_once(',').unwrap().0;
        let body = format!(
            r#"{{"inputs":[{{"name":"pixels","shape":[1,64],"datatype":"FP32","data":[{pixels}]}}]}}"#
        );
        let [inside, outside] =
            ["digits", "outside"].map(|name| outputs(&infer(&sandbox, &server, name, &token, &body)));
        assert_eq!(inside, outside);
    }
}

#[test]
fn the_development_server_takes_a_model_with_its_files() {
    let sandbox = Sandbox::new();
    let directory = whole(&sandbox, "w.bin");
    let onnx = directory.join("digits.onnx");
    let server = Server::start(&sandbox, &["--dev", onnx.to_str().unwrap()]);
    let home = sandbox.home().join("dev");
    let mut curl = sandbox.program("curl");
    curl.arg("-sS").arg("-K").arg(home.join("curlrc")).arg("--data-binary").arg(request());
    let answer = curl.arg(format!("{}/v2/models/digits/infer", server.url)).output().unwrap();
    let answer: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(answer["outputs"][1]["data"][0], 2, "{answer}");
}

#[test]
fn a_detached_payload_belongs_to_its_header() {
    let sandbox = with_key();
    let plain = testdata("digits.onnx");
    let seal = |name: &str| {
        let [header, payload] = ["header", "payload"].map(|end| at(&sandbox, &format!("{name}.{end}")));
        let arguments = ["encrypt", plain.to_str().unwrap(), "-o", &header, "--detached", &payload];
        sandbox.ok(model(&sandbox, &arguments));
        (header, payload)
    };
    let (header, payload) = seal("a");
    assert_eq!(Path::new(&header).metadata().unwrap().len(), 4096 + 2 * 8192);
    let back = at(&sandbox, "back.onnx");
    let decrypt = |header: &str, payload: &str| {
        sandbox.run(model(&sandbox, &["decrypt", header, "--payload", payload, "-o", &back, "--force"]))
    };
    assert!(decrypt(&header, &payload).status.success());
    assert_eq!(fs::read(&back).unwrap(), fs::read(&plain).unwrap());
    fs::remove_file(&back).unwrap();
    sandbox.ok(model(&sandbox, &["verify", &header, "--payload", &payload]));
    let told: Value =
        serde_json::from_str(&sandbox.ok(model(&sandbox, &["inspect", &header, "--format", "json"])))
            .unwrap();
    assert_eq!(told["detached"], true);

    // The payload of another file, under the very same key.
    let (other_header, other_payload) = seal("b");
    for (header, payload) in [(&header, &other_payload), (&other_header, &payload)] {
        let output = decrypt(header, payload);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("does not belong to its data key"), "{}", text(&output.stderr));
        sandbox.fails(3, model(&sandbox, &["verify", header, "--payload", payload]));
    }
    // Damage of each file, and files that do not fit together.
    let refused = |header: &str, payload: &str, code: i32, what: &str| {
        let output = decrypt(header, payload);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(what), "{what}: {}", text(&output.stderr));
    };
    let (head, body) = (fs::read(&header).unwrap(), fs::read(&payload).unwrap());
    let cut = sandbox.write("cut", &body[..body.len() - 1]);
    refused(&header, cut.to_str().unwrap(), 1, "cut short");
    let longer = sandbox.write("longer", [&body[..], b"x"].concat());
    refused(&header, longer.to_str().unwrap(), 1, "longer than it was made");
    let mut flipped = body.clone();
    flipped[20_000] ^= 1;
    let flipped = sandbox.write("flipped", flipped);
    refused(&header, flipped.to_str().unwrap(), 1, "chunk 1");
    let joined = sandbox.write("joined", [&head[..], &body].concat());
    refused(joined.to_str().unwrap(), &payload, 1, "goes on after its header");
    let needs = sandbox.fails(2, model(&sandbox, &["decrypt", &header, "-o", &back]));
    assert!(needs.contains("--payload"), "{needs}");
    let whole = at(&sandbox, "whole.sealed");
    sandbox.ok(model(&sandbox, &["encrypt", plain.to_str().unwrap(), "-o", &whole]));
    refused(&whole, &payload, 2, "holds its payload itself");
    assert!(!Path::new(&back).exists());
    // A header whose flag was taken away is no longer the one that was made.
    let mut bent = head;
    bent[15] = 0;
    bent[36..40].copy_from_slice(&(4096_u32 + 2 * 8192).to_be_bytes());
    let bent = sandbox.write("bent", [&bent[..], &body].concat());
    sandbox.fails(1, model(&sandbox, &["decrypt", bent.to_str().unwrap(), "-o", &back]));
}

#[test]
fn a_detached_model_is_served() {
    let sandbox = Sandbox::new();
    sandbox.init("[[model]]\nname = \"digits\"\npath = \"models/digits.sealed\"\npayload = \"models/digits.payload\"\n");
    whole(&sandbox, "w.bin");
    let models = sandbox.home().join("models");
    let encrypt = |header: &str, payload: &str| {
        let [header, payload] = [header, payload].map(|name| models.join(name).to_str().unwrap().to_owned());
        let input = at(&sandbox, "digits");
        sandbox.ok(["model", "encrypt", &input, "-o", &header, "--detached", &payload]);
    };
    encrypt("digits.sealed", "digits.payload");
    let server = Server::start(&sandbox, &[]);
    let token = sandbox.mint("t", "model:*:*");
    let answer = infer(&sandbox, &server, "digits", &token, &request());
    assert_eq!(outputs(&answer)[1]["data"][0], 2);
    drop(server);
    // A swapped payload is not.
    encrypt("other.sealed", "other.payload");
    fs::rename(models.join("other.payload"), models.join("digits.payload")).unwrap();
    let output = sandbox.serve_in_vain(&["--listen", "127.0.0.1:0"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("does not belong"), "{}", text(&output.stderr));
}

/// Steady and peak memory of a server, in MiB, whose model has `mib` MiB of weights
/// in a file of their own.
fn memory_of(mib: u32) -> (f64, f64) {
    let sandbox = Sandbox::new();
    sandbox.init("[[model]]\nname = \"mlp\"\npath = \"models/mlp.sealed\"\n");
    let directory = sandbox.path("mlp");
    external(&["mlp", directory.to_str().unwrap(), &mib.to_string()]);
    sandbox.encrypt(&directory, "mlp");
    fs::remove_dir_all(directory).unwrap();
    let server = Server::start(&sandbox, &[]);
    let token = sandbox.mint("t", "model:*:*");
    let ones = vec!["1"; 1024].join(",");
    let body = format!(r#"{{"inputs":[{{"name":"x","shape":[1,1024],"datatype":"FP32","data":[{ones}]}}]}}"#);
    for _ in 0..3 {
        assert_eq!(infer(&sandbox, &server, "mlp", &token, &body).status, 200);
    }
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<f64>().unwrap() / 1024.0
    };
    (field("VmRSS"), field("VmHWM"))
}

#[test]
#[ignore = "needs half a GiB of memory and a minute"]
fn weights_are_in_memory_once() {
    let ((small, _), (steady, peak)) = (memory_of(4), memory_of(132));
    assert!(steady - small < 1.10 * 128.0, "{small} MiB with 4 MiB of weights, {steady} MiB with 132");
    // One copy of ours, which is wiped, and what ONNX Runtime makes of it.
    assert!(peak - small < 3.2 * 128.0, "{small} MiB with 4 MiB of weights, at most {peak} MiB with 132");
}

#[test]
fn external_data_that_is_no_member_is_refused_when_served_too() {
    let sandbox = Sandbox::new();
    sandbox.init("[[model]]\nname = \"m\"\npath = \"models/m.sealed\"\n");
    sandbox.write("cwd/secret.bin", [0x42; 64]);
    let sealed = sandbox.home().join("models/m.sealed");
    for (name, message) in [
        ("models/external.onnx", "which is no member"),
        ("models/external-cwd.onnx", "which is no member"),
        ("models/external-subgraph.onnx", "which is no member"),
        ("models/external-memory.onnx", "address in memory"),
    ] {
        // From standard input nothing is known of other files.
        let mut encrypt = sandbox.sealserve();
        encrypt.args(["model", "encrypt", "--name", "m", "--force", "-o"]).arg(&sealed).arg("-");
        let encrypted = encrypt.stdin(fs::File::open(testdata(name)).unwrap()).output().unwrap();
        assert!(encrypted.status.success(), "{}", text(&encrypted.stderr));
        let output = sandbox.serve_in_vain(&["--check"]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(text(&output.stderr).contains(message), "{name}: {}", text(&output.stderr));
    }
}
