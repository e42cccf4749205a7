//! A range of bytes, written as in HTTP (RFC 9110, section 14.1.2) and by curl.

use std::ops::Range;
use std::str::FromStr;

/// `FIRST-LAST`, `FIRST-` or `-COUNT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteRange {
    /// From the first to the last byte, or to the end.
    From(u64, Option<u64>),
    /// The last bytes, this many.
    Last(u64),
}

impl ByteRange {
    /// The bytes that are meant in a file of `length`; they may lie behind its end.
    pub(super) fn within(self, length: u64) -> Range<u64> {
        match self {
            Self::From(first, None) => first..u64::MAX,
            Self::From(first, Some(last)) => first..last.saturating_add(1),
            Self::Last(count) => length.saturating_sub(count)..length,
        }
    }
}

impl FromStr for ByteRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u64>().ok().filter(|_| digits)
        };
        let range = match text.split_once('-') {
            Some(("", count)) => number(count).filter(|count| *count > 0).map(Self::Last),
            Some((first, "")) => number(first).map(|first| Self::From(first, None)),
            Some((first, last)) => number(first)
                .zip(number(last))
                .filter(|(first, last)| first <= last)
                .map(|(first, last)| Self::From(first, Some(last))),
            None => None,
        };
        range.ok_or_else(|| "a range is FIRST-LAST, FIRST- or -COUNT, such as 0-15".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_means_what_it_means_in_http() {
        for (text, range) in [
            ("0-0", 0..1),
            ("5-9", 5..10),
            ("5-", 5..u64::MAX),
            ("-5", 95..100),
            ("-500", 0..100),
            ("200-300", 200..301),
            ("0-18446744073709551615", 0..u64::MAX),
        ] {
            assert_eq!(text.parse::<ByteRange>().unwrap().within(100), range, "{text}");
        }
        for bad in
            ["", "-", "5", "9-5", "-0", "a-b", "+1-2", "1-+2", "1-2-3", " 1-2", "18446744073709551616-"]
        {
            assert!(bad.parse::<ByteRange>().is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(text in "[0-9]{0,22}-?[0-9]{0,22}|.{0,20}", length: u64) {
            if let Ok(range) = text.parse::<ByteRange>() {
                let range = range.within(length);
                proptest::prop_assert!(range.start <= range.end);
            }
        }
    }
}
