//! Textual encoding of keys (RFC 7468), in its strict form: base64 between two
//! lines that name what it is.

use data_encoding::BASE64;

use crate::secret::SecretBytes;

/// Bytes of base64 in a line.
const LINE: usize = 64;

/// The text of `der`, with a newline at its end.
pub fn encode(label: &str, der: &[u8]) -> String {
    let body = BASE64.encode(der);
    let lines: Vec<_> = body.as_bytes().chunks(LINE).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Every block of `label` in `text`, wiped where it is dropped; `None` where one is malformed. What stands
/// between blocks is explanation, says the RFC, and blocks of other labels are
/// not looked at.
pub fn decode_all(label: &str, text: &[u8]) -> Option<Vec<SecretBytes>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        if line != begin.as_bytes() {
            continue;
        }
        let mut body = SecretBytes::with_capacity(text.len());
        loop {
            match lines.next()? {
                line if line == end.as_bytes() => break,
                line => body.expose_mut().extend_from_slice(line),
            }
        }
        blocks.push(SecretBytes::from(BASE64.decode(body.expose()).ok()?));
    }
    Some(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 47, 48, 49, 200] {
            let der: Vec<u8> = (0..length).collect();
            let text = encode("PUBLIC KEY", &der);
            assert!(text.lines().all(|line| line.len() <= LINE));
            let decoded = |label, text: &str| {
                let blocks = decode_all(label, text.as_bytes()).unwrap();
                blocks.iter().map(|block| block.expose().to_vec()).collect::<Vec<_>>()
            };
            assert_eq!(decoded("PUBLIC KEY", &text), [&der[..]]);
            let twice = format!("of ann\r\n{}of bob\n{text}", text.replace('\n', "\r\n"));
            assert_eq!(decoded("PUBLIC KEY", &twice), [&der[..], &der]);
            assert_eq!(decoded("PRIVATE KEY", &text), [[0; 0]; 0]);
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let text = encode("PUBLIC KEY", b"12345678");
        for bad in [
            text.replace("-----END PUBLIC KEY-----\n", ""),
            text.replace("END PUBLIC", "END PRIVATE"),
            text.replace('M', "*"),
            text.replace("\n-----END", "=\n-----END"),
        ] {
            assert!(decode_all("PUBLIC KEY", bad.as_bytes()).is_none(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text in "(-----(BEGIN|END) KEY-----|[A-Za-z0-9+/=\n]{0,9}|.){0,9}") {
            let _ = decode_all("KEY", text.as_bytes());
        }
    }
}
