//! The file as it is written, edited and damaged.

use data_encoding::{BASE64, HEXLOWER};
use proptest::prelude::*;

use super::*;
use crate::crypto::{cobblestone, kdf, mac};
use crate::keyring::format::{Body, Envelope, MAC_INFO, WRAP_CONTEXT};
use crate::keyring::key::Algorithm;
use crate::keyring::{KeyUse, NewApiKey, NewKey, Overlap};

fn new_api_key() -> NewApiKey {
    NewApiKey {
        subject: "ann".into(),
        label: Some("laptop".into()),
        scopes: vec!["model:digits:infer".into(), "model:*:metadata".into()],
        lifetime: Some(std::time::Duration::from_hours(1)),
        networks: vec!["10.0.0.0/8".parse().unwrap()],
    }
}

fn scratch() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path(), RootKey::generate());
    let keyring = || {
        let mut keyring = Keyring::default();
        for (usage, id) in
            [(KeyUse::Token, "t"), (KeyUse::Request, "r"), (KeyUse::Model, "m"), (KeyUse::Signer, "s")]
        {
            let owner = (usage == KeyUse::Request).then(|| "owner".into());
            keyring.create(NewKey { usage, id: Some(id.into()), owner }, 100)?;
        }
        keyring.rotate(KeyUse::Token, None, Overlap::Standard, 200)?;
        keyring.rotate(KeyUse::Model, None, Overlap::Standard, 200)?;
        keyring.revoke("m", true, 300)?;
        keyring.unload("m")?;
        keyring.add_ca("ca", vec![1, 2, 3].into(), 400)?;
        keyring.create_api_key(new_api_key(), 500)?;
        let plain = NewApiKey { label: None, lifetime: None, networks: Vec::new(), ..new_api_key() };
        let id = keyring.create_api_key(plain, 600)?.0.id.clone();
        keyring.revoke_api_key(&id, true, 700)?;
        Ok::<_, KeyringError>((keyring, ()))
    };
    store.create(keyring).unwrap();
    (directory, store)
}

/// All that the keys say, their secrets included.
fn told(keyring: &Keyring) -> Vec<String> {
    let keys = keyring.keys.iter().map(|key| format!("{key:?} {:?}", key.secret.expose()));
    let api_keys = keyring.api_keys.iter().map(|key| format!("{key:?} {:?}", key.digest.expose()));
    keys.chain(api_keys).collect()
}

#[test]
fn what_is_written_is_read() {
    let (_directory, store) = scratch();
    let first = store.read().unwrap();
    assert_eq!((first.generation, first.keys.len(), first.api_keys.len()), (1, 7, 2));
    store.update(|_| Ok(())).unwrap();
    let second = store.read().unwrap();
    assert_eq!(second.generation, 2);
    assert_eq!(told(&first), told(&second));
}

#[test]
fn each_generation_encrypts_secrets_anew() {
    let (_directory, store) = scratch();
    let records =
        |store: &Store| -> Envelope { serde_json::from_slice(&std::fs::read(&store.path).unwrap()).unwrap() };
    let body = |envelope: &Envelope| -> Body { serde_json::from_str(envelope.keyring.get()).unwrap() };
    let before = body(&records(&store));
    store.update(|_| Ok(())).unwrap();
    let after = body(&records(&store));
    for (old, new) in before.keys.iter().zip(&after.keys) {
        assert_eq!((&old.kid, old.sealed_at + 1), (&new.kid, new.sealed_at));
        assert_ne!(old.secret, new.secret);
    }
    let digests = |body: &Body| serde_json::to_value(&body.api_keys).unwrap()[0]["digest"].clone();
    assert_ne!(digests(&before), digests(&after));
}

#[test]
fn a_keyring_that_knows_no_api_keys_is_read_and_written_as_it_was() {
    let (_directory, store) = scratch();
    edit(&store, |body| body.api_keys.clear());
    let text = || std::fs::read_to_string(&store.path).unwrap();
    assert!(!text().contains("api_keys"));
    assert_eq!(store.read().unwrap().api_keys.len(), 0);
    // Until there is one, also a program that knows none of them reads it.
    store.update(|_| Ok(())).unwrap();
    assert!(!text().contains("api_keys"));
    store.update(|keyring| keyring.create_api_key(new_api_key(), 800).map(drop)).unwrap();
    assert!(text().contains("api_keys"));
    assert_eq!(store.read().unwrap().api_keys.len(), 1);
}

#[test]
fn an_unchanged_keyring_is_not_written() {
    let (_directory, store) = scratch();
    let before = std::fs::read(&store.path).unwrap();
    let id = store.read().unwrap().api_keys[1].id.clone();
    let again = |keyring: &mut Keyring| {
        let (key, api_key) = (keyring.revoke("m", true, 900)?, keyring.revoke_api_key(&id, true, 900)?);
        Ok::<_, KeyringError>(((api_key.since, key.key.id), key.changed || api_key.changed))
    };
    assert_eq!(store.rehearse(again).unwrap(), ((700, "m".to_owned()), 1));
    assert_eq!(store.update_if(again).unwrap(), ((700, "m".to_owned()), 1));
    assert_eq!(std::fs::read(&store.path).unwrap(), before);
}

#[test]
fn a_digest_opens_only_as_the_api_key_that_it_was_made_for() {
    let change = |store: &Store, change: fn(&mut serde_json::Value)| {
        edit(store, |body| {
            let mut records = serde_json::to_value(&body.api_keys).unwrap();
            change(&mut records);
            body.api_keys = serde_json::from_value(records).unwrap();
        });
    };
    let edits: [(&str, fn(&mut serde_json::Value)); 4] = [
        ("another's digest", |keys| keys[0]["digest"] = keys[1]["digest"].clone()),
        ("another id", |keys| keys[0]["id"] = "0123456789AB".into()),
        ("another generation", |keys| keys[0]["sealed_at"] = 9.into()),
        ("half a digest", |keys| keys[0]["digest"] = keys[0]["digest"].as_str().unwrap()[..24].into()),
    ];
    for (what, edit) in edits {
        let (_directory, store) = scratch();
        change(&store, |_| {});
        store.read().unwrap();
        change(&store, edit);
        assert!(matches!(store.read(), Err(KeyringError::Unauthentic { .. })), "{what}");
    }
}

/// Edits the file as one can who holds the data key: with a MAC that fits.
fn edit(store: &Store, change: impl FnOnce(&mut Body)) {
    let text = std::fs::read(&store.path).unwrap();
    let mut envelope: Envelope = serde_json::from_slice(&text).unwrap();
    let wrapped = BASE64.decode(envelope.data_key.as_bytes()).unwrap();
    let data_key = cobblestone::open(store.root.key(), WRAP_CONTEXT, &wrapped).unwrap();
    let data_key = Secret::from_slice(data_key.expose()).unwrap();
    let mut body: Body = serde_json::from_str(envelope.keyring.get()).unwrap();
    change(&mut body);
    envelope.keyring = serde_json::value::to_raw_value(&body).unwrap();
    let tag = mac::tag(&kdf::expand(&data_key, &[MAC_INFO]), &[envelope.keyring.get().as_bytes()]);
    envelope.mac = HEXLOWER.encode(&tag);
    std::fs::write(&store.path, serde_json::to_vec(&envelope).unwrap()).unwrap();
    store.rollback.forget().unwrap();
}

#[test]
fn a_secret_opens_only_as_the_key_that_it_was_made_for() {
    let edits: [(&str, fn(&mut Body)); 5] = [
        ("another's secret", |body| body.model_keys[0].secret = body.model_keys[1].secret.clone()),
        ("another kid", |body| body.model_keys[0].kid.push('x')),
        ("another use", |body| body.model_keys[0].usage = KeyUse::Request),
        ("another algorithm", |body| body.model_keys[0].algorithm = Algorithm::HmacSha256),
        ("another generation", |body| body.model_keys[0].sealed_at += 1),
    ];
    for (what, change) in edits {
        let (_directory, store) = scratch();
        edit(&store, |_| {});
        store.read().unwrap();
        edit(&store, change);
        assert!(matches!(store.read(), Err(KeyringError::Unauthentic { .. })), "{what}");
    }
}

fn overwritten(bytes: &[u8]) -> (tempfile::TempDir, Store, Vec<u8>) {
    let (directory, store) = scratch();
    let good = std::fs::read(&store.path).unwrap();
    std::fs::write(&store.path, bytes).unwrap();
    (directory, store, good)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let (_directory, store, _) = overwritten(&bytes);
        prop_assert!(store.read().is_err());
    }

    #[test]
    fn a_keyring_with_one_byte_changed_is_refused(
        at in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let (_directory, store, mut text) = overwritten(b"");
        let at = at.index(text.len() - 1);
        text[at] ^= 1_u8 << bit;
        std::fs::write(&store.path, &text).unwrap();
        prop_assert!(store.read().is_err(), "byte {at}: {}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn any_memory_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let (directory, store) = scratch();
        let path = directory.path().join("state/keyring-seen");
        std::fs::write(path, bytes).unwrap();
        let _ = store.read();
    }
}
