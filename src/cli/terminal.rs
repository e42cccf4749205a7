//! The person at the terminal: `/dev/tty`, whatever stdin and stdout are.

use std::fs::File;
use std::io::{Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::Outcome;
use crate::container::Person;
use crate::error::Kind;
use crate::output::Failure;
use crate::secret::SecretBytes;

const LONGEST_LINE: usize = 4096;

/// Asks for a secret without showing it; `option` is what to pass instead.
pub(super) fn ask_secret(prompt: &str, no_input: bool, option: &str) -> Outcome<SecretBytes> {
    let refused = |why: &str| Failure::new(Kind::Credential, format!("cannot ask for {prompt}: {why}"));
    if no_input {
        return Err(refused("--no-input forbids it").hint(format!("pass {option}")).into());
    }
    let asked = open().and_then(|tty| {
        let _quiet = Quiet::begin(&tty)?;
        line(&tty, &format!("{prompt}: "), true)
    });
    asked.map_err(|error| {
        refused("there is no terminal").hint(format!("pass {option}")).because(error.to_string()).into()
    })
}

/// For what age and its plugins ask.
pub(super) struct Tty {
    pub(super) no_input: bool,
}

impl Person for Tty {
    fn tell(&self, message: &str) {
        crate::output::echo(message);
    }

    fn ask(&self, prompt: &str) -> Option<String> {
        if self.no_input {
            return None;
        }
        let answer = open().and_then(|tty| line(&tty, &format!("{prompt} "), false)).ok()?;
        String::from_utf8(answer.expose().to_vec()).ok()
    }

    fn ask_secret(&self, prompt: &str) -> Option<SecretBytes> {
        ask_secret(prompt, self.no_input, "").ok()
    }
}

fn open() -> std::io::Result<File> {
    File::options().read(true).write(true).open("/dev/tty")
}

/// One line, without its end.
fn line(mut tty: &File, prompt: &str, secret: bool) -> std::io::Result<SecretBytes> {
    tty.write_all(prompt.as_bytes())?;
    let mut text = SecretBytes::with_capacity(LONGEST_LINE + 1);
    let mut byte = [0];
    // The kernel hands over a line at once, so this costs little and reads no further.
    while text.len() <= LONGEST_LINE && tty.read(&mut byte)? == 1 && byte != *b"\n" {
        text.expose_mut().push(byte[0]);
    }
    if secret {
        tty.write_all(b"\n")?;
    }
    Ok(text)
}

/// While it lives, the terminal does not show what is typed.
struct Quiet<'a> {
    tty: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn begin(tty: &'a File) -> std::io::Result<Self> {
        let before = tcgetattr(tty)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
        tcsetattr(tty, OptionalActions::Flush, &quiet)?;
        Ok(Self { tty, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.tty, OptionalActions::Now, &self.before);
    }
}
