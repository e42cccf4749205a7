//! What a sealed file says about the model inside.

use std::ops::RangeInclusive;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::container::error::{ContainerError, Fault};
use crate::container::preamble::Preamble;
use crate::crypto::cobblestone;
use crate::crypto::digest::{Digest, sha256};
use crate::secret::Secret;

/// Media type of a single ONNX model.
pub const ONNX: &str = "application/x-onnx";

/// Most bytes of JSON.
const MAX_JSON: usize = 16 * 1024;
/// Most arrays and objects inside each other.
const MAX_DEPTH: usize = 64;
/// Most bytes of one field.
const MAX_FIELD: usize = 255;
/// The lengths that encrypted metadata can have: that of no more than
/// `MAX_JSON` bytes, which fill one chunk and leave the last one empty.
pub(super) const MESSAGE_LENGTHS: RangeInclusive<usize> =
    cobblestone::PREFIX + cobblestone::TAG..=cobblestone::PREFIX + MAX_JSON + 2 * cobblestone::TAG;

/// What is known of a model before it is sealed. Only who can open the file can
/// read this. Fields that a later version may add are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The model's name.
    pub name: String,
    /// The model's version.
    pub version: String,
    /// What the plaintext is, such as [`ONNX`].
    pub media_type: String,
    /// When the file was sealed, in RFC 3339.
    pub created: String,
    /// Bytes of plaintext, where they were known beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// SHA-256 of the plaintext, where it was known beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "hex")]
    pub sha256: Option<Digest>,
}

impl Metadata {
    /// Whether this is the model that was asked for.
    pub fn is(&self, name: &str, version: &str) -> bool {
        self.name == name && self.version == version
    }

    /// The first field that no file may have.
    fn invalid_field(&self) -> Option<&'static str> {
        let fields = [
            ("name", &self.name),
            ("version", &self.version),
            ("media_type", &self.media_type),
            ("created", &self.created),
        ];
        let fits = |text: &str| (1..=MAX_FIELD).contains(&text.len()) && !text.contains(char::is_control);
        fields.into_iter().find(|(_, text)| !fits(text)).map(|(field, _)| field)
    }

    /// Encodes it, or fails where a field is not acceptable.
    pub(in crate::container) fn encode(&self) -> Result<Vec<u8>, ContainerError> {
        match (self.invalid_field(), serde_json::to_vec(self)) {
            (None, Ok(json)) => Ok(json),
            (Some(field), _) => Err(ContainerError::MetadataField { field }),
            (None, Err(_)) => unreachable!("strings and numbers always encode"),
        }
    }

    /// Decrypts and decodes it; also the digest of its JSON, as it stands there.
    pub(super) fn open(
        message: &[u8],
        preamble: &Preamble,
        data_key: &Secret<32>,
    ) -> Result<(Self, Digest), Fault> {
        let json = cobblestone::open(data_key, &preamble.context("meta"), message)
            .map_err(|_| Fault::MetadataForged)?;
        let malformed = |what: &str| Fault::MetadataMalformed(what.to_owned());
        // serde does not look into strings that it ignores.
        let text = std::str::from_utf8(json.expose()).map_err(|_| malformed("they are not UTF-8"))?;
        if !is_shallow(text) {
            return Err(malformed("they are nested too deep"));
        }
        // serde would take an array for an object without names.
        if !text.trim_ascii_start().starts_with('{') {
            return Err(malformed("they are no JSON object"));
        }
        let metadata: Self = serde_json::from_str(text).map_err(|error| malformed(&error.to_string()))?;
        match metadata.invalid_field() {
            None => Ok((metadata, sha256(&[json.expose()]))),
            Some(field) => Err(Fault::MetadataMalformed(format!("its {field} is not acceptable"))),
        }
    }
}

/// Whether arrays and objects are nested no deeper than any parser bears. What is no JSON
/// is found by who parses it.
fn is_shallow(json: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return false;
        }
    }
    true
}

/// Encrypts metadata that [`Metadata::encode`] made.
pub(in crate::container) fn seal(json: &[u8], preamble: &Preamble, data_key: &Secret<32>) -> Vec<u8> {
    cobblestone::seal(data_key, &preamble.context("meta"), json)
}

/// An optional digest as hexadecimal text.
mod hex {
    use serde::de::Error;
    use serde::{Deserializer, Serializer};

    use super::{Deserialize, Digest, HEXLOWER};

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(
        digest: &Option<Digest>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match digest {
            Some(digest) => serializer.serialize_str(&HEXLOWER.encode(digest)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Digest>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let digest = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        digest.map(Some).ok_or_else(|| Error::custom("a SHA-256 has 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::ids::ArtifactId;
    use crate::container::preamble::MIN_SLOT;
    use crate::crypto::random;

    fn metadata() -> Metadata {
        Metadata {
            name: "digits".into(),
            version: "3".into(),
            media_type: ONNX.into(),
            created: "2026-01-02T03:04:05Z".into(),
            size: None,
            sha256: None,
        }
    }

    fn decode(json: &[u8]) -> Result<Metadata, Fault> {
        let preamble = Preamble { artifact_id: ArtifactId([1; 16]), slot_len: MIN_SLOT, detached: false };
        let key = random::secret();
        let (metadata, digest) = Metadata::open(&seal(json, &preamble, &key), &preamble, &key)?;
        assert_eq!(digest, sha256(&[json]));
        Ok(metadata)
    }

    #[test]
    fn what_is_written_is_read() {
        let mut metadata = metadata();
        assert_eq!(decode(&metadata.encode().unwrap()).unwrap(), metadata);
        metadata.size = Some(u64::MAX);
        metadata.sha256 = Some([0xab; 32]);
        assert_eq!(decode(&metadata.encode().unwrap()).unwrap(), metadata);
        assert!(metadata.is("digits", "3") && !metadata.is("digits", "4") && !metadata.is("Digits", "3"));
    }

    #[test]
    fn the_json_is_the_documented_one() {
        let mut metadata = metadata();
        let without = r#"{"name":"digits","version":"3","media_type":"application/x-onnx","created":"2026-01-02T03:04:05Z"}"#;
        assert_eq!(metadata.encode().unwrap(), without.as_bytes());
        metadata.size = Some(7);
        metadata.sha256 = Some([0xab; 32]);
        let with = without.replace('}', &format!(r#","size":7,"sha256":"{}"}}"#, "ab".repeat(32)));
        assert_eq!(metadata.encode().unwrap(), with.as_bytes());
    }

    #[test]
    fn fields_of_later_versions_are_ignored() {
        let json = r#"{"name":"a","version":"1","media_type":"t","created":"c","licence":{"x":[1]}}"#;
        assert_eq!(decode(json.as_bytes()).unwrap().name, "a");
    }

    #[test]
    fn what_is_ignored_is_text_of_some_depth_all_the_same() {
        let with = |more: &[u8]| {
            let known = br#"{"name":"a","version":"1","media_type":"t","created":"c","x":"#;
            decode(&[&known[..], more, b"}"].concat())
        };
        let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let brackets = format!(r#""{}""#, r#"[\""#.repeat(100));
        for fine in [&deep(63), &brackets, r#""\ud800""#, "1e999", r#"{"name":1,"name":2},"x":[]"#] {
            assert!(with(fine.as_bytes()).is_ok(), "{fine}");
        }
        for bad in [deep(64).as_bytes(), b"\"\xff\"", b"{\"\xff\":1}", b"NaN", b"\"\x01\""] {
            assert!(
                matches!(with(bad), Err(Fault::MetadataMalformed(_))),
                "{}",
                String::from_utf8_lossy(bad)
            );
        }
        assert!(with(&b"[".repeat(10_000)).is_err());
    }

    #[test]
    fn unacceptable_metadata_is_refused_by_both_sides() {
        for name in ["", "a\nb", "\u{1b}[2J", &"x".repeat(256)] {
            let bad = Metadata { name: name.into(), ..metadata() };
            assert!(matches!(bad.encode(), Err(ContainerError::MetadataField { field: "name" })));
            assert!(matches!(decode(&serde_json::to_vec(&bad).unwrap()), Err(Fault::MetadataMalformed(_))));
        }
        for json in ["", "{}", "[]", r#"{"name":"a","version":1,"media_type":"t","created":"c"}"#, "\u{0}"] {
            assert!(matches!(decode(json.as_bytes()), Err(Fault::MetadataMalformed(_))), "{json}");
        }
        let digest = r#"{"name":"a","version":"1","media_type":"t","created":"c","sha256":"00"}"#;
        assert!(matches!(decode(digest.as_bytes()), Err(Fault::MetadataMalformed(_))));
    }

    #[test]
    fn the_largest_metadata_fit_their_bounds() {
        let field = "\"".repeat(MAX_FIELD);
        let json = Metadata {
            name: field.clone(),
            version: field.clone(),
            media_type: field.clone(),
            created: field,
            size: Some(u64::MAX),
            sha256: Some([0; 32]),
        };
        assert!(json.encode().unwrap().len() <= MAX_JSON);
        let longest = cobblestone::sealed_len(MAX_JSON as u64).unwrap();
        assert_eq!(longest, *MESSAGE_LENGTHS.end() as u64);
    }
}
