//! What each kind of certificate holds; docs/pki.md has the table. rcgen's defaults
//! (valid from 1975 to 4096, no authority key identifier, serial number derived
//! from the key) are overruled in one place: here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints, SanType, SerialNumber,
};

use super::lifetime::Validity;
use super::{Limits, Name, PkiError, Principal};
use crate::crypto::random;

/// userId (RFC 4519, section 2.39).
const USER_ID: [u64; 7] = [0, 9, 2342, 19_200_300, 100, 1, 1];

/// For documentation only (RFC 5737).
const NOBODY_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// Whatever is sent there is discarded (RFC 6666).
const NOBODY_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0));

/// A root (`path_length` 1) or an intermediate (0), within `limits`.
pub(super) fn authority(
    title: &str,
    unit: &str,
    path_length: u8,
    limits: &Limits,
    validity: Validity,
) -> CertificateParams {
    let mut params = common(title, unit, validity);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    if !limits.is_none() {
        params.name_constraints = Some(constraints(limits));
    }
    params
}

fn constraints(limits: &Limits) -> NameConstraints {
    let mut names = NameConstraints { permitted_subtrees: Vec::new(), excluded_subtrees: Vec::new() };
    if let Some(domains) = &limits.domains {
        names.permitted_subtrees.extend(domains.iter().cloned().map(GeneralSubtree::DnsName));
        // A kind of name that none is permitted of would be free (RFC 5280, section 4.2.1.10).
        if domains.is_empty() {
            names.excluded_subtrees.push(GeneralSubtree::DnsName(String::new()));
        }
    }
    if let Some(networks) = &limits.networks {
        let subnets =
            networks.iter().map(|(address, prefix)| CidrSubnet::from_addr_prefix(*address, *prefix));
        names.permitted_subtrees.extend(subnets.map(GeneralSubtree::IpAddress));
        match (networks.iter().any(|(a, _)| a.is_ipv4()), networks.iter().any(|(a, _)| a.is_ipv6())) {
            (false, false) => names.excluded_subtrees.extend([
                GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])),
                GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])),
            ]),
            // GnuTLS leaves a family free that nothing is said of, and Java, which compares
            // addresses of both, fails where one is excluded whole: of that one, an address
            // that nobody can have is all that is permitted.
            (true, false) => names.permitted_subtrees.push(subnet(NOBODY_V6)),
            (false, true) => names.permitted_subtrees.push(subnet(NOBODY_V4)),
            (true, true) => {}
        }
    }
    names
}

fn subnet(address: IpAddr) -> GeneralSubtree {
    GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, if address.is_ipv4() { 32 } else { 128 }))
}

/// Whether a permitted subtree, as it is shown, stands for none of its kind.
pub(super) fn is_nobody(subtree: &str) -> bool {
    [(NOBODY_V4, 32), (NOBODY_V6, 128)]
        .iter()
        .any(|(address, prefix)| subtree == format!("IP:{address}/{prefix}"))
}

/// A server that answers to `names`.
pub(super) fn server(names: &[Name], validity: Validity) -> Result<CertificateParams, PkiError> {
    if names.is_empty() {
        return Err(PkiError::NoName);
    }
    let names = names.iter().map(|name| match name {
        Name::Dns(name) => Ok(SanType::DnsName(name.as_str().try_into()?)),
        Name::Ip(address) => Ok(SanType::IpAddress(*address)),
    });
    let names = names.collect::<Result<_, rcgen::Error>>()?;
    Ok(leaf("server", names, ExtendedKeyUsagePurpose::ServerAuth, validity))
}

/// A client that is `principal`.
pub(super) fn client(principal: &Principal, validity: Validity) -> Result<CertificateParams, PkiError> {
    let uri = SanType::URI(principal.uri().as_str().try_into()?);
    let mut params = leaf("client", vec![uri], ExtendedKeyUsagePurpose::ClientAuth, validity);
    params.distinguished_name.push(DnType::from_oid(&USER_ID), principal.as_str());
    Ok(params)
}

fn leaf(
    unit: &str,
    names: Vec<SanType>,
    purpose: ExtendedKeyUsagePurpose,
    validity: Validity,
) -> CertificateParams {
    let mut params = common("sealserve", unit, validity);
    // Without it, neither basicConstraints nor a subject key identifier would be there.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    params.subject_alt_names = names;
    params
}

fn common(organization: &str, unit: &str, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    // No common name anywhere: below constraints, GnuTLS takes every one of a server or
    // an authority for a host, and OpenSSL those that look like one.
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, organization);
    params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(validity.not_before);
    params.not_after = epoch + Duration::from_secs(validity.not_after);
    // 20 octets, positive and not zero (RFC 5280, section 4.1.2.2).
    let mut serial: [u8; 20] = random::bytes();
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.use_authority_key_identifier_extension = true;
    params
}
