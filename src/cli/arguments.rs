//! The command line as a whole: its parser, and the options that every verb takes.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::{env, exit, hyphen, secret};
use crate::output::{Format, Output};

/// Secure model serving in one binary.
#[derive(Debug, Parser)]
#[command(name = "sealserve", version, about, propagate_version = true, max_term_width = 100)]
#[command(after_help = exit::HELP, disable_help_subcommand = true)]
pub(super) struct Cli<C: Subcommand> {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: C,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]
    #[arg(long, global = true, env = "SEALSERVE_HOME", value_name = "DIR", hide_env_values = true)]
    pub(super) home: Option<PathBuf>,
    /// Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]
    #[arg(long, global = true, env = "SEALSERVE_ROOT_KEY", value_name = secret::FORMS, hide_env_values = true)]
    pub(super) root_key: Option<secret::Source>,
    /// Form of the answer on stdout
    #[arg(long, global = true, value_enum, default_value_t)]
    format: FormatArg,
    /// When to colour messages
    #[arg(long, global = true, value_enum, default_value_t)]
    color: ColorArg,
    /// Never prompt; fail, and name the option to pass
    #[arg(long, global = true, action = ArgAction::SetTrue)]
    pub(super) no_input: bool,
    /// Only errors and warnings on stderr
    #[arg(long, short, global = true, action = ArgAction::SetTrue)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum FormatArg {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum ColorArg {
    #[default]
    Auto,
    Always,
    Never,
}

impl Global {
    /// Where answers and messages go, and in which form.
    pub(super) fn output(&self) -> Output {
        let format = match self.format {
            FormatArg::Text => Format::Text,
            FormatArg::Json => Format::Json,
        };
        Output::new(format, wants_color(self.color), self.quiet)
    }
}

fn wants_color(choice: ColorArg) -> bool {
    match choice {
        ColorArg::Always => true,
        ColorArg::Never => false,
        ColorArg::Auto => {
            let set = |name| env::var(name).is_some_and(|value| !value.is_empty());
            let dumb = env::var("TERM").is_some_and(|term| term == "dumb");
            std::io::stderr().is_terminal() && !set("NO_COLOR") && !dumb
        }
    }
}

/// Reads the arguments, and keeps from other programs what they say is secret.
pub(super) fn parse<C: Subcommand>() -> Result<Cli<C>, clap::Error> {
    let mut grammar = Cli::<C>::command();
    let arguments = hyphen::separated(&grammar, std::env::args_os());
    let matches = grammar.try_get_matches_from_mut(arguments)?;
    secret::keep(&matches);
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut grammar))
}
