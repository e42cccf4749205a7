//! Puts external data into the model where ONNX Runtime takes it from files only.
//! Buffers that stand for files serve the initializers of the main graph; what
//! subgraphs, functions and attributes name, the library would look for on a disk.

use super::error::ModelError;
use super::external::External;
use super::onnx::{Message, stays_outside};
use super::wire::{Field, Malformed, Value, fields_with_bytes, put_varint};
use crate::secret::SecretBytes;

/// Fields of a `TensorProto`.
const RAW_DATA: u32 = 9;
const EXTERNAL_DATA: u32 = 13;
const DATA_LOCATION: u32 = 14;

/// Most bytes of a model that is one protobuf message. Tensors may share their data,
/// so what it would take to write each of them out has no relation to the model's size.
const MOST: usize = i32::MAX as usize;

/// Finds the bytes of a member.
pub(super) type Members<'a> = dyn Fn(&str) -> Option<&'a [u8]> + 'a;

/// The walked model `onnx`, with all external data inside but that of initializers
/// of its main graph.
pub(super) fn inline<'a>(onnx: &'a [u8], members: &'a Members<'a>) -> Result<SecretBytes, ModelError> {
    let rewrite = Rewrite { members };
    let length = rewrite.length(Message::Model, false, onnx)?;
    if length > MOST {
        return Err(ModelError::TooLargeInside);
    }
    // It never grows beyond that, so no copy is left behind.
    let mut out = SecretBytes::with_capacity(length);
    rewrite.write(Message::Model, false, onnx, out.expose_mut())?;
    Ok(out)
}

struct Rewrite<'a> {
    members: &'a Members<'a>,
}

/// What becomes of a field.
enum Fate<'a> {
    Stays,
    Message(Message, &'a [u8]),
    /// A tensor whose data comes inside.
    Tensor(&'a [u8], &'a [u8]),
}

impl<'a> Rewrite<'a> {
    fn fate(&self, kind: Message, in_model: bool, field: Field<'a>) -> Result<Fate<'a>, Malformed> {
        let (Some(child), Value::Bytes(inner)) = (kind.child(field.number), field.value) else {
            return Ok(Fate::Stays);
        };
        match child {
            Message::Tensor if stays_outside(kind, in_model, field.number) => Ok(Fate::Stays),
            Message::Tensor => match External::of(inner).map_err(|_| Malformed)? {
                None => Ok(Fate::Stays),
                Some(external) => {
                    let data = (self.members)(&external.location).ok_or(Malformed)?;
                    let data = data.get(external.range().ok_or(Malformed)?).ok_or(Malformed)?;
                    Ok(Fate::Tensor(inner, data))
                }
            },
            _ => Ok(Fate::Message(child, inner)),
        }
    }

    fn length(&self, kind: Message, in_model: bool, bytes: &'a [u8]) -> Result<usize, Malformed> {
        let mut sum = 0_usize;
        for field in fields_with_bytes(bytes) {
            let (field, whole) = field?;
            let bytes = match self.fate(kind, in_model, field)? {
                Fate::Stays => whole.len(),
                Fate::Message(child, inner) => {
                    framed(field.number, self.length(child, kind == Message::Model, inner)?)
                }
                Fate::Tensor(inner, data) => framed(field.number, tensor_length(inner, data)?),
            };
            sum = sum.saturating_add(bytes);
        }
        Ok(sum)
    }

    fn write(
        &self,
        kind: Message,
        in_model: bool,
        bytes: &'a [u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        for field in fields_with_bytes(bytes) {
            let (field, whole) = field?;
            match self.fate(kind, in_model, field)? {
                Fate::Stays => out.extend_from_slice(whole),
                Fate::Message(child, inner) => {
                    put_frame(out, field.number, self.length(child, kind == Message::Model, inner)?);
                    self.write(child, kind == Message::Model, inner, out)?;
                }
                Fate::Tensor(inner, data) => {
                    put_frame(out, field.number, tensor_length(inner, data)?);
                    for kept in kept(inner) {
                        out.extend_from_slice(kept?);
                    }
                    put_frame(out, RAW_DATA, data.len());
                    out.extend_from_slice(data);
                }
            }
        }
        Ok(())
    }
}

/// The fields of a tensor that say nothing of where its data is.
fn kept(tensor: &[u8]) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    fields_with_bytes(tensor).filter_map(|field| match field {
        Ok((field, _)) if matches!(field.number, RAW_DATA | EXTERNAL_DATA | DATA_LOCATION) => None,
        Ok((_, whole)) => Some(Ok(whole)),
        Err(malformed) => Some(Err(malformed)),
    })
}

fn tensor_length(tensor: &[u8], data: &[u8]) -> Result<usize, Malformed> {
    let kept: usize = kept(tensor).map(|field| field.map(<[u8]>::len)).sum::<Result<_, _>>()?;
    Ok(kept + framed(RAW_DATA, data.len()))
}

/// Bytes of a field whose value has `length` bytes.
fn framed(number: u32, length: usize) -> usize {
    let digits = |value: u64| (64 - (value | 1).leading_zeros() as usize).div_ceil(7);
    (digits(u64::from(number) << 3) + digits(length as u64)).saturating_add(length)
}

fn put_frame(out: &mut Vec<u8>, number: u32, length: usize) {
    put_varint(out, u64::from(number) << 3 | 2);
    put_varint(out, length as u64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::graph;
    use crate::runtime::testing::model;

    #[test]
    fn what_a_subgraph_names_comes_inside_and_the_rest_stays() {
        let data: Vec<u8> = (0..64).collect();
        let inside = inline(&model("models/external-subgraph.onnx"), &|_| Some(&data)).unwrap();
        let walked = graph::inspect(inside.expose(), &|_| None).unwrap();
        assert!(walked.needed_members.is_empty());
        let found = inside.expose().windows(16).filter(|window| *window == &data[..16]).count();
        assert_eq!(found, 2, "one for each branch");

        let main = model("models/external-cwd.onnx");
        assert_eq!(inline(&main, &|_| Some(&data)).unwrap().expose(), main);
        let plain = model("models/slow.onnx");
        assert_eq!(inline(&plain, &|_| None).unwrap().expose(), plain);
    }

    #[test]
    fn tensors_that_share_their_data_cannot_demand_more_than_a_message_holds() {
        let message = |fields: &[(u32, &[u8])]| {
            let mut out = Vec::new();
            for (number, bytes) in fields {
                put_frame(&mut out, *number, bytes.len());
                out.extend_from_slice(bytes);
            }
            out
        };
        let data = vec![0; 64 << 20];
        let entry = |key: &str, value: &str| message(&[(1, key.as_bytes()), (2, value.as_bytes())]);
        let (place, length) = (entry("location", "w"), entry("length", &data.len().to_string()));
        let mut tensor = message(&[(EXTERNAL_DATA, &place), (EXTERNAL_DATA, &length)]);
        // One dimension of that many bytes, whose type is UINT8, and the data outside.
        for (number, value) in [(1, data.len() as u64), (2, 2), (DATA_LOCATION, 1)] {
            put_varint(&mut tensor, u64::from(number) << 3);
            put_varint(&mut tensor, value);
        }
        let node = message(&[(5, &message(&[(5, &tensor)]))]);
        let model = |nodes| message(&[(7, &message(&vec![(1, &node[..]); nodes]))]);
        assert!(inline(&model(1), &|_| Some(&data)).unwrap().len() > data.len());
        for nodes in [32, 1000] {
            let refused = inline(&model(nodes), &|_| Some(&data));
            assert!(matches!(refused, Err(ModelError::TooLargeInside)), "{nodes}");
        }
    }

    #[test]
    fn a_frame_is_as_long_as_it_is_said_to_be() {
        for number in [1, 15, 16, 25, 2047, 2048] {
            for length in [0, 1, 127, 128, 16_383, 16_384, 1 << 21] {
                let mut out = Vec::new();
                put_frame(&mut out, number, length);
                assert_eq!(framed(number, length), out.len() + length, "{number} {length}");
            }
        }
    }
}
