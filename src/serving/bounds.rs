//! Limits of one inference.

use std::time::Duration;

use crate::runtime::Allowance;

/// Limits of one inference.
#[derive(Debug)]
pub struct Bounds {
    /// Time limit, including time in the queue.
    pub time: Duration,
    /// Memory that all of its outputs may take together.
    pub answer: Allowance,
}
