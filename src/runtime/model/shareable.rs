//! Which weights sessions can share in the form that ONNX Runtime repacks them to.

use std::collections::HashSet;

use super::onnx::{MAX_DEPTH, Message, text};
use super::protobuf::{Field, Fields, Malformed, Value};

/// Operators that repack their second input, and take the repacked form from another session.
const REPACKING: [&[u8]; 2] = [b"Gemm", b"MatMul"];

/// The names that nodes of the main graph of `model` use as the second input of an operator
/// that repacks it, and for nothing else. The library computes no constants from a weight
/// that is shared, so a weight that other operators read is not worth sharing.
pub(super) fn shareable(model: &[u8]) -> Result<HashSet<&[u8]>, Malformed> {
    let mut uses = Uses::default();
    uses.walk(Message::Model, model, 0)?;
    let Uses { repacked, others } = uses;
    Ok(repacked.into_iter().filter(|name| !others.contains(name)).collect())
}

#[derive(Default)]
struct Uses<'a> {
    repacked: HashSet<&'a [u8]>,
    others: HashSet<&'a [u8]>,
}

impl<'a> Uses<'a> {
    fn walk(&mut self, kind: Message, bytes: &'a [u8], depth: u32) -> Result<(), Malformed> {
        if depth > MAX_DEPTH {
            return Err(Malformed);
        }
        if kind == Message::Node {
            self.node(bytes, depth)?;
        }
        for field in Fields::of(bytes) {
            let Field { number, value: Value::Bytes(inner) } = field? else { continue };
            match kind.child(number) {
                Some(child @ (Message::Graph | Message::Node | Message::Attribute | Message::Function)) => {
                    self.walk(child, inner, depth + 1)?;
                }
                // An output of a graph.
                None if kind == Message::Graph && number == 12 => {
                    self.others.insert(text(inner, 1)?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The nodes of the main graph are two levels below the model.
    fn node(&mut self, node: &'a [u8], depth: u32) -> Result<(), Malformed> {
        let (operator, domain) = (text(node, 4)?, text(node, 7)?);
        let repacks =
            depth == 2 && (domain.is_empty() || domain == b"ai.onnx") && REPACKING.contains(&operator);
        let inputs = Fields::of(node).filter_map(|field| match field {
            Ok(Field { number: 1, value: Value::Bytes(name) }) => Some(Ok(name)),
            Ok(_) => None,
            Err(malformed) => Some(Err(malformed)),
        });
        for (position, name) in inputs.enumerate() {
            let uses = if repacks && position == 1 { &mut self.repacked } else { &mut self.others };
            uses.insert(name?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::testing::{framed, node};

    fn shared(nodes: &[Vec<u8>], more: &[u8]) -> Vec<String> {
        let nodes: Vec<u8> = nodes.iter().flat_map(|node| framed(1, node)).collect();
        let model = framed(7, &[&nodes, more].concat());
        let mut names: Vec<_> =
            shareable(&model).unwrap().into_iter().map(|name| String::from_utf8_lossy(name).into()).collect();
        names.sort();
        names
    }

    #[test]
    fn weights_that_only_repacking_operators_read_are_shareable() {
        let dense = [node("MatMul", [b"x", b"a"], b"y"), node("Gemm", [b"y", b"b"], b"z")];
        assert_eq!(shared(&dense, b""), ["a", "b"]);
        let first = node("MatMul", [b"a", b"x"], b"v");
        assert_eq!(shared(&[&dense[..], &[first]].concat(), b""), ["b"]);
        let other = node("Transpose", [b"b", b""], b"v");
        assert_eq!(shared(&[&dense[..], &[other]].concat(), b""), ["a"]);
        let foreign = [node("MatMul", [b"z", b"a"], b"v"), framed(7, b"com.example")].concat();
        assert_eq!(shared(&[&dense[..], &[foreign]].concat(), b""), ["b"]);
        assert_eq!(shared(&dense, &framed(12, &framed(1, b"a"))), ["b"], "an output");
        // A branch of an `If` in the main graph.
        let branch = framed(1, &node("MatMul", [b"x", b"a"], b"v"));
        let branch = [node("If", [b"c", b""], b"v"), framed(5, &framed(6, &branch))].concat();
        assert_eq!(shared(&[&dense[..], &[branch]].concat(), b""), ["b"]);
    }
}
