//! What a person, a shell and a script meet: help, messages, documents, exit
//! codes, pipes and terminals. `tests/cmd/*.console` are sessions as they would
//! stand in a terminal; `UPDATE_GOLDEN=1 cargo test --test cli` records them anew.

mod support;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use support::{Sandbox, onnxruntime, repository, text, update_golden};

/// A session: comments and `$ command` lines, each followed by what it said on
/// stdout and stderr, and by its exit code unless that is 0.
fn replay(name: &str) {
    let path = repository().join("tests/cmd").join(name);
    let recorded = fs::read_to_string(&path).unwrap();
    let sandbox = Sandbox::new();
    let mut played = String::new();
    for line in recorded.lines() {
        if line.starts_with('#') {
            writeln!(played, "{line}").unwrap();
        } else if let Some(command) = line.strip_prefix("$ ") {
            let output = shell(&sandbox, &format!("exec 2>&1\n{command}"));
            let code = output.status.code().unwrap();
            let end = if code == 0 { String::new() } else { format!("[exit {code}]\n") };
            writeln!(played, "{line}\n{}{end}", stable(&sandbox, &text(&output.stdout))).unwrap();
        }
    }
    let action =
        if update_golden() { snapbox::assert::Action::Overwrite } else { snapbox::assert::Action::Verify };
    snapbox::Assert::new().action(action).eq(played, snapbox::Data::read_from(&path, None).raw());
}

/// Runs a line of bash that finds the built binary as `sealserve`.
fn shell(sandbox: &Sandbox, line: &str) -> Output {
    command(sandbox, line).output().unwrap()
}

fn command(sandbox: &Sandbox, line: &str) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_sealserve")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut command = sandbox.program("bash");
    command.args(["-c", line]).env("PATH", path);
    command
}

/// Words that differ from run to run, replaced by what they are.
fn stable(sandbox: &Sandbox, said: &str) -> String {
    let mut said = said.replace(sandbox.path("").to_str().unwrap().trim_end_matches('/'), "[SANDBOX]");
    // The id of an API key looks like any word: it is known from the key's file.
    for file in fs::read_dir(sandbox.path("cwd")).unwrap() {
        let key = fs::read(file.unwrap().path()).map(|bytes| text(&bytes)).unwrap_or_default();
        if key.starts_with("ss_") && key.len() > 15 {
            said = said.replace(&key[3..15], "[KEY-ID]");
        }
    }
    let in_word = |c: char| c.is_ascii_alphanumeric() || "-_:.".contains(c);
    let mut out = String::new();
    let mut rest = said.as_str();
    while let Some(start) = rest.find(in_word) {
        let end = rest[start..].find(|c| !in_word(c)).map_or(rest.len(), |end| start + end);
        out += &rest[..start];
        out += kind_of(&rest[start..end]);
        rest = &rest[end..];
    }
    out + rest
}

fn kind_of(word: &str) -> &str {
    let stem = word.trim_end_matches([':', '.']);
    let all = |test: fn(char) -> bool| stem.chars().all(test);
    match stem.len() {
        32 if all(|c| c.is_ascii_hexdigit()) => "[ID]",
        8 if all(|c| matches!(c, '0'..='9' | 'a'..='f')) => "[TAG]",
        19 if stem.starts_with("rk-") => "[REQUEST-KEY]",
        43 if all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) => "[KID]",
        20 if stem.ends_with('Z') && stem.contains('T') && stem.matches(':').count() == 2 => "[TIME]",
        _ => word,
    }
}

#[test]
fn help_of_every_verb() {
    replay("help.console");
    let recorded = fs::read_to_string(repository().join("tests/cmd/help.console")).unwrap();
    for page in fs::read_dir(repository().join("man")).unwrap() {
        let name = page.unwrap().file_name().into_string().unwrap();
        let verb = name.trim_end_matches(".1").replace('-', " ");
        assert!(recorded.contains(&format!("$ {verb} --help\n")), "{verb}");
    }
}

#[test]
fn models_without_a_home() {
    replay("model.console");
}

#[test]
fn a_home_and_its_keys() {
    replay("home.console");
}

#[test]
fn tokens() {
    replay("token.console");
}

#[test]
fn api_keys() {
    replay("apikey.console");
}

#[test]
fn certificates() {
    replay("cert.console");
}

#[test]
fn requests() {
    replay("request.console");
}

#[test]
fn messages_and_exit_codes() {
    replay("errors.console");
}

/// The verbs that the help of `words` names, with those below them.
fn verbs(sandbox: &Sandbox, words: &str) -> Vec<String> {
    let help = text(&shell(sandbox, &format!("sealserve {words} --help")).stdout);
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return vec![words.to_owned()] };
    let names = list.lines().take_while(|line| !line.is_empty()).filter(|line| line.starts_with("  "));
    let names = names.filter_map(|line| line[2..].split(' ').next().filter(|name| !name.is_empty()));
    names.flat_map(|name| verbs(sandbox, format!("{words} {name}").trim())).collect()
}

#[test]
fn every_document_names_its_schema() {
    let sandbox = Sandbox::new();
    let seen = std::cell::RefCell::new(String::new());
    let line = |line: &str, schema: &str| {
        seen.borrow_mut().push_str(&format!("{line}\n"));
        let output = shell(&sandbox, line);
        let document: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{line}: {e}: {}{}", text(&output.stdout), text(&output.stderr)));
        assert_eq!(document["schema"], format!("sealserve.{schema}/v1"), "{line}");
    };
    line("sealserve init --format json", "init");
    line("sealserve key create --use model --id m --format json", "key.create");
    line("sealserve key list --format json", "key.list");
    line("sealserve key export m -o m.key --format json", "key.export");
    line("sealserve key rotate --use token --format json", "key.rotate");
    line("sealserve key revoke ci --format json", "key.revoke");
    line("sealserve key create --use request --id ci2 --owner ci --format json", "key.create");
    line(
        "sealserve token mint --subject a --scope 'model:*:infer' -o t; sealserve token verify t --format json",
        "token.verify",
    );
    line("sealserve token inspect t --format json", "token.inspect");
    let create = "sealserve apikey create --subject a --scope 'model:*:infer' -o a --format json";
    line(create, "apikey.create");
    line("sealserve apikey list --format json", "apikey.list");
    line("sealserve apikey revoke --key-file a --format json", "apikey.revoke");
    line("echo model > m.onnx; sealserve model encrypt m.onnx --format json", "model.encrypt");
    line("sealserve model inspect m.sealed --format json", "model.inspect");
    line("sealserve model verify m.sealed --format json", "model.verify");
    line("sealserve model verify . --format json", "model.verify.files");
    line("sealserve model recipient list . --format json", "model.recipient.list.files");
    line("sealserve key create --use signer > n; sealserve model sign m.sealed --format json", "model.sign");
    let url = "https://models.example/v2";
    line(&format!("sealserve request sign {url} --sign-key ci2 --format json"), "request.sign");
    let verify = format!(
        "sealserve request sign {url} --sign-key ci2 > f; sealserve request verify {url} -H @f --format json"
    );
    line(&verify, "request.verify");
    line("sealserve model rewrap m.sealed --format json", "model.rewrap");
    line("sealserve model reencrypt m.sealed --format json", "model.reencrypt");
    line(
        "sealserve key create --use model --id n > n; sealserve model recipient add m.sealed --format json",
        "model.recipient.add",
    );
    line("sealserve model recipient list m.sealed --format json", "model.recipient.list");
    line("sealserve model recipient remove m.sealed m --format json", "model.recipient.remove");
    line("sealserve runtime list --format json", "runtime.list");
    line("sealserve cert ca create --out-dir ca --format json", "cert.ca.create");
    line("sealserve cert issue --client a --format json", "cert.issue");
    line("sealserve cert inspect ca/ca.pem --format json", "cert.inspect");
    line("sealserve cert verify ca/ca.pem --ca ca/ca.pem --format json", "cert.verify");
    line("sealserve cert check --format json", "cert.check");
    line("sealserve key revoke nobody --format json 2>&1", "error");
    line("sealserve token mint --subject a --scope 'model:*:infer' -o t2 --format json", "token.mint");
    line("sealserve model decrypt m.sealed -o m2.onnx --format json", "model.decrypt");
    line("sealserve key create --use model -o k2 --format json", "key.create.file");
    shell(&sandbox, "sealserve key create --use signer --out n2");
    line("sealserve key public --signer-key n2 -o n2.pem --format json", "key.public");
    let library = onnxruntime();
    let library = library.display();
    line(&format!("sealserve runtime check --runtime {library} --format json"), "runtime.check");
    line(&format!("sealserve runtime install --from {library} --format json"), "runtime.install");

    // "No" is an answer, too: a document of the same schema, and exit 3.
    let no = |line: &str, schema: &str| {
        let output = shell(&sandbox, line);
        assert_eq!(output.status.code(), Some(3), "{line}: {}", text(&output.stderr));
        let document: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{line}: {e}: {}{}", text(&output.stdout), text(&output.stderr)));
        assert_eq!(document["schema"], format!("sealserve.{schema}/v1"), "{line}");
        assert_eq!(document["verified"], false, "{line}");
        let failure: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(document["error"], failure["error"], "{line}");
    };
    no("sealserve token verify t --audience other --issuer other --format json", "token.verify");
    no("echo nonsense > bad; sealserve model verify bad --format json", "model.verify");
    no("sealserve request verify https://other.example/ -H @f --format json", "request.verify");
    no(
        &format!("sealserve runtime check --runtime {library} --device cuda:9 --format json"),
        "runtime.check",
    );
    let refused = shell(&sandbox, "sealserve cert verify ca/ca.pem --ca ../home/pki/ca.pem --format json");
    let document: serde_json::Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!((refused.status.code(), &document["verified"]), (Some(3), &false.into()));
    let text_only = shell(&sandbox, "sealserve model verify bad");
    assert_eq!((text_only.status.code(), text_only.stdout.len()), (Some(3), 0));

    // No verb is left out. These are tried where a server runs; one is JSON itself.
    let elsewhere = ["serve", "status", "request send", "key jwks"];
    let verbs = verbs(&sandbox, "");
    assert!(verbs.len() > 35, "{verbs:?}");
    for verb in verbs.iter().filter(|verb| !elsewhere.contains(&verb.as_str())) {
        assert!(seen.borrow().contains(&format!("sealserve {verb} ")), "nothing is known of `{verb}`");
    }
}

#[test]
fn what_a_server_will_refuse_is_warned_of_and_encrypted() {
    let sandbox = Sandbox::new();
    sandbox.init("");
    let good = fs::read(repository().join("testdata/digits.onnx")).unwrap();
    sandbox.write("cwd/good.onnx", &good);
    sandbox.write("cwd/cut.onnx", &good[..good.len() / 2]);
    sandbox.write("cwd/empty.onnx", "");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n";
    sandbox.write("cwd/lfs.onnx", pointer);
    sandbox.write("cwd/page.onnx", "<!DOCTYPE html><html></html>");
    sandbox.write("cwd/many/model.onnx", &good);
    sandbox.write("cwd/many/vocabulary.bin", pointer);
    for (arguments, said) in [
        ("good.onnx", None),
        ("good.onnx --name fine --detached p", None),
        ("many --name fine", Some("'many/vocabulary.bin' is a pointer of Git LFS")),
        ("cut.onnx", Some("cut short")),
        ("empty.onnx", Some("is empty")),
        ("lfs.onnx", Some("git lfs pull")),
        ("page.onnx", Some("HTML")),
        ("good.onnx --name 'a b'", Some("by the name 'a b'")),
        ("good.onnx --name a/b --detached p2", Some("by the name 'a/b'")),
        ("many --name .many", Some("by the name '.many'")),
        ("good.onnx --model-version 'v 1'", Some("by the version 'v 1'")),
        ("- --name ä < good.onnx", Some("by the name 'ä'")),
        // What is something else on purpose is not held against it.
        ("page.onnx --media-type text/html", None),
    ] {
        let output = shell(&sandbox, &format!("sealserve model encrypt {arguments} -o out.sealed --force"));
        let stderr = text(&output.stderr);
        assert!(output.status.success(), "{arguments}: {stderr}");
        match said {
            None => assert!(!stderr.contains("warning:"), "{arguments}: {stderr}"),
            Some(said) => {
                assert!(stderr.contains("warning:") && stderr.contains(said), "{arguments}: {stderr}")
            }
        }
    }
}

#[test]
fn a_secret_in_an_argument_is_refused_and_not_repeated() {
    let sandbox = Sandbox::new();
    sandbox.init("");
    let before = fs::read_dir(sandbox.path("cwd")).unwrap().count();
    let token = sandbox.mint("ann", "model:*:infer");
    let (hex, base64) = ("5f".repeat(32), format!("{}=", "Ab3".repeat(15).split_at(43).0));
    // 32 bytes; half of all such keys have a slash.
    let slashed = "fPIj/IjefvDPfOehQcBRDL1MANaF5jgTvRNyENNcNjo=".to_owned();
    let api_key = shell(&sandbox, "sealserve apikey create -q --subject a --scope 'admin:*' -o -").stdout;
    let api_key = text(&api_key).trim().to_owned();
    // Also one that is cut.
    let cut = api_key[..50].to_owned();
    for secret in [&api_key, &cut] {
        let output = shell(&sandbox, &format!("sealserve apikey revoke {secret}"));
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("a secret stands where") && !said.contains(secret), "{said}");
    }
    for secret in [token, hex, base64, slashed, api_key, cut] {
        for verb in [
            "model encrypt /dev/null -o out --key-file",
            "key list --root-key",
            "token verify",
            "token inspect",
            "apikey revoke --key-file",
            "cert issue --client a --ca-cert /dev/null --out-cert c --out-key k --ca-key",
        ] {
            let output = shell(&sandbox, &format!("sealserve {verb} {secret}"));
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{verb}: {said}");
            assert!(said.contains("a secret stands where") && !said.contains(&secret), "{verb}: {said}");
            assert!(output.stdout.is_empty());
        }
    }
    assert_eq!(fs::read_dir(sandbox.path("cwd")).unwrap().count(), before);
}

#[test]
fn secrets_go_to_a_private_file_or_where_they_were_asked_to_go() {
    let sandbox = Sandbox::new();
    sandbox.init("");
    let mint = "sealserve token mint --subject a --scope 'model:*:infer'";
    let output = shell(&sandbox, &format!("{mint} | cat; exit ${{PIPESTATUS[0]}}"));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let output = shell(&sandbox, &format!("{mint} > file"));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(shell(&sandbox, &format!("umask 0; {mint} -o t")).status.success());
    assert!(shell(&sandbox, "umask 0; sealserve key create --use model -o k").status.success());
    let create = "sealserve apikey create --subject a --scope 'model:*:infer'";
    let output = shell(&sandbox, &format!("{create} | cat; exit ${{PIPESTATUS[0]}}"));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(shell(&sandbox, &format!("umask 0; {create} -o a")).status.success());
    // A key that could not be delivered opens nothing.
    assert_eq!(shell(&sandbox, &format!("{create} -o - > /dev/full")).status.code(), Some(1));
    let listed = shell(&sandbox, "sealserve apikey list").stdout;
    let states: Vec<_> =
        text(&listed).lines().skip(1).map(|l| l.split_whitespace().nth(2).unwrap().to_owned()).collect();
    assert_eq!(states, ["active", "revoked"]);
    for name in ["t", "k", "a"] {
        let mode = sandbox.path("cwd").join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
    assert!(text(&shell(&sandbox, &format!("{mint} -o - | cat")).stdout).starts_with("ey"));
    let key = text(&shell(&sandbox, "sealserve key create --use model -o - | cat").stdout);
    assert_eq!(key.trim().len(), 64);
}

/// Runs a line with a terminal as its stdin, stdout and stderr; returns what it
/// showed and its exit code.
fn at_a_terminal(sandbox: &Sandbox, line: &str) -> (String, Option<i32>) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let open = || File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut command = command(sandbox, line);
    command.env("TERM", "xterm").stdin(open()).stdout(open()).stderr(open());
    let mut child = command.spawn().unwrap();
    drop(command);
    let reader = std::thread::spawn(move || {
        let (mut shown, mut buffer) = (Vec::new(), [0; 4096]);
        // Without anyone on the other side, reading from a terminal is an error.
        while let Ok(read @ 1..) = File::from(controller.try_clone().unwrap()).read(&mut buffer) {
            shown.extend_from_slice(&buffer[..read]);
        }
        shown
    });
    let code = child.wait().unwrap().code();
    (text(&reader.join().unwrap()).replace("\r\n", "\n"), code)
}

#[test]
fn binary_never_reaches_a_terminal_but_a_token_may() {
    let sandbox = Sandbox::new();
    sandbox.init("");
    sandbox.write("cwd/m.onnx", vec![7; 100_000]);
    shell(&sandbox, "sealserve model encrypt m.onnx");
    for line in ["sealserve model decrypt m.sealed", "sealserve model encrypt --name m < m.onnx"] {
        let (shown, code) = at_a_terminal(&sandbox, line);
        assert_eq!(code, Some(2), "{line}: {shown}");
        assert!(shown.contains("binary output is not written to a terminal"), "{shown}");
        assert!(!shown.contains('\u{7}') && !shown.contains("SEALED"), "{shown}");
    }
    let (shown, code) = at_a_terminal(&sandbox, "sealserve -q model decrypt m.sealed -o -");
    assert_eq!((code, shown.matches('\u{7}').count()), (Some(0), 100_000));
    let (shown, code) = at_a_terminal(&sandbox, "sealserve token mint --subject a --scope 'model:*:infer'");
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("ey"), "{shown}");
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let sandbox = Sandbox::new();
    let coloured = |line: &str| at_a_terminal(&sandbox, line).0.contains("\u{1b}[31;1merror:\u{1b}[0m");
    assert!(coloured("sealserve key list"));
    assert!(coloured("NO_COLOR= sealserve key list"));
    assert!(!coloured("NO_COLOR=1 sealserve key list"));
    assert!(!coloured("TERM=dumb sealserve key list"));
    assert!(!coloured("sealserve key list --color never"));
    assert!(coloured("NO_COLOR=1 sealserve key list --color always"));
}

#[test]
fn progress_is_for_terminals_and_goes_away() {
    let sandbox = Sandbox::new();
    sandbox.init("");
    let encrypt =
        "(head -c 3000000 /dev/zero; sleep 1) | sealserve model encrypt --name m -o m.sealed --force";
    let (shown, code) = at_a_terminal(&sandbox, encrypt);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("encrypting"), "{shown}");
    let (shown, _) = at_a_terminal(&sandbox, &format!("{encrypt} --quiet"));
    assert!(!shown.contains("encrypting"), "{shown}");
    assert!(!text(&shell(&sandbox, encrypt).stderr).contains("encrypting"));
}

#[test]
fn who_closes_the_pipe_has_read_enough() {
    let sandbox = Sandbox::new();
    sandbox.init("");
    sandbox.write("cwd/m.onnx", vec![b'm'; 4 << 20]);
    shell(&sandbox, "sealserve model encrypt m.onnx");
    for line in [
        "sealserve model decrypt --quiet m.sealed",
        "sealserve model encrypt --quiet --name m - < m.onnx",
        "sealserve key list",
        "sealserve key list --format json",
        "sealserve key jwks",
        "sealserve cert inspect ../home/pki/ca.pem",
        "sealserve cert issue --quiet --client a --out-cert - --out-key -",
        "sealserve completion bash",
        "sealserve --help",
        "sealserve token mint --quiet --subject a --scope 'model:*:infer' -o -",
        "sealserve apikey list",
        "sealserve apikey create --quiet --subject a --scope 'model:*:infer' -o -",
    ] {
        for reader in ["head -c 10 > /dev/null", "true"] {
            let output = shell(&sandbox, &format!("(sleep 0.1; {line}) | {reader}; exit ${{PIPESTATUS[0]}}"));
            assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{line}");
        }
    }
    let output = shell(&sandbox, "sealserve model decrypt --quiet m.sealed | head -c 10");
    assert_eq!(text(&output.stdout), "mmmmmmmmmm");
}

#[test]
fn a_secret_comes_from_a_file_a_stream_a_descriptor_or_the_environment() {
    let sandbox = Sandbox::new();
    shell(&sandbox, "sealserve key create --use model -o k; echo model > m.onnx");
    for (name, source) in [
        ("file", "--key-file k"),
        ("pipe", "--key-file <(cat k)"),
        ("stdin", "--key-file - < k"),
        ("descriptor", "--key-file fd:3 3< k"),
        ("descriptor of a pipe", "--key-file fd:3 3< <(cat k)"),
        ("environment", "--key-file env:KEY"),
        ("raw", "--key-file <(xxd -r -p k || python3 -c 'print()')"),
    ] {
        if name == "raw" && !shell(&sandbox, "command -v xxd").status.success() {
            continue;
        }
        // What an editor or a here-document adds around it does not count.
        let line = format!(
            "KEY=$(printf ' \\t'; cat k; printf '\\n \\n.'); KEY=${{KEY%.}}; export KEY
            sealserve model encrypt --force m.onnx {source} && sealserve model decrypt m.sealed {source}"
        );
        let output = shell(&sandbox, &line);
        assert!(text(&output.stdout).ends_with("model\n"), "{name}: {}", text(&output.stderr));
    }
}

#[test]
fn stdin_has_one_reader() {
    let sandbox = Sandbox::new();
    sandbox.init("");
    let root = "--root-key - < ../config/sealserve/root.key";
    for line in [
        "sealserve model encrypt --key-file - --name m -",
        "sealserve model encrypt --key-file - --key-file - m.onnx",
        "sealserve model decrypt --key-file - -",
        "sealserve model verify --key-file -",
        "sealserve model inspect --key-file - --key-file - m.sealed",
        &format!("sealserve model decrypt - {root}"),
        &format!("sealserve token verify - {root}"),
        &format!("sealserve apikey revoke --key-file - {root}"),
        "sealserve apikey revoke --key-file - --key-file -",
        &format!("sealserve cert inspect - {root}"),
        "sealserve cert check - -",
    ] {
        let output = shell(&sandbox, line);
        assert_eq!(output.status.code(), Some(2), "{line}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains("only one thing can be read from standard input"), "{line}");
    }
    // And that reader gets all of it, once.
    for line in ["key list", "key create --use model --id model-1 --if-absent"] {
        let output = shell(&sandbox, &format!("sealserve {line} {root}"));
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
    }
}

#[test]
fn a_full_device_is_an_error_that_names_stdout() {
    let sandbox = Sandbox::new();
    sandbox.init("");
    sandbox.write("cwd/m.onnx", "model");
    shell(&sandbox, "sealserve model encrypt m.onnx");
    for line in [
        "key list",
        "key jwks",
        "model decrypt m.sealed",
        "model inspect m.sealed",
        "cert inspect ../home/pki/ca.pem",
        "completion bash",
        "--version",
        "key --help",
        "token mint --subject a --scope 'model:*:infer' -o -",
        "model decrypt m.sealed -o -",
    ] {
        let output = shell(&sandbox, &format!("sealserve {line} > /dev/full"));
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{line}: {said}");
        assert!(
            said.starts_with("error: cannot write") && said.contains("standard output"),
            "{line}: {said}"
        );
        assert!(said.contains("cause: No space left on device"), "{line}: {said}");
    }
}

/// A descriptor that is closed at the start is not /dev/null, which takes everything.
#[test]
fn a_closed_stdout_is_an_error_and_dev_null_is_none() {
    let sandbox = Sandbox::new();
    sandbox.init("");
    sandbox.write("cwd/m.onnx", "model");
    shell(&sandbox, "sealserve model encrypt m.onnx");
    for line in [
        "key list",
        "key list --format json",
        "key jwks",
        "key create --use model -o -",
        "token mint --subject a --scope 'model:*:infer' -o -",
        "apikey create --subject a --scope 'model:*:infer' -o -",
        "apikey list",
        "model decrypt m.sealed",
        "model decrypt m.sealed -o -",
        "model encrypt m.onnx --name m -o -",
        "model inspect m.sealed",
        "model verify m.sealed",
        "cert inspect ../home/pki/ca.pem",
        "completion bash",
        "--version",
        "model --help",
    ] {
        for closed in [">&-", "1</dev/null"] {
            let output = shell(&sandbox, &format!("sealserve {line} {closed}"));
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{line} {closed}: {said}");
            assert!(said.contains("cannot write") && said.contains("standard output"), "{line}: {said}");
            assert!(said.contains("Bad file descriptor"), "{line}: {said}");
        }
        // Some programs open it for both, as the standard library does for what is closed.
        for open in ["> /dev/null", "1<> /dev/null"] {
            let output = shell(&sandbox, &format!("sealserve {line} {open}"));
            assert!(output.status.success(), "{line} {open}: {}", text(&output.stderr));
        }
    }
    let keys = text(&shell(&sandbox, "sealserve apikey list").stdout);
    // What could not be delivered was not made, or opens nothing.
    assert!(keys.lines().skip(1).all(|line| line.contains("active") || line.contains("revoked")), "{keys}");
    assert_eq!(keys.lines().filter(|line| line.contains("active")).count(), 2, "{keys}");
}

#[test]
fn flags_come_before_the_environment_and_that_before_the_default() {
    let sandbox = Sandbox::new();
    for (line, home) in [
        ("sealserve init --home flag", "flag"),
        ("SEALSERVE_HOME=variable sealserve init", "variable"),
        ("env -u SEALSERVE_HOME sealserve init", "../data/sealserve"),
        ("env -u SEALSERVE_HOME -u XDG_DATA_HOME sealserve init", "../user/.local/share/sealserve"),
        (
            "env -u SEALSERVE_HOME XDG_DATA_HOME=relative HOME=$PWD/other sealserve init",
            "other/.local/share/sealserve",
        ),
    ] {
        assert!(shell(&sandbox, line).status.success(), "{line}");
        assert!(sandbox.path("cwd").join(home).join("keyring.json").exists(), "{line}");
    }
    let output = shell(&sandbox, "env -u SEALSERVE_HOME -u XDG_DATA_HOME -u HOME sealserve key list");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("pass --home DIR, or set SEALSERVE_HOME"));
}

/// What helps depends on what cannot be found, or not be written.
#[test]
fn where_there_is_no_place_for_a_home_the_hint_names_the_option_that_helps() {
    let sandbox = Sandbox::new();
    let bare = "env -u SEALSERVE_HOME -u SEALSERVE_ROOT_KEY -u XDG_DATA_HOME -u XDG_CONFIG_HOME \
                -u XDG_STATE_HOME";
    for (line, said) in [
        ("-u HOME sealserve init", "pass --home DIR, or set SEALSERVE_HOME"),
        ("-u HOME sealserve init --home here", "pass --root-key FILE, or set SEALSERVE_ROOT_KEY"),
        ("-u HOME sealserve serve --dev m.onnx", "pass --home DIR, or set SEALSERVE_HOME"),
        ("-u HOME sealserve serve --dev m.onnx --home here", "set XDG_CONFIG_HOME, or pass --ephemeral"),
        // Nothing can be made below a file, and nobody may write below another's.
        ("HOME=/dev/null sealserve init", "pass --root-key FILE, or set SEALSERVE_ROOT_KEY"),
        ("HOME=/dev/null sealserve init --root-key r", "pass --home DIR, or set SEALSERVE_HOME"),
        ("HOME=/dev/null sealserve serve --dev m.onnx", "set XDG_CONFIG_HOME, or pass --ephemeral"),
    ] {
        sandbox.write("cwd/m.onnx", "model");
        let output = shell(&sandbox, &format!("{bare} {line}"));
        let stderr = text(&output.stderr);
        assert!(!output.status.success() && stderr.contains(said), "{line}: {stderr}");
    }
}

#[test]
fn nothing_ever_asks() {
    let sandbox = Sandbox::new();
    sandbox.init("");
    // An open pipe that never says anything: whoever waits for an answer hangs.
    let mut command = sandbox.sealserve();
    command.args(["key", "rotate", "--use", "token"]).stdin(Stdio::piped());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut held = child.stdin.as_ref().unwrap();
    held.flush().unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
}
