//! The command line: the only place for arguments, the environment, the terminal
//! and exit codes. A verb turns its arguments into a call of a domain and hands
//! what comes back to [`output`].

mod apikey;
mod arguments;
mod cert;
mod context;
mod env;
mod exit;
mod hyphen;
mod init;
mod key;
mod model;
mod outcome;
mod request;
mod runtime;
mod secret;
mod selfdoc;
mod serve;
mod status;
mod terminal;
mod token;
mod usage;

use clap::{CommandFactory, Subcommand};

use self::arguments::Cli;
use self::context::Context;
use self::outcome::{Outcome, Stop, answered, written};
use crate::output;

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
    let cli: Cli<Any> = match arguments::parse() {
        Ok(cli) => cli,
        Err(error) => return usage::report(&error),
    };
    let output = cli.global.output();
    let context = Context::new(cli.global, output);
    outcome::exit_code(cli.command.run(&context), output)
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
