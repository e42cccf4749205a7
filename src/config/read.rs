//! Reads `sealserve.toml`.

use std::path::{Path, PathBuf};

use super::{Config, check};
use crate::error::Diagnose;
use crate::fs::{self, FsError};

const LIMIT: u64 = 1 << 20;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum ConfigError {
    #[error(transparent)]
    File(#[from] FsError),
    #[error("'{}' is not text in UTF-8", path.display())]
    Text { path: PathBuf },
    #[error("configuration '{}' is refused", path.display())]
    Syntax { path: PathBuf, source: Box<toml::de::Error> },
    #[error("configuration '{}' has an unknown key '{key}'", path.display())]
    UnknownKey { path: PathBuf, key: String, nearest: Option<String>, source: Box<toml::de::Error> },
    #[error("configuration '{}': {detail}", path.display())]
    Value { path: PathBuf, detail: String },
}

impl Diagnose for ConfigError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => error.hint(),
            Self::UnknownKey { nearest: Some(nearest), .. } => Some(format!("did you mean '{nearest}'?")),
            _ => Some("docs/configuration.md lists every key".into()),
        }
    }
}

impl Config {
    /// Reads and checks the configuration at `path`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read(path, LIMIT)?;
        let text =
            std::str::from_utf8(text.expose()).map_err(|_| ConfigError::Text { path: path.to_owned() })?;
        let mut config = Self::parse(text, path)?;
        let base = path.parent().unwrap_or(Path::new("."));
        let resolve = |p: &mut PathBuf| *p = base.join(&*p);
        resolve(&mut config.tls.certificate);
        resolve(&mut config.tls.key);
        resolve(&mut config.audit.path);
        config.runtime.library.as_mut().map(resolve);
        config.trusted_signers.iter_mut().for_each(resolve);
        config.keys.age_identity.as_mut().map(resolve);
        // A name without a slash is looked for on the search path.
        if let Some(program) = config.keys.unwrap_command.first_mut().filter(|name| name.contains('/')) {
            *program = base.join(&*program).to_string_lossy().into_owned();
        }
        for model in &mut config.models {
            resolve(&mut model.path);
            model.payload.as_mut().map(resolve);
            model.trusted_signers.iter_mut().for_each(resolve);
        }
        Ok(config)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| refused(error, path))?;
        check::values(&config).map_err(|detail| ConfigError::Value { path: path.to_owned(), detail })?;
        Ok(config)
    }
}

/// serde tells the valid names inside its message, between backticks:
/// "unknown field `lisen`, expected one of `listen`, `tls`".
fn refused(error: toml::de::Error, path: &Path) -> ConfigError {
    let (path, message) = (path.to_owned(), error.message().to_owned());
    let mut names = message.split('`').skip(1).step_by(2);
    match (message.starts_with("unknown field"), names.next()) {
        (true, Some(key)) => {
            let near = |name: &&str| strsim::damerau_levenshtein(key, name);
            let nearest = names.min_by_key(near).filter(|name| near(name) <= 1 + key.len() / 3);
            ConfigError::UnknownKey {
                path,
                key: key.to_owned(),
                nearest: nearest.map(ToOwned::to_owned),
                source: Box::new(error),
            }
        }
        _ => ConfigError::Syntax { path, source: Box::new(error) },
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LimitsTable, TlsVersion};
    use super::*;

    const LEAST: &str = r#"
        listen = "127.0.0.1:8443"
        issuer = "i"
        audience = "a"
        tls = { certificate = "c", key = "k" }
        [[model]]
        name = "digits"
        path = "digits.sealed"
    "#;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("sealserve.toml"))
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let config = parse(LEAST).unwrap();
        assert_eq!(config.limits, LimitsTable::default());
        assert_eq!(config.tls.min_version, TlsVersion::Tls13);
        assert_eq!(config.models[0].version, "1");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_name() {
        for (from, to, nearest) in [
            ("listen", "lisen", Some("listen")),
            ("path", "pth", Some("path")),
            ("certificate", "certifcate", Some("certificate")),
            ("[[model]]", "[limits]\nbodies = 1\n[[model]]", Some("body")),
            ("[[model]]", "[zebra]\n[[model]]", None),
        ] {
            match parse(&LEAST.replacen(from, to, 1)) {
                Err(ConfigError::UnknownKey { nearest: found, .. }) => assert_eq!(found.as_deref(), nearest),
                other => panic!("{to}: {other:?}"),
            }
        }
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        for (from, to) in [
            ("\"digits\"", "\"../digits\""),
            ("\"digits\"", "\"\""),
            ("[[model]]", "[limits]\nconnections = 0\n[[model]]"),
            ("[[model]]", "[limits]\nbody_timeout = \"-1s\"\n[[model]]"),
            ("path = ", "sessions = 0\npath = "),
            ("path = ", "run_memory = 1_048_575\npath = "),
            ("path = ", "require_signature = true\npath = "),
            ("listen = ", "require_signature = true\nlisten = "),
            ("[[model]]", "[keys]\ncommand_authenticates = true\n[[model]]"),
            ("[[model]]", "[signing]\nwindow = \"301s\"\n[[model]]"),
            ("[[model]]", "[signing]\nnonces = 0\n[[model]]"),
            ("[[model]]", "[signing]\nmode = \"perhaps\"\n[[model]]"),
        ] {
            assert!(parse(&LEAST.replacen(from, to, 1)).is_err(), "{to}");
        }
    }
    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text in "(?s).{0,300}") {
            let _ = parse(&text);
        }

        #[test]
        fn any_value_is_parsed_without_panic(
            key in "(listen|issuer|allow_swap|tls|limits|keyring|signing|audit|runtime|model)(\\.[a-z_]{1,20})?",
            value in "([0-9eE.+-]{1,30}|\"[^\"\\\\]{0,30}\"|\\[.{0,30}\\]|\\{.{0,30}\\}|true|.{0,20})",
        ) {
            let _ = parse(&format!("{key} = {value}\n{LEAST}"));
        }
    }
}
