//! What people and programs read: documents on stdout, messages and progress on
//! stderr. Nothing else in the crate prints.

mod background;
mod diagnostic;
mod path;
mod plain;
mod progress;
mod stdout;
mod table;

use std::io::{self, IsTerminal, Write};

pub use background::{detach, flush, say};
pub use diagnostic::Failure;
pub use path::ShownPath;
pub use plain::{one_line, plain};
pub use progress::Bar;
pub use stdout::{print, stdout};
pub use table::table;

use serde::Serialize;

/// Passes on to stderr what another program says.
pub fn echo(text: &str) {
    say(&format!("{}\n", plain(text)));
}

/// How documents are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// What a command found or did.
pub trait Document: Serialize {
    /// Names the JSON form, such as `sealserve.key.list/v1`.
    const SCHEMA: &'static str;

    /// Writes the form for people.
    fn text(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// Where a command's words go.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
    color: bool,
    quiet: bool,
}

#[derive(Serialize)]
struct Tagged<'a, T> {
    schema: &'static str,
    #[serde(flatten)]
    document: &'a T,
}

/// The answer "no", where a verb that verifies has no more to say.
#[derive(Serialize)]
struct Refusal<'a> {
    verified: bool,
    #[serde(flatten)]
    failure: &'a Failure,
}

impl Output {
    /// Documents in `format`; messages in colour when `color`; only errors when `quiet`.
    pub fn new(format: Format, color: bool, quiet: bool) -> Self {
        Self { format, color, quiet }
    }

    /// Writes `document` to stdout.
    pub fn document<D: Document>(&self, document: &D) -> io::Result<()> {
        // All of it or nothing: half a document is none.
        let mut bytes = Vec::new();
        match self.format {
            Format::Text => {
                let mut text = Vec::new();
                document.text(&mut text)?;
                bytes.extend_from_slice(plain(&String::from_utf8_lossy(&text)).as_bytes());
            }
            Format::Json => {
                serde_json::to_writer_pretty(&mut bytes, &Tagged { schema: D::SCHEMA, document })?;
                bytes.push(b'\n');
            }
        }
        print(&bytes)
    }

    /// Writes the answer "no" of a verb that answers with `D`. People read `failure` on
    /// stderr; programs get a document of the same schema with `verified` false.
    pub fn refusal<D: Document>(&self, failure: &Failure) -> io::Result<()> {
        if !self.is_json() {
            return Ok(());
        }
        let document = &Refusal { verified: false, failure };
        let mut text = serde_json::to_vec_pretty(&Tagged { schema: D::SCHEMA, document })?;
        text.push(b'\n');
        print(&text)
    }

    /// Writes one line of data to stdout, whatever the format. A server goes on where
    /// nobody reads it.
    pub fn line(&self, text: &str) {
        let _ = print(format!("{text}\n").as_bytes());
    }

    /// Whether documents are JSON.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether only errors and warnings are wanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Tells on stderr what changed, or what to do next.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            say(&format!("{}\n", plain(text)));
        }
    }

    /// Warns on stderr, in spite of `--quiet`.
    pub fn warn(&self, text: &str) {
        say(&format!("{} {}\n", self.paint("warning:", "33"), plain(text)));
    }

    /// Reports why the command failed.
    pub fn failure(&self, failure: &Failure) {
        let mut text = Vec::new();
        // Memory takes all that is written.
        let _ = match self.format {
            Format::Text => failure.text(&mut text, |label| self.paint(label, "31;1")),
            Format::Json => failure.json(&mut text),
        };
        say(&String::from_utf8_lossy(&text));
    }

    /// A progress bar on stderr, if anyone watches.
    pub fn progress(&self, label: &str) -> Bar {
        Bar::new(label, !self.quiet && io::stderr().is_terminal(), self.quiet)
    }

    /// No bar, for work that takes no time; what it waits for is told all the same.
    pub fn unmeasured(&self) -> Bar {
        Bar::new("", false, self.quiet)
    }

    fn paint(self, text: &str, code: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
