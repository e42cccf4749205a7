//! The only door through which time enters.

use std::fmt::Write;
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

/// Time since some moment before the process began, a few milliseconds late at most. It never
/// goes back, and costs a fraction of what a precise clock does: for time limits of seconds.
pub fn coarse() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    // Neither is negative.
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
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

/// Writes times in RFC 3339, UTC, to the millisecond. Times of one second in a row cost
/// little: its text is kept.
#[derive(Debug, Default)]
pub struct Rfc3339Millis {
    second: Option<u64>,
    text: String,
}

impl Rfc3339Millis {
    /// The text of `time`.
    pub fn format(&mut self, time: Duration) -> &str {
        let second = time.as_secs();
        if self.second.replace(second) != Some(second) {
            self.text = rfc3339(second);
        }
        // "2027-01-15T08:00:00Z", or what was made of it before.
        if self.text.ends_with('Z') {
            self.text.truncate("2027-01-15T08:00:00".len());
            let _ = write!(self.text, ".{:03}Z", time.subsec_millis());
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_written_whatever_was_written_before() {
        let mut format = Rfc3339Millis::default();
        let base = 1_800_000_000_000;
        for (millis, text) in [
            (base, "2027-01-15T08:00:00.000Z"),
            (base + 7, "2027-01-15T08:00:00.007Z"),
            (base + 1999, "2027-01-15T08:00:01.999Z"),
            (base, "2027-01-15T08:00:00.000Z"),
            (0, "1970-01-01T00:00:00.000Z"),
            (u64::MAX, "beyond year 9999"),
        ] {
            assert_eq!(format.format(Duration::from_millis(millis)), text);
        }
    }

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
