//! What the environment and the global options say, read once and in one place.

use std::cell::OnceCell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::arguments::Global;
use super::secret::{self, Source};
use super::terminal::{self, Tty};
use super::{Outcome, env};
use crate::clock::{Clock, SystemClock, UnixSeconds};
use crate::config::{Config, Home};
use crate::container::Person;
use crate::error::Kind;
use crate::fs::FsError;
use crate::keyring::{KeyringError, RootKey, Store};
use crate::output::{self, Failure, Output};
use crate::secret::SecretBytes;

/// What every verb may need.
pub(super) struct Context {
    pub(super) output: Output,
    home: Option<PathBuf>,
    root_key: Option<Source>,
    /// Read once: a pipe gives it only once.
    root_key_read: OnceCell<RootKey>,
    no_input: bool,
    clock: SystemClock,
}

impl Context {
    pub(super) fn new(global: Global, output: Output) -> Self {
        Self {
            output,
            home: global.home,
            root_key: global.root_key,
            root_key_read: OnceCell::new(),
            no_input: global.no_input,
            clock: SystemClock,
        }
    }

    /// Sends the server's log to stderr. Nobody who serves, or follows the keyring, waits
    /// for whoever reads it.
    pub(super) fn log(&self) {
        output::detach();
        let level = if self.output.is_quiet() { tracing::Level::WARN } else { tracing::Level::INFO };
        let log = tracing_subscriber::fmt().with_max_level(level).with_target(false).with_ansi(false);
        // It would tell of its own errors on stderr, and panic where that is closed.
        let _ = log.log_internal_errors(false).with_writer(|| Line).try_init();
    }

    /// Asks for a secret at the terminal; `option` is what to pass instead.
    pub(super) fn ask_secret(&self, prompt: &str, option: &str) -> Outcome<SecretBytes> {
        terminal::ask_secret(prompt, self.no_input, option)
    }

    /// Whoever answers what age and its plugins ask.
    pub(super) fn person(&self) -> Arc<dyn Person> {
        Arc::new(Tty { no_input: self.no_input })
    }

    pub(super) fn now(&self) -> UnixSeconds {
        self.clock.unix()
    }

    /// The home, whether it exists or not.
    pub(super) fn home(&self) -> Outcome<Home> {
        let path = match &self.home {
            Some(path) => path.clone(),
            None => xdg("XDG_DATA_HOME", ".local/share", HOME)?,
        };
        Ok(Home::new(&path)?)
    }

    /// Where a development home is kept.
    pub(super) fn dev_home(&self) -> Outcome<Home> {
        let base = match &self.home {
            Some(path) => path.clone(),
            None => xdg("XDG_STATE_HOME", ".local/state", HOME)?,
        };
        // Never the home itself, which has another root key and keeps other secrets.
        Ok(Home::new(&base.join("dev"))?)
    }

    /// One reader of the standard input at most: `readers` of it, and the root key.
    pub(super) fn check_stdin(&self, readers: usize) -> Outcome {
        if readers + usize::from(self.root_key == Some(Source::Stdin)) > 1 {
            return Err(Failure::new(Kind::Usage, "only one thing can be read from standard input").into());
        }
        Ok(())
    }

    /// Where the root key is, when it is a file.
    pub(super) fn root_key_file(&self) -> Outcome<Option<PathBuf>> {
        self.root_key.as_ref().map_or(Ok(()), Source::check)?;
        match &self.root_key {
            None => Ok(Some(default_root_key()?)),
            Some(Source::File(path)) => Ok(Some(path.clone())),
            Some(_) => Ok(None),
        }
    }

    /// The root key.
    pub(super) fn root_key(&self) -> Outcome<RootKey> {
        if let Some(read) = self.root_key_read.get() {
            return Ok(read.clone());
        }
        self.root_key.as_ref().map_or(Ok(()), Source::check)?;
        let key = match &self.root_key {
            None => RootKey::read(&default_root_key()?).map_err(secret::refused)?,
            Some(Source::File(path)) => RootKey::read(path).map_err(secret::refused)?,
            Some(source) => RootKey::parse(source.read(256)?.expose(), &source.name())?,
        };
        Ok(self.root_key_read.get_or_init(|| key).clone())
    }

    /// The keyring of the home.
    pub(super) fn store(&self) -> Outcome<Store> {
        let home = self.home()?;
        if !home.path().exists() {
            return Err(KeyringError::Absent { path: home.keyring() }.into());
        }
        home.require_private()?;
        Ok(Store::new(home.path(), self.root_key()?))
    }

    /// The home's configuration.
    pub(super) fn config(&self) -> Outcome<Config> {
        Ok(Config::read(&self.home()?.config())?)
    }
}

/// Takes one event of the log at a time, whole.
struct Line;

impl Write for Line {
    fn write(&mut self, event: &[u8]) -> std::io::Result<usize> {
        output::say(&line(&String::from_utf8_lossy(event)));
        Ok(event.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An event stays one line, whatever others have put into it: none can look like two.
fn line(event: &str) -> String {
    output::one_line(event.trim_end()) + "\n"
}

/// Where the root key of a development home is kept.
pub(super) fn dev_root_key() -> Outcome<PathBuf> {
    Ok(xdg("XDG_CONFIG_HOME", ".config", DEV_ROOT_KEY)?.join("dev-root.key"))
}

fn default_root_key() -> Outcome<PathBuf> {
    Ok(xdg("XDG_CONFIG_HOME", ".config", ROOT_KEY)?.join("root.key"))
}

/// How to name another home.
pub(super) const HOME: &str = "pass --home DIR, or set SEALSERVE_HOME";
/// How to name another root key.
pub(super) const ROOT_KEY: &str = "pass --root-key FILE, or set SEALSERVE_ROOT_KEY";
/// How to do without a root key for development.
pub(super) const DEV_ROOT_KEY: &str = "set XDG_CONFIG_HOME, or pass --ephemeral to keep nothing";

/// Why something could not be read or written, with `option` to name another place where
/// this one is of no use.
pub(super) fn elsewhere(error: FsError, option: &str) -> Failure {
    use std::io::ErrorKind::{NotADirectory, PermissionDenied, ReadOnlyFilesystem};
    let is_place = match &error {
        FsError::Io { source, .. } => {
            matches!(source.kind(), NotADirectory | PermissionDenied | ReadOnlyFilesystem)
        }
        _ => false,
    };
    let failure = Failure::from(error);
    if is_place { failure.hint(format!("this place cannot be used: {option}")) } else { failure }
}

/// `sealserve` in an XDG base directory; relative values are to be ignored, says
/// the specification. Without one, `option` says what to do.
fn xdg(name: &str, default: &str, option: &str) -> Outcome<PathBuf> {
    let set = env::var(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set.or_else(|| {
        env::var("HOME").filter(|home| !home.is_empty()).map(|home| Path::new(&home).join(default))
    });
    base.map(|base| base.join("sealserve")).ok_or_else(|| {
        Failure::new(Kind::Usage, format!("neither {name} nor HOME is set")).hint(option).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_the_log_is_one_line() {
        assert_eq!(line("INFO ready 'é'\n"), "INFO ready 'é'\n");
        assert_eq!(line("WARN no\r\nINFO yes\u{1b}[2J\n"), "WARN no\\r\\nINFO yes\\u{1b}[2J\n");
    }
}
