//! `completion` and `man`: generate `completions/` and `man/`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::Shell;

use super::{Outcome, grammar, written};
use crate::fs::{self, Existing};
use crate::output;

/// Print the completions for a shell
#[derive(Debug, Args)]
pub(super) struct Completion {
    shell: Shell,
}

impl Completion {
    pub(super) fn run(self) -> Outcome {
        // clap_complete panics when it cannot write.
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut grammar(), "sealserve", &mut text);
        written(output::print(&text))
    }
}

/// Write a manual page for each command into a directory
#[derive(Debug, Args)]
pub(super) struct Man {
    directory: PathBuf,
}

impl Man {
    pub(super) fn run(self) -> Outcome {
        std::fs::create_dir_all(&self.directory)
            .map_err(fs::FsError::io("create directory", &self.directory))?;
        let mut root = grammar();
        root.build();
        page(&root, "sealserve", &self.directory)
    }
}

fn page(command: &clap::Command, name: &str, directory: &Path) -> Outcome {
    let mut text = Vec::new();
    // The date of generation would make every build another page. An empty one
    // would vanish, and the fields after it move up.
    let manual = clap_mangen::Man::new(command.clone())
        .title(name.to_uppercase())
        .date(" ")
        .source(concat!("sealserve ", env!("CARGO_PKG_VERSION")))
        .manual("sealserve");
    written(render(&manual, command, &mut text))?;
    fs::write(&directory.join(format!("{name}.1")), &text, fs::PUBLIC, Existing::Replace)?;
    for verb in command.get_subcommands() {
        page(verb, &format!("{name}-{}", verb.get_name()), directory)?;
    }
    Ok(())
}

/// The sections that say something: clap_mangen would also repeat the name as
/// description, leave out what is required, and set examples as running text.
fn render(manual: &clap_mangen::Man, command: &clap::Command, out: &mut Vec<u8>) -> io::Result<()> {
    manual.render_title(out)?;
    manual.render_name_section(out)?;
    let usage = command.clone().render_usage().to_string();
    section(out, "Synopsis", usage.trim_start_matches("Usage: "))?;
    if command.has_subcommands() {
        manual.render_subcommands_section(out)?;
    }
    manual.render_options_section(out)?;
    let help = command.get_after_help().map(ToString::to_string);
    help.as_deref()
        .and_then(|help| help.split_once(":\n"))
        .map_or(Ok(()), |(title, text)| section(out, title, text))
}

/// A section whose lines stay as they are.
fn section(out: &mut Vec<u8>, title: &str, text: &str) -> io::Result<()> {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    writeln!(out, ".SH {}\n.nf\n{text}\n.fi", title.to_uppercase())
}
