//! Many files: how they are named, and what became of each.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::io::{is_dash, no_stream};
use crate::cli::context::Context;
use crate::cli::{Outcome, Stop};
use crate::error::Kind;
use crate::fs;
use crate::ops::{self, Found, Item};
use crate::output::{self, Failure, ShownPath};

/// Why a file is skipped.
const SO_ALREADY: &str = "it is so already";
const LINK: &str = "a symbolic link is followed only when it is named";

/// Most bytes of a list of files.
const MAX_LIST: u64 = 64 << 20;

/// Which files, of a verb that changes them.
#[derive(Debug, Args)]
pub(super) struct Files {
    /// Encrypted files, or directories: every *.sealed below them, links left alone
    #[arg(value_name = "FILE", required_unless_present = "files0_from", conflicts_with = "files0_from")]
    paths: Vec<PathBuf>,
    /// Read the names of the files from FILE, each ended by a zero byte; - is standard input
    #[arg(long, value_name = "FILE")]
    files0_from: Option<PathBuf>,
}

/// Which files, of a verb that reads them.
#[derive(Debug, Args)]
pub(super) struct Inputs {
    /// Encrypted files, or directories: every *.sealed below them, links left alone; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    paths: Vec<PathBuf>,
    /// Read the names of the files from FILE, each ended by a zero byte; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "paths")]
    files0_from: Option<PathBuf>,
}

impl Inputs {
    /// The file, where it is one that is named itself: it has an answer of its own form.
    pub(super) fn only(&self) -> Option<&Path> {
        match (self.paths.as_slice(), &self.files0_from) {
            ([path], None) if is_dash(path) || !path.is_dir() => Some(path),
            _ => None,
        }
    }

    /// Many files, and how they are named.
    pub(super) fn many(self) -> Files {
        let paths = if self.files0_from.is_some() { Vec::new() } else { self.paths };
        Files { paths, files0_from: self.files0_from }
    }
}

impl Files {
    /// Readers of standard input.
    pub(super) fn stdin_readers(&self) -> usize {
        usize::from(self.files0_from.as_deref().is_some_and(is_dash))
    }

    /// Whether exactly one file is named itself, and no directory or list.
    pub(super) fn is_one(&self) -> bool {
        matches!(self.paths.as_slice(), [path] if !path.is_dir())
    }

    /// Finds them; none at all is a failure, and so is a stream, which cannot be `verb`.
    pub(super) fn find(&self, verb: &str) -> Outcome<Vec<Found>> {
        let paths = match &self.files0_from {
            Some(list) => listed(list)?,
            None if self.paths.iter().any(|path| is_dash(path)) => return Err(no_stream(verb).into()),
            None => self.paths.clone(),
        };
        let found = ops::find(&paths);
        if found.iter().any(|found| !matches!(found, Found::Link(_))) {
            return Ok(found);
        }
        let links = match found.len() {
            0 => String::new(),
            links => format!(" ({links} symbolic links are left alone)"),
        };
        let said = if let Some(list) = &self.files0_from {
            format!("'{}' names no file", list.display())
        } else {
            let names: Vec<_> = paths.iter().map(|path| format!("'{}'", path.display())).collect();
            format!("there is no *.sealed file below {}{links}", names.join(", "))
        };
        let failure = Failure::new(Kind::Failed, said);
        Err(failure.hint("name the files, or a directory that holds some").into())
    }
}

fn listed(list: &Path) -> Outcome<Vec<PathBuf>> {
    let bytes = if is_dash(list) { fs::read_stdin(MAX_LIST)? } else { fs::read(list, MAX_LIST)? };
    let names = bytes.expose().split(|byte| *byte == 0).filter(|name| !name.is_empty());
    // No stream, in a list: a file of that name.
    let path = |name| if name == b"-" { Path::new("./-") } else { Path::new(OsStr::from_bytes(name)) };
    Ok(names.map(|name| path(name).to_owned()).collect())
}

type Answer<T> = ops::Outcome<T, Failure>;

/// What became of one file, in documents.
#[derive(Serialize)]
pub(super) struct Row<T> {
    path: ShownPath,
    /// `done`, `skipped` or `failed`.
    status: &'static str,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(flatten)]
    detail: Option<T>,
    #[serde(flatten)]
    failure: Option<Failure>,
}

/// What became of all of them.
#[derive(Serialize)]
pub(super) struct Rows<T> {
    done: usize,
    skipped: usize,
    failed: usize,
    dry_run: bool,
    files: Vec<Row<T>>,
}

impl<T> Rows<T> {
    fn none(dry_run: bool) -> Self {
        Self { done: 0, skipped: 0, failed: 0, dry_run, files: Vec::new() }
    }

    fn push(&mut self, path: PathBuf, answer: Answer<T>) {
        let (count, status) = match &answer {
            Answer::Done(_) => (&mut self.done, "done"),
            Answer::Skipped(_) | Answer::Link => (&mut self.skipped, "skipped"),
            Answer::Failed(_) => (&mut self.failed, "failed"),
        };
        *count += 1;
        let (reason, detail, failure) = match answer {
            Answer::Done(detail) => (None, Some(detail), None),
            Answer::Skipped(detail) => (Some(SO_ALREADY), Some(detail), None),
            Answer::Link => (Some(LINK), None, None),
            Answer::Failed(failure) => (None, None, Some(failure)),
        };
        self.files.push(Row { path: path.into(), status, reason, detail, failure });
    }

    /// Turns what the work reports into what documents say.
    pub(super) fn new<U>(items: Vec<Item<U>>, dry_run: bool, detail: impl Fn(U) -> T) -> Self {
        let mut rows = Self::none(dry_run);
        for Item { path, outcome } in items {
            rows.push(
                path,
                match outcome {
                    ops::Outcome::Done(report) => Answer::Done(detail(report)),
                    ops::Outcome::Skipped(report) => Answer::Skipped(detail(report)),
                    ops::Outcome::Link => Answer::Link,
                    ops::Outcome::Failed(error) => Answer::Failed(error.into()),
                },
            );
        }
        rows
    }

    /// Looks at each of `found` by `look`; what it fails with is that file's answer.
    pub(super) fn answers(found: Vec<Found>, mut look: impl FnMut(&Path) -> Outcome<T>) -> Outcome<Self> {
        let mut rows = Self::none(false);
        for found in found {
            match found {
                Found::File(path) => match look(&path) {
                    Ok(detail) => rows.push(path, Answer::Done(detail)),
                    Err(Stop::Failure(failure)) => rows.push(path, Answer::Failed(failure)),
                    Err(output) => return Err(output),
                },
                Found::Link(path) => rows.push(path, Answer::Link),
                Found::Failed(path, error) => rows.push(path, Answer::Failed(error.into())),
            }
        }
        Ok(rows)
    }

    /// The paths and the details of what was looked at; none for the rest.
    pub(super) fn each(&self) -> impl Iterator<Item = (&Path, Option<&T>)> {
        self.files.iter().map(|row| (&*row.path, row.detail.as_ref()))
    }

    /// The paths of those whose details are so.
    pub(super) fn those(&self, so: impl Fn(&T) -> bool) -> impl Iterator<Item = &Path> {
        self.each().filter(move |(_, detail)| detail.is_some_and(&so)).map(|(path, _)| path)
    }

    /// The details of what was done.
    pub(super) fn done(&self) -> impl Iterator<Item = (&Path, &T)> {
        let done = self.files.iter().filter(|row| row.status == "done");
        done.filter_map(|row| Some((&*row.path, row.detail.as_ref()?)))
    }

    /// One line a file: what became of it, and its path.
    pub(super) fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.files.iter().try_for_each(|row| {
            writeln!(out, "{:<8}{}", row.status, output::one_line(&row.path.to_string_lossy()))
        })
    }

    /// Says why files failed, and makes the whole a failure where one did.
    pub(super) fn conclude(&self, context: &Context, verb: &str) -> Outcome {
        let would = if self.dry_run { "would be " } else { "" };
        context
            .output
            .note(&format!("{} {would}{verb}, {} skipped, {} failed", self.done, self.skipped, self.failed));
        let failures: Vec<_> = self.files.iter().filter_map(|row| row.failure.as_ref()).collect();
        match failures[..] {
            [] => Ok(()),
            [only] if self.files.len() == 1 => Err(only.clone().into()),
            _ => {
                for failure in failures {
                    context.output.failure(failure);
                }
                let said = format!("{} of {} files could not be {verb}", self.failed, self.files.len());
                let failure = Failure::new(Kind::Failed, said);
                Err(failure.hint("when that is mended, run it again for those that failed").into())
            }
        }
    }

    /// Says why files failed. The whole is a no where the answer of one is, and else
    /// what all failures are, where they are alike.
    pub(super) fn judge(&self, context: &Context, verb: &str) -> Outcome {
        let (good, skipped, failed) = (self.done, self.skipped, self.failed);
        context.output.note(&format!("{good} {verb}, {skipped} skipped, {failed} failed"));
        let failures: Vec<_> = self.files.iter().filter_map(|row| row.failure.as_ref()).collect();
        let kinds: Vec<_> = failures.iter().map(|failure| failure.conclusion()).collect();
        let Some(first) = kinds.first() else { return Ok(()) };
        for failure in failures {
            context.output.failure(failure);
        }
        let kind = match kinds.iter().all(|kind| kind == first) {
            _ if kinds.contains(&Kind::Negative) => Kind::Negative,
            true => *first,
            false => Kind::Failed,
        };
        Err(Failure::new(kind, format!("{failed} of {} files are not {verb}", self.files.len())).into())
    }
}
