//! Recipients: a wrapped key from a stranger costs no more than it may and opens nothing
//! but what it was made for, and the texts that people give have one meaning.

use std::sync::{Arc, OnceLock};

use sealserve::container::{
    AgeIdentities, AgeRecipient, ContainerError, Fault, Identities, Kek, Nobody, Others, Passphrase, Person,
    Sealed,
};
use sealserve::secret::SecretBytes;

use crate::{forge, reference};

const IDENTITY: &str = "AGE-SECRET-KEY-1TSZXVJNM9G56D77LK49V7U7RJE2SAPJ6ZGUZU390KUGZA69UL4ZQZT9MED";
const RECIPIENT: &str = "age1wk5cm2tjvspkfjvf2ldcq5nhn0lf5al28060vuv68hcehu9nypms5vykag";
const METADATA: &str = r#"{"name":"a","version":"1","media_type":"t","created":"c"}"#;

/// The first byte says what the others are: a wrapped key, or a text.
pub(super) fn holds(input: &[u8]) {
    let Some((what, bytes)) = input.split_first() else { return };
    match what % 9 {
        0 => age_blob(bytes),
        1 => passphrase_blob(bytes),
        2 => external_blob(bytes),
        3 => key(bytes),
        4 => passphrase(bytes),
        5 => age_recipients(bytes),
        6 => age_identities(bytes),
        7 => key_blob(bytes),
        _ => age_content(bytes),
    }
}

fn nobody() -> Arc<dyn Person> {
    Arc::new(Nobody)
}

fn identities() -> &'static Identities {
    static IDENTITIES: OnceLock<Identities> = OnceLock::new();
    IDENTITIES.get_or_init(|| {
        let mut age = AgeIdentities::default();
        age.add_file("identity", &SecretBytes::from(IDENTITY.to_owned()), &nobody()).unwrap();
        Identities { keys: vec![forge::kek()], others: Others { age, ..Others::default() } }
    })
}

fn bound() -> [u8; forge::BOUND] {
    forge::preamble(16_384, false)
}

/// A file whose one recipient is `kind` and has `blob`.
fn sealed(kind: u16, blob: &[u8]) -> Option<Result<Sealed<std::io::Cursor<Vec<u8>>>, ContainerError>> {
    let fits = blob.len() < 12_000;
    fits.then(|| {
        let id = forge::kek().id().0;
        Sealed::from_bytes("forged", forge::header(&bound(), kind, id, blob, METADATA))
    })
}

fn age_blob(blob: &[u8]) {
    let Some(sealed) = sealed(3, blob) else { return };
    match sealed.unwrap().unlock(identities()) {
        Ok(unlocked) => assert_eq!(unlocked.metadata().name, "a"),
        // Another key than the header's, in a blob that is right.
        Err(ContainerError::Fault { fault: Fault::SlotForged(_), .. }) => {}
        Err(ContainerError::Fault { fault: Fault::Wrapping(_) | Fault::Foreign(_), .. }) => {}
        Err(ContainerError::NoKey { .. }) => {}
        Err(error) => panic!("{error:?}"),
    }
}

/// Anyone can encrypt anything for an age recipient: it opens the file that it was made
/// for, and only as a whole.
fn age_content(content: &[u8]) {
    let recipient: age::x25519::Recipient = RECIPIENT.parse().unwrap();
    let blob = age::encrypt(&recipient, content).unwrap();
    let Some(sealed) = sealed(3, &blob) else { return };
    let right = content == forge::bound_key(&bound());
    assert_eq!(sealed.unwrap().unlock(identities()).is_ok(), right);
}

fn passphrase_blob(blob: &[u8]) {
    let Some(sealed) = sealed(2, blob) else { return };
    let allowed = blob.len() == 116 && reference::cost_is_allowed(blob);
    match sealed {
        Ok(sealed) => {
            assert!(allowed);
            // Whoever has no passphrase derives nothing.
            assert!(matches!(sealed.unlock(identities()), Err(ContainerError::NoKey { .. })));
        }
        Err(ContainerError::Fault { fault, .. }) => {
            assert!(!allowed && matches!(fault, Fault::PassphraseLength | Fault::PassphraseCost { .. }));
        }
        Err(error) => panic!("{error:?}"),
    }
}

fn external_blob(blob: &[u8]) {
    let Some(sealed) = sealed(4, blob) else { return };
    // No command is given, so none is run, whatever the file says.
    assert!(matches!(sealed.unwrap().unlock(identities()), Err(ContainerError::NoKey { .. })));
}

fn key_blob(blob: &[u8]) {
    let Some(sealed) = sealed(1, blob) else { return };
    match sealed {
        Ok(sealed) => {
            assert_eq!(blob.len(), 104);
            let error = sealed.unlock(identities()).unwrap_err();
            assert!(matches!(error, ContainerError::Fault { fault: Fault::Wrapping(_), .. }));
        }
        Err(_) => assert_ne!(blob.len(), 104),
    }
}

/// Every way to write a key is one of that key.
fn key(bytes: &[u8]) {
    let Ok(key) = Kek::parse("key", bytes) else { return };
    let secret = key.secret().expose();
    let hex = data_encoding::HEXLOWER.encode(secret);
    assert_eq!(Kek::parse("hex", hex.as_bytes()).unwrap(), key);
    let raw = bytes.len() == 32 && bytes == secret;
    let text = String::from_utf8_lossy(bytes).trim_end().trim_end_matches('=').replace(['+', '-'], "-");
    let base64 = data_encoding::BASE64URL_NOPAD.encode(secret);
    let same = text.eq_ignore_ascii_case(&hex) || text.replace('/', "_") == base64;
    assert!(raw || same, "{text:?}");
}

fn passphrase(bytes: &[u8]) {
    let Ok(phrase) = Passphrase::parse(&SecretBytes::from(bytes.to_vec())) else { return };
    let line = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
    assert!((1..=1024).contains(&line.len()) && !line.iter().any(u8::is_ascii_control));
    if phrase.require_strong().is_ok() {
        assert!(line.len() >= 12 && line.trim_ascii() == line);
    }
}

/// What is read is written in a way that is read as the same.
fn age_recipients(bytes: &[u8]) {
    let Ok(recipients) = AgeRecipient::parse_file("recipients", bytes, &nobody()) else { return };
    assert!(!recipients.is_empty());
    for recipient in recipients {
        let again = AgeRecipient::parse(&recipient.to_string(), &nobody()).unwrap();
        assert_eq!((again.to_string(), again.key_id()), (recipient.to_string(), recipient.key_id()));
    }
}

fn age_identities(bytes: &[u8]) {
    let mut identities = AgeIdentities::default();
    let read = identities.add_file("identities", &SecretBytes::from(bytes.to_vec()), &nobody());
    assert_eq!(read.is_ok(), !identities.is_empty());
}
