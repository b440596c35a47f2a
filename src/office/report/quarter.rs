//! A quarter of a year.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;

/// A quarter of a year of UTC, `2026-Q4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quarter {
    year: i16,
    number: i8,
}

impl Quarter {
    /// Its first moment, and the first after it.
    pub fn range(self) -> (Timestamp, Timestamp) {
        let first = |year, month| {
            let day = date(year, month, 1).to_datetime(jiff::civil::Time::midnight());
            TimeZone::UTC.to_timestamp(day).unwrap_or_default()
        };
        let begin = first(self.year, self.number * 3 - 2);
        match self.number {
            4 => (begin, first(self.year + 1, 1)),
            number => (begin, first(self.year, number * 3 + 1)),
        }
    }

    /// The one that a moment is in.
    pub fn of(moment: Timestamp) -> Self {
        let day = moment.to_zoned_datetime(TimeZone::UTC).date();
        Self {
            year: day.year(),
            number: (day.month() + 2) / 3,
        }
    }
}

impl fmt::Display for Quarter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-Q{}", self.year, self.number)
    }
}

impl FromStr for Quarter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once("-Q").and_then(|(year, number)| {
            let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
            let fine = year.len() == 4 && number.len() == 1 && digits(year) && digits(number);
            let year = year
                .parse()
                .ok()
                .filter(|year| (2000..=9000).contains(year));
            let number = number
                .parse()
                .ok()
                .filter(|number| (1..=4).contains(number));
            Some(Self {
                year: year?,
                number: number?,
            })
            .filter(|_| fine)
        });
        parsed.ok_or_else(|| "a quarter is written as 2026-Q4".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_read_and_written_and_has_its_days() {
        let quarter: Quarter = "2026-Q4".parse().unwrap();
        assert_eq!(quarter.to_string(), "2026-Q4");
        let (from, to) = quarter.range();
        assert_eq!(from.to_string(), "2026-10-01T00:00:00Z");
        assert_eq!(to.to_string(), "2027-01-01T00:00:00Z");
        for (moment, wanted) in [
            ("2026-01-01T00:00:00Z", "2026-Q1"),
            ("2026-06-30T23:59:59Z", "2026-Q2"),
            ("2026-07-01T00:00:00Z", "2026-Q3"),
        ] {
            let moment = moment.parse().unwrap();
            assert_eq!(Quarter::of(moment).to_string(), wanted);
        }
        for wrong in [
            "", "2026", "2026-Q0", "2026-Q5", "26-Q1", "2026-q1", "+026-Q1", "2026-Q+1",
        ] {
            assert!(wrong.parse::<Quarter>().is_err(), "{wrong}");
        }
    }
}
