//! The tensors of one request or answer.

use std::fmt;
use std::ops::Deref;

use tokio::runtime::Handle;

use crate::runtime::Tensor;

/// Freeing this many elements takes less than a millisecond, even if each is a string.
const FEW: usize = 16 << 10;

/// Tensors and the memory permit that covers them. The permit is released when they are
/// freed. If freeing takes long, it happens away from the threads that serve connections.
pub struct Tensors {
    list: Vec<Tensor>,
    paid: Paid,
}

/// Releases the memory permit when dropped.
pub(super) type Paid = Option<Box<dyn Send + Sync>>;

impl Tensors {
    /// `list`, which the permit `paid` covers.
    pub fn new(list: Vec<Tensor>, paid: impl Send + Sync + 'static) -> Self {
        Self { list, paid: Some(Box::new(paid)) }
    }

    pub(super) fn into_parts(mut self) -> (Vec<Tensor>, Paid) {
        self.parts()
    }

    /// Frees them on this thread, however long that takes.
    pub fn free(mut self) {
        drop(self.parts());
    }

    fn parts(&mut self) -> (Vec<Tensor>, Paid) {
        (std::mem::take(&mut self.list), self.paid.take())
    }
}

impl Deref for Tensors {
    type Target = [Tensor];

    fn deref(&self) -> &[Tensor] {
        &self.list
    }
}

impl fmt::Debug for Tensors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.fmt(f)
    }
}

impl Drop for Tensors {
    fn drop(&mut self) {
        let parts = self.parts();
        let elements = parts.0.iter().map(|tensor| tensor.data().len()).fold(0, usize::saturating_add);
        if elements > FEW
            && let Ok(tokio) = Handle::try_current()
        {
            tokio.spawn_blocking(move || drop(parts));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread::{self, ThreadId};

    use super::*;
    use crate::runtime::TensorData;

    struct Tell(mpsc::Sender<ThreadId>);

    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.send(thread::current().id()).unwrap();
        }
    }

    /// Tensors with this many elements; the receiver tells on which thread they are freed.
    fn tensors(elements: usize) -> (Tensors, mpsc::Receiver<ThreadId>) {
        let data = TensorData::Bytes(vec![Vec::new(); elements]);
        let tensor = Tensor::new("x", vec![elements], data).unwrap();
        let (tell, told) = mpsc::channel();
        (Tensors::new(vec![tensor], Tell(tell)), told)
    }

    #[tokio::test]
    async fn what_takes_long_to_free_is_freed_elsewhere() {
        let here = thread::current().id();
        let (few, told) = tensors(FEW);
        drop(few);
        assert_eq!(told.recv().unwrap(), here);
        let (many, told) = tensors(FEW + 1);
        drop(many);
        assert_ne!(told.recv().unwrap(), here);
        let (many, told) = tensors(FEW + 1);
        many.free();
        assert_eq!(told.recv().unwrap(), here);
    }

    #[test]
    fn without_a_runtime_they_are_freed_at_once() {
        let (many, told) = tensors(FEW + 1);
        drop(many);
        assert_eq!(told.try_recv().unwrap(), thread::current().id());
    }
}
