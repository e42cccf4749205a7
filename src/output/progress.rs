//! A progress bar.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::progress::Progress;

/// A bar on stderr that goes away when it is dropped.
pub struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(label: &str, shown: bool) -> Self {
        if !shown {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_message(label.to_owned());
        bar.set_style(style("{msg} {decimal_bytes} {decimal_bytes_per_sec}"));
        Self(bar)
    }
}

impl Progress for Bar {
    fn total(&self, total: u64) {
        self.0.set_length(total);
        self.0.set_style(style(
            "{msg} {bar:30} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}",
        ));
    }

    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
