//! The only door through which time enters.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01T00:00:00Z.
pub type UnixSeconds = u64;

/// A source of the current time.
pub trait Clock: Send + Sync {
    /// Time since the Unix epoch.
    fn now(&self) -> Duration;

    /// Whole seconds since the Unix epoch.
    fn unix(&self) -> UnixSeconds {
        self.now().as_secs()
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn now(&self) -> Duration {
        // A clock set before 1970 reads as 1970: everything is then "not yet valid".
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

/// `seconds` in RFC 3339, UTC.
pub fn rfc3339(seconds: UnixSeconds) -> String {
    rfc3339_signed(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// `seconds` since, or where negative before, the Unix epoch in RFC 3339, UTC.
pub fn rfc3339_signed(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "beyond year 9999".to_owned(), |t| t.to_string())
}

/// The time since 1970 that `text` tells: RFC 3339 (with an offset or `Z`), or seconds
/// since the Unix epoch.
pub fn parse(text: &str) -> Option<UnixSeconds> {
    let seconds = text.parse().ok();
    seconds.or_else(|| text.parse::<jiff::Timestamp>().ok()?.as_second().try_into().ok())
}

/// `time` in RFC 3339, UTC, to the millisecond.
pub fn rfc3339_millis(time: Duration) -> String {
    i64::try_from(time.as_millis())
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map_or_else(|| "beyond year 9999".to_owned(), |t| format!("{t:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rfc_3339_or_seconds_and_never_before_1970() {
        for (text, time) in [
            ("1800000000", Some(1_800_000_000)),
            ("2027-01-15T08:00:00Z", Some(1_800_000_000)),
            ("2027-01-15T09:00:00+01:00", Some(1_800_000_000)),
            ("2027-01-15T08:00:00", None),
            ("1969-12-31T23:59:58Z", None),
            ("-1", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(parse(text), time, "{text}");
        }
    }
}
