//! What one inference may take.

use std::time::Duration;

use crate::runtime::Allowance;

/// What one inference may take.
#[derive(Debug)]
pub struct Bounds {
    /// How long, waiting included.
    pub time: Duration,
    /// How much memory its outputs may take, together.
    pub answer: Allowance,
}
