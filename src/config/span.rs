//! A length of time as people write it: `30s`, `12h`, `1h 30m`, `90d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A length of time, not negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

impl Span {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("'{text}' is not a length of time such as 30s, 12h or 90d");
        // jiff leaves days to calendars; here a day is 24 hours, as in every other such option.
        let days = text.strip_suffix('d').and_then(|days| days.trim().parse::<u32>().ok());
        if let Some(days) = days {
            return Ok(Self(Duration::from_secs(u64::from(days) * 24 * 3600)));
        }
        let span: jiff::SignedDuration = text.parse().map_err(|_| refused())?;
        Duration::try_from(span).map(Self).map_err(|_| refused())
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::SignedDuration::try_from(self.0) {
            Ok(span) => write!(f, "{span:#}"),
            Err(_) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, seconds) in [("30s", 30), ("12h", 43200), ("1h 30m", 5400), ("90d", 7_776_000), ("0s", 0)]
        {
            assert_eq!(text.parse(), Ok(Span::seconds(seconds)), "{text}");
        }
        for text in ["", "12", "-5s", "h", "1y", "30s; rm"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
