//! The path that leads to a JSON value while it is read.

use std::fmt;

use serde::de::Deserializer;

/// What can be read from one JSON value. `path` leads to the value, and stays where it is
/// when reading fails.
pub(super) trait Read<'de>: Sized {
    fn read<D: Deserializer<'de>>(deserializer: D, path: &mut Path) -> Result<Self, D::Error>;
}

/// One step into a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Member(&'static str),
    Element(usize),
}

/// Leads from the whole of a document to a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

impl Path {
    pub(super) fn of(steps: &[Step]) -> Self {
        Self(steps.to_vec())
    }

    pub(super) fn enter(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(super) fn leave(&mut self) {
        self.0.pop();
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Member(name) if position == 0 => f.write_str(name)?,
                Step::Member(name) => write!(f, ".{name}")?,
                Step::Element(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
