//! Programs that encrypt and decrypt a file, as a shell runs them: `$in` and `$out`
//! name files, or nothing where a standard stream takes their place.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use super::{Cost, Running, binary, cost, installed};

/// One program.
pub struct Tool {
    pub name: &'static str,
    /// What encrypts, and what decrypts.
    shell: [&'static str; 2],
    /// What the encrypted file is called.
    pub sealed: &'static str,
}

/// The name of the plain file.
pub const PLAIN: &str = "model";
/// The name of what a row writes.
const OUT: &str = "out";

const SEALSERVE: Tool = Tool {
    name: "sealserve",
    shell: [
        "$sealserve model encrypt --key-file model.key --name model -o ${out:--} ${in:--}",
        "$sealserve model decrypt --key-file model.key -o ${out:--} ${in:--}",
    ],
    sealed: "model.sealed",
};

const AGE: Tool = Tool {
    name: "age",
    shell: ["age -R recipient ${out:+-o $out} $in", "age -d -i identity ${out:+-o $out} $in"],
    sealed: "model.age",
};

const RAGE: Tool = Tool {
    name: "rage",
    shell: ["rage -R recipient ${out:+-o $out} $in", "rage -d -i identity ${out:+-o $out} $in"],
    sealed: "model.rage",
};

/// Of itself, gpg compresses, and hashes a passphrase for a tenth of a second: here it
/// does neither, so what is compared is the encryption.
macro_rules! gpg {
    ($verb:literal) => {
        concat!(
            "gpg --batch --quiet --no-symkey-cache --pinentry-mode loopback",
            " --passphrase-file passphrase --cipher-algo AES256 --compress-algo none",
            " --s2k-mode 3 --s2k-count 1024 -o ${out:--} ",
            $verb,
            " $in"
        )
    };
}

const GPG: Tool = Tool { name: "gpg", shell: [gpg!("-c"), gpg!("-d")], sealed: "model.gpg" };

macro_rules! openssl {
    ($verb:literal) => {
        concat!(
            "openssl enc ",
            $verb,
            " -aes-256-ctr -pbkdf2 -pass file:passphrase ${in:+-in $in} ${out:+-out $out}"
        )
    };
}

const OPENSSL: Tool = Tool {
    name: "openssl enc (unauthenticated)",
    shell: [openssl!("-e"), openssl!("-d")],
    sealed: "model.openssl",
};

const CAT: Tool = Tool { name: "cat", shell: ["cat $in > ${out:-/dev/stdout}"; 2], sealed: "model.sealed" };

/// Encrypts, or decrypts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Encrypt,
    Decrypt,
}

/// Where a file comes from and where the result goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From a file to nowhere.
    Null,
    /// From a file to another, which is on the disk when the clock stops.
    File,
    /// From one pipe to another.
    Pipe,
}

/// All that are installed, sealserve first and cat last, with keys in `directory`.
pub fn tools(directory: &Path) -> Vec<Tool> {
    secret(directory, "model.key", 32);
    let mut passphrase = String::new();
    for byte in random(32) {
        passphrase += &format!("{byte:02x}");
    }
    std::fs::write(directory.join("passphrase"), passphrase).unwrap();
    std::fs::create_dir(directory.join("gnupg")).unwrap();
    std::fs::set_permissions(directory.join("gnupg"), PermissionsExt::from_mode(0o700)).unwrap();
    let mut tools = vec![SEALSERVE];
    let keys = installed("age-keygen");
    if keys {
        cost(&mut shell(directory, "age-keygen -o identity && age-keygen -y identity > recipient"));
    }
    tools.extend([AGE, RAGE].into_iter().filter(|tool| keys && installed(tool.name)));
    tools.extend([GPG].into_iter().filter(|_| installed("gpg")));
    tools.extend([OPENSSL].into_iter().filter(|_| installed("openssl")));
    tools.push(CAT);
    tools
}

/// Stops the agent that gpg has started for `directory`.
pub fn stop_agent(directory: &Path) {
    let _ = shell(directory, "gpgconf --kill gpg-agent").status();
}

/// A shell in `directory` that runs `script` without a word.
pub fn shell(directory: &Path, script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(directory);
    command.env("sealserve", binary()).env("GNUPGHOME", directory.join("gnupg"));
    command.env("in", "").env("out", "");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Tool {
    /// The command that reads `input` and writes `output`; nothing is a standard stream.
    pub fn command(&self, directory: &Path, direction: Direction, input: &str, output: &str) -> Command {
        let script = self.shell[direction as usize];
        let script = match output {
            "" => format!("exec {script}"),
            // sealserve does not give a file its name before it is on the disk.
            _ if self.name == SEALSERVE.name => format!("exec {script}"),
            _ => format!("{script} && sync $out"),
        };
        let mut command = shell(directory, &script);
        command.env("in", input).env("out", output);
        command
    }

    /// What it costs to encrypt or decrypt the file on that way.
    pub fn cost(&self, directory: &Path, direction: Direction, way: Way) -> Cost {
        let input = match direction {
            Direction::Encrypt => PLAIN,
            Direction::Decrypt => self.sealed,
        };
        match way {
            Way::Null => cost(&mut self.command(directory, direction, input, "")),
            Way::File => {
                let cost = cost(&mut self.command(directory, direction, input, OUT));
                std::fs::remove_file(directory.join(OUT)).unwrap();
                cost
            }
            Way::Pipe => {
                let file = File::open(directory.join(input)).unwrap();
                let mut source = Command::new("cat").stdin(file).stdout(Stdio::piped()).spawn().unwrap();
                let from = source.stdout.take().unwrap();
                let (running, to) = piped(self.command(directory, direction, "", ""), from);
                let mut sink = Command::new("cat").stdin(to).stdout(Stdio::null()).spawn().unwrap();
                let cost = running.finish();
                assert!(source.wait().unwrap().success() && sink.wait().unwrap().success());
                cost
            }
        }
    }

    /// Makes the encrypted file.
    pub fn seal(&self, directory: &Path) {
        if self.name != CAT.name {
            cost(&mut self.command(directory, Direction::Encrypt, PLAIN, self.sealed));
        }
    }
}

/// Starts `command` with its input from `from`, and returns its output.
pub fn piped(mut command: Command, from: impl Into<Stdio>) -> (Running, ChildStdout) {
    let (read, write) = std::io::pipe().unwrap();
    let running = Running::start(command.stdin(from).stdout(write));
    (running, std::process::ChildStdout::from(std::os::fd::OwnedFd::from(read)))
}

/// A file of `length` random bytes that only its owner may read.
pub fn secret(directory: &Path, name: &str, length: usize) {
    let path = directory.join(name);
    std::fs::write(&path, random(length)).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
}

/// Bytes that no compressor would shrink.
pub fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes
}
