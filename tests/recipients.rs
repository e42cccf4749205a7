//! Passphrases, age and commands as recipients, by the built binary: what opens a
//! file, what does not, and where secrets must not appear.

mod support;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use support::age::{IDENTITY, RECIPIENT};
use support::{Sandbox, Server, infer, testdata, text};

const GOOD: &str = include_str!("../testdata/digits-request.json");
const PHRASE: &str = "correct horse battery staple";

/// Wraps by shuffling the letters of a base64 text: no cipher, but no plaintext either.
const KMS: &str = r#"#!/bin/sh
case $SEALSERVE_OPERATION in
wrap) base64 -w0 | tr A-Za-z N-ZA-Mn-za-m ;;
unwrap) tr A-Za-z N-ZA-Mn-za-m | base64 -d ;;
esac
"#;

/// A sandbox with a model, a passphrase, an identity and a command.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("cwd/m.onnx", vec![5; 40_000]);
    sandbox.write_secret("cwd/phrase", format!("{PHRASE}\n"));
    sandbox.write_secret("cwd/identity", format!("# a comment\n{IDENTITY}\n"));
    script(&sandbox, "kms", KMS);
    sandbox
}

fn script(sandbox: &Sandbox, name: &str, text: &str) {
    let path = sandbox.write(&format!("cwd/{name}"), text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// Encrypts `m.onnx` to `m.sealed` for the recipients that `options` name.
fn encrypt(sandbox: &Sandbox, options: &str) {
    sandbox.ok(words(&format!("model encrypt --force m.onnx {options}")));
}

/// Whether `options` decrypt `m.sealed` to what was encrypted.
fn decrypts(sandbox: &Sandbox, options: &str) -> bool {
    let output = sandbox.run(words(&format!("model decrypt m.sealed {options}")));
    output.status.success() && output.stdout == vec![5; 40_000]
}

/// Runs a line of bash that finds the built binary as `$SEALSERVE`.
fn bash(sandbox: &Sandbox, line: &str) -> Output {
    let mut command = sandbox.program("bash");
    command.args(["-c", line]).env("SEALSERVE", env!("CARGO_BIN_EXE_sealserve")).output().unwrap()
}

#[test]
fn a_passphrase_comes_from_every_kind_of_source() {
    let sandbox = sandbox();
    encrypt(&sandbox, "--passphrase phrase");
    assert!(decrypts(&sandbox, "--passphrase phrase"));
    for line in [
        format!("printf '{PHRASE}' | $SEALSERVE model decrypt m.sealed --passphrase -"),
        format!("printf '{PHRASE}\\r\\n' | $SEALSERVE model decrypt m.sealed --passphrase -"),
        format!("P='{PHRASE}' $SEALSERVE model decrypt m.sealed --passphrase env:P"),
        "$SEALSERVE model decrypt m.sealed --passphrase fd:5 5< phrase".to_owned(),
        "$SEALSERVE model decrypt m.sealed --passphrase <(cat phrase)".to_owned(),
        "$SEALSERVE model decrypt --passphrase phrase < m.sealed".to_owned(),
    ] {
        let output = bash(&sandbox, &line);
        assert!(
            output.status.success() && output.stdout == vec![5; 40_000],
            "{line}: {}",
            text(&output.stderr)
        );
    }
    for verb in ["verify", "inspect"] {
        let said = sandbox.ok(words(&format!("model {verb} m.sealed --passphrase phrase")));
        assert!(said.contains("40000"), "{said}");
    }
    // Without one it is inspected all the same, unproven and unasked.
    let shown = sandbox.ok(["model", "inspect", "m.sealed"]);
    assert!(
        shown.contains("recipient   passphrase ") && shown.contains("nothing above is proven"),
        "{shown}"
    );
}

#[test]
fn a_wrong_passphrase_is_refused_and_leaves_nothing() {
    let sandbox = sandbox();
    encrypt(&sandbox, "--passphrase phrase");
    sandbox.write_secret("cwd/wrong", "correct horse battery stable\n");
    for verb in ["decrypt m.sealed -o out", "verify m.sealed", "inspect m.sealed"] {
        let said = sandbox.fails(4, words(&format!("model {verb} --passphrase wrong")));
        assert!(said.starts_with("error: the passphrase does not open 'm.sealed'\nhint: "), "{said}");
        assert!(!said.contains("stable"), "{said}");
    }
    assert!(!sandbox.path("cwd/out").exists());
    sandbox.fails(4, words("model decrypt m.sealed -o out"));
    sandbox.fails(4, words("model decrypt m.sealed -o out --age-identity identity"));
    assert!(!sandbox.path("cwd/out").exists());
}

#[test]
fn weak_passphrases_encrypt_nothing() {
    let sandbox = sandbox();
    for weak in
        ["", "\n", "hunter2", "aaaaaaaaaaaaaaaa", "two lines\nof a file that is none", " starts with a space"]
    {
        sandbox.write_secret("cwd/weak", weak);
        let said = sandbox.fails(4, words("model encrypt m.onnx --passphrase weak"));
        assert!(said.starts_with("error: the passphrase ") && said.contains("\nhint: "), "{said}");
    }
    fs::set_permissions(sandbox.path("cwd/phrase"), fs::Permissions::from_mode(0o644)).unwrap();
    sandbox.fails(4, words("model encrypt m.onnx --passphrase phrase"));
    assert!(!sandbox.path("cwd/m.sealed").exists());
}

/// What a shell opened for the program is called by its name: nothing else can be run.
#[test]
fn a_descriptor_of_a_file_that_others_may_read_is_refused_by_the_files_name() {
    let sandbox = sandbox();
    encrypt(&sandbox, "--passphrase phrase");
    fs::set_permissions(sandbox.path("cwd/phrase"), fs::Permissions::from_mode(0o644)).unwrap();
    let file = fs::canonicalize(sandbox.path("cwd/phrase")).unwrap();
    for from in ["fd:3", "/dev/fd/3"] {
        let line = format!("$SEALSERVE model decrypt m.sealed -o out --passphrase {from} 3< phrase");
        let output = bash(&sandbox, &line);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains(&format!("`chmod 600 {}`", file.display())), "{said}");
    }
}

#[test]
fn a_passphrase_stays_alone() {
    let sandbox = sandbox();
    for other in [format!("-r {RECIPIENT}"), "--wrap-command ./kms --command-key k".to_owned()] {
        let said = sandbox.fails(2, words(&format!("model encrypt m.onnx --passphrase phrase {other}")));
        assert!(said.contains("only recipient"), "{said}");
    }
    assert!(!sandbox.path("cwd/m.sealed").exists());
}

/// Runs the binary at a terminal of its own and types each answer when its prompt is
/// there. Returns all that the terminal showed, and the exit code.
fn typed(sandbox: &Sandbox, arguments: &str, answers: &[(&str, &str)]) -> (String, Option<i32>) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let open = || File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut command = sandbox.program("setsid");
    command
        .env("TERM", "dumb")
        .args(["--wait", "--ctty", env!("CARGO_BIN_EXE_sealserve")])
        .args(words(arguments));
    let mut child = command.stdin(open()).stdout(Stdio::null()).stderr(open()).spawn().unwrap();
    drop(command);
    let mut controller = File::from(controller);
    let (mut shown, mut answers) = (String::new(), answers.iter());
    let mut next = answers.next();
    let mut seen = 0;
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = controller.read(&mut buffer) {
        shown.push_str(&text(&buffer[..read]));
        if let Some((prompt, answer)) = next
            && let Some(at) = shown[seen..].find(prompt)
        {
            seen += at + prompt.len();
            writeln!(controller, "{answer}").unwrap();
            next = answers.next();
        }
    }
    (shown.replace("\r\n", "\n"), child.wait().unwrap().code())
}

#[test]
fn a_passphrase_is_asked_for_twice_and_never_shown() {
    let sandbox = sandbox();
    let ask = "model encrypt --force m.onnx --ask-passphrase";
    let twice = [("a passphrase for the model: ", PHRASE), ("the same again: ", PHRASE)];
    let (shown, code) = typed(&sandbox, ask, &twice);
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains("horse"), "{shown}");
    assert!(decrypts(&sandbox, "--passphrase phrase"));

    // It is asked for once where a file has one, without any option.
    let (shown, code) =
        typed(&sandbox, "model verify m.sealed", &[("the passphrase of the model: ", PHRASE)]);
    assert_eq!((code, shown.matches("passphrase of the model: ").count()), (Some(0), 1), "{shown}");
    assert!(!shown.contains("horse"), "{shown}");
    let (shown, code) =
        typed(&sandbox, "model verify m.sealed", &[("the passphrase of the model: ", "something else")]);
    assert_eq!(code, Some(4), "{shown}");

    fs::remove_file(sandbox.path("cwd/m.sealed")).unwrap();
    let differ =
        [("a passphrase for the model: ", PHRASE), ("the same again: ", "correct horse battery stable")];
    let (shown, code) = typed(&sandbox, ask, &differ);
    assert!(code == Some(4) && shown.contains("the passphrases differ"), "{shown}");
    assert!(!sandbox.path("cwd/m.sealed").exists());
}

#[test]
fn nobody_is_asked_for_what_the_file_does_not_need() {
    let sandbox = sandbox();
    encrypt(&sandbox, &format!("-r {RECIPIENT}"));
    let (shown, code) = typed(&sandbox, "model verify m.sealed --ask-passphrase -i identity", &[]);
    assert!(code == Some(0) && !shown.contains("passphrase"), "{shown}");
    script(&sandbox, "ran", "#!/bin/sh\ntouch ran-it\nexit 1\n");
    assert!(decrypts(&sandbox, "-i identity --unwrap-command ./ran --command-key k"));
    assert!(!sandbox.path("cwd/ran-it").exists());
    // Nor is an identity read, which may be one that only a person can unlock.
    encrypt(&sandbox, "--passphrase phrase");
    assert!(decrypts(&sandbox, "--passphrase phrase -i absent"));
}

#[test]
fn no_input_forbids_to_ask_and_names_the_option() {
    let sandbox = sandbox();
    encrypt(&sandbox, "--passphrase phrase");
    for (arguments, what) in [
        ("model decrypt m.sealed --no-input", "the passphrase of the model"),
        ("model encrypt m.onnx --no-input --ask-passphrase -o other", "a passphrase for the model"),
    ] {
        let (shown, code) = typed(&sandbox, arguments, &[]);
        assert_eq!(code, Some(4), "{shown}");
        assert!(shown.contains(&format!("cannot ask for {what}: --no-input forbids it")), "{shown}");
        assert!(shown.contains("hint: pass --passphrase FILE"), "{shown}");
    }
}

#[test]
fn a_passphrase_that_needs_more_memory_than_there_is_fails_with_a_message() {
    let sandbox = sandbox();
    encrypt(&sandbox, "--passphrase phrase");
    let output =
        bash(&sandbox, "ulimit -v 64000; exec $SEALSERVE model inspect m.sealed --passphrase phrase");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("takes 64 MiB of memory"), "{said}");
}

#[test]
fn age_recipients_come_from_options_and_files() {
    let sandbox = sandbox();
    sandbox.write("cwd/people", format!("# us\n\n{RECIPIENT}\n"));
    for options in [format!("-r {RECIPIENT}"), format!("--age-recipient {RECIPIENT}"), "-R people".into()] {
        encrypt(&sandbox, &options);
        assert!(decrypts(&sandbox, "-i identity"), "{options}");
        assert!(decrypts(&sandbox, "--age-identity identity"));
    }
    let piped = bash(&sandbox, "cat identity | $SEALSERVE model decrypt m.sealed -i -");
    assert_eq!(piped.stdout, vec![5; 40_000]);
    let said = sandbox.fails(4, words("model decrypt m.sealed"));
    assert!(said.contains("sealed for age ") && said.contains("hint: pass --age-identity FILE"), "{said}");
}

#[test]
fn bad_age_options_are_refused() {
    let sandbox = sandbox();
    let mistyped = RECIPIENT.replace("age1", "age1q");
    sandbox.write("cwd/nobody", "# nobody\n");
    for (options, code) in [
        (format!("-r {mistyped}"), 2),
        (format!("-r {IDENTITY}"), 2),
        ("-R nobody".into(), 2),
        ("-R absent".into(), 1),
        ("-R m.onnx".into(), 2),
        (format!("-r {RECIPIENT} -r {RECIPIENT}"), 2),
        (format!("-r {RECIPIENT} -R absent"), 1),
    ] {
        let said = sandbox.fails(code, words(&format!("model encrypt m.onnx {options}")));
        assert!(!said.contains(&IDENTITY[20..40]), "{said}");
    }
    assert!(!sandbox.path("cwd/m.sealed").exists());

    encrypt(&sandbox, &format!("-r {RECIPIENT}"));
    sandbox.write_secret("cwd/broken", IDENTITY.replace("KEY-1", "KEY-1Q"));
    sandbox.write_secret("cwd/empty", "");
    sandbox.write("cwd/open", IDENTITY);
    for (identity, code) in [("broken", 4), ("empty", 4), ("open", 4), ("absent", 4), (IDENTITY, 2)] {
        let said = sandbox.fails(code, words(&format!("model decrypt m.sealed -i {identity}")));
        assert!(!said.contains(&IDENTITY[20..40]), "{said}");
    }
}

#[test]
fn a_file_opens_for_each_of_its_recipients() {
    let sandbox = sandbox();
    sandbox.ok(words("key create --use model --out key"));
    encrypt(&sandbox, &format!("--key-file key -r {RECIPIENT} --wrap-command ./kms --command-key a/b"));
    for options in ["--key-file key", "-i identity", "--unwrap-command ./kms --command-key a/b"] {
        assert!(decrypts(&sandbox, options), "{options}");
        sandbox.ok(words(&format!("model verify m.sealed {options}")));
    }
    let shown = sandbox.ok(words("model inspect m.sealed --format json"));
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let kinds: Vec<_> = shown["recipients"].as_array().unwrap().iter().map(|r| &r["kind"]).collect();
    assert_eq!(kinds, ["key", "age", "external"]);
}

#[test]
fn bad_commands_are_told_apart_and_leave_nothing() {
    let sandbox = sandbox();
    encrypt(&sandbox, "--wrap-command ./kms --command-key a");
    script(&sandbox, "denied", "#!/bin/sh\necho 'access denied' >&2\nexit 1\n");
    script(&sandbox, "silent", "#!/bin/sh\nexit 1\n");
    script(&sandbox, "hangs", "#!/bin/sh\nexec sleep 1000\n");
    script(&sandbox, "floods", "#!/bin/sh\nexec yes\n");
    script(&sandbox, "other", "#!/bin/sh\nhead -c 64 /dev/zero\n");
    for (options, code, says) in [
        ("--unwrap-command ./denied --command-key a", 4, "./denied: access denied\nerror: cannot unwrap"),
        ("--unwrap-command ./denied --command-key a", 4, "hint: what it said on standard error stands above"),
        ("--unwrap-command ./silent --command-key a", 4, "hint: it said nothing on standard error"),
        ("--unwrap-command ./hangs --command-key a --command-timeout 1s", 1, "took longer than 1 s,"),
        ("--unwrap-command ./floods --command-key a", 1, "has not the 64 bytes"),
        ("--unwrap-command ./other --command-key a", 1, "is not for this file"),
        ("--unwrap-command ./absent --command-key a", 1, "cannot run './absent'"),
        ("--unwrap-command ./m.onnx --command-key a", 1, "cannot run './m.onnx'"),
        ("--unwrap-command ./kms --command-key b", 4, "no key opens 'm.sealed'"),
        ("--unwrap-command ./kms", 2, "--command-key NAME"),
        ("--unwrap-command [] --command-key a", 2, "JSON array"),
        ("--unwrap-command ./kms --command-key a --command-timeout soon", 2, "length of time"),
    ] {
        let said = sandbox.fails(code, words(&format!("model decrypt m.sealed -o out {options}")));
        assert!(said.contains(says), "{options}: {said}");
        assert!(!sandbox.path("cwd/out").exists());
    }
    // Checked, and the answer is no: by the document, such a file is refused.
    script(&sandbox, "short", "#!/bin/sh\nhead -c 63 /dev/zero\n");
    for command in ["floods", "short", "other"] {
        let options = format!("model verify m.sealed --unwrap-command ./{command} --command-key a");
        sandbox.fails(3, words(&options));
    }
    script(&sandbox, "clear", "#!/bin/sh\nexec cat\n");
    for (command, code) in [("clear", 1), ("denied", 4), ("floods", 1)] {
        let options = format!("model encrypt m.onnx -o new --wrap-command ./{command} --command-key a");
        sandbox.fails(code, words(&options));
        assert!(!sandbox.path("cwd/new").exists());
    }
}

#[test]
fn no_secret_is_in_arguments_environment_or_messages() {
    let sandbox = sandbox();
    // It keeps what it is asked, and how.
    let spy = r#"#!/bin/sh
cat > "input-$SEALSERVE_OPERATION"
{ env; tr '\0' '\n' < /proc/$$/cmdline; tr '\0' '\n' < /proc/$PPID/cmdline; } > "seen-$SEALSERVE_OPERATION"
echo "spying" >&2
exec ./kms < "input-$SEALSERVE_OPERATION"
"#;
    script(&sandbox, "spy", spy);
    let json = r#"["./spy","--region","here"]"#;
    let encrypt = ["model", "encrypt", "m.onnx", "--wrap-command", json, "--command-key", "k"];
    let encrypted = sandbox.run(encrypt);
    assert!(encrypted.status.success(), "{}", text(&encrypted.stderr));
    let decrypt = ["model", "decrypt", "m.sealed", "--unwrap-command", json, "--command-key", "k"];
    let decrypted = sandbox.run(decrypt);
    assert_eq!(decrypted.stdout, vec![5; 40_000]);

    let read = |name: &str| fs::read(sandbox.path(&format!("cwd/{name}"))).unwrap();
    let bound = read("input-wrap");
    assert_eq!(bound.len(), 64);
    let key = &bound[..32];
    use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
    let forms = [
        key.to_vec(),
        HEXLOWER.encode(key).into(),
        HEXUPPER.encode(key).into(),
        BASE64.encode(&key[..30]).into(),
    ];
    let sealed = read("m.sealed");
    for (place, bytes) in [
        ("seen-wrap", &read("seen-wrap")),
        ("seen-unwrap", &read("seen-unwrap")),
        ("messages", &encrypted.stderr),
        ("messages", &decrypted.stderr),
        ("the file", &sealed),
    ] {
        for form in &forms {
            assert!(!bytes.windows(form.len()).any(|window| window == form), "{place}");
        }
    }
    // Of the file it gets the blob, and nothing else.
    let seen = text(&read("seen-unwrap"));
    assert!(seen.contains("SEALSERVE_KEY_NAME=k\n") && seen.contains("--region\nhere\n"), "{seen}");
    let blob = read("input-unwrap");
    assert!(sealed.windows(blob.len()).any(|window| window == blob));
}

/// A home whose configuration has `more`, and in it `digits` encrypted with `options`.
fn home(more: &str, options: &str) -> Sandbox {
    let sandbox = sandbox();
    sandbox.init(&format!("{more}\n[[model]]\nname = \"digits\"\npath = \"models/digits.sealed\"\n"));
    encrypt_digits(&sandbox, options);
    sandbox
}

/// Encrypts `digits` to where the server looks for it, with `options`.
fn encrypt_digits(sandbox: &Sandbox, options: &str) {
    let output = sandbox.home().join("models/digits.sealed");
    let mut command = sandbox.sealserve();
    command.args(["model", "encrypt", "--force"]).arg(testdata("digits.onnx")).arg("-o").arg(output);
    let encrypted = command.args(words(options)).output().unwrap();
    assert!(encrypted.status.success(), "{}", text(&encrypted.stderr));
}

/// Puts `line` before the configuration of the home.
fn configure(sandbox: &Sandbox, line: &str) {
    let config = sandbox.home().join("sealserve.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{line}\n{text}")).unwrap();
}

/// Makes the signer `release`, and has the server trust it.
fn trust_release(sandbox: &Sandbox) {
    configure(sandbox, "trusted_signers = [\"pki/signer.pem\"]");
    sandbox.ok(words("key create --use signer --id release"));
    let public = sandbox.home().join("pki/signer.pem");
    sandbox.ok(["key", "public", "--signer", "release", "-o", &public.to_string_lossy()]);
}

fn answers(sandbox: &Sandbox) -> String {
    let server = Server::start(sandbox, &[]);
    let token = sandbox.mint("t", "model:digits:*");
    let answer = infer(sandbox, &server, "digits", &token, GOOD);
    assert_eq!(answer.status, 200, "{}", text(&answer.body));
    fs::read_to_string(&server.log).unwrap()
}

fn does_not_start(sandbox: &Sandbox, code: i32) -> String {
    let output = sandbox.serve_in_vain(&["--listen", "127.0.0.1:0"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains("error: ") && !said.contains("panicked"), "{said}");
    said
}

#[test]
fn a_server_opens_models_with_a_command() {
    let sandbox = home(
        "[keys]\nunwrap_command = [\"../cwd/kms\"]\ncommand_key = \"k\"\ncommand_authenticates = true\n",
        "--wrap-command ./kms --command-key k",
    );
    script(&sandbox, "kms", &KMS.replace("case", "echo looking >&2\ncase"));
    let log = answers(&sandbox);
    assert!(log.contains("looking"), "{log}");

    script(&sandbox, "kms", "#!/bin/sh\necho 'no such key' >&2\nexit 1\n");
    let said = does_not_start(&sandbox, 4);
    assert!(said.contains("no such key") && said.contains("cannot unwrap a data key with key 'k'"), "{said}");
}

/// What the recipes for PKCS#11 and TPM do: whoever has the public key can wrap.
#[test]
fn a_model_that_only_a_command_opens_is_served_when_it_is_signed() {
    const RSA: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
case $SEALSERVE_OPERATION in
wrap) exec openssl pkeyutl -encrypt -pubin -inkey rsa.pub -pkeyopt rsa_padding_mode:oaep ;;
unwrap) exec openssl pkeyutl -decrypt -inkey rsa.key -pkeyopt rsa_padding_mode:oaep ;;
esac
"#;
    const BY_COMMAND: &str = "--wrap-command ./rsa --command-key k";
    let keys = "[keys]\nunwrap_command = [\"../cwd/rsa\"]\ncommand_key = \"k\"\n";
    let sandbox = home(keys, "");
    script(&sandbox, "rsa", RSA);
    let made =
        bash(&sandbox, "openssl genrsa -out rsa.key 2048 && openssl rsa -in rsa.key -pubout -out rsa.pub");
    assert!(made.status.success(), "{}", text(&made.stderr));
    // No home, no secret.
    let stranger =
        format!("$SEALSERVE --home nowhere model encrypt --force {BY_COMMAND} -o forged --name digits");
    let made = bash(&sandbox, &format!("{stranger} {}", testdata("digits.onnx").display()));
    assert!(made.status.success(), "{}", text(&made.stderr));
    fs::copy(sandbox.path("cwd/forged"), sandbox.home().join("models/digits.sealed")).unwrap();
    let said = does_not_start(&sandbox, 1);
    assert!(said.contains("nobody has signed it") && said.contains("model sign"), "{said}");

    trust_release(&sandbox);
    assert!(does_not_start(&sandbox, 1).contains("nobody has signed it"));
    encrypt_digits(&sandbox, &format!("{BY_COMMAND} --signer release"));
    answers(&sandbox);
}

#[test]
fn a_model_that_only_age_opens_is_served_when_it_is_signed() {
    let sandbox = home("[keys]\nage_identity = \"../cwd/identity\"\n", &format!("-r {RECIPIENT}"));
    let said = does_not_start(&sandbox, 1);
    assert!(said.contains("nobody has signed it") && said.contains("model sign"), "{said}");
    trust_release(&sandbox);
    let said = does_not_start(&sandbox, 1);
    assert!(said.contains("nobody has signed it"), "{said}");
    // Encrypting for it, and signing, takes no secret that opens it.
    encrypt_digits(&sandbox, &format!("-r {RECIPIENT} --signer release"));
    answers(&sandbox);
    // An identity that others may read is refused.
    fs::set_permissions(sandbox.path("cwd/identity"), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(does_not_start(&sandbox, 4).contains("readable by others"));
}

#[test]
fn a_recovery_recipient_gets_every_model_of_the_home() {
    let sandbox = sandbox();
    sandbox.fails(2, ["init", "--recovery", "age1nonsense"]);
    assert!(!sandbox.home().exists());
    let made = sandbox.run(["init", "--recovery", RECIPIENT]);
    assert!(
        text(&made.stderr).contains(&format!("encrypted for {RECIPIENT}, too")),
        "{}",
        text(&made.stderr)
    );
    let encrypted = sandbox.run(words("model encrypt m.onnx"));
    assert!(encrypted.status.success(), "{}", text(&encrypted.stderr));
    assert!(text(&encrypted.stderr).contains(&format!("also for the recovery recipient {RECIPIENT}\n")));
    assert!(decrypts(&sandbox, "") && decrypts(&sandbox, "-i identity"));

    encrypt(&sandbox, "--no-recovery");
    assert!(decrypts(&sandbox, "") && !decrypts(&sandbox, "-i identity"));
    encrypt(&sandbox, "--key model-1");
    assert!(decrypts(&sandbox, "-i identity"));
    // Who names all the keys needs no home, and gets what was named.
    sandbox.ok(words("key create --use model --out key"));
    encrypt(&sandbox, "--key-file key");
    assert!(!decrypts(&sandbox, "-i identity"));
    encrypt(&sandbox, "--passphrase phrase");
    assert!(decrypts(&sandbox, "--passphrase phrase"));

    // A configuration that is there is not changed, nor passed over.
    fs::remove_file(sandbox.home().join("keyring.json")).unwrap();
    let said = sandbox.fails(1, ["init", "--recovery", RECIPIENT]);
    assert!(said.contains("recovery"), "{said}");
}

#[test]
fn a_model_with_a_recovery_recipient_is_served() {
    let sandbox = home(&format!("[keys]\nrecovery = [\"{RECIPIENT}\"]\n"), "");
    let shown = sandbox.ok(words("model inspect ../home/models/digits.sealed"));
    assert!(shown.contains("recipient   age "), "{shown}");
    answers(&sandbox);
}

#[test]
fn a_command_is_killed_when_its_time_is_up_with_what_it_started() {
    let sandbox = sandbox();
    encrypt(&sandbox, "--wrap-command ./kms --command-key a");
    script(&sandbox, "hangs", "#!/bin/sh\nsleep 1000 &\necho $! > pid\nwait\n");
    let options = "model decrypt m.sealed --unwrap-command ./hangs --command-key a --command-timeout 2s";
    sandbox.fails(1, words(options));
    let pid = fs::read_to_string(sandbox.path("cwd/pid")).unwrap();
    assert!(pid.trim().parse::<u32>().is_ok(), "it had started: {pid:?}");
    let alive =
        || Command::new("kill").args(["-0", pid.trim()]).stderr(Stdio::null()).status().unwrap().success();
    let zombie =
        || fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| stat.contains(") Z "));
    support::wait_until("it is gone", || !alive() || zombie());
}
