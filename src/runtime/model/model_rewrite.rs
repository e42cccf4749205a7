//! Rewrites the model for ONNX Runtime. Large weights of the main graph leave it; the
//! library reads them where they were decrypted. All other external data comes into it,
//! because the library would look for it on a disk. What is left is small.

use std::collections::HashMap;

use super::external::{External, size};
use super::onnx::{Message, is_initializer, text};
use super::protobuf::{Field, Fields, Malformed, Value, fields_with_bytes, put_varint, varint};
use super::shareable::shareable;
use super::zero_copy::{self, Weight};
use crate::runtime::error::ModelError;
use crate::secret::SecretBytes;

/// Fields of a `TensorProto`.
const RAW_DATA: u32 = 9;
const EXTERNAL_DATA: u32 = 13;
const DATA_LOCATION: u32 = 14;

/// Most bytes of a model that is one protobuf message. Tensors may share their data,
/// so what it would take to write each of them out has no relation to the model's size.
const MOST: usize = i32::MAX as usize;

/// Fields of a `GraphProto`.
const INPUT: u32 = 11;

/// Less is not worth a tensor of its own. The sizes that shapes are inferred from are
/// less, too: those must be in the model.
const LEAST: usize = 64 << 10;

/// Finds the bytes of a member.
pub(super) type Members<'a> = dyn Fn(&str) -> Option<&'a [u8]> + 'a;

/// A model without its large weights, and those weights with their data.
pub(super) struct Rewritten<'a> {
    pub(super) onnx: SecretBytes,
    pub(super) weights: Vec<(Weight, &'a [u8])>,
}

/// Takes the large weights out of the walked model `onnx`, and puts all other external
/// data in. The range of each weight is left to who knows where the plaintext begins.
pub(super) fn rewrite<'a>(onnx: &'a [u8], members: &'a Members<'a>) -> Result<Rewritten<'a>, ModelError> {
    let weights = weights(onnx, members)?;
    let outside = weights.iter().map(|(tensor, weight, _)| (tensor.as_ptr(), input(weight))).collect();
    let rewrite = Rewrite { members, outside };
    let length = rewrite.length(Message::Model, false, onnx)?;
    if length > MOST {
        return Err(ModelError::TooLargeInside);
    }
    // It never grows beyond that, so no copy is left behind.
    let mut out = SecretBytes::with_capacity(length);
    rewrite.write(Message::Model, false, onnx, out.expose_mut())?;
    Ok(Rewritten {
        onnx: out,
        weights: weights.into_iter().map(|(_, weight, data)| (weight, data)).collect(),
    })
}

/// A weight that need not be copied: the tensor, what it is, and its data.
type Found<'a> = (&'a [u8], Weight, &'a [u8]);

fn weights<'a>(onnx: &'a [u8], members: &Members<'a>) -> Result<Vec<Found<'a>>, Malformed> {
    let (mut found, mut names) = (Vec::new(), HashMap::<&[u8], usize>::new());
    let (mut inputs, mut shaped) = (0, true);
    for field in Fields::of(onnx) {
        let Field { number: 7, value: Value::Bytes(graph) } = field? else { continue };
        for field in Fields::of(graph) {
            match field? {
                Field { number: 5, value: Value::Bytes(tensor) } => {
                    *names.entry(text(tensor, 8)?).or_default() += 1;
                    found.extend(weight(tensor, members)?.map(|(weight, data)| (tensor, weight, data)));
                }
                Field { number: INPUT, value: Value::Bytes(value) } => {
                    inputs += 1;
                    let tensor = text(text(value, 2)?, 1)?;
                    shaped &= Fields::of(tensor).any(|field| matches!(field, Ok(Field { number: 2, .. })));
                    *names.entry(text(value, 1)?).or_default() += 1;
                }
                _ => {}
            }
        }
    }
    // The editor sets all inputs anew. It takes an empty list for no change, and an input
    // without a shape for a scalar.
    if inputs == 0 || !shaped {
        return Ok(Vec::new());
    }
    // Which of two is meant, or whether a request may send another in its place, the
    // library must see for itself.
    found.retain(|(_, weight, _)| names.get(weight.name.as_bytes()) == Some(&1));
    let shareable = shareable(onnx)?;
    for (_, weight, _) in &mut found {
        weight.is_shareable = shareable.contains(weight.name.as_bytes());
    }
    Ok(found)
}

/// What `tensor` is, and its data, if the library can read it where it is.
fn weight<'a>(tensor: &'a [u8], members: &Members<'a>) -> Result<Option<(Weight, &'a [u8])>, Malformed> {
    let (mut raw, mut data_type, mut shape, mut plain) = (None, 0, Vec::new(), true);
    for field in Fields::of(tensor) {
        match field? {
            Field { number: 1, value: Value::Varint(n) } => shape.push(n.cast_signed()),
            Field { number: 1, value: Value::Bytes(mut packed) } => {
                while !packed.is_empty() {
                    shape.push(varint(&mut packed)?.cast_signed());
                }
            }
            Field { number: 2, value: Value::Varint(code) } => data_type = code,
            Field { number: RAW_DATA, value: Value::Bytes(bytes) } => plain &= raw.replace(bytes).is_none(),
            // Its name, its place, and texts (12, 16) that the library ignores.
            Field { number: 8 | 12 | EXTERNAL_DATA | DATA_LOCATION | 16, .. } => {}
            // Data in another form, or a part of it.
            _ => plain = false,
        }
    }
    let data = match (External::of(tensor).map_err(|_| Malformed)?, raw) {
        (Some(external), None) => {
            members(&external.location).and_then(|member| member.get(external.range()?)).ok_or(Malformed)?
        }
        (None, Some(raw)) => raw,
        _ => return Ok(None),
    };
    let whole = size(tensor).map_err(|_| Malformed)? == Some(data.len() as u64);
    // Within the model it is moved to where it may lie; a member stays where it is.
    let aligned = zero_copy::alignment(data_type)
        .is_some_and(|multiple| raw.is_some() || data.as_ptr().addr().is_multiple_of(multiple));
    let name = std::str::from_utf8(text(tensor, 8)?).ok();
    let Some(name) = name.filter(|name| !name.is_empty() && !name.contains('\0')) else { return Ok(None) };
    if !(plain && whole && aligned && data.len() >= LEAST) {
        return Ok(None);
    }
    Ok(Some((
        Weight { name: name.to_owned(), data_type, shape, range: 0..data.len(), is_shareable: false },
        data,
    )))
}

struct Rewrite<'a> {
    members: &'a Members<'a>,
    /// Where tensors begin that go out, and what takes their place.
    outside: HashMap<*const u8, Vec<u8>>,
}

/// What becomes of a field.
enum FieldAction<'a> {
    Keep,
    Descend(Message, &'a [u8]),
    /// A tensor whose external data comes into the model.
    Inline(&'a [u8], &'a [u8]),
    /// A weight that leaves the model; an input takes its place.
    ToInput(*const u8),
}

impl<'a> Rewrite<'a> {
    fn action(&self, kind: Message, in_model: bool, field: Field<'a>) -> Result<FieldAction<'a>, Malformed> {
        let (Some(child), Value::Bytes(inner)) = (kind.child(field.number), field.value) else {
            return Ok(FieldAction::Keep);
        };
        match child {
            Message::Tensor
                if is_initializer(kind, in_model, field.number)
                    && self.outside.contains_key(&inner.as_ptr()) =>
            {
                Ok(FieldAction::ToInput(inner.as_ptr()))
            }
            Message::Tensor => match External::of(inner).map_err(|_| Malformed)? {
                None => Ok(FieldAction::Keep),
                Some(external) => {
                    let data = (self.members)(&external.location).ok_or(Malformed)?;
                    let data = data.get(external.range().ok_or(Malformed)?).ok_or(Malformed)?;
                    Ok(FieldAction::Inline(inner, data))
                }
            },
            _ => Ok(FieldAction::Descend(child, inner)),
        }
    }

    fn length(&self, kind: Message, in_model: bool, bytes: &'a [u8]) -> Result<usize, Malformed> {
        let mut sum = 0_usize;
        for field in fields_with_bytes(bytes) {
            let (field, whole) = field?;
            let bytes = match self.action(kind, in_model, field)? {
                FieldAction::Keep => whole.len(),
                FieldAction::Descend(child, inner) => {
                    framed(field.number, self.length(child, kind == Message::Model, inner)?)
                }
                FieldAction::Inline(inner, data) => framed(field.number, tensor_length(inner, data)?),
                FieldAction::ToInput(tensor) => framed(INPUT, self.outside.get(&tensor).map_or(0, Vec::len)),
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
            match self.action(kind, in_model, field)? {
                FieldAction::Keep => out.extend_from_slice(whole),
                FieldAction::Descend(child, inner) => {
                    put_frame(out, field.number, self.length(child, kind == Message::Model, inner)?);
                    self.write(child, kind == Message::Model, inner, out)?;
                }
                FieldAction::Inline(inner, data) => {
                    put_frame(out, field.number, tensor_length(inner, data)?);
                    for kept in kept(inner) {
                        out.extend_from_slice(kept?);
                    }
                    put_frame(out, RAW_DATA, data.len());
                    out.extend_from_slice(data);
                }
                FieldAction::ToInput(tensor) => {
                    let input = self.outside.get(&tensor).map_or(&[][..], Vec::as_slice);
                    put_frame(out, INPUT, input.len());
                    out.extend_from_slice(input);
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

/// The `ValueInfoProto` of an input that is what `weight` is.
fn input(weight: &Weight) -> Vec<u8> {
    fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_frame(&mut out, number, bytes.len());
        out.extend_from_slice(bytes);
        out
    }
    fn value(number: u32, value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, u64::from(number) << 3);
        put_varint(&mut out, value);
        out
    }
    let shape: Vec<u8> = weight.shape.iter().flat_map(|n| field(1, &value(1, n.cast_unsigned()))).collect();
    let tensor = [value(1, weight.data_type), field(2, &shape)].concat();
    [field(1, weight.name.as_bytes()), field(2, &field(1, &tensor))].concat()
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
    use proptest::prelude::*;

    use super::*;
    use crate::runtime::graph;
    use crate::runtime::testing::model;

    #[test]
    fn what_a_subgraph_names_comes_inside_and_the_rest_stays() {
        let data: Vec<u8> = (0..64).collect();
        let inside = |onnx: &[u8]| rewrite(onnx, &|_| Some(&data)).map(|rewrite| rewrite.onnx).unwrap();
        let branches = inside(&model("models/external-subgraph.onnx"));
        let walked = graph::inspect(branches.expose(), &|_| None).unwrap();
        assert!(walked.needed_members.is_empty());
        let found = branches.expose().windows(16).filter(|window| *window == &data[..16]).count();
        assert_eq!(found, 2, "one for each branch");

        let main = inside(&model("models/external-cwd.onnx"));
        assert!(graph::inspect(main.expose(), &|_| None).unwrap().needed_members.is_empty());
        assert!(main.expose().windows(64).any(|window| window == data));
        let plain = model("models/slow.onnx");
        assert_eq!(inside(&plain).expose(), plain);
    }

    /// FP32 `[n]` named `name` with `more` at its end.
    fn tensor(name: &str, n: usize, more: &[u8]) -> Vec<u8> {
        let mut out = vec![1 << 3];
        put_varint(&mut out, n as u64);
        out.extend([2 << 3, 1, 8 << 3 | 2, u8::try_from(name.len()).unwrap()]);
        [&out, name.as_bytes(), more].concat()
    }

    fn framed_bytes(number: u32, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_frame(&mut out, number, bytes.len());
        [out, bytes.to_vec()].concat()
    }

    fn model_of(tensors: &[Vec<u8>]) -> Vec<u8> {
        let graph = tensors.iter().flat_map(|tensor| framed_bytes(5, tensor));
        let tensor_type = framed_bytes(1, &framed_bytes(2, b""));
        let input = [framed_bytes(1, b"input"), framed_bytes(2, &tensor_type)].concat();
        let input = framed_bytes(INPUT, &input);
        framed_bytes(7, &graph.chain(input).collect::<Vec<u8>>())
    }

    #[test]
    fn large_weights_go_out_and_all_else_stays() {
        let n = LEAST / 4;
        let (large, small) = (vec![1; 4 * n], vec![2; 4 * n - 4]);
        let member = [vec![3; 4 * n], vec![0; 9]].concat();
        let outside = b"\x6a\x11\x0a\x08location\x12\x05there\x70\x01";
        let odd = b"\x6a\x11\x0a\x08location\x12\x05odd_1\x70\x01";
        // No message would show it so.
        let raw = format!("\"raw\" {}", "w".repeat(120));
        let onnx = model_of(&[
            tensor(&raw, n, &framed_bytes(9, &large)),
            tensor("small", n - 1, &framed_bytes(9, &small)),
            tensor("twice", n, &framed_bytes(9, &large)),
            tensor("twice", n, &framed_bytes(9, &large)),
            tensor("short", n, &framed_bytes(9, &small)),
            tensor("floats", n, &framed_bytes(4, &large)),
            tensor("part", n, &[framed_bytes(9, &large), framed_bytes(3, b"")].concat()),
            tensor("member", n, outside),
            tensor("odd", n, odd),
            tensor("input", n, &framed_bytes(9, &large)),
        ]);
        let there = |name: &str| match name {
            "there" => Some(member.as_slice()),
            "odd_1" => Some(&member[1..]),
            _ => None,
        };
        let rewrite = rewrite(&onnx, &there).unwrap();
        let names: Vec<_> = rewrite.weights.iter().map(|(weight, _)| weight.name.as_str()).collect();
        assert_eq!(names, [raw.as_str(), "member"]);
        assert_eq!(rewrite.weights[0].1, large);
        assert_eq!(rewrite.weights[1].1, &member[..4 * n]);
        assert_eq!(rewrite.weights[0].0.shape, [i64::try_from(n).unwrap()]);
        let fields = |model| Fields::of(text(model, 7).unwrap()).map(Result::unwrap).collect::<Vec<_>>();
        let (before, left) = (fields(&onnx), fields(rewrite.onnx.expose()));
        for (at, field) in left.iter().enumerate() {
            let removed = rewrite.weights.iter().map(|(weight, _)| input(weight));
            match removed.zip([0, 7]).find(|(_, input)| *input == at) {
                Some((input, _)) => {
                    assert_eq!((field.number, field.value), (INPUT, Value::Bytes(&input)));
                    assert_eq!(text(&input, 1), Ok(rewrite.weights[at / 7].0.name.as_bytes()));
                }
                // Where numbers of its type may not lie, data of a member comes inside.
                None if at == 8 => {
                    let Value::Bytes(inside) = field.value else { panic!("{field:?}") };
                    assert_eq!(text(inside, RAW_DATA), Ok(&member[1..=4 * n]));
                    assert!(External::of(inside).unwrap().is_none());
                }
                None => assert_eq!(*field, before[at]),
            }
        }
    }

    proptest! {
        #[test]
        fn never_panics_on_a_mutated_model(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8)) {
            let data = vec![1; LEAST];
            let tensors = ["raw", "other"].map(|name| tensor(name, LEAST / 4, &framed_bytes(9, &data)));
            for mut bytes in [model("models/external-subgraph.onnx"), model_of(&tensors)] {
                for (at, byte) in &changes {
                    // Mostly among the first bytes, where the fields are.
                    let at = at.index(bytes.len());
                    let at = if byte % 4 > 0 { at % 64 } else { at };
                    bytes[at] = *byte;
                }
                if let Ok(rewrite) = rewrite(&bytes, &|_| Some(&data)) {
                    for (weight, data) in rewrite.weights {
                        prop_assert_eq!(weight.range, 0..data.len());
                    }
                }
            }
        }
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
        assert!(rewrite(&model(1), &|_| Some(&data)).unwrap().onnx.len() > data.len());
        for nodes in [32, 1000] {
            let refused = rewrite(&model(nodes), &|_| Some(&data)).err();
            assert!(matches!(refused, Some(ModelError::TooLargeInside)), "{nodes}");
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
