//! What a single JSON value must be, and what is said where it is something else: in the
//! words of JSON, and without a string that may be of any length.

use std::fmt;
use std::marker::PhantomData;

use half::{bf16, f16};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::path::{Path, Read};

/// What is made of a number, a boolean or a string. `None` where it does not fit.
pub(super) trait Scalar: Sized {
    /// What must be there.
    const WANTED: &'static str;

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

impl Scalar for bool {
    const WANTED: &'static str = "a boolean";

    fn from_bool(value: bool) -> Option<Self> {
        Some(value)
    }
}

impl Scalar for String {
    const WANTED: &'static str = "a string";

    fn from_str(value: &str) -> Option<Self> {
        Some(value.to_owned())
    }
}

/// An element of a tensor of strings.
impl Scalar for Vec<u8> {
    const WANTED: &'static str = "a string";

    fn from_str(value: &str) -> Option<Self> {
        Some(value.as_bytes().to_vec())
    }
}

/// A number of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub(super) usize);

impl Scalar for Size {
    const WANTED: &'static str = "a non-negative integer";

    fn from_u64(value: u64) -> Option<Self> {
        value.try_into().ok().map(Self)
    }
}

macro_rules! integers {
    ($($type:ty: $name:literal),*) => {$(
        impl Scalar for $type {
            const WANTED: &'static str = concat!("an integer that ", $name, " holds");

            fn from_u64(value: u64) -> Option<Self> {
                value.try_into().ok()
            }
            fn from_i64(value: i64) -> Option<Self> {
                value.try_into().ok()
            }
        }
    )*};
}

integers!(
    i8: "INT8", i16: "INT16", i32: "INT32", i64: "INT64",
    u8: "UINT8", u16: "UINT16", u32: "UINT32", u64: "UINT64"
);

macro_rules! floats {
    ($($type:ty: $name:literal, $narrow:expr),*) => {$(
        impl Scalar for $type {
            const WANTED: &'static str = concat!("a number that ", $name, " holds");

            #[expect(clippy::cast_precision_loss, reason = "a float is the nearest to what the text says")]
            fn from_u64(value: u64) -> Option<Self> {
                Scalar::from_f64(value as f64)
            }
            #[expect(clippy::cast_precision_loss, reason = "a float is the nearest to what the text says")]
            fn from_i64(value: i64) -> Option<Self> {
                Scalar::from_f64(value as f64)
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

floats!(
    f64: "FP64", std::convert::identity,
    f32: "FP32", narrow,
    f16: "FP16", f16::from_f64,
    bf16: "BF16", bf16::from_f64
);

impl<'de, T: Scalar> Read<'de> for T {
    fn read<D: Deserializer<'de>>(deserializer: D, _: &mut Path) -> Result<Self, D::Error> {
        deserializer.deserialize_any(One(PhantomData))
    }
}

/// Takes one [`Scalar`].
struct One<T>(PhantomData<T>);

/// `value`, if there is one; else says that it was `found`.
pub(super) fn fit<T: Scalar, E: Error>(value: Option<T>, found: impl fmt::Display) -> Result<T, E> {
    value.ok_or_else(|| unfit(T::WANTED, found))
}

/// Says that `found` is not what is `wanted`.
pub(super) fn unfit<E: Error>(wanted: &str, found: impl fmt::Display) -> E {
    E::custom(format_args!("expected {wanted}, found {found}"))
}

/// A number as messages show it: at any size in a few characters.
pub(super) struct Number(pub(super) f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<'de, T: Scalar> Visitor<'de> for One<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WANTED)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        fit(T::from_bool(value), value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        fit(T::from_u64(value), value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        fit(T::from_i64(value), value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        fit(T::from_f64(value), Number(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<T, E> {
        fit(T::from_str(value), "a string")
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Err(unfit(T::WANTED, "null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<T, A::Error> {
        Err(unfit(T::WANTED, "an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<T, A::Error> {
        Err(unfit(T::WANTED, "an object"))
    }
}

/// Takes what the visitor takes, an array or an object, and says of all else that it is
/// not what is wanted.
pub(super) struct Other<V>(pub(super) &'static str, pub(super) V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Other<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<V::Value, E> {
        Err(unfit(self.0, value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<V::Value, E> {
        Err(unfit(self.0, value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<V::Value, E> {
        Err(unfit(self.0, value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        Err(unfit(self.0, Number(value)))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<V::Value, E> {
        Err(unfit(self.0, "a string"))
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        Err(unfit(self.0, "null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        if self.0 == ARRAY { self.1.visit_seq(seq) } else { Err(unfit(self.0, ARRAY)) }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        if self.0 == OBJECT { self.1.visit_map(map) } else { Err(unfit(self.0, OBJECT)) }
    }
}

pub(super) const ARRAY: &str = "an array";
pub(super) const OBJECT: &str = "an object";
