use std::time::Duration;

/// A longer `Retry-After` of a store is cut to this.
const LONGEST_ASKED: Duration = Duration::from_hours(1);

/// Computes how long to wait before the next attempt. Pure: the caller counts attempts, resets the count after progress,
/// and passes the random number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    pub first: Duration,
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_mins(5),
        }
    }
}

impl Backoff {
    /// After `failures` in a row (1 is the first): doubling, bounded, half of it spread by `random`, so that the
    /// stations of a force do not retry in step. Never sooner than the store asked for.
    pub fn delay(&self, failures: u32, random: u32, asked: Option<Duration>) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let whole = self
            .first
            .saturating_mul(1_u32 << doublings)
            .min(self.longest);
        let half = whole / 2;
        let spread = half.mul_f64(f64::from(random) / f64::from(u32::MAX));
        let delay = half + spread;
        asked
            .map_or(delay, |asked| asked.min(LONGEST_ASKED) + spread.min(asked))
            .max(delay)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn delays_double_up_to_the_longest() {
        let backoff = Backoff::default();
        let at = |failures| backoff.delay(failures, u32::MAX, None).as_secs_f64();
        assert!((at(1) - 1.0).abs() < 0.01);
        assert!((at(4) - 8.0).abs() < 0.01);
        assert!((at(20) - 300.0).abs() < 0.01);
        assert!((at(u32::MAX) - 300.0).abs() < 0.01);
    }

    proptest! {
        #[test]
        fn a_delay_is_bounded_and_never_sooner_than_asked(failures: u32, random: u32, asked in proptest::option::of(0..100_000_u64)) {
            let backoff = Backoff::default();
            let asked = asked.map(Duration::from_secs);
            let delay = backoff.delay(failures, random, asked);
            prop_assert!(delay >= backoff.first / 2);
            prop_assert!(delay >= asked.unwrap_or_default().min(LONGEST_ASKED));
            prop_assert!(delay <= LONGEST_ASKED + backoff.longest);
        }
    }
}
