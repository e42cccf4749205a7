//! The program `age`, both ways, and age's own identity files and plugins.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use age::secrecy::SecretString;

use super::headers::parts;
use super::recipients::{PUBLIC_KEY, SECRET_KEY, age_identity, age_recipient, nobody};
use super::*;
use crate::crypto::digest::sha256;
use crate::secret::SecretBytes;

/// Runs `age`, which must succeed, with `input`.
fn run_age(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("age");
    let child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("age is not installed: this test needs it");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[test]
#[ignore = "needs age"]
fn age_opens_a_blob_of_ours() {
    let parts = parts();
    let stanza = age_recipient(PUBLIC_KEY).wrap(&parts.preamble, &parts.data_key).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let identity = directory.path().join("id.txt");
    fs::write(&identity, SECRET_KEY).unwrap();
    let opened = run_age(&["-d", "-i", identity.to_str().unwrap()], &stanza.blob);
    assert_eq!(opened, [&parts.data_key.expose()[..], &sha256(&[&parts.preamble.bound()])].concat());
}

#[test]
#[ignore = "needs age"]
fn a_blob_that_age_made_opens_a_file() {
    let parts = parts();
    let bound = [&parts.data_key.expose()[..], &sha256(&[&parts.preamble.bound()])].concat();
    let blob = run_age(&["-r", PUBLIC_KEY], &bound);
    let stanza = Stanza { kind: RecipientKind::Age, key_id: KeyId([4; 16]), blob };
    let slot = parts.slot(|body| body.recipients = vec![stanza]);
    let bytes = parts.with_slots(&slot, &slot);
    let unlocked = Sealed::from_bytes("f", bytes).unwrap().unlock(&age_identity()).unwrap();
    assert_eq!(unlocked.read_to_memory(&Silent).unwrap().expose(), plaintext(100));
}

/// Answers every question with the same words, and remembers what it was asked.
struct Parrot(&'static str, Mutex<Vec<String>>);

impl Person for Parrot {
    fn tell(&self, message: &str) {
        self.1.lock().unwrap().push(message.to_owned());
    }

    fn ask(&self, prompt: &str) -> Option<String> {
        self.tell(prompt);
        Some(self.0.to_owned())
    }

    fn ask_secret(&self, prompt: &str) -> Option<SecretBytes> {
        self.ask(prompt).map(SecretBytes::from)
    }
}

/// An identity file that a passphrase protects, at `cost` (a power of two).
fn encrypted_identities(passphrase: &str, cost: u8) -> SecretBytes {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
    recipient.set_work_factor(cost);
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).unwrap();
    let mut file = Vec::new();
    let armored = age::armor::ArmoredWriter::wrap_output(&mut file, age::armor::Format::AsciiArmor).unwrap();
    let mut writer = encryptor.wrap_output(armored).unwrap();
    writer.write_all(SECRET_KEY.as_bytes()).unwrap();
    writer.finish().and_then(age::armor::ArmoredWriter::finish).unwrap();
    SecretBytes::from(file)
}

#[test]
fn an_identity_file_may_be_encrypted_with_a_passphrase() {
    let file = encrypted_identities("opensesame", 2);
    let parrot = Arc::new(Parrot("opensesame", Mutex::default()));
    let mut identities = AgeIdentities::default();
    identities.add_file("'id.age'", &file, &(Arc::clone(&parrot) as Arc<dyn Person>)).unwrap();
    assert_eq!((identities.len(), parrot.1.lock().unwrap().len()), (1, 1));
    let parts = parts();
    let stanza = age_recipient(PUBLIC_KEY).wrap(&parts.preamble, &parts.data_key).unwrap();
    let opened = identities.unwrap("f", &stanza, &parts.preamble).unwrap();
    assert_eq!(opened, Some(parts.data_key.clone()));

    let wrong: Arc<dyn Person> = Arc::new(Parrot("wrong", Mutex::default()));
    for person in [wrong, nobody()] {
        assert!(AgeIdentities::default().add_file("'id.age'", &file, &person).is_err());
    }
}

#[test]
fn an_identity_file_cannot_demand_gigabytes() {
    // The cost stands in the header in the clear; what it would cost to make is not spent.
    let file = encrypted_identities("opensesame", 2);
    let mut plain = Vec::new();
    io::copy(&mut age::armor::ArmoredReader::new(file.expose()), &mut plain).unwrap();
    let at = plain.windows(3).position(|bytes| bytes == b" 2\n").unwrap();
    plain.splice(at..at + 3, *b" 30\n");
    let parrot: Arc<dyn Person> = Arc::new(Parrot("opensesame", Mutex::default()));
    let error = AgeIdentities::default().add_file("'id'", &SecretBytes::from(plain), &parrot).unwrap_err();
    let said = std::error::Error::source(&error).unwrap().to_string();
    assert!(said.to_lowercase().contains("work"), "{said}");
}

/// A plugin whose key is to hand it over: `age-plugin-test`, after age's plugin protocol.
const PLUGIN: &str = r#"#!/usr/bin/env python3
import base64, os, sys
def read():
    head = sys.stdin.readline().split()
    body = ""
    while True:
        line = sys.stdin.readline().rstrip("\n")
        body += line
        if len(line) < 64:
            return head[1:], base64.b64decode(body + "=" * (-len(body) % 4))
def write(*head, body=b""):
    text = base64.b64encode(body).decode().rstrip("=")
    lines = [text[i:i + 64] for i in range(0, len(text), 64)] or [""]
    if len(lines[-1]) == 64:
        lines.append("")
    print("->", *head, *[], sep=" ", end="\n" + "\n".join(lines) + "\n", flush=True)
commands = []
while True:
    head, body = read()
    if head[0] == "done":
        break
    commands.append((head, body))
flip = lambda key: bytes(byte ^ 0x55 for byte in key)
for head, body in commands:
    if head[0] == "wrap-file-key":
        write("recipient-stanza", "0", "test", body=flip(body)); read()
        for _ in range(int(os.environ["SEALSERVE_TEST_PLUGIN"])):
            write("recipient-stanza", "0", "more"); read()
    if head[0] == "recipient-stanza" and head[2] == "test":
        write("msg", body=b"touch the test key"); read()
        write("file-key", head[1], body=flip(body)); read()
write("done")
"#;

/// Bech32 (BIP 173) of no data at all.
fn bech32(prefix: &str) -> String {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    const DIGITS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let high = prefix.bytes().map(|c| u32::from(c >> 5));
    let low = prefix.bytes().map(|c| u32::from(c & 31));
    let mut sum = 1_u32;
    for value in high.chain([0]).chain(low).chain([0; 6]) {
        let top = sum >> 25;
        sum = (sum & 0x01ff_ffff) << 5 ^ value;
        (0..5).filter(|i| top >> i & 1 == 1).for_each(|i| sum ^= GENERATOR[i]);
    }
    sum ^= 1;
    let digits = (0..6).map(|i| char::from(DIGITS[(sum >> (5 * (5 - i)) & 31) as usize]));
    format!("{prefix}1{}", digits.collect::<String>())
}

/// The search path of a process is the same for all its threads, so this runs by itself.
#[test]
fn a_plugin_wraps_and_unwraps() {
    // So many stanzas it writes beside its own; the library adds another.
    const CHILD: &str = "SEALSERVE_TEST_PLUGIN";
    let Ok(more) = std::env::var(CHILD) else {
        let directory = tempfile::tempdir().unwrap();
        let plugin = directory.path().join("age-plugin-test");
        fs::write(&plugin, PLUGIN).unwrap();
        fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
        let own = "container::tests::interop::a_plugin_wraps_and_unwraps";
        for more in ["0", "30", "31"] {
            let mut again = Command::new(std::env::current_exe().unwrap());
            again.args(["--exact", own, "--nocapture"]).env("PATH", &path).env(CHILD, more);
            let output = again.output().unwrap();
            assert!(output.status.success(), "{more}: {}", String::from_utf8_lossy(&output.stderr));
            assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
        }
        return;
    };
    let parrot = Arc::new(Parrot("y", Mutex::default()));
    let person: Arc<dyn Person> = Arc::clone(&parrot) as _;
    let parts = parts();
    let recipient = AgeRecipient::parse(&bech32("age1test"), &person).unwrap();
    let wrapped = Recipient::Age(recipient).wrap(&parts.preamble, &parts.data_key);
    // What no reader takes is not written.
    if more == "31" {
        assert!(matches!(wrapped, Err(ContainerError::AgeWrap { .. })), "{wrapped:?}");
        return;
    }
    let stanza = wrapped.unwrap();
    let mut identities = AgeIdentities::default();
    let identity = SecretBytes::from(bech32("age-plugin-test-").to_uppercase());
    identities.add_file("'id'", &identity, &person).unwrap();
    let opened = identities.unwrap("f", &stanza, &parts.preamble).unwrap();
    assert_eq!(opened, Some(parts.data_key.clone()));
    assert_eq!(*parrot.1.lock().unwrap(), ["touch the test key"]);
}
