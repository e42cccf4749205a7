//! Tensor data in JSON: flat or nested arrays, read straight into the typed
//! memory that ONNX Runtime will use.

use std::fmt;

use half::{bf16, f16};
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use super::bounded::no_string;
use crate::runtime::{DataType, Tensor, TensorData, of_type};

/// Reads the elements of a tensor of `shape`, and says how many there are. Of those
/// that a tensor of `shape` does not have, none is kept.
pub(super) fn read(
    text: &str,
    data_type: DataType,
    shape: &[usize],
) -> serde_json::Result<(TensorData, usize)> {
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

fn flat<T: Element>(text: &str, most: usize, seen: &mut usize) -> serde_json::Result<Vec<T>> {
    let mut elements = Elements { kept: Vec::with_capacity(most), most, seen: 0 };
    let mut json = serde_json::Deserializer::from_str(text);
    Flat { elements: &mut elements }.deserialize(&mut json)?;
    json.end()?;
    *seen = elements.seen;
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

/// One element, from one JSON value. `None` where the value does not fit.
trait Element: Sized {
    fn from_bool(_: bool) -> Option<Self> {
        None
    }
    fn from_u64(_: u64) -> Option<Self> {
        None
    }
    fn from_i64(_: i64) -> Option<Self> {
        None
    }
    fn from_f64(_: f64) -> Option<Self> {
        None
    }
    fn from_str(_: &str) -> Option<Self> {
        None
    }
}

impl Element for bool {
    fn from_bool(value: bool) -> Option<Self> {
        Some(value)
    }
}

impl Element for Vec<u8> {
    fn from_str(value: &str) -> Option<Self> {
        Some(value.as_bytes().to_vec())
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Element for $type {
            fn from_u64(value: u64) -> Option<Self> {
                value.try_into().ok()
            }
            fn from_i64(value: i64) -> Option<Self> {
                value.try_into().ok()
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! floats {
    ($($type:ty: $narrow:expr),*) => {$(
        impl Element for $type {
            #[expect(clippy::cast_precision_loss, reason = "a float is the nearest to what the text says")]
            fn from_u64(value: u64) -> Option<Self> {
                Element::from_f64(value as f64)
            }
            #[expect(clippy::cast_precision_loss, reason = "a float is the nearest to what the text says")]
            fn from_i64(value: i64) -> Option<Self> {
                Element::from_f64(value as f64)
            }
            fn from_f64(value: f64) -> Option<Self> {
                // A number that is finite in the text must not become infinite in the tensor.
                Some($narrow(value)).filter(|narrow: &Self| narrow.is_finite())
            }
        }
    )*};
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounds to the nearest; overflow is caught by the caller"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

floats!(f64: std::convert::identity, f32: narrow, f16: f16::from_f64, bf16: bf16::from_f64);

/// Appends the elements of an array, whatever its depth, in order.
struct Flat<'e, T> {
    elements: &'e mut Elements<T>,
}

impl<'de, T: Element> DeserializeSeed<'de> for Flat<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Element> Visitor<'de> for Flat<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(no_string(&self))
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

impl<'de, T: Element> DeserializeSeed<'de> for Item<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // JSON describes itself; serde_json bounds the depth.
        deserializer.deserialize_any(self)
    }
}

impl<T: Element> Item<'_, T> {
    fn push<E: Error>(self, value: Option<T>) -> Result<(), E> {
        self.elements.push(value.ok_or_else(|| E::custom("a value is of another type or out of range"))?);
        Ok(())
    }
}

impl<'de, T: Element> Visitor<'de> for Item<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a boolean, a string or an array of these")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.push(T::from_bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.push(T::from_u64(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.push(T::from_i64(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.push(T::from_f64(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.push(T::from_str(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        Flat { elements: self.elements }.visit_seq(seq)
    }
}
