//! How long certificates last.

use std::time::Duration;

use super::PkiError;
use crate::clock::UnixSeconds;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Certificates begin a little early, for clients whose clocks are behind.
const BACKDATE: Duration = Duration::from_secs(5 * MINUTE);
/// Longer ones are reported: public authorities may not issue them.
const LONG: u64 = 398 * DAY;
/// Longer ones are refused: some clients refuse them, whoever signed them.
const TOO_LONG: u64 = 825 * DAY;
/// A client certificate stands for a person or a program that may go away.
const CLIENT_LONGEST: u64 = 30 * DAY;
/// Nobody knows who trusts what then.
const AUTHORITY_LONGEST: u64 = 36_500 * DAY;
/// GeneralizedTime ends with the year 9999.
const LAST: UnixSeconds = 253_402_300_799;

/// Ten years.
pub const ROOT: Duration = Duration::from_secs(3650 * DAY);
/// Five years.
pub(super) const INTERMEDIATE: Duration = Duration::from_secs(1825 * DAY);
/// Ninety days.
pub(super) const SERVER: Duration = Duration::from_secs(90 * DAY);
/// A day.
pub(super) const CLIENT: Duration = Duration::from_secs(DAY);

/// What is to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Authority,
    Server,
    Client,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Authority => "an authority",
            Self::Server => "a server certificate",
            Self::Client => "a client certificate",
        }
    }
}

/// From when until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: UnixSeconds,
    pub(super) not_after: UnixSeconds,
}

/// Who signs, and when that ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Within<'a> {
    pub(super) subject: &'a str,
    pub(super) not_before: i64,
    pub(super) not_after: i64,
}

/// How long a certificate with these times was to last when it was issued.
pub fn asked(not_before: i64, not_after: i64) -> Option<Duration> {
    let seconds = u64::try_from(not_after.checked_sub(not_before)?).ok()?;
    Duration::from_secs(seconds).checked_sub(BACKDATE)
}

/// The validity of something that begins now, and what the caller should know of
/// it. Without `asked` it lasts for `default`, or as long as its issuer if that is
/// less; what was asked for is granted or refused, never shortened.
pub(super) fn validity(
    kind: Kind,
    asked: Option<Duration>,
    default: Duration,
    within: Option<Within<'_>>,
    allow_long: bool,
    now: UnixSeconds,
) -> Result<(Validity, Vec<String>), PkiError> {
    let what = kind.name();
    let seconds = asked.unwrap_or(default).as_secs();
    if seconds < MINUTE {
        return Err(PkiError::TooShort { what });
    }
    let (limit, allowable) = match kind {
        Kind::Authority => (AUTHORITY_LONGEST, false),
        Kind::Server => (TOO_LONG, true),
        Kind::Client => (CLIENT_LONGEST, true),
    };
    if seconds > AUTHORITY_LONGEST || (seconds > limit && !(allow_long && allowable)) {
        let allowable = allowable && seconds <= AUTHORITY_LONGEST;
        let limit = if allowable { limit } else { AUTHORITY_LONGEST };
        return Err(PkiError::TooLong { what, days: seconds / DAY, limit: limit / DAY, allowable });
    }
    let mut warnings = Vec::new();
    if kind != Kind::Authority && seconds > LONG {
        warnings.push(format!("{what} of {} days: clients may refuse more than 398", seconds / DAY));
    }
    let end = now.checked_add(seconds).filter(|end| *end <= LAST).ok_or(PkiError::Clock { now })?;
    let mut validity = Validity { not_before: now.saturating_sub(BACKDATE.as_secs()), not_after: end };
    if let Some(within) = within {
        let from = u64::try_from(within.not_before).unwrap_or(0);
        let until = u64::try_from(within.not_after).unwrap_or(0);
        if now < from || now > until {
            let (subject, from, until) = (within.subject.to_owned(), within.not_before, within.not_after);
            return Err(PkiError::AuthorityTime { subject, from, until });
        }
        validity.not_before = validity.not_before.max(from);
        if end > until && asked.is_some() {
            let (issuer, ends) = (within.subject.to_owned(), within.not_after);
            return Err(PkiError::OutlivesIssuer { what, issuer, ends, left: until - now });
        }
        if end > until {
            warnings
                .push(format!("{what} that ends with its issuer, sooner than usual: renew the authority"));
            validity.not_after = until;
        }
    }
    Ok((validity, warnings))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = 1_800_000_000;
    const ISSUER: Within<'_> =
        Within { subject: "CN=i", not_before: NOW as i64 - 10, not_after: (NOW + 1000 * DAY) as i64 };

    fn days(days: u64) -> Option<Duration> {
        Some(Duration::from_secs(days * DAY))
    }

    fn server(asked: Option<Duration>, allow_long: bool) -> Result<(Validity, Vec<String>), PkiError> {
        validity(Kind::Server, asked, SERVER, Some(ISSUER), allow_long, NOW)
    }

    #[test]
    fn a_long_life_is_reported_and_a_longer_one_refused() {
        assert!(server(days(398), false).unwrap().1.is_empty());
        assert_eq!(server(days(399), false).unwrap().1.len(), 1);
        assert_eq!(server(days(825), false).unwrap().1.len(), 1);
        assert!(matches!(server(days(826), false), Err(PkiError::TooLong { allowable: true, .. })));
        assert_eq!(server(days(826), true).unwrap().1.len(), 1);
        let client = |asked, allow_long| validity(Kind::Client, asked, CLIENT, Some(ISSUER), allow_long, NOW);
        assert!(client(days(30), false).unwrap().1.is_empty());
        assert!(matches!(client(days(31), false), Err(PkiError::TooLong { limit: 30, .. })));
        assert!(client(days(31), true).is_ok());
        assert!(matches!(server(days(40_000), true), Err(PkiError::TooLong { allowable: false, .. })));
        assert!(matches!(server(days(0), true), Err(PkiError::TooShort { .. })));
    }

    #[test]
    fn nothing_outlives_its_issuer() {
        assert!(matches!(server(days(1001), true), Err(PkiError::OutlivesIssuer { .. })));
        let old = |asked| validity(Kind::Server, asked, SERVER, Some(ISSUER), false, NOW + 950 * DAY);
        assert!(matches!(old(days(90)), Err(PkiError::OutlivesIssuer { left, .. }) if left == 50 * DAY));
        let (shortened, warnings) = old(None).unwrap();
        assert_eq!((shortened.not_after, warnings.len()), (NOW + 1000 * DAY, 1));
    }

    #[test]
    fn an_authority_signs_in_its_own_time_only() {
        for now in [NOW - 11, NOW + 1000 * DAY + 1] {
            let signed = validity(Kind::Server, None, SERVER, Some(ISSUER), true, now);
            assert!(matches!(signed, Err(PkiError::AuthorityTime { .. })), "{now}");
        }
    }

    #[test]
    fn it_begins_a_little_early_but_not_before_its_issuer() {
        assert_eq!(server(None, false).unwrap().0.not_before, NOW - 10);
        let later = validity(Kind::Server, None, SERVER, Some(ISSUER), false, NOW + DAY).unwrap().0;
        assert_eq!(later.not_before, NOW + DAY - BACKDATE.as_secs());
    }

    #[test]
    fn no_clock_and_no_length_is_too_large_to_be_refused() {
        for now in [0, NOW, LAST, u64::MAX] {
            for seconds in [0, 1, u64::from(u32::MAX), u64::MAX] {
                let _ = validity(Kind::Authority, Some(Duration::from_secs(seconds)), ROOT, None, true, now);
            }
        }
        assert!(matches!(
            validity(Kind::Authority, None, ROOT, None, false, LAST),
            Err(PkiError::Clock { .. })
        ));
    }
}
