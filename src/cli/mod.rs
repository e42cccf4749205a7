//! The command line: the only place for arguments, the environment, the terminal
//! and exit codes. A verb turns its arguments into a call of a domain and hands
//! what comes back to [`output`].

mod apikey;
mod cert;
mod context;
mod env;
mod exit;
mod hyphen;
mod init;
mod key;
mod model;
mod request;
mod runtime;
mod secret;
mod selfdoc;
mod serve;
mod status;
mod terminal;
mod token;
mod usage;

use std::io::IsTerminal;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use self::context::Context;
use crate::error::Kind;
use crate::output::{self, Document, Failure, Format, Output};

/// Secure model serving in one binary.
#[derive(Debug, Parser)]
#[command(name = "sealserve", version, about, propagate_version = true, max_term_width = 100)]
#[command(after_help = exit::HELP, disable_help_subcommand = true)]
struct Cli<C: Subcommand> {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: C,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Directory of keyring, certificates and state [default: $XDG_DATA_HOME/sealserve]
    #[arg(long, global = true, env = "SEALSERVE_HOME", value_name = "DIR", hide_env_values = true)]
    home: Option<std::path::PathBuf>,
    /// Root key that opens the keyring [default: $XDG_CONFIG_HOME/sealserve/root.key]
    #[arg(long, global = true, env = "SEALSERVE_ROOT_KEY", value_name = secret::FORMS, hide_env_values = true)]
    root_key: Option<secret::Source>,
    /// Form of the answer on stdout
    #[arg(long, global = true, value_enum, default_value_t)]
    format: FormatArg,
    /// When to colour messages
    #[arg(long, global = true, value_enum, default_value_t)]
    color: ColorArg,
    /// Never ask at the terminal: fail, and say what to pass
    #[arg(long, global = true, action = ArgAction::SetTrue)]
    no_input: bool,
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

/// What can be run.
#[derive(Debug, Subcommand)]
enum Any {
    #[command(flatten)]
    Command(Command),
    #[command(hide = true)]
    Completion(selfdoc::Completion),
    #[command(hide = true)]
    Man(selfdoc::Man),
}

/// What people are told of.
#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Cert(cert::CertCommand),
    Key(key::KeyCommand),
    Token(token::TokenCommand),
    #[command(name = "apikey")]
    ApiKey(apikey::ApiKeyCommand),
    Model(Box<model::ModelCommand>),
    Request(Box<request::RequestCommand>),
    Serve(serve::Serve),
    Status(status::Status),
    Runtime(runtime::RuntimeCommand),
}

impl Any {
    fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Command(Command::Init(command)) => command.run(context),
            Self::Command(Command::Cert(command)) => command.run(context),
            Self::Command(Command::Key(command)) => command.run(context),
            Self::Command(Command::Token(command)) => command.run(context),
            Self::Command(Command::ApiKey(command)) => command.run(context),
            Self::Command(Command::Model(command)) => command.run(context),
            Self::Command(Command::Request(command)) => command.run(context),
            Self::Command(Command::Serve(command)) => command.run(context),
            Self::Command(Command::Status(command)) => command.run(context),
            Self::Command(Command::Runtime(command)) => command.run(context),
            Self::Completion(command) => command.run(),
            Self::Man(command) => command.run(),
        }
    }
}

/// Runs the command that the process was started with. No thread may have been started
/// before, since the environment is changed.
pub fn main() -> u8 {
    let code = run();
    output::flush();
    code
}

fn run() -> u8 {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => return usage::report(&error),
    };
    let format = match cli.global.format {
        FormatArg::Text => Format::Text,
        FormatArg::Json => Format::Json,
    };
    let output = Output::new(format, wants_color(cli.global.color), cli.global.quiet);
    let context = Context::new(cli.global, output);
    match cli.command.run(&context) {
        Ok(()) => exit::DONE,
        Err(Stop::Failure(failure)) => {
            output.failure(&failure);
            exit::code(failure.conclusion())
        }
        Err(Stop::Output(error)) => unwritten(&error, output),
    }
}

/// How to end where standard output took no answer. Whoever closes the pipe has read enough.
fn unwritten(error: &std::io::Error, output: Output) -> u8 {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return exit::DONE;
    }
    let failure = Failure::new(Kind::Failed, error.to_string());
    output.failure(&failure.context("cannot write to standard output"));
    exit::code(Kind::Failed)
}

/// Reads the arguments, and keeps from other programs what they say is secret.
fn parse() -> Result<Cli<Any>, clap::Error> {
    let mut grammar = Cli::<Any>::command();
    let arguments = hyphen::separated(&grammar, std::env::args_os());
    let matches = grammar.try_get_matches_from_mut(arguments)?;
    secret::keep(&matches);
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut grammar))
}

/// Why a command ends early.
#[derive(Debug)]
enum Stop {
    /// It failed.
    Failure(Failure),
    /// Its answer could not be written.
    Output(std::io::Error),
}

impl<T: Into<Failure>> From<T> for Stop {
    fn from(failure: T) -> Self {
        Self::Failure(failure.into())
    }
}

type Outcome<T = ()> = Result<T, Stop>;

/// The usual form of a file that is an answer.
fn written(result: std::io::Result<()>) -> Outcome {
    result.map_err(Stop::Output)
}

/// The outcome of a verb that answers with `D`. "No" is an answer too, and has its document.
fn answered<D: Document>(context: &Context, outcome: Outcome) -> Outcome {
    if let Err(Stop::Failure(failure)) = &outcome
        && failure.conclusion() == Kind::Negative
    {
        written(context.output.refusal::<D>(failure))?;
    }
    outcome
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

/// The grammar, for completions and manual pages.
fn grammar() -> clap::Command {
    Cli::<Command>::command()
}

#[cfg(test)]
mod tests {
    /// Lines of examples that are cut in two are neither read nor copied well.
    #[test]
    fn what_stands_below_the_help_of_a_verb_fits_its_lines() {
        fn check(command: &clap::Command, checked: &mut usize) {
            for line in command.get_after_help().map(ToString::to_string).unwrap_or_default().lines() {
                assert!(line.chars().count() <= 100, "{}: {line}", command.get_name());
                *checked += 1;
            }
            command.get_subcommands().for_each(|verb| check(verb, checked));
        }
        let mut checked = 0;
        check(&super::grammar(), &mut checked);
        assert!(checked > 100, "{checked}");
    }
}
