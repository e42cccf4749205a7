//! One signature: what Signature-Input says of it, its MAC, and the signature
//! base that both sides compute (RFC 9421, section 2.5).

use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{DictSerializer, ItemSerializer, StringRef};

use super::component::{Component, no_duplicates};
use super::fields::{Content, Item, Member, Parameters, Value, dictionary, text};
use super::{SignatureFields, SigningError};
use crate::clock::UnixSeconds;
use crate::crypto::mac;
use crate::secret::{Secret, SecretBytes};

const SIGNATURE: HeaderName = HeaderName::from_static("signature");
const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");
const ALGORITHM: &str = "hmac-sha256";

/// The label under which we sign. A verifier goes by the tag.
pub(super) const LABEL: &str = "sealserve";

/// The longest key id.
pub(super) const MAX_KEY_ID: usize = 128;

/// Most components of a signature.
pub(super) const MAX_COMPONENTS: usize = 32;

/// An HMAC-SHA-256.
pub(super) type Mac = [u8; 32];

/// One signature as received, its parameters sound; nothing is proven yet.
pub(super) struct Input {
    pub(super) label: String,
    pub(super) components: Vec<Component>,
    pub(super) parameters: Known,
    /// What stands under the label, as the signature base has it.
    text: String,
    pub(super) mac: Mac,
}

/// The parameters that exist. `alg` and `tag` have been checked.
#[derive(Default)]
pub(super) struct Known {
    pub(super) created: Option<UnixSeconds>,
    pub(super) expires: Option<UnixSeconds>,
    pub(super) nonce: Option<String>,
    pub(super) key_id: Option<String>,
}

/// The one signature in `headers` whose tag is `tag`; `None` when there is no
/// signature at all.
pub(super) fn find(headers: &HeaderMap, tag: &'static str) -> Result<Option<Input>, SigningError> {
    let input = text(headers, &SIGNATURE_INPUT, "Signature-Input")?;
    let signature = text(headers, &SIGNATURE, "Signature")?;
    let missing = |present, absent| Err(SigningError::FieldMissing { present, absent });
    let (input, signature) = match (&input, &signature) {
        (None, None) => return Ok(None),
        (Some(_), None) => return missing("Signature-Input", "Signature"),
        (None, Some(_)) => return missing("Signature", "Signature-Input"),
        (Some(input), Some(signature)) => (input, signature),
    };
    let inputs = dictionary(input, "Signature-Input")?;
    let signatures = dictionary(signature, "Signature")?;
    let mut tagged = inputs.iter().filter(|member| {
        let is_tag = |value: &Value<'_>| matches!(value, Value::String(text) if text.as_str() == tag);
        member.parameters.iter().any(|(key, value)| key.as_str() == "tag" && is_tag(value))
    });
    let member = tagged.next().ok_or(SigningError::NoTag { tag })?;
    if tagged.next().is_some() {
        return Err(SigningError::SeveralTags { tag });
    }
    Input::read(member, &signatures).map(Some)
}

impl Input {
    pub(super) fn read(member: &Member<'_>, signatures: &[Member<'_>]) -> Result<Self, SigningError> {
        let Content::List(items) = &member.content else {
            return Err(SigningError::FieldMalformed {
                field: "Signature-Input",
                detail: "a signature's components are not a list".into(),
            });
        };
        if items.len() > MAX_COMPONENTS {
            return Err(SigningError::TooMany { what: "components", limit: MAX_COMPONENTS });
        }
        let mut components: Vec<Component> = Vec::with_capacity(items.len());
        for item in items {
            let component = Component::read(item)?;
            if components.iter().any(|earlier| earlier.is_same(&component)) {
                return Err(SigningError::ComponentDuplicate { component: component.id });
            }
            components.push(component);
        }
        let label = member.label.as_str().to_owned();
        let signature = signatures.iter().find(|signature| signature.label == member.label);
        let signature = signature.ok_or_else(|| SigningError::LabelMissing { label: label.clone() })?;
        let mac = match &signature.content {
            Content::Item(Value::ByteSequence(mac)) if signature.parameters.is_empty() => {
                mac.as_slice().try_into().ok()
            }
            _ => None,
        };
        Ok(Self {
            mac: mac.ok_or_else(|| SigningError::NotMac { label: label.clone() })?,
            label,
            components,
            parameters: Known::read(&member.parameters)?,
            text: serialize(member, items),
        })
    }

    /// Fails unless `component` is covered.
    pub(super) fn require(&self, component: &Component) -> Result<(), SigningError> {
        if self.components.iter().any(|covered| covered.is_same(component)) {
            return Ok(());
        }
        Err(SigningError::ComponentMissing { component: component.id.clone() })
    }

    /// The signature base, with the values that `value` finds.
    pub(super) fn base(
        &self,
        value: impl Fn(&Component) -> Result<String, SigningError>,
    ) -> Result<SecretBytes, SigningError> {
        base(&self.components, &self.text, value)
    }
}

/// `member` in the one form that the standard gives it, order kept.
fn serialize(member: &Member<'_>, items: &[Item<'_>]) -> String {
    let mut dictionary = DictSerializer::new();
    let mut list = dictionary.inner_list(member.label);
    for item in items {
        let _ = list
            .bare_item(&item.value)
            .parameters(item.parameters.iter().map(|(key, value)| (*key, value)))
            .finish();
    }
    let _ = list.finish().parameters(member.parameters.iter().map(|(key, value)| (*key, value))).finish();
    let mut text = dictionary.finish().unwrap_or_default();
    // What stands before it is the label and an equals sign.
    text.split_off(text.len().min(member.label.as_str().len() + 1))
}

/// Holds fields such as Authorization, so it is wiped after use.
fn base(
    components: &[Component],
    parameters: &str,
    value: impl Fn(&Component) -> Result<String, SigningError>,
) -> Result<SecretBytes, SigningError> {
    let mut base = String::new();
    for component in components {
        base.push_str(&component.id);
        base.push_str(": ");
        base.push_str(&value(component)?);
        base.push('\n');
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(parameters);
    Ok(base.into())
}

impl Known {
    fn read(parameters: &Parameters<'_>) -> Result<Self, SigningError> {
        no_duplicates(parameters)?;
        let mut known = Self::default();
        for (key, value) in parameters {
            match key.as_str() {
                "created" => known.created = Some(time("created", value)?),
                "expires" => known.expires = Some(time("expires", value)?),
                "nonce" => {
                    known.nonce = Some(string("nonce", "a string of 16 to 64 characters", 16..=64, value)?);
                }
                "keyid" => {
                    let id = string("keyid", "a string of 1 to 128 characters", 1..=MAX_KEY_ID, value)?;
                    known.key_id = Some(id);
                }
                // Whoever looks for a tag has seen this one.
                "tag" => {}
                "alg" => {
                    let alg = string("alg", "hmac-sha256", 1..=MAX_KEY_ID, value)?;
                    if alg != ALGORITHM {
                        return Err(SigningError::ParameterInvalid { parameter: "alg", wanted: ALGORITHM });
                    }
                }
                // It might forbid what we are about to allow.
                other => {
                    return Err(SigningError::ParameterUnknown { parameter: super::fields::shown(other) });
                }
            }
        }
        Ok(known)
    }
}

fn time(parameter: &'static str, value: &Value<'_>) -> Result<UnixSeconds, SigningError> {
    let seconds = match value {
        Value::Integer(seconds) => u64::try_from(i64::from(*seconds)).ok(),
        _ => None,
    };
    seconds.ok_or(SigningError::ParameterInvalid { parameter, wanted: "a number of seconds since 1970" })
}

fn string(
    parameter: &'static str,
    wanted: &'static str,
    length: std::ops::RangeInclusive<usize>,
    value: &Value<'_>,
) -> Result<String, SigningError> {
    match value {
        Value::String(text) if length.contains(&text.as_str().len()) => Ok(text.as_str().to_owned()),
        _ => Err(SigningError::ParameterInvalid { parameter, wanted }),
    }
}

/// What a new signature says of itself.
pub(super) struct New<'a> {
    pub(super) components: Vec<Component>,
    pub(super) created: UnixSeconds,
    pub(super) expires: Option<UnixSeconds>,
    pub(super) nonce: Option<&'a str>,
    pub(super) key_id: &'a str,
    pub(super) tag: &'static str,
}

impl New<'_> {
    /// Signs the values that `value` finds.
    pub(super) fn sign(
        &self,
        key: &Secret<32>,
        value: impl Fn(&Component) -> Result<String, SigningError>,
    ) -> Result<(SignatureFields, Mac), SigningError> {
        let ids: Vec<&str> = self.components.iter().map(|component| component.id.as_str()).collect();
        let expires = self.expires.map(|expires| format!(";expires={expires}")).unwrap_or_default();
        let nonce = self.nonce.map(|nonce| quoted(nonce).map(|nonce| format!(";nonce={nonce}")));
        let text = format!(
            "({});created={}{expires}{};keyid={};tag={}",
            ids.join(" "),
            self.created,
            nonce.transpose()?.unwrap_or_default(),
            quoted(self.key_id)?,
            quoted(self.tag)?,
        );
        let base = base(&self.components, &text, value)?;
        let mac = mac::tag(key, &[base.expose()]);
        let field =
            |text: String| HeaderValue::try_from(text).map_err(|_| SigningError::KeyId { limit: MAX_KEY_ID });
        let fields = SignatureFields {
            input: field(format!("{LABEL}={text}"))?,
            signature: field(format!("{LABEL}=:{}:", BASE64.encode(&mac)))?,
        };
        Ok((fields, mac))
    }
}

/// `text` as a structured field's string.
fn quoted(text: &str) -> Result<String, SigningError> {
    let text = StringRef::from_str(text).map_err(|_| SigningError::KeyId { limit: MAX_KEY_ID })?;
    Ok(ItemSerializer::new().bare_item(text).finish())
}
