//! How a command ends: with an answer, or early; and with which exit code.

use super::exit;
use crate::error::Kind;
use crate::output::{Document, Failure, Output};

/// Why a command ends early.
#[derive(Debug)]
pub(super) enum Stop {
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

/// How a command ends.
pub(super) type Outcome<T = ()> = Result<T, Stop>;

/// The outcome of writing an answer.
pub(super) fn written(result: std::io::Result<()>) -> Outcome {
    result.map_err(Stop::Output)
}

/// The outcome of a verb that answers with `D`. "No" is an answer too, and has its document.
pub(super) fn answered<D: Document>(output: Output, outcome: Outcome) -> Outcome {
    if let Err(Stop::Failure(failure)) = &outcome
        && failure.conclusion() == Kind::Negative
    {
        written(output.refusal::<D>(failure))?;
    }
    outcome
}

/// Reports a failure on `output`, and returns the exit code.
pub(super) fn exit_code(outcome: Outcome, output: Output) -> u8 {
    match outcome {
        Ok(()) => exit::DONE,
        Err(Stop::Failure(failure)) => {
            output.failure(&failure);
            exit::code(failure.conclusion())
        }
        Err(Stop::Output(error)) => unwritten(&error, output),
    }
}

/// How to end where standard output took no answer. Whoever closes the pipe has read enough.
pub(super) fn unwritten(error: &std::io::Error, output: Output) -> u8 {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return exit::DONE;
    }
    let failure = Failure::new(Kind::Failed, error.to_string());
    output.failure(&failure.context("cannot write to standard output"));
    exit::code(Kind::Failed)
}
