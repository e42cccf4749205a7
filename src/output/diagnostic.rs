//! An error as a person sees it: what failed, why, what to do next.

use std::io::{self, Write};

use serde::Serialize;

use crate::error::{Diagnose, Kind};

/// Why a command failed, in words.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    #[serde(skip)]
    kind: Kind,
    error: String,
    causes: Vec<String>,
    hint: Option<String>,
}

impl Failure {
    /// A failure that no module reported.
    pub fn new(kind: Kind, error: impl Into<String>) -> Self {
        Self { kind, error: error.into(), causes: Vec::new(), hint: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what was being done when this happened; the former message becomes a cause.
    #[must_use]
    pub fn context(mut self, error: impl Into<String>) -> Self {
        self.causes.insert(0, std::mem::replace(&mut self.error, error.into()));
        self
    }

    /// Adds what caused it.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// The same words with another conclusion.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// What the caller should conclude.
    pub fn conclusion(&self) -> Kind {
        self.kind
    }

    pub(super) fn text(&self, out: &mut dyn Write, label: impl Fn(&str) -> String) -> io::Result<()> {
        // More lines than one are set off, so that none of them looks like another part.
        let inner = |text: &str| super::plain(text.trim_end()).replace('\n', "\n       ");
        writeln!(out, "{} {}", label("error:"), inner(&self.error))?;
        for cause in &self.causes {
            writeln!(out, "{} {}", label("cause:"), inner(cause))?;
        }
        match &self.hint {
            Some(hint) => writeln!(out, "{} {}", label("hint:"), inner(hint)),
            None => Ok(()),
        }
    }

    pub(super) fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        let tagged = super::Tagged { schema: "sealserve.error/v1", document: self };
        serde_json::to_writer(&mut *out, &tagged)?;
        writeln!(out)
    }
}

impl<E: Diagnose> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut causes = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        Self { kind: error.kind(), error: error.to_string(), causes, hint: error.hint() }
    }
}
