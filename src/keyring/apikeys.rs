//! The changes that an API key goes through: created, recognized, revoked.

use std::time::Duration;

use super::apikey::{ApiKey, Network, Presented, generate};
use super::error::KeyringError;
use super::keys::Keyring;
use crate::clock::UnixSeconds;
use crate::secret::SecretBytes;

/// Longest subject and label, in bytes.
const NAME: usize = 128;
/// Most scopes, and most networks, of one key.
const ENTRIES: usize = 64;
/// Longest scope, in bytes.
const SCOPE: usize = 256;
/// A key that shall live longer is one without an end, and is to be made as such.
const LIFETIME: Duration = Duration::from_hours(10 * 366 * 24);

/// What a new API key shall be.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// The principal that it names.
    pub subject: String,
    /// What tells it from the subject's other keys.
    pub label: Option<String>,
    /// What it allows, in the language of tokens' `scope` claims, one entry each.
    pub scopes: Vec<String>,
    /// How long it is accepted; without, until it is revoked.
    pub lifetime: Option<Duration>,
    /// Where it is accepted from; none: anywhere.
    pub networks: Vec<Network>,
}

/// The outcome of [`Keyring::revoke_api_key`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedApiKey {
    /// The key.
    pub id: String,
    /// Since when it is revoked.
    pub since: UnixSeconds,
    /// Whether that changed the keyring: not, where it was so already.
    pub changed: bool,
}

impl Keyring {
    /// Adds a new API key, active at once, and returns its text. Nobody can tell it
    /// again.
    pub fn create_api_key(
        &mut self,
        new: NewApiKey,
        now: UnixSeconds,
    ) -> Result<(&ApiKey, SecretBytes), KeyringError> {
        check(&new)?;
        loop {
            let text = generate();
            let Ok(presented) = Presented::parse(text.expose()) else { continue };
            // 71 bits do not meet by chance; if they did, one key would hide the other.
            if self.api_keys.iter().any(|key| key.id == presented.id()) {
                continue;
            }
            let key = ApiKey {
                id: presented.id().to_owned(),
                subject: new.subject,
                label: new.label,
                scopes: new.scopes,
                created: now,
                expires: new.lifetime.map(|lifetime| now.saturating_add(lifetime.as_secs())),
                networks: new.networks,
                revoked: None,
                compromised: false,
                digest: presented.digest(),
            };
            return Ok((self.api_keys.push_mut(key), text));
        }
    }

    /// The API key `id`.
    pub fn api_key(&self, id: &str) -> Result<&ApiKey, KeyringError> {
        self.api_keys
            .iter()
            .find(|key| key.id == id)
            .ok_or_else(|| KeyringError::NoSuchApiKey { id: id.chars().take(64).collect() })
    }

    /// The API key that `presented` is, secret and all.
    pub fn recognize(&self, presented: Presented<'_>) -> Result<&ApiKey, KeyringError> {
        let key = self.api_key(presented.id())?;
        if key.digest == presented.digest() {
            Ok(key)
        } else {
            // Else a key made up for this purpose would have another's revoked.
            Err(KeyringError::ForeignApiKey { id: key.id.clone() })
        }
    }

    /// Kills the API key `id`. A second time changes nothing, but may add that it is
    /// compromised.
    pub fn revoke_api_key(
        &mut self,
        id: &str,
        compromised: bool,
        now: UnixSeconds,
    ) -> Result<RevokedApiKey, KeyringError> {
        self.api_key(id)?;
        let mut outcome = RevokedApiKey { id: id.to_owned(), since: now, changed: false };
        for key in self.api_keys.iter_mut().filter(|key| key.id == id) {
            outcome.changed = key.revoked.is_none() || (compromised && !key.compromised);
            outcome.since = *key.revoked.get_or_insert(now);
            key.compromised |= compromised;
        }
        Ok(outcome)
    }
}

/// What is written into the keyring is bounded, and cannot disturb a terminal.
fn check(new: &NewApiKey) -> Result<(), KeyringError> {
    let wrong = |field, rule| Err(KeyringError::ApiKeyField { field, rule });
    let is_name = |text: &str| !text.is_empty() && text.len() <= NAME && !text.contains(char::is_control);
    if !is_name(&new.subject) {
        return wrong("subject", "1 to 128 bytes without control characters");
    }
    if new.label.as_deref().is_some_and(|label| !is_name(label)) {
        return wrong("label", "1 to 128 bytes without control characters");
    }
    let is_scope =
        |text: &String| !text.is_empty() && text.len() <= SCOPE && !text.contains(char::is_control);
    if new.scopes.is_empty() || new.scopes.len() > ENTRIES || !new.scopes.iter().all(is_scope) {
        return wrong("scopes", "1 to 64 of 1 to 256 bytes each, without control characters");
    }
    if new.networks.len() > ENTRIES {
        return wrong("networks", "64 at most");
    }
    if new.lifetime.is_some_and(|lifetime| lifetime.as_secs() == 0 || lifetime > LIFETIME) {
        return wrong("lifetime", "1s to 3660d, or none at all");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::key::KeyState;

    fn new() -> NewApiKey {
        NewApiKey {
            subject: "ann".into(),
            label: None,
            scopes: vec!["model:digits:infer".into()],
            lifetime: None,
            networks: Vec::new(),
        }
    }

    #[test]
    fn what_is_written_into_the_keyring_is_bounded() {
        let long = |length| "x".repeat(length);
        let create = |new| Keyring::default().create_api_key(new, 100).map(drop);
        for good in [
            new(),
            NewApiKey { subject: long(NAME), label: Some(long(NAME)), ..new() },
            NewApiKey { scopes: vec![long(SCOPE); ENTRIES], lifetime: Some(LIFETIME), ..new() },
            NewApiKey { networks: vec!["::1".parse().unwrap(); ENTRIES], ..new() },
        ] {
            create(good).unwrap();
        }
        for (field, bad) in [
            ("subject", NewApiKey { subject: String::new(), ..new() }),
            ("subject", NewApiKey { subject: "ann\u{1b}[31m".into(), ..new() }),
            ("subject", NewApiKey { subject: long(NAME + 1), ..new() }),
            ("label", NewApiKey { label: Some(String::new()), ..new() }),
            ("label", NewApiKey { label: Some("a\nb".into()), ..new() }),
            ("label", NewApiKey { label: Some(long(NAME + 1)), ..new() }),
            ("scopes", NewApiKey { scopes: Vec::new(), ..new() }),
            ("scopes", NewApiKey { scopes: vec![String::new()], ..new() }),
            ("scopes", NewApiKey { scopes: vec![long(SCOPE + 1)], ..new() }),
            ("scopes", NewApiKey { scopes: vec![long(1); ENTRIES + 1], ..new() }),
            ("networks", NewApiKey { networks: vec!["::1".parse().unwrap(); ENTRIES + 1], ..new() }),
            ("lifetime", NewApiKey { lifetime: Some(Duration::ZERO), ..new() }),
            ("lifetime", NewApiKey { lifetime: Some(Duration::from_millis(999)), ..new() }),
            ("lifetime", NewApiKey { lifetime: Some(LIFETIME + Duration::from_nanos(1)), ..new() }),
        ] {
            let error = create(bad).unwrap_err();
            assert!(matches!(&error, KeyringError::ApiKeyField { field: f, .. } if *f == field), "{error}");
        }
    }

    #[test]
    fn a_key_goes_from_active_to_expired_or_revoked() {
        let mut keyring = Keyring::default();
        let mortal = NewApiKey { lifetime: Some(Duration::from_mins(1)), ..new() };
        let id = keyring.create_api_key(mortal, 100).unwrap().0.id.clone();
        let state = |keyring: &Keyring, now| keyring.api_key(&id).unwrap().state_at(now);
        assert_eq!(state(&keyring, 159), KeyState::Active);
        assert_eq!(state(&keyring, 160), KeyState::Expired);
        let revoked = |keyring: &mut Keyring, compromised, now| {
            let outcome = keyring.revoke_api_key(&id, compromised, now).unwrap();
            (outcome.since, outcome.changed)
        };
        assert_eq!(revoked(&mut keyring, false, 110), (110, true));
        assert_eq!((state(&keyring, 110), state(&keyring, 160)), (KeyState::Revoked, KeyState::Revoked));
        // A second time: only that it leaked is news, and is not taken back.
        assert_eq!(revoked(&mut keyring, false, 120), (110, false));
        assert_eq!(revoked(&mut keyring, true, 130), (110, true));
        assert_eq!(revoked(&mut keyring, false, 140), (110, false));
        assert!(keyring.api_key(&id).unwrap().compromised);
        let nobody = keyring.revoke_api_key("nobody", false, 150);
        assert!(matches!(nobody, Err(KeyringError::NoSuchApiKey { .. })));
    }

    #[test]
    fn a_key_is_recognized_by_its_secret_and_not_by_its_id() {
        let mut keyring = Keyring::default();
        let (key, text) = keyring.create_api_key(new(), 100).unwrap();
        let id = key.id.clone();
        let other = Keyring::default().create_api_key(new(), 100).unwrap().1;
        assert_eq!(keyring.recognize(Presented::parse(text.expose()).unwrap()).unwrap().id, id);
        let stranger = keyring.recognize(Presented::parse(other.expose()).unwrap());
        assert!(matches!(stranger, Err(KeyringError::NoSuchApiKey { .. })));
        keyring.api_keys[0].digest = Presented::parse(other.expose()).unwrap().digest();
        let forged = keyring.recognize(Presented::parse(text.expose()).unwrap());
        assert!(matches!(forged, Err(KeyringError::ForeignApiKey { id: named }) if named == id));
    }
}
