//! A request's JSON, and where in it something is wrong: by path, line and column.

use serde_json::error::Category;

use super::path::{Path, Read};
use crate::pipeline::ApiError;

/// A JSON document, parts of which are read one by one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'a>(pub(super) &'a [u8]);

impl<'a> Document<'a> {
    /// Reads all of it.
    pub(super) fn read<T: Read<'a>>(self) -> Result<T, ApiError> {
        self.read_part(self.0, Path::default())
    }

    /// Reads `part` of it, to which `path` leads.
    pub(super) fn read_part<T: Read<'a>>(self, part: &'a [u8], mut path: Path) -> Result<T, ApiError> {
        let mut json = serde_json::Deserializer::from_slice(part);
        let value = T::read(&mut json, &mut path);
        let whole = value.and_then(|value| json.end().map(|()| value));
        whole.map_err(|error| self.unreadable(part, &path, &error))
    }

    /// What is wrong can quote a number of the caller's, who may hear that; the log, which
    /// holds no tensor, gets the place.
    pub(super) fn unreadable(self, part: &[u8], path: &Path, error: &serde_json::Error) -> ApiError {
        let (line, column) = self.place(part, error);
        let path = path.to_string();
        let subject = if path.is_empty() { "the body is no inference request" } else { &path };
        let message = format!("{subject}: {} (line {line}, column {column})", wording(error));
        ApiError::malformed(message).with_detail(format!("{subject} (line {line}, column {column})"))
    }

    /// The line and the column of `error`, which tells those in `part`.
    fn place(self, part: &[u8], error: &serde_json::Error) -> (usize, usize) {
        let offset = part.as_ptr().addr().checked_sub(self.0.as_ptr().addr());
        let before = offset.and_then(|offset| self.0.get(..offset)).unwrap_or_default();
        let mut lines = before.split(|byte| *byte == b'\n');
        let columns = lines.next_back().unwrap_or_default().len();
        let lines = lines.count();
        match error.line() {
            0 | 1 => (lines + 1, columns + error.column()),
            line => (lines + line, error.column()),
        }
    }
}

/// What `error` says without its place, and without the words of the parser.
fn wording(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(&*text, |(message, _)| message);
    match (error.classify(), text) {
        (Category::Eof, "EOF while parsing a list") => "the JSON ends inside an array",
        (Category::Eof, "EOF while parsing an object") => "the JSON ends inside an object",
        (Category::Eof, "EOF while parsing a string") => "the JSON ends inside a string",
        (Category::Eof, _) => "the JSON ends where a value must be",
        (Category::Syntax, "expected value" | "expected ident") => "expected a JSON value",
        (Category::Syntax, "recursion limit exceeded") => "values are nested too deeply",
        (Category::Syntax, "trailing characters") => "more follows where the JSON must end",
        (Category::Syntax, "key must be a string") => "the name of a member must be a string",
        (Category::Syntax, "number out of range") => "the number is larger than a double holds",
        (Category::Syntax, "invalid unicode code point") => "a string is not UTF-8",
        (_, text) => text,
    }
    .to_owned()
}
