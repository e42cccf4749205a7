//! Reads an ONNX model before ONNX Runtime does, and refuses what would make the
//! library read anything but the model: external data that is no member of the
//! archive, wherever in the graph it hides, and addresses in memory. It also
//! names inputs and outputs that no request can carry.
//!
//! The walk copies nothing and allocates only for what it reports, and for the names of
//! weights where some input is of no type that requests have, so its memory does not grow
//! with the size of weights. It is stricter than the library's own parser:
//! whatever might be read in two ways is refused.

use std::collections::{BTreeSet, HashSet};

use super::external::External;
use super::onnx::{MAX_DEPTH, Message, name, shown, text};
use super::protobuf::{Field, Fields, Malformed, Value};
use super::static_cost::has_static_cost;
use crate::runtime::data_type::DataType;
use crate::runtime::error::ModelError;

/// What a model says about itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// Members of the archive that hold the data of its tensors.
    pub needed_members: BTreeSet<String>,
    /// Whether the time that a run takes, or the size of its results, may depend on the
    /// values of the inputs: some node has no static cost.
    pub has_dynamic_cost: bool,
}

/// Walks `model`; external data may lie in the members whose lengths `member_len`
/// tells, within them, and nowhere else.
pub fn inspect(model: &[u8], member_len: &dyn Fn(&str) -> Option<u64>) -> Result<Graph, ModelError> {
    if model.get(4..8) == Some(b"ORTM") {
        return Err(ModelError::OrtFormat);
    }
    let mut walk = Walk { member_len, graph: Graph::default(), has_graph: false };
    walk.message(Message::Model, model, 0)?;
    if !walk.has_graph {
        return Err(ModelError::NotOnnx);
    }
    Ok(walk.graph)
}

struct Walk<'a> {
    member_len: &'a dyn Fn(&str) -> Option<u64>,
    graph: Graph,
    has_graph: bool,
}

impl Walk<'_> {
    fn message(&mut self, kind: Message, bytes: &[u8], depth: u32) -> Result<(), ModelError> {
        if depth > MAX_DEPTH {
            return Err(ModelError::TooDeep);
        }
        match kind {
            Message::Tensor => self.tensor(bytes)?,
            Message::Node => self.graph.has_dynamic_cost |= !has_static_cost(bytes)?,
            Message::ExternalData => return Ok(()),
            _ => {}
        }
        let mut singular = 0_u32;
        for field in Fields::of(bytes) {
            let Field { number, value } = field?;
            let Some(child) = kind.child(number) else { continue };
            // The library would skip a field of the wrong kind; nobody writes one in good faith.
            let Value::Bytes(inner) = value else { return Err(ModelError::NotOnnx) };
            // Two occurrences would be one tensor, of which each is only a part.
            if kind.holds_one(number) {
                if singular >> number & 1 > 0 {
                    return Err(ModelError::NotOnnx);
                }
                singular |= 1 << number;
            }
            self.message(child, inner, depth + 1)?;
            if (kind, child) == (Message::Model, Message::Graph) {
                self.has_graph = true;
                check_values(inner)?;
            }
        }
        Ok(())
    }

    /// Any location counts, whether or not the tensor says that its data is external.
    fn tensor(&mut self, bytes: &[u8]) -> Result<(), ModelError> {
        let Some(external) = External::of(bytes)? else { return Ok(()) };
        let External { tensor, location, end, .. } = external;
        match (self.member_len)(&location) {
            None => Err(ModelError::ExternalData { tensor, location: shown(location.as_bytes()) }),
            Some(length) if end > length => {
                Err(ModelError::ExternalRange { tensor, location, what: "that ends before the tensor does" })
            }
            Some(_) => {
                self.graph.needed_members.insert(location);
                Ok(())
            }
        }
    }
}

/// Refuses inputs and outputs of `graph` that no request can carry.
fn check_values(graph: &[u8]) -> Result<(), ModelError> {
    let mut initializers = None;
    for field in Fields::of(graph) {
        let (role, info) = match field? {
            Field { number: 11, value: Value::Bytes(info) } => ("input", info),
            Field { number: 12, value: Value::Bytes(info) } => ("output", info),
            _ => continue,
        };
        if let Some(unsupported) = unsupported_type(text(info, 2)?)? {
            // Old models list their weights among the inputs; those nobody sends.
            if role == "input" {
                let names = match &mut initializers {
                    Some(names) => names,
                    none => none.insert(initializer_names(graph)?),
                };
                if names.contains(text(info, 1)?) {
                    continue;
                }
            }
            return Err(ModelError::UnsupportedType { role, name: name(info, 1)?, found: unsupported });
        }
    }
    Ok(())
}

/// What a `TypeProto` is, when no request can carry it.
fn unsupported_type(value_type: &[u8]) -> Result<Option<String>, Malformed> {
    let mut unsupported = None;
    for field in Fields::of(value_type) {
        unsupported = match field? {
            Field { number: 1, value: Value::Bytes(tensor) } => element_type(tensor)?,
            Field { number: 4, .. } => Some("sequence".to_owned()),
            Field { number: 5, .. } => Some("map".to_owned()),
            Field { number: 7, .. } => Some("opaque value".to_owned()),
            Field { number: 8, .. } => Some("sparse tensor".to_owned()),
            Field { number: 9, .. } => Some("optional value".to_owned()),
            _ => unsupported,
        };
    }
    Ok(unsupported)
}

/// The element type of a `TypeProto.Tensor`, when it has no counterpart here.
fn element_type(tensor: &[u8]) -> Result<Option<String>, Malformed> {
    let mut unsupported = None;
    for field in Fields::of(tensor) {
        if let Field { number: 1, value: Value::Varint(code) } = field? {
            unsupported = DataType::from_onnx(code).err().map(|name| format!("tensor of {name}"));
        }
    }
    Ok(unsupported)
}

fn initializer_names(graph: &[u8]) -> Result<HashSet<&[u8]>, Malformed> {
    let tensors = Fields::of(graph).filter_map(|field| match field {
        Ok(Field { number: 5, value: Value::Bytes(tensor) }) => Some(text(tensor, 8)),
        Ok(_) => None,
        Err(malformed) => Some(Err(malformed)),
    });
    tensors.collect()
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a message of a test is short")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::runtime::testing::model;

    fn alone(bytes: &[u8]) -> Result<Graph, ModelError> {
        inspect(bytes, &|_| None)
    }

    /// A message with one field of bytes.
    fn wrap(number: u8, inner: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        let mut length = inner.len();
        while length > 127 {
            out.push((length & 127 | 128) as u8);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend(inner);
        out
    }

    #[test]
    fn accepts_self_contained_models() {
        for name in ["digits.onnx", "models/echo.onnx", "models/bf16.onnx", "models/slow.onnx"] {
            let graph = alone(&model(name)).unwrap();
            assert!(graph.needed_members.is_empty(), "{name}");
            assert_eq!(graph.has_dynamic_cost, name == "models/slow.onnx", "{name}");
        }
    }

    #[test]
    fn operators_that_read_sizes_from_values_have_a_dynamic_cost() {
        let node = |operator: &[u8], domain: &[u8]| {
            wrap(7, &wrap(1, &[wrap(4, operator), wrap(7, domain)].concat()))
        };
        for (operator, domain, dynamic) in [
            (&b"MatMul"[..], &b""[..], false),
            (b"MatMul", b"ai.onnx", false),
            (b"MatMul", b"com.example", true),
            (b"Expand", b"", true),
            (b"Range", b"", true),
            (b"Loop", b"", true),
            (b"", b"", true),
        ] {
            assert_eq!(alone(&node(operator, domain)).unwrap().has_dynamic_cost, dynamic, "{operator:?}");
        }
    }

    #[test]
    fn refuses_external_data_that_is_no_member() {
        for (name, location) in [
            ("models/external.onnx", "../secret.bin"),
            ("models/external-cwd.onnx", "secret.bin"),
            ("models/external-subgraph.onnx", "../secret.bin"),
        ] {
            let error = alone(&model(name)).unwrap_err();
            assert!(
                matches!(&error, ModelError::ExternalData { location: l, .. } if l == location),
                "{name}: {error}"
            );
        }
    }

    #[test]
    fn names_the_members_that_are_needed() {
        let graph =
            inspect(&model("models/external-cwd.onnx"), &|m| (m == "secret.bin").then_some(64)).unwrap();
        assert_eq!(graph.needed_members, BTreeSet::from(["secret.bin".to_owned()]));
    }

    #[test]
    fn refuses_addresses_in_memory_even_as_a_member() {
        let error = inspect(&model("models/external-memory.onnx"), &|_| Some(u64::MAX)).unwrap_err();
        assert!(matches!(error, ModelError::MemoryAddress { .. }), "{error}");
    }

    #[test]
    fn finds_external_data_wherever_a_tensor_can_be() {
        let entry = [wrap(1, b"location"), wrap(2, b"x")].concat();
        let tensor = [&[2 << 3, 1][..], &wrap(13, &entry)].concat();
        let graph_of = |path: &[u8]| path.iter().rev().fold(tensor.clone(), |inner, &n| wrap(n, &inner));
        for path in [
            &[7, 5][..],      // initializer
            &[7, 15, 1],      // sparse initializer, values
            &[7, 15, 2],      // sparse initializer, indices
            &[7, 1, 5, 5],    // attribute t
            &[7, 1, 5, 10],   // attribute tensors
            &[7, 1, 5, 6, 5], // subgraph
            &[7, 1, 5, 11, 5],
        ] {
            let error = alone(&graph_of(path)).unwrap_err();
            assert!(matches!(error, ModelError::ExternalData { .. }), "{path:?}: {error}");
        }
        for (outer, path) in [(20, &[1, 5][..]), (25, &[7, 5, 5]), (25, &[11, 5])] {
            // Field numbers above 15 take two bytes.
            let inner = graph_of(path);
            let model =
                [wrap(7, b""), vec![(outer << 3 | 2) as u8 | 0x80, 1, inner.len() as u8], inner].concat();
            let error = alone(&model).unwrap_err();
            assert!(matches!(error, ModelError::ExternalData { .. }), "{outer} {path:?}: {error}");
        }
    }

    #[test]
    fn refuses_a_location_split_over_two_occurrences_of_a_tensor() {
        let entry = [wrap(1, b"location"), wrap(2, b"x")].concat();
        let attribute = [wrap(5, b"\x70\x01"), wrap(5, &wrap(13, &entry))].concat();
        assert!(alone(&wrap(7, &wrap(1, &wrap(5, &attribute)))).is_err());
    }

    #[test]
    fn refuses_a_tensor_whose_shape_goes_on_in_a_second_occurrence() {
        let entry = [wrap(1, b"location"), wrap(2, b"x")].concat();
        let tensor = [&b"\x08\x04\x10\x01"[..], &wrap(13, &entry)].concat();
        let with = |attribute: &[u8]| {
            inspect(&wrap(7, &wrap(1, &wrap(5, attribute))), &|member| (member == "x").then_some(16))
        };
        assert!(with(&wrap(5, &tensor)).is_ok());
        let split = [wrap(5, &tensor), wrap(5, b"\x08\x04")].concat();
        assert!(matches!(with(&split), Err(ModelError::NotOnnx)));
    }

    #[test]
    fn refuses_inputs_that_no_request_can_carry() {
        for (name, input, found) in [
            ("models/complex64.onnx", "complex64_in", "tensor of COMPLEX64"),
            ("models/float8.onnx", "float8_in", "tensor of FLOAT8E4M3FN"),
            ("models/sequence.onnx", "sequence_in", "sequence"),
        ] {
            let error = alone(&model(name)).unwrap_err().to_string();
            assert!(error.contains(input) && error.contains(found), "{error}");
        }
    }

    /// `inputs` of FLOAT8E4M3FN.
    fn eighths(inputs: impl Iterator<Item = String>) -> Vec<u8> {
        let value = |name: &str| [wrap(1, name.as_bytes()), wrap(2, &wrap(1, &[1 << 3, 17]))].concat();
        inputs.flat_map(|name| wrap(11, &value(&name))).collect()
    }

    fn weights(names: impl Iterator<Item = String>) -> Vec<u8> {
        names.flat_map(|name| wrap(5, &wrap(8, name.as_bytes()))).collect()
    }

    #[test]
    fn inputs_that_are_weights_too_may_be_of_any_type() {
        let names = |range: std::ops::Range<u32>| range.map(|n| format!("{n}"));
        let graph = |weighted| wrap(7, &[eighths(names(0..9)), weights(names(0..weighted))].concat());
        assert!(alone(&graph(9)).is_ok());
        let error = alone(&graph(8)).unwrap_err().to_string();
        assert!(error.contains("'8'") && error.contains("FLOAT8E4M3FN"), "{error}");
        let outputs = wrap(7, &[wrap(12, &eighths(names(0..1))[2..]), weights(names(0..1))].concat());
        assert!(matches!(alone(&outputs), Err(ModelError::UnsupportedType { role: "output", .. })));
    }

    /// Looking for each among all would take hours.
    #[test]
    fn many_inputs_that_are_weights_too_are_looked_up() {
        let names = || (0..300_000_u32).map(|n| format!("{n}"));
        assert!(alone(&wrap(7, &[eighths(names()), weights(names())].concat())).is_ok());
    }

    #[test]
    fn refuses_what_is_no_onnx_model() {
        for bytes in [&b""[..], b"hello, world", b"\x89SEALED\n", b"\x08\x08", b"PK\x03\x04"] {
            assert!(matches!(alone(bytes), Err(ModelError::NotOnnx)), "{bytes:?}");
        }
        let digits = model("digits.onnx");
        assert!(matches!(alone(&digits[..digits.len() - 1]), Err(ModelError::NotOnnx)));
        assert!(matches!(alone(b"\x18\0\0\0ORTM\0\0"), Err(ModelError::OrtFormat)));
    }

    #[test]
    fn refuses_bottomless_subgraphs() {
        let mut graph = Vec::new();
        for _ in 0..40 {
            graph = wrap(1, &wrap(5, &wrap(6, &graph)));
        }
        assert!(matches!(alone(&wrap(7, &graph)), Err(ModelError::TooDeep)));
    }

    proptest! {
        #[test]
        fn never_panics_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = alone(&bytes);
        }

        #[test]
        fn never_panics_on_a_mutated_model(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let mut bytes = model("models/external-subgraph.onnx");
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = inspect(&bytes, &|_| Some(u64::MAX));
        }
    }
}
