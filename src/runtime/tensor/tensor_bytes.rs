//! Tensors as bytes, in the form of the binary tensor extension: little-endian, the
//! last dimension running fastest, nothing between two elements. A boolean is one byte,
//! 0 or 1; a string is its length in four bytes, then its bytes.

use half::{bf16, f16};

use super::{TensorData, each_type, of_type};
use crate::runtime::data_type::DataType;

/// Why bytes are not the elements of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum NotElements {
    #[error("{count} elements of {data_type} do not take {bytes} bytes")]
    Size { data_type: DataType, count: usize, bytes: usize },
    #[error("a boolean is neither 0 nor 1")]
    Bool,
    #[error("element {element} ends after the data")]
    String { element: usize },
    #[error("there is no memory for the elements")]
    NoMemory,
}

impl TensorData {
    /// Reads `count` elements, of which `bytes` hold exactly so many.
    pub fn from_bytes(data_type: DataType, count: usize, bytes: &[u8]) -> Result<Self, NotElements> {
        // What a string takes besides its length, its length says.
        let least = count.checked_mul(data_type.element_size().unwrap_or(LENGTH));
        let fits = match data_type {
            DataType::Bytes => least.is_some_and(|least| least <= bytes.len()),
            _ => least == Some(bytes.len()),
        };
        if !fits {
            return Err(NotElements::Size { data_type, count, bytes: bytes.len() });
        }
        Ok(of_type!(data_type, Element::read(bytes)?, strings(count, bytes)?))
    }

    /// How many bytes [`write_bytes`](Self::write_bytes) writes; `None` where a string is
    /// longer than four bytes can say.
    pub fn byte_len(&self) -> Option<usize> {
        each_type!(
            self,
            data => Some(size_of_val(data.as_slice())),
            strings => strings.iter().try_fold(0usize, |sum, string| {
                u32::try_from(string.len()).ok()?;
                sum.checked_add(LENGTH + string.len())
            })
        )
    }

    /// Appends the elements to `bytes`.
    pub fn write_bytes(&self, bytes: &mut Vec<u8>) {
        each_type!(self, data => Element::write(data, bytes), strings => {
            for string in strings {
                bytes.extend_from_slice(&(string.len() as u64).to_le_bytes()[..LENGTH]);
                bytes.extend_from_slice(string);
            }
        });
    }
}

/// Bytes that tell a string's length.
const LENGTH: usize = 4;

/// An empty list with room for `count` elements.
fn room<T>(count: usize) -> Result<Vec<T>, NotElements> {
    let mut list = Vec::new();
    list.try_reserve_exact(count).map_err(|_| NotElements::NoMemory)?;
    Ok(list)
}

fn strings(count: usize, bytes: &[u8]) -> Result<Vec<Vec<u8>>, NotElements> {
    let mut strings = room(count)?;
    let mut rest = bytes;
    for element in 0..count {
        let next = || {
            let (length, after) = rest.split_first_chunk()?;
            after.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
        };
        let (string, after) = next().ok_or(NotElements::String { element })?;
        let mut copy = room(string.len())?;
        copy.extend_from_slice(string);
        strings.push(copy);
        rest = after;
    }
    if rest.is_empty() {
        Ok(strings)
    } else {
        Err(NotElements::Size { data_type: DataType::Bytes, count, bytes: bytes.len() })
    }
}

/// Elements that all take the same number of bytes. Both loops become plain copies
/// where the machine is little-endian.
trait Element: Sized {
    fn read(bytes: &[u8]) -> Result<Vec<Self>, NotElements>;
    fn write(elements: &[Self], bytes: &mut Vec<u8>);
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Element for $type {
            fn read(bytes: &[u8]) -> Result<Vec<Self>, NotElements> {
                let (elements, _) = bytes.as_chunks();
                let mut list = room(elements.len())?;
                list.extend(elements.iter().map(|bytes| Self::from_le_bytes(*bytes)));
                Ok(list)
            }
            fn write(elements: &[Self], bytes: &mut Vec<u8>) {
                bytes.extend(elements.iter().flat_map(|element| element.to_le_bytes()));
            }
        }
    )*};
}

numbers!(bf16, f16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64);

impl Element for bool {
    fn read(bytes: &[u8]) -> Result<Vec<Self>, NotElements> {
        // All at once, which is five times as fast as one after the other.
        if bytes.iter().fold(0, |seen, byte| seen | byte) > 1 {
            return Err(NotElements::Bool);
        }
        let mut list = room(bytes.len())?;
        list.extend(bytes.iter().map(|byte| *byte == 1));
        Ok(list)
    }

    fn write(elements: &[Self], bytes: &mut Vec<u8>) {
        bytes.extend(elements.iter().map(|element| u8::from(*element)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(data: &TensorData) -> Vec<u8> {
        let mut bytes = b"before".to_vec();
        data.write_bytes(&mut bytes);
        bytes.split_off(6)
    }

    #[test]
    fn elements_are_little_endian_and_close_together() {
        for (data, bytes) in [
            (TensorData::Bool(vec![true, false]), &b"\x01\x00"[..]),
            (TensorData::Bytes(vec![b"ab".to_vec(), vec![]]), b"\x02\0\0\0ab\0\0\0\0"),
            (TensorData::Bf16(vec![bf16::from_f32(1.0)]), b"\x80\x3f"),
            (TensorData::Fp16(vec![f16::from_f32(1.0)]), b"\x00\x3c"),
            (TensorData::Fp32(vec![1.0, -2.0]), b"\0\0\x80\x3f\0\0\0\xc0"),
            (TensorData::Fp64(vec![1.0]), b"\0\0\0\0\0\0\xf0\x3f"),
            (TensorData::Int8(vec![-2]), b"\xfe"),
            (TensorData::Int16(vec![-2]), b"\xfe\xff"),
            (TensorData::Int32(vec![1]), b"\x01\0\0\0"),
            (TensorData::Int64(vec![1]), b"\x01\0\0\0\0\0\0\0"),
            (TensorData::Uint8(vec![255]), b"\xff"),
            (TensorData::Uint16(vec![258]), b"\x02\x01"),
            (TensorData::Uint32(vec![258]), b"\x02\x01\0\0"),
            (TensorData::Uint64(vec![258]), b"\x02\x01\0\0\0\0\0\0"),
        ] {
            assert_eq!(written(&data), bytes);
            assert_eq!(data.byte_len(), Some(bytes.len()));
            assert_eq!(TensorData::from_bytes(data.data_type(), data.len(), bytes), Ok(data));
        }
    }

    #[test]
    fn no_bit_of_a_float_is_lost() {
        // Signaling and quiet NaN with a payload, both infinities, both zeros, the least number.
        let bits = [0x7f80_0001_u32, 0xffc0_1234, 0x7f80_0000, 0xff80_0000, 0, 0x8000_0000, 1];
        let bytes: Vec<u8> = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
        assert_eq!(written(&TensorData::from_bytes(DataType::Fp32, bits.len(), &bytes).unwrap()), bytes);
        for data_type in [DataType::Bf16, DataType::Fp16] {
            let all: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
            assert_eq!(written(&TensorData::from_bytes(data_type, 1 << 16, &all).unwrap()), all);
        }
    }

    #[test]
    fn bytes_that_are_not_exactly_the_elements_are_refused() {
        for data_type in DataType::ALL {
            let read = |count, length: usize| TensorData::from_bytes(data_type, count, &vec![0; length]);
            let size = data_type.element_size().unwrap_or(LENGTH);
            assert!(read(3, 3 * size).is_ok(), "{data_type}");
            for (count, length) in
                [(3, 3 * size + 1), (3, 3 * size - 1), (0, 1), (1, 0), (usize::MAX, size), (1 << 62, 0)]
            {
                let error = read(count, length).unwrap_err();
                assert!(matches!(error, NotElements::Size { .. }), "{data_type} {count} {length}: {error}");
            }
        }
        for byte in [2, 3, 128, 255] {
            let bytes = [[0, 1].repeat(100), vec![byte], [0].repeat(100)].concat();
            assert_eq!(TensorData::from_bytes(DataType::Bool, 301, &bytes), Err(NotElements::Bool));
        }
    }

    #[test]
    fn a_string_that_ends_after_the_data_is_refused() {
        for (bytes, element) in [
            (&b"\x01\0\0\0a\x02\0\0\0b"[..], 1),
            (b"\xff\xff\xff\xffabcd", 0),
            // The first takes what the second needs for its length.
            (b"\x02\0\0\0ab\0\0", 1),
        ] {
            assert_eq!(
                TensorData::from_bytes(DataType::Bytes, 2, bytes),
                Err(NotElements::String { element })
            );
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(seed: Vec<u8>, kind in 0..DataType::ALL.len()) {
            let data_type = DataType::ALL[kind];
            let data = match data_type.element_size() {
                Some(size) => {
                    let count = seed.len() / size;
                    let bytes: Vec<u8> = match data_type {
                        DataType::Bool => seed.iter().map(|byte| byte & 1).collect(),
                        _ => seed[..count * size].to_vec(),
                    };
                    let data = TensorData::from_bytes(data_type, count, &bytes).unwrap();
                    prop_assert_eq!(written(&data), bytes);
                    data
                }
                None => TensorData::Bytes(seed.split(|byte| *byte < 64).map(<[u8]>::to_vec).collect()),
            };
            let bytes = written(&data);
            prop_assert_eq!(data.byte_len(), Some(bytes.len()));
            // NaN is not equal to itself, its bytes are.
            let again = TensorData::from_bytes(data_type, data.len(), &bytes).unwrap();
            prop_assert_eq!(written(&again), bytes);
        }

        #[test]
        fn never_panics(bytes: Vec<u8>, count: usize, few in 0..8usize) {
            for data_type in DataType::ALL {
                let _ = TensorData::from_bytes(data_type, count, &bytes);
                let _ = TensorData::from_bytes(data_type, few, &bytes);
            }
        }
    }
}
