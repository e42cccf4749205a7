//! What is said where the arguments make no sense, or ask for help.

use std::ffi::OsString;
use std::io::IsTerminal;

use super::exit;
use super::outcome::unwritten;
use crate::error::Kind;
use crate::output::{self, Failure, Format, Output};

/// Prints help and usage errors, and says how to end: 0 or 2.
pub(super) fn report(error: &clap::Error) -> u8 {
    if error.use_stderr() && wants_json(std::env::args_os()) {
        let failure = failure(&error.render().to_string());
        Output::new(Format::Json, false, false).failure(&failure);
        return exit::code(failure.conclusion());
    }
    // As clap does it: help on stdout, errors on stderr.
    if error.use_stderr() || std::io::stdout().is_terminal() {
        let _ = error.print();
        return if error.use_stderr() { exit::code(Kind::Usage) } else { exit::DONE };
    }
    let format = if wants_json(std::env::args_os()) { Format::Json } else { Format::Text };
    let printed = output::print(error.render().to_string().as_bytes());
    printed.map_or_else(|error| unwritten(&error, Output::new(format, false, false)), |()| exit::DONE)
}

/// Whether `arguments`, of which not all could be understood, ask for JSON.
fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let mut last = None;
    let mut arguments = arguments.take_while(|argument| argument != "--");
    while let Some(argument) = arguments.next() {
        if argument == "--format" {
            last = arguments.next();
        } else if let Some(format) = argument.to_str().and_then(|text| text.strip_prefix("--format=")) {
            last = Some(format.into());
        }
    }
    last.is_some_and(|format| format == "json")
}

/// What clap would print, as one message and what to do next.
fn failure(text: &str) -> Failure {
    let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts = text.split("\n\n").map(joined).filter(|part| !part.is_empty());
    let message = parts.next().unwrap_or_default();
    let hints: Vec<_> = parts.collect();
    Failure::new(Kind::Usage, message.strip_prefix("error: ").unwrap_or(&message)).hint(hints.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_format_counts_wherever_it_stands() {
        let wants = |line: &str| wants_json(line.split(' ').map(OsString::from));
        for json in ["s --format json key", "s key --nonsense --format=json", "s --format text --format json"]
        {
            assert!(wants(json), "{json}");
        }
        for text in ["s key", "s --format", "s --format json --format=text", "s -- --format json", "s json"] {
            assert!(!wants(text), "{text}");
        }
    }
}
