//! Tensor data in JSON: flat or nested arrays, read straight into the typed
//! memory that ONNX Runtime will use.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::scalar::{ARRAY, Number, OBJECT, Other, Scalar, fit, unfit};
use crate::runtime::{DataType, Tensor, TensorData, of_type};

/// Why the elements of a tensor could not be read.
#[derive(Debug)]
pub(super) enum Unread {
    /// The text is not what it should be.
    Text {
        /// Which of them, counted in their order whatever the nesting; none where the data
        /// is no array.
        element: Option<usize>,
        error: serde_json::Error,
    },
    /// There is no memory for them.
    NoMemory,
}

/// Reads the elements of a tensor of `shape`, and says how many there are. Of those
/// that a tensor of `shape` does not have, none is kept.
pub(super) fn read(text: &str, data_type: DataType, shape: &[usize]) -> Result<(TensorData, usize), Unread> {
    let most = room(text, shape);
    let mut seen = 0;
    let data = of_type!(data_type, flat(text, most, &mut seen)?);
    Ok((data, seen))
}

/// Bytes of memory that [`read`] and what follows take, at most. No string is longer than
/// its text.
pub(super) fn memory(text: &str, data_type: DataType, shape: &[usize]) -> usize {
    match room(text, shape) {
        0 => 0,
        count => data_type.memory(count, text.len()),
    }
}

/// How many elements are kept of those in `text`: as many as `shape` has, or none, where
/// there cannot be so many. An element takes two characters at least.
fn room(text: &str, shape: &[usize]) -> usize {
    Tensor::elements(shape).filter(|count| *count <= text.len() / 2).unwrap_or(0)
}

fn flat<T: Scalar>(text: &str, most: usize, seen: &mut usize) -> Result<Vec<T>, Unread> {
    let mut kept = Vec::new();
    kept.try_reserve_exact(most).map_err(|_| Unread::NoMemory)?;
    let mut elements = Elements { kept, most, seen: 0 };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Flat { elements: &mut elements }.deserialize(&mut json).and_then(|()| json.end());
    *seen = elements.seen;
    let element = text.starts_with('[').then_some(*seen);
    read.map_err(|error| Unread::Text { element, error })?;
    Ok(elements.kept)
}

/// The first `most` of the elements that were seen.
struct Elements<T> {
    kept: Vec<T>,
    most: usize,
    seen: usize,
}

impl<T> Elements<T> {
    fn push(&mut self, element: T) {
        self.seen += 1;
        if self.kept.len() < self.most {
            self.kept.push(element);
        }
    }
}

/// Appends the elements of an array, whatever its depth, in order.
struct Flat<'e, T> {
    elements: &'e mut Elements<T>,
}

impl<'de, T: Scalar> DeserializeSeed<'de> for Flat<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(Other(ARRAY, self))
    }
}

impl<'de, T: Scalar> Visitor<'de> for Flat<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ARRAY)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Item { elements: self.elements })?.is_some() {}
        Ok(())
    }
}

/// An element, or an array of them.
struct Item<'e, T> {
    elements: &'e mut Elements<T>,
}

impl<'de, T: Scalar> DeserializeSeed<'de> for Item<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // JSON describes itself; serde_json bounds the depth.
        deserializer.deserialize_any(self)
    }
}

impl<T: Scalar> Item<'_, T> {
    fn push<E: Error>(self, value: Option<T>, found: impl fmt::Display) -> Result<(), E> {
        self.elements.push(fit(value, found)?);
        Ok(())
    }
}

impl<'de, T: Scalar> Visitor<'de> for Item<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WANTED)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.push(T::from_bool(value), value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.push(T::from_u64(value), value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.push(T::from_i64(value), value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.push(T::from_f64(value), Number(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.push(T::from_str(value), "a string")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Err(unfit(T::WANTED, "null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        Flat { elements: self.elements }.visit_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(unfit(T::WANTED, OBJECT))
    }
}
