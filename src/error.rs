//! What every module's error type can tell beyond its message: what the caller
//! should conclude, and what the person may do next.

use std::path::Path;

/// What an error means for the caller. The command line turns it into an exit
/// code; `sealserve --help` and the README list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The work could not be done.
    Failed,
    /// The request itself makes no sense; nothing was tried.
    Usage,
    /// The thing was checked, and the answer is no.
    Negative,
    /// A credential is missing or was refused.
    Credential,
}

/// An error that a person can act upon.
pub trait Diagnose: std::error::Error {
    /// What the caller should conclude.
    fn kind(&self) -> Kind {
        Kind::Failed
    }

    /// What to do next, as a phrase without a full stop.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// `text` as one word of a POSIX shell, for commands that hints print.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,=@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// `path` as one word of a POSIX shell that no program takes for an option.
pub fn shell_path(path: &Path) -> String {
    let text = path.to_string_lossy();
    if text.starts_with('-') { shell_word(&format!("./{text}")) } else { shell_word(&text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        for text in ["", "/plain/path-1.2", "/with space", "/it's", "/$HOME`x`"] {
            let line = format!("printf %s {}", shell_word(text));
            let out = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
            assert_eq!(String::from_utf8(out.stdout).unwrap(), text);
        }
        assert_eq!(shell_path(Path::new("-x.pem")), "./-x.pem");
    }
}
