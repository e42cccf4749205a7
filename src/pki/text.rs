//! What foreign certificates say, in words that a terminal can show.

use std::net::IpAddr;

use x509_parser::extensions::GeneralName;
use x509_parser::x509::X509Name;

/// `text` without what could move a cursor, end a line or reorder it.
pub(super) fn printable(text: &str) -> String {
    let harmless = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().flat_map(|c| if harmless(c) { vec![c] } else { c.escape_unicode().collect() }).collect()
}

/// Attribute types that have a short name (RFC 4519, RFC 2985).
const TYPES: [(&str, &str); 12] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.42", "GN"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// A distinguished name in the order of the certificate, with the escapes of
/// RFC 4514, so that a value cannot pass for another attribute.
pub(super) fn distinguished_name(name: &X509Name<'_>) -> String {
    let rdns = name.iter_rdn().map(|rdn| {
        let attributes = rdn.iter().map(|attribute| {
            let oid = attribute.attr_type().to_id_string();
            let short = TYPES.iter().find(|(known, _)| *known == oid).map(|(_, short)| *short);
            let value = match attribute.as_str() {
                Ok(text) => escaped(text),
                Err(_) => format!("#{}", hex(attribute.as_slice())),
            };
            format!("{}={value}", short.unwrap_or(&oid))
        });
        attributes.collect::<Vec<_>>().join("+")
    });
    rdns.collect::<Vec<_>>().join(", ")
}

fn escaped(value: &str) -> String {
    let mut out = String::new();
    for (at, c) in value.char_indices() {
        if "\"+,;<>\\=".contains(c) || (at == 0 && matches!(c, '#' | ' ')) {
            out.push('\\');
        }
        out.push(c);
    }
    printable(&out)
}

/// A general name, such as `DNS:models.example`.
pub(super) fn general_name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => format!("DNS:{}", printable(name)),
        GeneralName::IPAddress(bytes) => match address(bytes) {
            Some(address) => format!("IP:{address}"),
            None => format!("IP:#{}", hex(bytes)),
        },
        GeneralName::URI(uri) => format!("URI:{}", printable(uri)),
        GeneralName::RFC822Name(name) => format!("email:{}", printable(name)),
        GeneralName::DirectoryName(name) => format!("DirName:{}", distinguished_name(name)),
        GeneralName::RegisteredID(oid) => format!("RID:{}", oid.to_id_string()),
        GeneralName::OtherName(oid, _) => format!("otherName:{}", oid.to_id_string()),
        GeneralName::X400Address(_) => "x400Address".into(),
        GeneralName::EDIPartyName(_) => "ediPartyName".into(),
        GeneralName::Invalid(tag, bytes) => format!("invalid:{}#{}", tag.0, hex(bytes)),
    }
}

/// The base of a name constraint: as [`general_name`], addresses with their mask.
pub(super) fn subtree(base: &GeneralName<'_>) -> String {
    let GeneralName::IPAddress(bytes) = base else { return general_name(base) };
    let (network, mask) = bytes.split_at(bytes.len() / 2);
    let ones: u32 = mask.iter().map(|byte| byte.leading_ones()).sum();
    let set: u32 = mask.iter().map(|byte| byte.count_ones()).sum();
    match address(network) {
        // A mask with a hole is no prefix.
        Some(address) if ones == set && is_prefix(mask) => format!("IP:{address}/{ones}"),
        _ => format!("IP:#{}", hex(bytes)),
    }
}

fn is_prefix(mask: &[u8]) -> bool {
    let ends = mask.iter().position(|byte| *byte != 0xff).unwrap_or(mask.len());
    mask.iter().skip(ends + 1).all(|byte| *byte == 0)
}

pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_cursor_is_shown() {
        assert_eq!(printable("a\u{1b}[2Jb\n\u{202e}c"), "a\\u{1b}[2Jb\\u{a}\\u{202e}c");
        assert_eq!(escaped("Evil, CN=models.example"), "Evil\\, CN\\=models.example");
        assert_eq!(escaped("#a"), "\\#a");
    }

    #[test]
    fn a_constraint_is_shown_as_a_network() {
        let network = |bytes: &[u8]| subtree(&GeneralName::IPAddress(bytes));
        assert_eq!(network(&[10, 0, 0, 0, 255, 0, 0, 0]), "IP:10.0.0.0/8");
        assert_eq!(network(&[0; 8]), "IP:0.0.0.0/0");
        assert_eq!(network(&[10, 0, 0, 0, 255, 0, 255, 0]), "IP:#0a000000ff00ff00");
        assert_eq!(network(&[1, 2, 3]), "IP:#010203");
        assert_eq!(network(&[]), "IP:#");
    }
}
