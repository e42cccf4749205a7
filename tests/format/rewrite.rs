//! Headers that one implementation rewrote, read and rewritten by the other.

use std::fs;

use sealserve::container::Kek;
use serde_json::{Value, json};

use crate::interop::{both, recipient};
use crate::{Both, CHUNK, noise};

fn id(both: &Both, key: &str) -> String {
    Kek::parse(key, &fs::read(both.path(key)).unwrap()).unwrap().id().to_string()
}

#[test]
fn a_rewritten_header_goes_both_ways() {
    let both = both();
    both.sandbox.write("m.onnx", noise(3 * CHUNK));
    // Ours, then theirs over it, then ours again.
    both.ours("model encrypt {m.onnx} -o {f} --key-file {k1} --signer-key {s1}");
    let k1 = id(&both, "k1");
    both.theirs(&format!("rewrite {{f}} --with kek:{{k1}} --add kek:{{k2}} --remove {k1}"));
    both.ours("model verify {f} --key-file {k2} --trusted-signer {s1.pem}");
    assert_eq!(both.our_code("model verify {f} --key-file {k1}"), Some(4));
    both.ours("model sign {f} --key-file {k2} --signer-key {s2}");
    let said = both.theirs("open {f} --output {out} --with kek:{k2} --trusted {s1.pem} --trusted {s2.pem}");
    assert_eq!((&said["generation"], said["signed_by"].as_array().unwrap().len()), (&Value::from(3), 2));
    both.same("m.onnx", "out");
    // Killed between the slots: both read the newer one, and both heal it.
    both.theirs("rewrite {f} --with kek:{k2} --add kek:{k3} --slots B");
    let inspected = both.ours("model inspect {f} --key-file {k3}");
    assert!(inspected.contains("headers     stale and current"), "{inspected}");
    both.ours("model verify {f} --key-file {k3} --trusted-signer {s2.pem}");
    both.ours("model sign {f} --key-file {k3} --signer-key {s2}");
    let said = both.theirs("open {f} --output {out} --with kek:{k3} --trusted {s2.pem}");
    assert_eq!(said["slots"], json!(["current", "current"]));
    both.same("m.onnx", "out");
}

/// A way from one kind of recipient to the next, around which each program goes.
const WAY: [&str; 6] = ["k1", "age1", "command1", "phrase", "age2", "k2"];

#[test]
fn a_file_that_we_rewrap_from_kind_to_kind_opens_for_the_second_implementation() {
    let both = both();
    both.sandbox.write("m.onnx", noise(CHUNK));
    both.ours("model encrypt {m.onnx} -o {f} --key-file {k1} --signer-key {s1}");
    for (n, step) in WAY.windows(2).enumerate() {
        let old = &recipient(step[0]).ours[1];
        let new = recipient(step[1]).ours[0]
            .replace("--key-file", "--new-key-file")
            .replace("--passphrase", "--new-passphrase")
            .replace("--command-key", "--new-command-key");
        both.ours(&format!("model rewrap {{f}} {old} {new}"));
        let with = &recipient(step[1]).theirs[1];
        let said = both.theirs(&format!("open {{f}} --output {{out}} --with {with} --trusted {{s1.pem}}"));
        both.same("m.onnx", "out");
        assert_eq!(said["generation"], n + 2, "{said}");
        assert_eq!(said["recipients"].as_array().unwrap().len(), 1, "{said}");
        assert_eq!(said["slots"], json!(["current", "current"]));
        let gone = &recipient(step[0]).theirs[1];
        assert_eq!(both.they_refuse(&format!("open {{f}} --with {gone}")), "no-key");
    }
}

#[test]
fn a_file_that_the_second_implementation_rewrites_from_kind_to_kind_opens_for_us() {
    let both = both();
    both.sandbox.write("m.onnx", noise(CHUNK));
    both.theirs("seal {m.onnx} --output {f} --name m --for kek:{k1} --sign {s1}");
    for step in WAY.windows(2) {
        let (old, new) = (&recipient(step[0]).theirs[1], &recipient(step[1]).theirs[0]);
        let said = both.theirs(&format!("open {{f}} --with {old}"));
        let remove = said["recipients"][0]["key_id"].as_str().unwrap();
        both.theirs(&format!("rewrite {{f}} --with {old} --add {new} --remove {remove}"));
        let with = &recipient(step[1]).ours[1];
        both.ours(&format!("model decrypt {{f}} -o {{out}} --force {with}"));
        both.same("m.onnx", "out");
        both.ours(&format!("model verify {{f}} {with} --trusted-signer {{s1.pem}}"));
        let gone = &recipient(step[0]).ours[1];
        assert_eq!(both.our_code(&format!("model verify {{f}} {gone}")), Some(4), "{gone}");
    }
}

#[test]
fn recipients_that_either_adds_open_the_file_for_both() {
    let both = both();
    both.sandbox.write("m.onnx", noise(100));
    // Room for what is to come.
    both.theirs("seal {m.onnx} --output {f} --payload {p} --name m --for kek:{k1} --slot 16384");
    let payload = fs::read(both.path("p")).unwrap();
    both.ours(&format!("model recipient add {{f}} --key-file {{k1}} {}", recipient("age1").ours[0]));
    both.theirs(&format!("rewrite {{f}} --with age:{{age1}} --add {}", recipient("command1").theirs[0]));
    both.ours(&format!("model recipient add {{f}} {} --new-key-file {{k2}}", recipient("command1").ours[1]));
    both.theirs(&format!("rewrite {{f}} --with kek:{{k2}} --add {}", recipient("age2").theirs[0]));
    for name in ["k1", "k2", "age1", "age2", "command1"] {
        let recipient = recipient(name);
        both.theirs(&format!("open {{f}} --payload {{p}} --output {{out}} --with {}", recipient.theirs[1]));
        both.same("m.onnx", "out");
        both.ours(&format!("model decrypt {{f}} --payload {{p}} -o {{out}} --force {}", recipient.ours[1]));
        both.same("m.onnx", "out");
    }
    assert!(payload == fs::read(both.path("p")).unwrap());
    both.ours(&format!("model recipient remove {{f}} --key-file {{k2}} {}", id(&both, "k1")));
    assert_eq!(both.they_refuse("open {f} --payload {p} --with kek:{k1}"), "no-key");
    both.theirs("open {f} --payload {p} --with kek:{k2}");
}
