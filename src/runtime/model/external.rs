//! Tensors whose data lies outside of the ONNX file: where, and how much of it.
//! What is said in two ways, or not at all, is refused.

use std::io::{self, BufReader, Read, Seek};

use super::onnx::{MAX_DEPTH, Message, name, shown, text};
use super::protobuf::{Field, Fields, Value, put_varint};
use crate::runtime::error::ModelError;

/// ONNX Runtime's marker for "at this address in memory" begins so.
const MEMORY_MARKER: &str = "*/_ORT_";

/// A tensor's data in another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct External {
    /// The tensor, for messages.
    pub tensor: String,
    /// The file, relative to the model's.
    pub location: String,
    /// Where in the file its data begins.
    pub start: u64,
    /// Bytes that the file must have at least.
    pub end: u64,
}

impl External {
    /// Where in the file its data is, where memory can hold that.
    pub(super) fn range(&self) -> Option<std::ops::Range<usize>> {
        Some(usize::try_from(self.start).ok()?..usize::try_from(self.end).ok()?)
    }

    /// Where the data of `tensor`, a `TensorProto`, lies; `None` where that is the
    /// model itself.
    pub(super) fn of(tensor: &[u8]) -> Result<Option<Self>, ModelError> {
        let (mut entries, mut external) = (Entries::default(), false);
        for field in Fields::of(tensor) {
            match field? {
                Field { number: 13, value: Value::Bytes(entry) } => {
                    let (key, value) = (text(entry, 1)?, text(entry, 2)?);
                    entries.add(key, value).map_err(|what| refusal(tensor, &entries, what))?;
                }
                Field { number: 14, value: Value::Varint(location) } => external = location != 0,
                Field { number: 13 | 14, .. } => return Err(ModelError::NotOnnx),
                _ => {}
            }
        }
        let Entries { any, location, offset, length, .. } = entries;
        let Some(location) = location else {
            return if external || any {
                Err(ModelError::ExternalData { tensor: name(tensor, 8)?, location: String::new() })
            } else {
                Ok(None)
            };
        };
        let refused = |what| refusal(tensor, &entries, what);
        let Ok(path) = std::str::from_utf8(location) else {
            return Err(ModelError::ExternalData { tensor: name(tensor, 8)?, location: shown(location) });
        };
        if path.starts_with(MEMORY_MARKER) {
            return Err(ModelError::MemoryAddress { tensor: name(tensor, 8)? });
        }
        let size = size(tensor)?.ok_or_else(|| refused("its size cannot be told from its type and shape"))?;
        if length.is_some_and(|length| length != 0 && length != size) {
            return Err(refused("the length there is not that of its type and shape"));
        }
        let start = offset.unwrap_or(0);
        let end = start.checked_add(size).ok_or_else(|| refused("its offset is impossible"))?;
        Ok(Some(Self { tensor: name(tensor, 8)?, location: path.to_owned(), start, end }))
    }
}

/// What the entries of `external_data` say.
#[derive(Default)]
struct Entries<'a> {
    any: bool,
    location: Option<&'a [u8]>,
    offset: Option<u64>,
    length: Option<u64>,
    checksum: bool,
}

impl<'a> Entries<'a> {
    fn add(&mut self, key: &[u8], value: &'a [u8]) -> Result<(), &'static str> {
        self.any = true;
        let twice = match key {
            b"location" => self.location.replace(value).is_some(),
            b"offset" => self.offset.replace(number(value)?).is_some(),
            b"length" => self.length.replace(number(value)?).is_some(),
            b"checksum" => std::mem::replace(&mut self.checksum, true),
            _ => return Err("says more than location, offset, length and checksum"),
        };
        if twice { Err("says so twice") } else { Ok(()) }
    }
}

fn refusal(tensor: &[u8], entries: &Entries<'_>, what: &'static str) -> ModelError {
    let location = shown(entries.location.unwrap_or_default());
    name(tensor, 8).map_or_else(ModelError::from, |tensor| ModelError::ExternalRange {
        tensor,
        location,
        what,
    })
}

/// Decimal digits and nothing else.
fn number(text: &[u8]) -> Result<u64, &'static str> {
    let digits = std::str::from_utf8(text).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or("its offset or length is no number")
}

/// Bytes that a tensor takes by its type and shape; `None` where they do not say.
pub(super) fn size(tensor: &[u8]) -> Result<Option<u64>, ModelError> {
    let (mut elements, mut bits) = (Some(1_u64), None);
    // A negative dimension is a number beyond i64 on the wire.
    let times = |elements: Option<u64>, dimension: u64| {
        i64::try_from(dimension).ok().and(elements).and_then(|n| n.checked_mul(dimension))
    };
    for field in Fields::of(tensor) {
        match field? {
            Field { number: 1, value: Value::Varint(dimension) } => elements = times(elements, dimension),
            Field { number: 1, value: Value::Bytes(packed) } => {
                let mut rest = packed;
                while !rest.is_empty() {
                    elements = times(elements, super::protobuf::varint(&mut rest)?);
                }
            }
            Field { number: 2, value: Value::Varint(code) } => bits = element_bits(code),
            Field { number: 1 | 2, .. } => return Err(ModelError::NotOnnx),
            _ => {}
        }
    }
    Ok(elements.zip(bits).and_then(|(elements, bits)| Some(elements.checked_mul(bits)?.div_ceil(8))))
}

/// Bits of one element of `TensorProto.DataType`.
fn element_bits(code: u64) -> Option<u64> {
    Some(match code {
        25 | 26 => 2,
        21..=23 => 4,
        2 | 3 | 9 | 17..=20 | 24 => 8,
        4 | 5 | 10 | 16 => 16,
        1 | 6 | 12 => 32,
        7 | 11 | 13 | 14 => 64,
        15 => 128,
        _ => return None,
    })
}

/// Why a model's external data cannot be found out.
#[derive(Debug)]
pub enum ScanError {
    /// The file cannot be read.
    Io(io::Error),
    /// It is no ONNX model, or none that can be served.
    Model(ModelError),
}

impl From<ModelError> for ScanError {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        // It ends within a field.
        if error.kind() == io::ErrorKind::UnexpectedEof {
            ModelError::NotOnnx.into()
        } else {
            Self::Io(error)
        }
    }
}

/// The external data that the ONNX file `file` names, without reading its weights.
/// [`graph::inspect`](super::graph::inspect) is stricter, and has the last word.
pub fn scan(file: impl Read + Seek) -> Result<Vec<External>, ScanError> {
    let mut scan = Scan { input: BufReader::with_capacity(64 << 10, file), found: Vec::new() };
    let length = scan.input.seek(io::SeekFrom::End(0))?;
    scan.input.rewind()?;
    scan.message(Message::Model, length, 0)?;
    Ok(scan.found)
}

struct Scan<R> {
    input: BufReader<R>,
    found: Vec<External>,
}

impl<R: Read + Seek> Scan<R> {
    fn message(&mut self, kind: Message, mut left: u64, depth: u32) -> Result<(), ScanError> {
        /// Most bytes of what a tensor says of itself.
        const MOST: u64 = 64 << 10;
        if depth > MAX_DEPTH {
            return Err(ModelError::TooDeep.into());
        }
        // A tensor without its data.
        let mut tensor = Vec::new();
        while left > 0 {
            let key = self.varint(&mut left)?;
            let (number, wire) = (u32::try_from(key >> 3).map_err(|_| ModelError::NotOnnx)?, key & 7);
            let keep = kind == Message::Tensor && matches!(number, 1 | 2 | 8 | 13 | 14);
            let value = match wire {
                0 | 2 => self.varint(&mut left)?,
                1 => 8,
                5 => 4,
                _ => return Err(ModelError::NotOnnx.into()),
            };
            let length = if wire == 0 { 0 } else { value };
            left = left.checked_sub(length).filter(|_| number > 0).ok_or(ModelError::NotOnnx)?;
            match kind.child(number) {
                Some(child) if wire == 2 && child != Message::ExternalData => {
                    self.message(child, length, depth + 1)?;
                }
                _ if keep && matches!(wire, 0 | 2) => {
                    put_varint(&mut tensor, key);
                    put_varint(&mut tensor, value);
                    if length > MOST || tensor.len() as u64 > MOST {
                        return Err(ModelError::NotOnnx.into());
                    }
                    let start = tensor.len();
                    tensor.resize(start + usize::try_from(length).unwrap_or(0), 0);
                    self.input.read_exact(&mut tensor[start..])?;
                }
                _ => self.input.seek_relative(i64::try_from(length).map_err(|_| ModelError::NotOnnx)?)?,
            }
        }
        if kind == Message::Tensor {
            self.found.extend(External::of(&tensor)?);
        }
        Ok(())
    }

    fn varint(&mut self, left: &mut u64) -> Result<u64, ScanError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            *left = left.checked_sub(1).ok_or(ModelError::NotOnnx)?;
            self.input.read_exact(&mut byte)?;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ModelError::NotOnnx.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::runtime::graph;
    use crate::runtime::testing::model;

    fn entry(key: &str, value: &str) -> Vec<u8> {
        let field = |number: u8, text: &str| {
            [&[number << 3 | 2, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
        };
        let inner = [field(1, key), field(2, value)].concat();
        [vec![13 << 3 | 2, u8::try_from(inner.len()).unwrap()], inner].concat()
    }

    /// FP32 [2, 3] named `w`, with these entries.
    fn tensor(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut out = b"\x08\x02\x08\x03\x10\x01\x42\x01w".to_vec();
        entries.iter().for_each(|(key, value)| out.extend(entry(key, value)));
        out
    }

    #[test]
    fn the_end_follows_from_offset_type_and_shape() {
        for (entries, end) in [
            (&[("location", "f")][..], 24),
            (&[("location", "f"), ("offset", "10")], 34),
            (&[("offset", "10"), ("length", "24"), ("location", "f"), ("checksum", "x")], 34),
            (&[("location", "f"), ("length", "0")], 24),
        ] {
            let expected = External { tensor: "w".into(), location: "f".into(), start: end - 24, end };
            assert_eq!(External::of(&tensor(entries)).unwrap(), Some(expected), "{entries:?}");
        }
        assert_eq!(External::of(&tensor(&[])).unwrap(), None);
    }

    #[test]
    fn what_is_said_twice_or_badly_is_refused() {
        for entries in [
            &[("location", "f"), ("location", "f")][..],
            &[("location", "f"), ("offset", "1"), ("offset", "1")],
            &[("location", "f"), ("offset", "-1")],
            &[("location", "f"), ("offset", "+1")],
            &[("location", "f"), ("offset", " 1")],
            &[("location", "f"), ("offset", "0x1")],
            &[("location", "f"), ("offset", "")],
            &[("location", "f"), ("offset", "18446744073709551615")],
            &[("location", "f"), ("offset", "18446744073709551616")],
            &[("location", "f"), ("length", "23")],
            &[("location", "f"), ("prepacked_0", "x|0;4")],
            &[("offset", "1")],
        ] {
            assert!(External::of(&tensor(entries)).is_err(), "{entries:?}");
        }
        // No type, no size.
        let mut untyped = tensor(&[("location", "f")]);
        untyped[5] = 8;
        assert!(External::of(&untyped).is_err());
        // A negative dimension.
        let negative =
            [b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(), tensor(&[("location", "f")])];
        assert!(External::of(&negative.concat()).is_err());
    }

    #[test]
    fn scanning_finds_what_the_walk_finds() {
        for name in
            ["digits.onnx", "models/external.onnx", "models/external-subgraph.onnx", "models/echo.onnx"]
        {
            let bytes = model(name);
            let walked = graph::inspect(&bytes, &|_| Some(u64::MAX)).unwrap().needed_members;
            let scanned = scan(Cursor::new(&bytes)).unwrap();
            assert_eq!(
                scanned.into_iter().map(|e| e.location).collect::<std::collections::BTreeSet<_>>(),
                walked
            );
        }
        assert!(matches!(scan(Cursor::new(b"hello, world")), Err(ScanError::Model(ModelError::NotOnnx))));
        assert!(matches!(scan(Cursor::new(b"\x3a\x7f")), Err(ScanError::Model(ModelError::NotOnnx))));
    }

    proptest! {
        #[test]
        fn never_panics_on_a_mutated_model(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8)) {
            let mut bytes = model("models/external-subgraph.onnx");
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = scan(Cursor::new(&bytes));
        }

        #[test]
        fn never_panics_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = scan(Cursor::new(&bytes));
            let _ = External::of(&bytes);
        }
    }
}
