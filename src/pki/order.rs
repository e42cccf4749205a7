//! The order of the certificates that a TLS peer shows: its own first, then each one's
//! issuer (RFC 8446, section 4.4.2).

use std::path::Path;

use rustls::pki_types::CertificateDer;

use super::{Certificate, PkiError, path, read};

/// Certificates in a wrong order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disorder {
    /// What is wrong.
    pub detail: String,
    /// The right order, by the numbers that the certificates have now, from 1 on.
    pub order: Vec<usize>,
}

/// What is wrong with the order of `chain`, if anything. Authorities alone, such as a
/// bundle of roots, are in order as they are.
pub fn disorder(chain: &[Certificate]) -> Option<Disorder> {
    let leaf = chain.iter().position(|certificate| !certificate.facts.ca)?;
    let mut candidates = vec![chain[leaf].clone()];
    candidates.extend(chain.iter().enumerate().filter(|(at, _)| *at != leaf).map(|(_, other)| other.clone()));
    let (way, _) = path::upwards(&candidates, &[]);
    let mut order: Vec<usize> =
        way.iter().filter_map(|step| chain.iter().position(|certificate| certificate == *step)).collect();
    let wrong = order.windows(2).find(|pair| pair[0] > pair[1]).map(|pair| (pair[0], pair[1]));
    let detail = match wrong {
        _ if leaf != 0 => {
            format!(
                "the certificate of {} is number {} and must be the first",
                holder(&chain[leaf]),
                leaf + 1
            )
        }
        Some((below, issuer)) => {
            format!(
                "certificate {} is the issuer of certificate {} and must follow it",
                issuer + 1,
                below + 1
            )
        }
        None => return None,
    };
    let rest: Vec<_> = (0..chain.len()).filter(|at| !order.contains(at)).collect();
    order.extend(rest);
    Some(Disorder { detail, order: order.into_iter().map(|at| at + 1).collect() })
}

fn holder(certificate: &Certificate) -> String {
    format!("'{}'", certificate.facts.holder())
}

/// The chain in the file at `path`, of `limit` bytes at most, which a client is to show: its
/// own certificate first, then each one's issuer. Whether a certificate that signs itself
/// will do is for the server to say.
pub fn client_chain(path: &Path, limit: u64) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    Ok(in_order(path, limit)?.iter().map(|certificate| certificate.der().to_vec().into()).collect())
}

/// The same for a server, whose own certificate must not be an authority's: clients that
/// follow RFC 5280 refuse one.
pub fn server_chain(path: &Path, limit: u64) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let chain = in_order(path, limit)?;
    match chain.first() {
        Some(first) if first.facts.ca => {
            let subject = first.facts.subject.clone();
            Err(PkiError::AuthorityShown { path: path.to_owned(), subject })
        }
        _ => Ok(chain.iter().map(|certificate| certificate.der().to_vec().into()).collect()),
    }
}

fn in_order(path: &Path, limit: u64) -> Result<Vec<Certificate>, PkiError> {
    let chain = read::file(path, limit)?;
    match disorder(&chain) {
        Some(Disorder { detail, order }) => Err(PkiError::Order { path: path.to_owned(), detail, order }),
        None => Ok(chain),
    }
}
