//! Content-Digest: the samples of RFC 9530 (`testdata/signing/digests.json`), and what is no digest.

use data_encoding::BASE64;
use proptest::prelude::*;

use super::*;
use crate::signing::digest::read_content_digest;

#[test]
fn digests_are_those_of_the_standard() {
    let samples: Vec<(String, String, String)> =
        serde_json::from_str(include_str!("../../../testdata/signing/digests.json")).unwrap();
    assert_eq!(samples.len(), 4);
    for (source, body, field) in samples {
        let body = BASE64.decode(body.as_bytes()).unwrap();
        assert_eq!(content_digest(&body), field, "{source}");
        let mut headers = HeaderMap::new();
        headers.insert("content-digest", field.parse().unwrap());
        let digest = crate::crypto::digest::sha256(&[&body]);
        assert_eq!(read_content_digest(&headers).unwrap(), Some(digest), "{source}");
    }
}

#[test]
fn sha_256_is_found_beside_others_and_demanded_when_there_are_only_others() {
    let read = |lines: &[&str]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("content-digest", line.parse().unwrap());
        }
        read_content_digest(&headers)
    };
    let ours = content_digest(b"x").to_str().unwrap().to_owned();
    let other =
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
    assert_eq!(read(&[]).unwrap(), None);
    for lines in [&[ours.as_str()] as &[&str], &[&ours, other], &[other, &ours], &["sha=7, md5=?0", &ours]] {
        assert!(read(lines).unwrap().is_some(), "{lines:?}");
    }
    assert_eq!(read(&[other]), Err(SigningError::DigestMissing));
    assert_eq!(read(&[""]), Err(SigningError::DigestMissing));
    for malformed in ["sha-256", "sha-256=1", "sha-256=:AAAA:", "sha-256=(:AAAA:)", "sha-256=\"x\""] {
        assert_eq!(read(&[malformed]), Err(SigningError::DigestMalformed), "{malformed}");
    }
    assert!(matches!(read(&[&ours, &ours]), Err(SigningError::LabelDuplicate { .. })));
    assert!(matches!(read(&["sha-256=:*:"]), Err(SigningError::FieldMalformed { .. })));
    assert!(matches!(read(&["sha-256=:é:"]), Err(SigningError::FieldMalformed { .. })));
    let long = "a=1,".repeat(3000);
    assert!(matches!(read(&[&long]), Err(SigningError::FieldTooLong { .. })));
}

proptest! {
    #[test]
    fn any_field_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let mut headers = HeaderMap::new();
            headers.insert("content-digest", value);
            let _ = read_content_digest(&headers);
        }
    }
}
