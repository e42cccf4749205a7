//! A progress bar.

use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::progress::Progress;

const UNKNOWN: &str = "{msg} {decimal_bytes} {decimal_bytes_per_sec}";
const BYTES: &str = "{msg} {bar:30} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}";
const FILES: &str = "{msg} {bar:30} {pos}/{len} files {eta}";

/// A bar on stderr that goes away when it is dropped.
pub struct Bar {
    drawn: ProgressBar,
    /// How it looks once the total is known.
    known: &'static str,
    quiet: bool,
}

impl Bar {
    pub(super) fn new(label: &str, shown: bool, quiet: bool) -> Self {
        if !shown {
            return Self { drawn: ProgressBar::hidden(), known: BYTES, quiet };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_message(label.to_owned());
        bar.set_style(style(UNKNOWN));
        Self { drawn: bar, known: BYTES, quiet }
    }

    /// The same bar, counting files and not bytes.
    #[must_use]
    pub fn of_files(mut self) -> Self {
        self.known = FILES;
        self
    }
}

impl Progress for Bar {
    fn total(&self, total: u64) {
        self.drawn.set_length(total);
        self.drawn.set_style(style(self.known));
    }

    fn advance(&self, amount: u64) {
        self.drawn.inc(amount);
    }

    fn waiting(&self, path: &Path) {
        if !self.quiet {
            self.drawn.suspend(|| {
                let path = super::one_line(&path.to_string_lossy());
                super::say(&format!("waiting for '{path}', which another process is changing\n"));
            });
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.drawn.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
