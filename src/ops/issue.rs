//! A certificate with its key, out of an authority and into two files.

use std::path::Path;

use super::HomeError;
use super::file_set::{FileSet, Planned};
use crate::clock::UnixSeconds;
use crate::fs::{self, Existing};
use crate::pki::{Authority, Entry, Holder, Inventory, Issued, Leaf, LeafRequest, Signer};

/// What is to be issued, and where to.
pub struct IssueRequest<'a> {
    /// Who signs.
    pub signer: &'a Signer,
    /// What.
    pub leaf: LeafRequest<'a>,
    /// Where it is written down, if anywhere.
    pub inventory: Option<&'a Inventory>,
    /// The file for the certificate and those above it; none: the caller hands it out.
    pub certificate: Option<&'a Path>,
    /// The file for the private key.
    pub key: Option<&'a Path>,
    /// Whether files that are there may be replaced.
    pub existing: Existing,
}

/// Issues a certificate. It is in the inventory before it is anywhere else. The key
/// has its name first: whoever finds the new certificate finds its key.
pub fn issue(request: &IssueRequest<'_>, now: UnixSeconds) -> Result<Leaf, HomeError> {
    let leaf = request.signer.issue(&request.leaf, now)?;
    let key = request.key.map(|path| -> Planned<'_> { (path, leaf.key.expose(), fs::SECRET) });
    let chain = request.certificate.map(|path| -> Planned<'_> { (path, leaf.chain.as_bytes(), fs::PUBLIC) });
    let set = FileSet::write(&key.into_iter().chain(chain).collect::<Vec<_>>(), request.existing)?;
    if let Some(inventory) = request.inventory {
        let kind = match request.leaf.holder {
            Holder::Server(_) => Issued::Server,
            Holder::Client(_) => Issued::Client,
        };
        inventory.add([Entry::new(kind, &leaf.certificate)])?;
    }
    set.commit()?;
    Ok(leaf)
}

/// Writes an authority that belongs to no home: `ca.pem`, `ca.key`, `issuing.pem`
/// and `issuing.key` in `directory`, which is made where there is none.
pub fn write_authority(directory: &Path, authority: &Authority) -> Result<(), HomeError> {
    fs::parent_directory(&directory.join("ca.pem"))?;
    let path = |name: &str| directory.join(name);
    let Authority { root, issuing, .. } = authority;
    let (root_key, issuing_key) = (root.key_pem(), issuing.key_pem());
    let (root, issuing) = (root.certificate().pem(), issuing.certificate().pem());
    let planned: [Planned<'_>; 4] = [
        (&path("ca.key"), root_key.expose(), fs::SECRET),
        (&path("issuing.key"), issuing_key.expose(), fs::SECRET),
        (&path("ca.pem"), root.as_bytes(), fs::PUBLIC),
        (&path("issuing.pem"), issuing.as_bytes(), fs::PUBLIC),
    ];
    Ok(FileSet::write(&planned, Existing::Refuse)?.commit()?)
}
