//! The keys that a loaded model depends on: the one that opened its file, and those of the
//! signers that vouch for it.

use serde::{Deserialize, Serialize};

use crate::clock::UnixSeconds;
use crate::container::{KeyId, RecipientKind, SignerId};
use crate::keyring::{Key, KeyState, KeyUse, Keyring};

/// The key that opened a model's file, and the signers that vouch for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The kind of recipient that opened it.
    pub kind: RecipientKind,
    /// The key.
    pub key: KeyId,
    /// The trusted signers that had signed it, if a signature was required.
    pub signers: Vec<SignerId>,
}

/// A key of a model's provenance that is no longer accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// `model` if it opened the file; `signer` if it signed it.
    #[serde(rename = "use")]
    pub usage: KeyUse,
    /// The key's name.
    pub id: String,
    /// Its key id in files.
    pub kid: String,
    /// Its state.
    pub state: KeyState,
    /// Whether the model must be withdrawn.
    pub unload: bool,
}

impl Refusal {
    /// The refusal of `key`, which is not accepted at `now`.
    pub fn new(key: &Key, now: UnixSeconds) -> Self {
        let (id, kid, state) = (key.id.clone(), key.kid.clone(), key.state_at(now));
        Self { usage: key.usage, id, kid, state, unload: key.unload }
    }
}

impl Provenance {
    /// A key of the model's provenance that `keyring` does not accept at `now`. A key that
    /// withdraws the model takes precedence over one that does not.
    pub fn refused(&self, keyring: &Keyring, now: UnixSeconds) -> Option<Refusal> {
        // Other kinds of recipients are not in the keyring.
        let opened = (self.kind == RecipientKind::Key).then(|| self.key.to_string());
        let mut against: Vec<&Key> = opened.and_then(|kid| keyring.refused(&kid, now)).into_iter().collect();
        let vouched = self.signers.iter().map(|signer| keyring.refused(&signer.to_string(), now));
        // One trusted signature that is still accepted is enough.
        against.extend(vouched.collect::<Option<Vec<_>>>().unwrap_or_default());
        let worst = against.iter().find(|key| key.unload).or(against.first());
        worst.map(|key| Refusal::new(key, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::NewKey;

    const NOW: UnixSeconds = 1000;

    /// A keyring with keys of these names, and a model that hangs on all of them: the
    /// first opened it, the others vouched.
    fn hanging_on(names: &[&str]) -> (Keyring, Provenance) {
        let mut keyring = Keyring::default();
        let mut kids = Vec::new();
        for (n, name) in names.iter().enumerate() {
            let usage = if n == 0 { KeyUse::Model } else { KeyUse::Signer };
            let new = NewKey { usage, id: Some((*name).into()), owner: None };
            kids.push(keyring.create(new, NOW).unwrap().kid);
        }
        let signers = kids[1..].iter().map(|kid| kid.parse().unwrap()).collect();
        let provenance = Provenance { kind: RecipientKind::Key, key: kids[0].parse().unwrap(), signers };
        (keyring, provenance)
    }

    fn against(keyring: &Keyring, provenance: &Provenance) -> Option<(String, bool)> {
        provenance.refused(keyring, NOW).map(|refusal| (refusal.id, refusal.unload))
    }

    #[test]
    fn one_signer_that_is_still_trusted_is_enough() {
        let (mut keyring, provenance) = hanging_on(&["m", "a", "b"]);
        assert_eq!(against(&keyring, &provenance), None);
        keyring.revoke("a", true, NOW).unwrap();
        assert_eq!(against(&keyring, &provenance), None);
        keyring.revoke("b", true, NOW).unwrap();
        assert_eq!(against(&keyring, &provenance), Some(("a".into(), false)));
        keyring.unload("b").unwrap();
        assert_eq!(against(&keyring, &provenance), Some(("b".into(), true)));
    }

    #[test]
    fn the_key_that_opened_a_model_counts_and_no_other() {
        let (mut keyring, provenance) = hanging_on(&["m"]);
        let other = NewKey { usage: KeyUse::Model, id: Some("other".into()), owner: None };
        keyring.create(other, NOW).unwrap();
        keyring.revoke("other", false, NOW).unwrap();
        keyring.unload("other").unwrap();
        assert_eq!(against(&keyring, &provenance), None);
        keyring.revoke("m", false, NOW).unwrap();
        assert_eq!(against(&keyring, &provenance), Some(("m".into(), false)));
        keyring.unload("m").unwrap();
        assert_eq!(against(&keyring, &provenance), Some(("m".into(), true)));
        // An identity of age, or a command, has no key there.
        assert_eq!(against(&keyring, &Provenance { kind: RecipientKind::Age, ..provenance }), None);
    }

    #[test]
    fn a_model_without_vouchers_hangs_on_no_signer() {
        let (mut keyring, provenance) = hanging_on(&["m", "a"]);
        keyring.revoke("a", false, NOW).unwrap();
        assert_eq!(against(&keyring, &Provenance { signers: Vec::new(), ..provenance }), None);
    }
}
