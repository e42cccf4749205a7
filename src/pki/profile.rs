//! What each kind of certificate holds. rcgen's defaults (valid from 1975 to
//! 4096, no authority key identifier, serial number derived from the key) are
//! overruled in one place: here.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints, SanType, SerialNumber,
};

use super::{Name, PkiError};
use crate::clock::UnixSeconds;
use crate::crypto::random;

/// Certificates begin a little early, for clients whose clocks are behind.
const BACKDATE: u64 = 5 * 60;
const DAY: u64 = 24 * 3600;

/// Ten years.
pub(super) const ROOT: Duration = Duration::from_secs(3650 * DAY);
/// Five years.
pub(super) const INTERMEDIATE: Duration = Duration::from_secs(1825 * DAY);
/// Ninety days.
pub(super) const SERVER: Duration = Duration::from_secs(90 * DAY);

pub(super) fn root(common_name: &str, names: &[Name], now: UnixSeconds) -> CertificateParams {
    authority(common_name, 1, names, now, ROOT)
}

pub(super) fn intermediate(common_name: &str, names: &[Name], now: UnixSeconds) -> CertificateParams {
    authority(common_name, 0, names, now, INTERMEDIATE)
}

fn authority(
    common_name: &str,
    path_length: u8,
    names: &[Name],
    now: UnixSeconds,
    validity: Duration,
) -> CertificateParams {
    let mut params = common(common_name, now, validity);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // A kind of name that none is permitted of would be free (RFC 5280, section 4.2.1.10).
    let has = |kind: fn(&Name) -> bool| names.iter().any(kind);
    let mut excluded = Vec::new();
    if !has(|name| matches!(name, Name::Dns(_))) {
        excluded.push(GeneralSubtree::DnsName(String::new()));
    }
    if !has(|name| matches!(name, Name::Ip(IpAddr::V4(_)))) {
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])));
    }
    if !has(|name| matches!(name, Name::Ip(IpAddr::V6(_)))) {
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])));
    }
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: names.iter().map(subtree).collect(),
        excluded_subtrees: excluded,
    });
    params
}

pub(super) fn server(names: &[Name], now: UnixSeconds) -> Result<CertificateParams, PkiError> {
    if names.is_empty() {
        return Err(PkiError::NoName);
    }
    // Names are in the SAN. A common name that looked like a host would be held
    // against the constraints of host names (RFC 9525 has done away with it).
    let mut params = common("sealserve server", now, SERVER);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.subject_alt_names = names
        .iter()
        .map(|name| match name {
            Name::Dns(name) => Ok(SanType::DnsName(name.as_str().try_into()?)),
            Name::Ip(address) => Ok(SanType::IpAddress(*address)),
        })
        .collect::<Result<_, rcgen::Error>>()?;
    Ok(params)
}

fn common(common_name: &str, now: UnixSeconds, validity: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(now.saturating_sub(BACKDATE));
    params.not_after = epoch + Duration::from_secs(now) + validity;
    // 20 octets, positive and not zero (RFC 5280, section 4.1.2.2).
    let mut serial: [u8; 20] = random::bytes();
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.use_authority_key_identifier_extension = true;
    params
}

fn subtree(name: &Name) -> GeneralSubtree {
    match name {
        Name::Dns(name) => GeneralSubtree::DnsName(name.trim_start_matches("*.").to_owned()),
        Name::Ip(address) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
            *address,
            if address.is_ipv4() { 32 } else { 128 },
        )),
    }
}
