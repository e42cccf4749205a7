//! The person at the terminal: `/dev/tty`, whatever stdin and stdout are.

use std::fs::File;
use std::io::{Read, Write};

use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use super::Outcome;
use crate::container::Person;
use crate::error::Kind;
use crate::output::{self, Failure};
use crate::secret::SecretBytes;

const LONGEST_LINE: usize = 4096;

/// Asks for a secret without showing it; `option` is what to pass instead.
pub(super) fn ask_secret(prompt: &str, no_input: bool, option: &str) -> Outcome<SecretBytes> {
    let refused = |why: &str| Failure::new(Kind::Credential, format!("cannot ask for {prompt}: {why}"));
    if no_input {
        return Err(refused("--no-input forbids it").hint(format!("pass {option}")).into());
    }
    let asked = open().and_then(|tty| {
        let quiet = Quiet::begin(&tty)?;
        line(&tty, &format!("{prompt}: "), Some(&quiet))
    });
    match asked {
        Ok(Typed::Line(text)) => Ok(text),
        Ok(Typed::Signal(signal)) => {
            // The end, as if the key had sent it, unless the signal is ignored.
            let _ = kill_process(getpid(), signal);
            Err(refused("it was interrupted").into())
        }
        Err(error) => {
            let failure = refused("there is no terminal").hint(format!("pass {option}"));
            Err(failure.because(error.to_string()).into())
        }
    }
}

/// For what age and its plugins ask.
pub(super) struct Tty {
    pub(super) no_input: bool,
}

impl Person for Tty {
    fn tell(&self, message: &str) {
        output::echo(message);
    }

    fn ask(&self, prompt: &str) -> Option<String> {
        if self.no_input {
            return None;
        }
        match open().and_then(|tty| line(&tty, &format!("{prompt} "), None)).ok()? {
            Typed::Line(answer) => String::from_utf8(answer.expose().to_vec()).ok(),
            Typed::Signal(_) => None,
        }
    }

    fn ask_secret(&self, prompt: &str) -> Option<SecretBytes> {
        ask_secret(prompt, self.no_input, "").ok()
    }
}

fn open() -> std::io::Result<File> {
    File::options().read(true).write(true).open("/dev/tty")
}

/// What a person typed.
enum Typed {
    /// A line, without its end.
    Line(SecretBytes),
    /// A key that ends programs.
    Signal(Signal),
}

/// One line; where nothing of it is shown, that is `quiet`.
fn line(mut tty: &File, prompt: &str, quiet: Option<&Quiet<'_>>) -> std::io::Result<Typed> {
    tty.write_all(output::plain(prompt).as_bytes())?;
    let mut text = SecretBytes::with_capacity(LONGEST_LINE + 1);
    let mut byte = [0];
    // The kernel hands over a line at once, so this costs little and reads no further.
    while text.len() <= LONGEST_LINE && tty.read(&mut byte)? == 1 && byte != *b"\n" {
        match quiet.map_or(Key::Text, |quiet| quiet.key(byte[0])) {
            Key::Text => text.expose_mut().push(byte[0]),
            Key::Nothing => {}
            Key::Signal(signal) => {
                tty.write_all(b"\n")?;
                return Ok(Typed::Signal(signal));
            }
        }
    }
    if quiet.is_some() {
        tty.write_all(b"\n")?;
    }
    Ok(Typed::Line(text))
}

/// What a key means.
enum Key {
    Text,
    Nothing,
    Signal(Signal),
}

/// While it lives, the terminal does not show what is typed, and its keys send no
/// signal: that would end the program before it shows again. A signal that another
/// program sends meanwhile (SIGTERM, a hang-up) still leaves it so; `stty sane` mends it.
struct Quiet<'a> {
    tty: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn begin(tty: &'a File) -> std::io::Result<Self> {
        let before = tcgetattr(tty)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ISIG);
        if before.local_modes.contains(LocalModes::ISIG) {
            // These keys end the line, so that they work at once.
            let codes = &mut quiet.special_codes;
            codes[SpecialCodeIndex::VEOL] = before.special_codes[SpecialCodeIndex::VINTR];
            codes[SpecialCodeIndex::VEOL2] = before.special_codes[SpecialCodeIndex::VQUIT];
        }
        tcsetattr(tty, OptionalActions::Flush, &quiet)?;
        Ok(Self { tty, before })
    }

    /// What `byte` would have meant before.
    fn key(&self, byte: u8) -> Key {
        // Zero stands for no key.
        let is = |code| byte != 0 && byte == self.before.special_codes[code];
        if !self.before.local_modes.contains(LocalModes::ISIG) {
            Key::Text
        } else if is(SpecialCodeIndex::VINTR) {
            Key::Signal(Signal::INT)
        } else if is(SpecialCodeIndex::VQUIT) {
            Key::Signal(Signal::QUIT)
        } else if is(SpecialCodeIndex::VSUSP) {
            // It would stop with a terminal that shows nothing.
            Key::Nothing
        } else {
            Key::Text
        }
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.tty, OptionalActions::Now, &self.before);
    }
}
