//! What `onnx.proto` says of the messages that can lead to a tensor, and the text
//! within them.

use super::protobuf::{Field, Fields, Malformed, Value};

/// Messages within messages; protobuf itself stops at the same depth.
pub(super) const MAX_DEPTH: u32 = 100;

/// The messages of `onnx.proto` that can lead to a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    Model,
    TrainingInfo,
    Function,
    Graph,
    Node,
    Attribute,
    SparseTensor,
    Tensor,
    ExternalData,
}

impl Message {
    /// The message in field `number` of this one, if it is of interest.
    pub(super) fn child(self, number: u32) -> Option<Self> {
        Some(match (self, number) {
            (Self::Model, 7) | (Self::TrainingInfo, 1 | 2) | (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Model, 20) => Self::TrainingInfo,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => Self::Tensor,
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Self::SparseTensor,
            (Self::Tensor, 13) => Self::ExternalData,
            _ => return None,
        })
    }

    /// Whether field `number` is a tensor, or holds some, and occurs once at most.
    pub(super) fn holds_one(self, number: u32) -> bool {
        matches!((self, number), (Self::Attribute, 5 | 22) | (Self::SparseTensor, 1 | 2))
    }
}

/// Whether the tensor in field `number` of a `kind` is an initializer of the main
/// graph; `in_model` says that the message is a child of the model.
pub(super) fn is_initializer(kind: Message, in_model: bool, number: u32) -> bool {
    kind == Message::Graph && in_model && number == 5
}

/// The bytes of field `number` of `message`; the last occurrence counts.
pub(super) fn text(message: &[u8], number: u32) -> Result<&[u8], Malformed> {
    let mut found = &[][..];
    for field in Fields::of(message) {
        if let Field { number: n, value: Value::Bytes(bytes) } = field?
            && n == number
        {
            found = bytes;
        }
    }
    Ok(found)
}

pub(super) fn name(message: &[u8], number: u32) -> Result<String, Malformed> {
    text(message, number).map(shown)
}

/// Text from a model, fit for one line of a message.
pub(super) fn shown(text: &[u8]) -> String {
    const LONGEST: usize = 120;
    let text = String::from_utf8_lossy(text);
    let mut short: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}
