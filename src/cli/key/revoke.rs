//! `key revoke`

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::authority;
use crate::cli::context::Context;
use crate::cli::{Outcome, written};
use crate::error::{Kind, shell_path};
use crate::keyring::{Key, KeyState, KeyUse, Keyring, Revoked};
use crate::ops;
use crate::output::{self, Document, Failure, ShownPath};

/// Revoke a key: servers stop accepting it and everything it signed at once
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sealserve key revoke token-1
  sealserve key revoke model-1 --compromised    # names the files to encrypt again, and the command
  sealserve key revoke model-1 --unload         # and no server goes on with models that it opened
  sealserve key revoke ca-issuing --confirm ca-issuing")]
pub(super) struct Revoke {
    /// The key's id or kid
    id: String,
    /// The secret is known to have leaked
    #[arg(long)]
    compromised: bool,
    /// For a CA key, its id again: this home can then issue no more certificates certificates
    #[arg(long, value_name = "ID")]
    confirm: Option<String>,
    /// Make running servers withdraw the models that it opened or signed
    #[arg(long)]
    unload: bool,
    /// Print what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct RevokedDocument {
    id: String,
    kid: String,
    /// Not, where it was revoked already.
    changed: bool,
    generation: u64,
    /// Whether servers withdraw what hangs on it.
    unload: bool,
    /// Where files were looked for that a model key opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    searched: Option<Vec<ShownPath>>,
    /// Those of them that it opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<ShownPath>>,
    /// The command to run next, or two of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    dry_run: bool,
}

impl Document for RevokedDocument {
    const SCHEMA: &'static str = "sealserve.key.revoke/v1";

    fn text(&self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

impl Revoke {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let (now, store) = (context.now(), context.store()?);
        let change = |keyring: &mut Keyring| -> Result<_, Failure> {
            self.confirmed(keyring.get(&self.id)?)?;
            let Revoked { key, mut changed } = keyring.revoke(&self.id, self.compromised, now)?;
            if self.unload {
                changed |= keyring.unload(&key.kid)?;
            }
            let usage = keyring.get(&key.kid)?.usage;
            let unload = keyring.get(&key.kid)?.unload;
            Ok(((key, usage, keyring.active(usage).is_ok(), changed, unload), changed))
        };
        let ((revoked, usage, active, changed, unload), generation) =
            if self.dry_run { store.rehearse(change)? } else { store.update_if(change)? };
        context.output.note(&match (changed, self.dry_run) {
            (false, _) => format!("{} was revoked already (generation {generation})", revoked.id),
            (true, true) => format!("would revoke {} (generation {generation})", revoked.id),
            (true, false) => format!("revoked {} (generation {generation})", revoked.id),
        });
        if !active && usage != KeyUse::Ca {
            context.output.warn(&format!(
                "no active key for this use is left; `sealserve key create --use {usage}` makes one"
            ));
        }
        if matches!(usage, KeyUse::Model | KeyUse::Signer) {
            let what = if usage == KeyUse::Model { "opened" } else { "let in" };
            context.output.note(&if unload {
                format!("servers that follow this keyring withdraw the models that it {what}")
            } else {
                format!("servers go on with the models that it {what} until they are restarted; --unload withdraws them")
            });
        }
        let searched = if usage == KeyUse::Model { Some(places(context)?) } else { None };
        let files = searched.as_deref().map(|places| self.files(context, places, &revoked.kid));
        let next = match usage {
            KeyUse::Ca => Some(authority::recovery(&context.home()?)),
            _ => files.as_deref().and_then(|files| self.next(files, active)),
        };
        if usage == KeyUse::Ca {
            let would = if self.dry_run { "would issue" } else { "issues" };
            context.output.warn(&format!("this home {would} no certificate any more, for good"));
        }
        if let Some(next) = &next {
            context.output.note(&format!("run next: {next}"));
        }
        if usage == KeyUse::Ca {
            context.output.note(&authority::besides());
        }
        let shown = |paths: Vec<PathBuf>| paths.into_iter().map(ShownPath::from).collect();
        written(context.output.document(&RevokedDocument {
            id: revoked.id,
            kid: revoked.kid,
            changed,
            generation,
            unload,
            searched: searched.map(shown),
            files: files.map(shown),
            next,
            dry_run: self.dry_run,
        }))
    }

    /// Fails where `key` may not be revoked without its id being named twice.
    fn confirmed(&self, key: &Key) -> Result<(), Failure> {
        match &self.confirm {
            Some(id) if !key.answers_to(id) => {
                let message = format!("--confirm names '{id}', not '{}'", key.id);
                Err(Failure::new(Kind::Usage, message).hint("nothing was changed"))
            }
            None if key.usage == KeyUse::Ca && key.state != KeyState::Revoked && !self.dry_run => {
                Err(authority::unconfirmed(&key.id))
            }
            _ => Ok(()),
        }
    }

    /// Finds, and names, the files in `places` that are sealed for the model key `kid`.
    fn files(&self, context: &Context, places: &[PathBuf], kid: &str) -> Vec<PathBuf> {
        let Ok(id) = kid.parse() else { return Vec::new() };
        let (files, unknown) = ops::sealed_for(places, &id);
        let names: Vec<_> = places.iter().map(|path| path.display().to_string()).collect();
        context.output.note(&format!("looked for files that it opens in {}", names.join(", ")));
        for error in unknown {
            context.output.warn(&format!("{error}, so whether it is sealed for the key is not known"));
        }
        for file in &files {
            let file = output::one_line(&file.to_string_lossy());
            context.output.note(&format!("sealed for it: {file}"));
        }
        let others = if self.compromised {
            "other files, older copies and backups of these stay readable to whoever has it"
        } else {
            "files elsewhere that are sealed for it do not open any more"
        };
        context.output.note(others);
        files
    }

    /// A key that leaked demands new data keys; one that only goes, new wrappings. Both are
    /// for the active key, which is made first where none `is_left`.
    fn next(&self, files: &[PathBuf], is_left: bool) -> Option<String> {
        let names: Vec<_> = files.iter().map(|file| shell_path(file)).collect();
        let verb =
            if self.compromised { "reencrypt".to_owned() } else { format!("rewrap --key {}", self.id) };
        let first = if is_left { "" } else { "sealserve key create --use model && " };
        (!names.is_empty()).then(|| format!("{first}sealserve model {verb} {}", names.join(" ")))
    }
}

/// Where the home's models are: its own directory, and what `sealserve.toml` names
/// outside of it.
fn places(context: &Context) -> Outcome<Vec<PathBuf>> {
    let home = context.home()?;
    let models = home.models();
    let mut places = vec![models.clone()];
    if home.config().exists() {
        match context.config() {
            Ok(config) => {
                let paths = config.models.into_iter().map(|model| model.path);
                places.extend(paths.filter(|path| !path.starts_with(&models)));
            }
            // The key must go, whatever is wrong with the configuration.
            Err(_) => context.output.warn(
                "sealserve.toml cannot be read, so models that it names elsewhere were not looked at; `sealserve serve` says why",
            ),
        }
    }
    Ok(places)
}
