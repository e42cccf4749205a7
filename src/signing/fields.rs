//! Structured fields (RFC 9651): dictionaries as they stand, with nothing
//! merged. The standard says that the last of two equal names wins; who signs
//! must not leave the other side a choice, so here both are kept and refused.

use std::convert::Infallible;

use http::{HeaderMap, HeaderName};
use sfv::visitor::{DictionaryVisitor, EntryVisitor, InnerListVisitor, ItemVisitor, ParameterVisitor};
use sfv::{BareItemFromInput, KeyRef, Parser};

use super::SigningError;

/// The longest Signature-Input, Signature or Content-Digest that is looked at.
pub(super) const MAX_FIELD: usize = 8 * 1024;

/// The longest dictionary.
pub(super) const MAX_MEMBERS: usize = 8;

/// A value without its parameters.
pub(super) type Value<'a> = BareItemFromInput<'a>;

/// Parameters in their order.
pub(super) type Parameters<'a> = Vec<(&'a KeyRef, Value<'a>)>;

/// A value with its parameters.
pub(super) struct Item<'a> {
    pub(super) value: Value<'a>,
    pub(super) parameters: Parameters<'a>,
}

/// What stands under a label.
pub(super) enum Content<'a> {
    Item(Value<'a>),
    List(Vec<Item<'a>>),
}

/// One entry of a dictionary.
pub(super) struct Member<'a> {
    pub(super) label: &'a KeyRef,
    pub(super) content: Content<'a>,
    pub(super) parameters: Parameters<'a>,
}

/// The value of `name` (RFC 9421, section 2.1): all its lines, trimmed and joined.
/// `None` when there is none; an error when it is not ASCII text.
pub(super) fn combined(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, NotText> {
    let mut joined: Option<String> = None;
    for line in headers.get_all(name) {
        let line = line.to_str().map_err(|_| NotText)?.trim_matches([' ', '\t']);
        match &mut joined {
            None => joined = Some(line.to_owned()),
            Some(joined) => {
                joined.push_str(", ");
                joined.push_str(line);
            }
        }
    }
    Ok(joined)
}

/// A field that holds more than printable ASCII.
#[derive(Debug)]
pub(super) struct NotText;

/// As [`combined`], for one of the fields that are parsed here.
pub(super) fn text(
    headers: &HeaderMap,
    name: &HeaderName,
    field: &'static str,
) -> Result<Option<String>, SigningError> {
    let length: usize = headers.get_all(name).iter().map(http::HeaderValue::len).sum();
    if length > MAX_FIELD {
        return Err(SigningError::FieldTooLong { field, limit: MAX_FIELD });
    }
    combined(headers, name)
        .map_err(|NotText| SigningError::FieldMalformed { field, detail: "it is not ASCII text".into() })
}

/// The members of the dictionary `text`, which stood in `field`.
pub(super) fn dictionary<'a>(text: &'a str, field: &'static str) -> Result<Vec<Member<'a>>, SigningError> {
    let members = Parser::new(text)
        .parse_dictionary_with_visitor(Members(Vec::new()))
        .map_err(|error| SigningError::FieldMalformed { field, detail: error.to_string() })?;
    if members.len() > MAX_MEMBERS {
        return Err(SigningError::TooMany { what: field, limit: MAX_MEMBERS });
    }
    for (at, member) in members.iter().enumerate() {
        if members[..at].iter().any(|earlier| earlier.label == member.label) {
            return Err(SigningError::LabelDuplicate { field, label: shown(member.label.as_str()) });
        }
    }
    Ok(members)
}

/// A name as a message may quote it: names are ASCII, but may be long.
pub(super) fn shown(name: &str) -> String {
    const LIMIT: usize = 80;
    match name.get(..LIMIT) {
        Some(start) if name.len() > LIMIT => format!("{start}…"),
        _ => name.to_owned(),
    }
}

// The visitors by which `sfv` hands over what it reads. Lengths were bounded with the text.

struct Members<'de>(Vec<Member<'de>>);

struct Entry<'x, 'de> {
    label: &'de KeyRef,
    members: &'x mut Vec<Member<'de>>,
}

struct List<'x, 'de> {
    entry: Entry<'x, 'de>,
    items: Vec<Item<'de>>,
}

/// Gathers parameters and hands them to `done`.
struct Gather<'de, F> {
    parameters: Parameters<'de>,
    done: F,
}

fn gather<'de, F: FnOnce(Parameters<'de>)>(done: F) -> Gather<'de, F> {
    Gather { parameters: Vec::new(), done }
}

impl<'de> DictionaryVisitor<'de> for Members<'de> {
    type Out = Vec<Member<'de>>;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Infallible> {
        Ok(Entry { label: key, members: &mut self.0 })
    }

    fn finish(self) -> Result<Self::Out, Infallible> {
        Ok(self.0)
    }
}

impl<'de> EntryVisitor<'de> for Entry<'_, 'de> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        let Self { label, members } = self;
        Ok(move |value| {
            Ok::<_, Infallible>(gather(move |parameters| {
                members.push(Member { label, content: Content::Item(value), parameters });
            }))
        })
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        Ok(List { entry: self, items: Vec::new() })
    }
}

impl<'de> InnerListVisitor<'de> for List<'_, 'de> {
    type Error = Infallible;

    fn item(&mut self) -> Result<impl ItemVisitor<'de>, Infallible> {
        let items = &mut self.items;
        Ok(move |value| Ok::<_, Infallible>(gather(move |parameters| items.push(Item { value, parameters }))))
    }

    fn finish(self) -> Result<impl ParameterVisitor<'de>, Infallible> {
        let Self { entry: Entry { label, members }, items } = self;
        Ok(gather(move |parameters| {
            members.push(Member { label, content: Content::List(items), parameters });
        }))
    }
}

impl<'de, F: FnOnce(Parameters<'de>)> ParameterVisitor<'de> for Gather<'de, F> {
    type Out = ();
    type Error = Infallible;

    fn parameter(&mut self, key: &'de KeyRef, value: Value<'de>) -> Result<(), Infallible> {
        self.parameters.push((key, value));
        Ok(())
    }

    fn finish(self) -> Result<(), Infallible> {
        (self.done)(self.parameters);
        Ok(())
    }
}
