//! The order in which searches list recordings: what an officer flagged first, then the newest, in one number.

use jiff::Timestamp;

use super::millis;

/// Lies above the difference of any two times.
const FLAGGED: i64 = 1 << 50;
const HALF: i64 = FLAGGED / 2;

/// The rank of an item. A file that is newer than its sealing was dated by a wrong clock: then the sealing counts, and so does
/// `now` for an entry of the future, which else would stand before everybody's.
pub fn rank(flagged: bool, recorded: Option<Timestamp>, sealed: Timestamp, now: Timestamp) -> i64 {
    let sealed = sealed.min(now);
    let at = recorded.map_or(sealed, |recorded| recorded.min(sealed));
    millis(at) + if flagged { FLAGGED } else { 0 }
}

/// The same time, flagged.
pub const fn flagged(rank: i64) -> i64 {
    if is_flagged(rank) {
        rank
    } else {
        rank.saturating_add(FLAGGED)
    }
}

/// The same time, not flagged.
pub const fn unflagged(rank: i64) -> i64 {
    if is_flagged(rank) {
        rank - FLAGGED
    } else {
        rank
    }
}

pub const fn is_flagged(rank: i64) -> bool {
    rank >= HALF
}

/// The time by which it is listed.
pub fn listed_time(rank: i64) -> Option<Timestamp> {
    super::time(Some(unflagged(rank)))
}

/// The ranks between two times, both inclusive.
pub fn range(is_flagged: bool, from: Option<Timestamp>, to: Option<Timestamp>) -> (i64, i64) {
    let base = if is_flagged { FLAGGED } else { 0 };
    let low = from.map_or(1 - HALF, millis);
    let high = to.map_or(HALF - 1, millis);
    (base + low, base + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn flagged_stands_before_the_newest_and_no_wrong_clock_stands_before_everybody() {
        let (old, new) = (at("1980-01-01T00:00:00Z"), at("2026-03-01T12:00:00Z"));
        let now = at("2026-03-02T00:00:00Z");
        let rank = |flagged, recorded, sealed| rank(flagged, recorded, sealed, now);
        assert!(rank(true, Some(old), new) > rank(false, Some(new), new));
        assert!(rank(false, Some(new), new) > rank(false, Some(old), new));
        assert_eq!(rank(false, Some(Timestamp::MAX), new), millis(new));
        assert_eq!(rank(false, None, Timestamp::MAX), millis(now));
        let (first, last) = (at("-009999-01-03T00:00:00Z"), at("9999-12-29T00:00:00Z"));
        for time in [first, old, new, last] {
            for flag in [false, true] {
                let rank = super::rank(flag, Some(time), Timestamp::MAX, Timestamp::MAX);
                assert_eq!(is_flagged(rank), flag, "{time}");
                assert_eq!(listed_time(rank).map(millis), Some(millis(time)));
                let (low, high) = range(flag, None, None);
                assert!(low <= rank && rank <= high, "{time}");
                assert_eq!(
                    flagged(rank),
                    super::rank(true, Some(time), Timestamp::MAX, Timestamp::MAX)
                );
            }
        }
    }
}
