//! `completion` and `man`: generate `completions/` and `man/`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use clap_complete::Shell;

use super::{Outcome, grammar, written};
use crate::fs::{self, Existing};

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
        written(io::stdout().write_all(&text))
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
        let mut root = grammar().disable_help_subcommand(true);
        root.build();
        page(&root, "sealserve", &self.directory)
    }
}

fn page(command: &clap::Command, name: &str, directory: &Path) -> Outcome {
    let mut text = Vec::new();
    // The date of generation would make every build another page.
    let manual =
        clap_mangen::Man::new(command.clone()).title(name.to_uppercase()).date("").manual("sealserve");
    written(manual.render(&mut text))?;
    fs::write(&directory.join(format!("{name}.1")), &text, fs::PUBLIC, Existing::Replace)?;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        page(verb, &format!("{name}-{}", verb.get_name()), directory)?;
    }
    Ok(())
}
