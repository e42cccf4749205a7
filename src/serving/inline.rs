//! Decides which runs stay on the calling thread.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Tensors;

/// Handing a run to another thread and back costs more than running it, if it takes less than
/// this.
const QUICK: Duration = Duration::from_micros(100);

/// Remembers the input shapes of quick runs. Only useful for models whose running time
/// depends on the shapes alone; a prediction is made only for exactly the same shapes.
pub(super) struct QuickShapes {
    applies: bool,
    /// Hashes of the shapes of recent quick runs; 0 for an empty place.
    known: [AtomicU64; 8],
    hasher: RandomState,
}

/// The shapes of one request.
#[derive(Clone, Copy)]
pub(super) struct Shapes(u64);

impl QuickShapes {
    /// `applies`: the running time of the model depends on the shapes alone.
    pub(super) fn new(applies: bool) -> Self {
        Self { applies, known: Default::default(), hasher: RandomState::new() }
    }

    /// The shapes of `inputs`.
    pub(super) fn of(&self, inputs: &Tensors) -> Shapes {
        let mut hasher = self.hasher.build_hasher();
        for tensor in inputs.iter() {
            (tensor.name(), tensor.shape()).hash(&mut hasher);
        }
        Shapes(hasher.finish().max(1))
    }

    /// Whether the last run with `shapes` was quick.
    pub(super) fn are_quick(&self, shapes: Shapes) -> bool {
        self.applies && self.place(shapes).load(Ordering::Relaxed) == shapes.0
    }

    /// Records that a run with `shapes` took `time`.
    pub(super) fn learn(&self, shapes: Shapes, time: Duration) {
        self.place(shapes).store(if time < QUICK { shapes.0 } else { 0 }, Ordering::Relaxed);
    }

    fn place(&self, shapes: Shapes) -> &AtomicU64 {
        &self.known[(shapes.0 % 8) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{Tensor, TensorData};

    fn inputs(rows: usize) -> Tensors {
        Tensors::new(vec![Tensor::new("x", vec![rows], TensorData::Int8(vec![0; rows])).unwrap()], ())
    }

    #[test]
    fn only_shapes_that_were_quick_the_last_time_count() {
        let quick = QuickShapes::new(true);
        let (one, two) = (quick.of(&inputs(1)), quick.of(&inputs(2)));
        assert!(!quick.are_quick(one));
        quick.learn(one, Duration::ZERO);
        assert!(quick.are_quick(one) && quick.are_quick(quick.of(&inputs(1))));
        assert!(!quick.are_quick(two));
        quick.learn(one, QUICK);
        assert!(!quick.are_quick(one));
        let never = QuickShapes::new(false);
        never.learn(never.of(&inputs(1)), Duration::ZERO);
        assert!(!never.are_quick(never.of(&inputs(1))));
    }
}
