//! Parts of a JSON document that are held to a size while they are read, not after.
//! Nor is any string quoted in an error before its length is known: `serde_json` would
//! copy all of it, escaped, where something else than a string must be.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// An array of so many elements at most.
#[derive(Debug)]
pub(super) struct Few<T, const MOST: usize>(pub(super) Vec<T>);

impl<T, const MOST: usize> Default for Few<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Few<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FewVisitor(PhantomData))
    }
}

struct FewVisitor<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for FewVisitor<T, MOST> {
    type Value = Few<T, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(no_string(&self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            if elements.len() == MOST {
                return Err(A::Error::custom(format_args!("there are more than {MOST} elements")));
            }
            elements.push(element);
        }
        Ok(Few(elements))
    }
}

/// A JSON object, and nothing else that `T` could be read from.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(no_string(&self))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// The error for a string in a place where `expected` must be.
pub(super) fn no_string<'de, E: Error>(expected: &impl Visitor<'de>) -> E {
    struct Expected<'a, V>(&'a V);
    impl<'de, V: Visitor<'de>> fmt::Display for Expected<'_, V> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.expecting(f)
        }
    }
    E::custom(format_args!("invalid type: string, expected {}", Expected(expected)))
}

/// A value whose text is short.
#[derive(Debug, Default)]
pub(super) struct Small<T>(pub(super) T);

/// The longest text of a [`Small`].
pub(super) const SMALL: usize = 16 << 10;

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Small<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        if text.len() > SMALL {
            return Err(D::Error::custom(format_args!("a value is longer than {SMALL} bytes")));
        }
        serde_json::from_str(text).map(Self).map_err(|error| {
            // The place in `text` is none in the document; the outer reader adds that.
            let error = error.to_string();
            D::Error::custom(error.rsplit_once(" at line ").map_or(&*error, |(message, _)| message))
        })
    }
}
