//! Parts of a JSON document that are held to a size while they are read, not after.
//! What is wrong with one is said by its path, in the words of JSON. No string is quoted:
//! `serde_json` would copy all of it, escaped, where something else than a string must be.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::path::{Path, Read, Step};
use super::scalar::{ARRAY, OBJECT, Other};

/// Reads a value of a map or an array, to which `path` leads.
struct Next<'p, T>(&'p mut Path, PhantomData<T>);

impl<'de, T: Read<'de>> DeserializeSeed<'de> for Next<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::read(deserializer, self.0)
    }
}

/// `null` is as good as nothing.
impl<'de, T: Read<'de>> Read<'de> for Option<T> {
    fn read<D: Deserializer<'de>>(deserializer: D, path: &mut Path) -> Result<Self, D::Error> {
        struct Maybe<'p, T>(&'p mut Path, PhantomData<T>);

        impl<'de, T: Read<'de>> Visitor<'de> for Maybe<'_, T> {
            type Value = Option<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                T::read(deserializer, self.0).map(Some)
            }
        }

        deserializer.deserialize_option(Maybe(path, PhantomData))
    }
}

/// Anything, which is not kept.
impl<'de> Read<'de> for IgnoredAny {
    fn read<D: Deserializer<'de>>(deserializer: D, _: &mut Path) -> Result<Self, D::Error> {
        deserializer.deserialize_ignored_any(Self)
    }
}

/// Anything, as it is written.
impl<'de> Read<'de> for &'de RawValue {
    fn read<D: Deserializer<'de>>(deserializer: D, _: &mut Path) -> Result<Self, D::Error> {
        serde::Deserialize::deserialize(deserializer)
    }
}

/// An array of so many elements at most.
#[derive(Debug)]
pub(super) struct Few<T, const MOST: usize>(pub(super) Vec<T>);

impl<T, const MOST: usize> Default for Few<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Read<'de>, const MOST: usize> Read<'de> for Few<T, MOST> {
    fn read<D: Deserializer<'de>>(deserializer: D, path: &mut Path) -> Result<Self, D::Error> {
        struct Array<'p, T, const MOST: usize>(&'p mut Path, PhantomData<T>);

        impl<'de, T: Read<'de>, const MOST: usize> Visitor<'de> for Array<'_, T, MOST> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                loop {
                    self.0.enter(Step::Element(elements.len()));
                    let element = seq.next_element_seed(Next(self.0, PhantomData))?;
                    self.0.leave();
                    match element {
                        None => return Ok(elements),
                        Some(_) if elements.len() == MOST => {
                            let error = format_args!("there are more than {MOST} elements");
                            return Err(A::Error::custom(error));
                        }
                        Some(element) => elements.push(element),
                    }
                }
            }
        }

        deserializer.deserialize_any(Other(ARRAY, Array::<T, MOST>(path, PhantomData))).map(Few)
    }
}

/// A JSON object with members that are known.
pub(super) trait Object<'de>: Default {
    /// Their names.
    const MEMBERS: &'static [&'static str];

    /// Takes the value of the member at `index` of the names.
    fn member<V: Value<'de>>(&mut self, index: usize, value: V) -> Result<(), V::Error>;

    /// Says what is missing, when all members are read.
    fn lacks(&self) -> Option<&'static str> {
        None
    }
}

/// The value of a member, not read yet.
pub(super) trait Value<'de> {
    type Error;

    fn read<T: Read<'de>>(self) -> Result<T, Self::Error>;
}

impl<'de, A: MapAccess<'de>> Value<'de> for (&mut A, &mut Path) {
    type Error = A::Error;

    fn read<T: Read<'de>>(self) -> Result<T, A::Error> {
        self.0.next_value_seed(Next(self.1, PhantomData))
    }
}

/// Which of the names a member has.
struct Name(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| *known == name))
    }
}

/// An [`Object`], read from a JSON object and nothing else. Unknown members are ignored,
/// as clients of other servers send some.
#[derive(Debug, Default)]
pub(super) struct Members<T>(pub(super) T);

impl<'de, T: Object<'de>> Read<'de> for Members<T> {
    fn read<D: Deserializer<'de>>(deserializer: D, path: &mut Path) -> Result<Self, D::Error> {
        struct Map<'p, T>(&'p mut Path, PhantomData<T>);

        impl<'de, T: Object<'de>> Visitor<'de> for Map<'_, T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut object = T::default();
                let mut seen = vec![false; T::MEMBERS.len()];
                while let Some(index) = map.next_key_seed(Name(T::MEMBERS))? {
                    let Some((index, name)) = index.and_then(|i| Some((i, *T::MEMBERS.get(i)?))) else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    self.0.enter(Step::Member(name));
                    if std::mem::replace(&mut seen[index], true) {
                        return Err(A::Error::custom("it is there twice"));
                    }
                    object.member(index, (&mut map, &mut *self.0))?;
                    self.0.leave();
                }
                match object.lacks() {
                    None => Ok(object),
                    Some(name) => Err(A::Error::custom(format_args!("\"{name}\" is missing"))),
                }
            }
        }

        deserializer.deserialize_any(Other(OBJECT, Map(path, PhantomData))).map(Members)
    }
}

/// A value whose text is short; it is read later.
#[derive(Debug, Clone, Copy)]
pub(super) struct Small<'a>(pub(super) &'a RawValue);

/// The longest text of a [`Small`].
pub(super) const SMALL: usize = 16 << 10;

impl<'de> Read<'de> for Small<'de> {
    fn read<D: Deserializer<'de>>(deserializer: D, path: &mut Path) -> Result<Self, D::Error> {
        let raw = <&RawValue>::read(deserializer, path)?;
        if raw.get().len() > SMALL {
            return Err(D::Error::custom(format_args!("it is longer than {SMALL} bytes")));
        }
        Ok(Self(raw))
    }
}
