//! The wire format of Protocol Buffers, read in place and strictly: what has
//! more than one reading, or none, is an error.

use crate::runtime::error::ModelError;

/// What is not a message in the wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl From<Malformed> for ModelError {
    fn from(Malformed: Malformed) -> Self {
        Self::NotOnnx
    }
}

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field<'a> {
    /// Its number.
    pub(super) number: u32,
    /// Its value.
    pub(super) value: Value<'a>,
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A number.
    Varint(u64),
    /// A string, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
    /// A fixed-size number, which no caller needs.
    Fixed,
}

/// The fields of a message; ends after the first error.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn field(&mut self) -> Result<Field<'a>, Malformed> {
        let key = u32::try_from(self.varint()?).map_err(|_| Malformed)?;
        let number = key >> 3;
        if number == 0 {
            return Err(Malformed);
        }
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            // Groups: no message of ONNX has any.
            _ => return Err(Malformed),
        };
        Ok(Field { number, value })
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Malformed);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// The fields of a message, each with its own bytes, key and length included.
pub(super) fn fields_with_bytes(
    message: &[u8],
) -> impl Iterator<Item = Result<(Field<'_>, &[u8]), Malformed>> {
    let mut fields = Fields::of(message);
    std::iter::from_fn(move || {
        let before = fields.0;
        let field = fields.next()?;
        Some(field.map(|field| (field, &before[..before.len() - fields.0.len()])))
    })
}

/// Appends a number.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Takes one number from the beginning of packed numbers.
pub(super) fn varint(packed: &mut &[u8]) -> Result<u64, Malformed> {
    let mut fields = Fields(packed);
    let value = fields.varint()?;
    *packed = fields.0;
    Ok(value)
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Field<'_>>, Malformed> {
        Fields::of(bytes).collect()
    }

    #[test]
    fn reads_each_kind_of_value() {
        let bytes = b"\x08\x96\x01\x12\x02hi\x1d1234\x2112345678";
        assert_eq!(
            read(bytes).unwrap(),
            [
                Field { number: 1, value: Value::Varint(150) },
                Field { number: 2, value: Value::Bytes(b"hi") },
                Field { number: 3, value: Value::Fixed },
                Field { number: 4, value: Value::Fixed },
            ]
        );
    }

    #[test]
    fn refuses_what_is_no_message() {
        for bytes in [
            &b"\x08"[..],                                         // no value
            b"\x12\x05hi",                                        // shorter than it says
            b"\x00\x00",                                          // field number 0
            b"\x0b\x0c",                                          // a group
            b"\x0f",                                              // an unknown wire type
            b"\x88\x80\x80\x80\x80\x01\x00",                      // a field number above 2^29
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",      // a number above 2^64
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  // an endless number
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01never", // 2^64 - 1 bytes
        ] {
            assert_eq!(read(bytes), Err(Malformed), "{bytes:x?}");
        }
    }
}
