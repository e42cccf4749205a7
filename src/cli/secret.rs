//! Secrets in and out: never in an argument, never by accident on a pipe.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::ArgMatches;
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};

use super::{Outcome, Stop, env};
use crate::error::Kind;
use crate::fs::{self, Existing, FsError};
use crate::keyring;
use crate::output::{self, Failure};
use crate::secret::SecretBytes;

/// How help shows a [`Source`].
pub(super) const FORMS: &str = "FILE|-|fd:N|env:NAME";

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    File(PathBuf),
    Stdin,
    Descriptor(u32),
    Environment(String),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.split_once(':') {
            _ if text == "-" => Self::Stdin,
            Some(("fd", number)) => {
                Self::Descriptor(number.parse().map_err(|_| format!("'{number}' is no file descriptor"))?)
            }
            Some(("env", name)) => Self::Environment(name.to_owned()),
            _ => Self::File(PathBuf::from(text)),
        })
    }
}

impl Source {
    /// Refuses what is a secret itself, before any message quotes it as a path.
    pub(super) fn check(&self) -> Outcome {
        let Self::File(path) = self else { return Ok(()) };
        let text = path.to_string_lossy();
        let hex = text.len() >= 32 && text.chars().all(|c| c.is_ascii_hexdigit());
        let encodings = [BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD];
        let key = encodings.iter().any(|e| e.decode(text.as_bytes()).is_ok_and(|key| key.len() == 32));
        let token = text.starts_with("eyJ") && text.matches('.').count() == 2;
        let api_key = keyring::is_meant(&text) && text.len() >= 32;
        let identity = text.starts_with("AGE-");
        if (hex || key || token || api_key || identity) && path.symlink_metadata().is_err() {
            return Err(Failure::new(Kind::Usage, "a secret stands where the place of a secret belongs")
                .hint(format!("pass {FORMS}; what stood there may be in your shell's history: rotate it"))
                .into());
        }
        Ok(())
    }

    /// Reads at most `limit` bytes.
    pub(super) fn read(&self, limit: u64) -> Outcome<SecretBytes> {
        self.check()?;
        match self {
            Self::File(path) => {
                fs::read_secret(path, limit).map_err(|error| refused(self.of_file(error)).into())
            }
            Self::Descriptor(number) => {
                fs::read_descriptor(*number, limit).map_err(|error| refused(self.of_file(error)).into())
            }
            Self::Stdin => {
                let mut secret = SecretBytes::with_capacity(usize::try_from(limit).unwrap_or(0) + 1);
                let read = io::stdin().lock().take(limit + 1).read_to_end(secret.expose_mut());
                read.map_err(FsError::io("read", "standard input"))?;
                if secret.len() as u64 > limit {
                    return Err(FsError::TooLarge { path: "standard input".into(), limit }.into());
                }
                Ok(secret)
            }
            Self::Environment(name) => {
                // White space around it comes from editors and shells.
                let text =
                    env::taken(name).map(|value| SecretBytes::from(value.expose().trim_ascii().to_vec()));
                text.ok_or_else(|| {
                    Failure::new(Kind::Credential, format!("the environment has no variable '{name}'")).into()
                })
            }
        }
    }

    /// The descriptor that it is read from, if one was handed over.
    fn descriptor(&self) -> Option<u32> {
        match self {
            Self::Descriptor(number) => Some(*number),
            Self::File(path) => {
                let number = ["/dev/fd", "/proc/self/fd"].iter().find_map(|fds| path.strip_prefix(fds).ok());
                number?.to_str()?.parse().ok()
            }
            _ => None,
        }
    }

    /// Names the file that a descriptor is open to where its rights are what is wrong: a
    /// shell has no `chmod` for the descriptor of a program that has ended.
    fn of_file(&self, mut error: FsError) -> FsError {
        if let FsError::Exposed { path, .. } | FsError::Foreign { path, .. } = &mut error
            && let Some(number) = self.descriptor()
            && let Ok(file) = std::fs::read_link(format!("/proc/self/fd/{number}"))
            && file.is_absolute()
            && file.exists()
        {
            *path = file;
        }
        error
    }

    /// The file that it is, if it is one.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            // The name of a descriptor means something else in another process.
            Self::File(path) if self.descriptor().is_none() => Some(path),
            _ => None,
        }
    }

    /// How messages name it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) => format!("'{}'", path.display()),
            Self::Stdin => "standard input".into(),
            Self::Descriptor(number) => format!("file descriptor {number}"),
            Self::Environment(name) => format!("the environment variable {name}"),
        }
    }
}

/// Keeps from the programs that are started later the variables and descriptors that are
/// sources of secrets in `matches`, whether they will be read or not.
pub(super) fn keep(matches: &ArgMatches) {
    let sources = sources(matches);
    sources.iter().filter_map(|source| source.descriptor()).for_each(fs::keep_descriptor);
    env::take(sources.into_iter().filter_map(|source| match source {
        Source::Environment(name) => Some(name.clone()),
        _ => None,
    }));
}

/// Every source of a secret, whichever argument it stands in.
fn sources(matches: &ArgMatches) -> Vec<&Source> {
    let here = matches.ids().filter_map(|id| matches.try_get_many::<Source>(id.as_str()).ok().flatten());
    let mut sources: Vec<_> = here.flatten().collect();
    if let Some((_, below)) = matches.subcommand() {
        sources.extend(self::sources(below));
    }
    sources
}

/// A credential that cannot be read is a missing one.
pub(super) fn refused(error: impl Into<Failure>) -> Failure {
    error.into().kind(Kind::Credential)
}

/// Writes a new secret to the file `out`, to stdout for `-`, and without `out`
/// only to a terminal.
pub(super) fn deliver(secret: &[u8], out: Option<&Path>) -> Outcome {
    let stdout = |secret: &[u8]| {
        // Not through a buffer, which would keep it.
        output::print(secret).map_err(Stop::Output)
    };
    match out {
        Some(path) if path == Path::new("-") => stdout(secret),
        Some(path) => Ok(fs::write(path, secret, fs::SECRET, Existing::Refuse).map_err(kept)?),
        None if io::stdout().is_terminal() => stdout(secret),
        None => Err(no_destination().into()),
    }
}

/// Fails early, before a secret is made that could not be delivered.
pub(super) fn deliverable(out: Option<&Path>) -> Outcome {
    match out {
        None if !io::stdout().is_terminal() => Err(no_destination().into()),
        Some(path) if path != Path::new("-") && path.symlink_metadata().is_ok() => {
            Err(kept(FsError::Exists { path: path.to_owned() }).into())
        }
        Some(path) if path == Path::new("-") => output::stdout().map(drop).map_err(Stop::Output),
        _ => Ok(()),
    }
}

/// A secret replaces nothing: what is there may be the only copy of another.
fn kept(error: FsError) -> Failure {
    match error {
        FsError::Exists { .. } => Failure::from(error).hint("choose another path; a secret replaces nothing"),
        other => other.into(),
    }
}

fn no_destination() -> Failure {
    Failure::new(Kind::Usage, "a secret is not written to a pipe unless asked")
        .hint("pass -o FILE for a new file with mode 0600, or -o - for stdout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_told_by_its_form() {
        let file = |path: &str| Source::File(path.into());
        for (text, source) in [
            ("-", Source::Stdin),
            ("fd:0", Source::Descriptor(0)),
            ("fd:17", Source::Descriptor(17)),
            ("env:NAME", Source::Environment("NAME".into())),
            ("key", file("key")),
            ("./-", file("./-")),
            ("./fd:3", file("./fd:3")),
            ("/dev/fd/3", file("/dev/fd/3")),
            ("a:b", file("a:b")),
            ("FD:3", file("FD:3")),
        ] {
            assert_eq!(text.parse(), Ok(source), "{text}");
        }
        for bad in ["fd:", "fd:x", "fd:-1", "fd:4294967296", "fd: 3", "fd:3:4"] {
            assert!(bad.parse::<Source>().is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text in ".{0,80}") {
            if let Ok(source) = text.parse::<Source>() {
                let _ = (source.name(), source.check().is_ok());
            }
        }
    }

    #[test]
    fn a_secret_itself_is_no_source() {
        let token = "eyJhbGciOiJFUzI1NiJ9.e30.c2ln";
        // Also where it is cut or mistyped.
        let api_key = format!("ss_0123456789AB_{}", "x".repeat(40));
        let identity = "AGE-SECRET-KEY-1QQPQY";
        for secret in [&"5f".repeat(32), &"Ab3".repeat(15)[..43], token, &api_key, identity] {
            assert!(secret.parse::<Source>().unwrap().check().is_err(), "{secret}");
        }
        for place in
            ["key", "ss_key", "models/a.key", "ci-key-of-the-build-machine", "env:eyJh.e30.c2ln", "-"]
        {
            assert!(place.parse::<Source>().unwrap().check().is_ok(), "{place}");
        }
    }
}
