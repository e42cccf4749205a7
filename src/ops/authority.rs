//! The authority of a home: certificates in `pki/`, keys in the keyring.

use std::path::PathBuf;

use super::HomeError;
use crate::clock::UnixSeconds;
use crate::config::Home;
use crate::fs::{self, Existing};
use crate::keyring::{KeyState, KeyUse, Keyring, KeyringError, RootKey, Store};
use crate::pki::{self, Authority, AuthorityRequest, Certificate, Entry, Inventory, Issued, Signer};

const ROOT_KEY: &str = "ca-root";
const ISSUING_KEY: &str = "ca-issuing";

/// The root's certificate: what clients trust.
pub(super) fn root_file(home: &Home) -> PathBuf {
    home.pki().join("ca.pem")
}

fn issuing_file(home: &Home) -> PathBuf {
    home.pki().join("issuing.pem")
}

/// Makes an authority in `home`, and the home with a keyring where there is none.
/// One that is there stays; `replace` is for certificates that nobody has keys for.
pub fn create_authority(
    home: &Home,
    root: RootKey,
    request: &AuthorityRequest<'_>,
    replace: Existing,
    now: UnixSeconds,
) -> Result<Authority, HomeError> {
    home.create()?;
    let store = Store::new(home.path(), root);
    // Either way under the keyring's lock: of several at once, the later ones find
    // the first one's keys before they touch its certificates.
    let created = store.create(|| {
        let mut keyring = Keyring::default();
        let authority = add_authority(home, &mut keyring, request, replace, now)?;
        Ok((keyring, authority))
    });
    match created {
        Err(HomeError::Keyring(KeyringError::Exists { .. })) => {
            let add = |keyring: &mut Keyring| {
                add_authority(home, keyring, request, replace, now).map(|authority| (authority, true))
            };
            store.update_if(add).map(|(authority, _)| authority)
        }
        other => other,
    }
}

/// Makes an authority, its files in `home` and its keys in `keyring`, which is not on
/// disk yet: a certificate without its key signs nothing.
fn add_authority(
    home: &Home,
    keyring: &mut Keyring,
    request: &AuthorityRequest<'_>,
    replace: Existing,
    now: UnixSeconds,
) -> Result<Authority, HomeError> {
    if let Some(key) = keyring.of(KeyUse::Ca).next() {
        return Err(HomeError::AuthorityExists { key: key.id.clone() });
    }
    let files = [root_file(home), issuing_file(home)];
    if let (Existing::Refuse, Some(path)) = (replace, files.iter().find(|p| p.symlink_metadata().is_ok())) {
        return Err(fs::FsError::Exists { path: path.clone() }.into());
    }
    let authority = Authority::create(request, now)?;
    add_keys(keyring, &authority, now)?;
    write_certificates(home, &authority)?;
    Ok(authority)
}

/// Writes the certificates of a new authority, and that they were issued.
pub(super) fn write_certificates(home: &Home, authority: &Authority) -> Result<(), HomeError> {
    let Authority { root, issuing, .. } = authority;
    let entries = [(Issued::Root, root), (Issued::Intermediate, issuing)];
    inventory(home).add(entries.map(|(kind, signer)| Entry::new(kind, signer.certificate())))?;
    for (path, signer) in [(root_file(home), root), (issuing_file(home), issuing)] {
        fs::write(&path, signer.certificate().pem().as_bytes(), fs::PUBLIC, Existing::Replace)?;
    }
    Ok(())
}

/// Adds the keys of a new authority.
pub(super) fn add_keys(
    keyring: &mut Keyring,
    authority: &Authority,
    now: UnixSeconds,
) -> Result<(), KeyringError> {
    keyring.add_ca(ROOT_KEY, authority.root.key(), now)?;
    keyring.add_ca(ISSUING_KEY, authority.issuing.key(), now)?;
    Ok(())
}

/// The intermediate of `home`, ready to sign, with the root above it.
pub fn open_authority(home: &Home, keyring: &Keyring) -> Result<Signer, HomeError> {
    let key = |id: &str| {
        let key = keyring.get(id).map_err(|_| HomeError::NoAuthority { home: home.path().to_owned() })?;
        match key.state {
            KeyState::Active => Ok(key),
            state => Err(HomeError::AuthorityEnded { key: id.to_owned(), state }),
        }
    };
    let origin = |id: &str| format!("key '{id}' of the keyring");
    let (root_key, issuing_key) = (key(ROOT_KEY)?, key(ISSUING_KEY)?);
    let roots = read_certificates(&root_file(home))?;
    let mut chain = read_certificates(&issuing_file(home))?;
    chain.extend(roots.iter().cloned());
    // Only the keyring authenticates: a root that was exchanged has another key.
    Signer::load(roots, &root_key.secret, &origin(ROOT_KEY), None)?;
    Ok(Signer::load(chain, &issuing_key.secret, &origin(ISSUING_KEY), None)?)
}

/// All that was issued in `home`.
pub fn inventory(home: &Home) -> Inventory {
    Inventory::new(&home.pki())
}

/// The certificates in the file at `path`.
pub fn read_certificates(path: &std::path::Path) -> Result<Vec<Certificate>, HomeError> {
    Ok(pki::file(path, pki::MAX_FILE)?)
}
