use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use thiserror::Error;
use tokio::sync::Mutex;

/// The longest sleep at a time, after which a changed clock or a new rule is noticed.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// Never more than this many bits a second from `from` until `until`, station time, each day; `until` at or before
/// `from` runs over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaceRule {
    pub from: Time,
    pub until: Time,
    pub bits_per_second: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PaceError {
    #[error("a pace of {0} bits a second would never end: at least 100,000 are needed")]
    TooSlow(u64),
}

/// Slower than this, one part would take more than ten minutes.
const SLOWEST: u64 = 100_000;

impl PaceRule {
    fn holds(&self, now: Time) -> bool {
        if self.from < self.until {
            self.from <= now && now < self.until
        } else {
            now >= self.from || now < self.until
        }
    }
}

/// The time, as the pacer needs it. Tests pass their own clock.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
    /// The time since some fixed moment; it never goes back.
    fn elapsed(&self) -> Duration;
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// Keeps all uploads of the station together below a rate by time of day. Bytes are let through a part at a time: the
/// average over a few parts is what is bounded.
pub struct Pacer {
    rules: Vec<PaceRule>,
    zone: TimeZone,
    clock: Box<dyn Clock>,
    /// The time at which the bytes let through so far fit the rate. The holder of the lock waits; the others queue in order.
    paid_until: Mutex<Duration>,
}

impl Pacer {
    pub fn new(
        rules: Vec<PaceRule>,
        zone: TimeZone,
        clock: Box<dyn Clock>,
    ) -> Result<Self, PaceError> {
        if let Some(rule) = rules.iter().find(|rule| rule.bits_per_second < SLOWEST) {
            return Err(PaceError::TooSlow(rule.bits_per_second));
        }
        Ok(Self {
            rules,
            zone,
            clock,
            paid_until: Mutex::new(Duration::ZERO),
        })
    }

    /// A pacer without any limit.
    pub fn unlimited() -> Self {
        Self {
            rules: Vec::new(),
            zone: TimeZone::UTC,
            clock: Box::new(SystemClock::default()),
            paid_until: Mutex::new(Duration::ZERO),
        }
    }

    /// The rate that holds now, in bits a second: the lowest of the rules that apply; `None`: no limit.
    pub fn rate(&self) -> Option<u64> {
        let now = self.clock.now().to_zoned_datetime(self.zone.clone()).time();
        self.rules
            .iter()
            .filter(|rule| rule.holds(now))
            .map(|rule| rule.bits_per_second)
            .min()
    }

    /// Waits until `bytes` may be sent. Cancel-safe: a call that is dropped while it waits has used nothing of the rate.
    pub async fn take(&self, bytes: u64) {
        if self.rules.is_empty() {
            return;
        }
        let mut paid_until = self.paid_until.lock().await;
        loop {
            let Some(rate) = self.rate() else {
                // Bytes that were let through under a limit do not count in a time without one.
                *paid_until = self.clock.elapsed();
                return;
            };
            let now = self.clock.elapsed();
            let Some(wait) = paid_until.checked_sub(now).filter(|wait| !wait.is_zero()) else {
                *paid_until = now + cost(bytes, rate);
                return;
            };
            self.clock
                .sleep(wait.min(LONGEST_SLEEP).min(self.until_rules_change()))
                .await;
        }
    }

    /// The time until a rule next begins or ends; never zero.
    fn until_rules_change(&self) -> Duration {
        let now = self.clock.now().to_zoned_datetime(self.zone.clone());
        self.rules
            .iter()
            .flat_map(|rule| [rule.from, rule.until])
            .filter_map(|time| {
                let mut next = now.with().time(time).build().ok()?;
                if next <= now {
                    next = next.checked_add(1.day()).ok()?;
                }
                Duration::try_from(next.timestamp().duration_since(now.timestamp())).ok()
            })
            .min()
            .unwrap_or(LONGEST_SLEEP)
            .max(Duration::from_millis(10))
    }
}

/// Time that `bytes` need at `rate` bits a second.
fn cost(bytes: u64, rate: u64) -> Duration {
    let nanos = u128::from(bytes) * 8 * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use jiff::SignedDuration;

    use super::*;

    const PART: u64 = 8 << 20;

    /// Time passes only while someone sleeps.
    struct FakeClock {
        start: Timestamp,
        millis: AtomicU64,
    }

    impl Clock for Arc<FakeClock> {
        fn now(&self) -> Timestamp {
            self.start + SignedDuration::try_from(self.elapsed()).unwrap()
        }

        fn elapsed(&self) -> Duration {
            Duration::from_millis(self.millis.load(Ordering::SeqCst))
        }

        fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            let millis = u64::try_from(time.as_millis()).unwrap() + 1;
            self.millis.fetch_add(millis, Ordering::SeqCst);
            Box::pin(tokio::task::yield_now())
        }
    }

    fn rule(from: &str, until: &str, mbit: u64) -> PaceRule {
        PaceRule {
            from: from.parse().unwrap(),
            until: until.parse().unwrap(),
            bits_per_second: mbit * 1_000_000,
        }
    }

    fn pacer(start: &str, rules: Vec<PaceRule>) -> (Pacer, Arc<FakeClock>) {
        let clock = Arc::new(FakeClock {
            start: start.parse().unwrap(),
            millis: AtomicU64::new(0),
        });
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let pacer = Pacer::new(rules, zone, Box::new(Arc::clone(&clock))).unwrap();
        (pacer, clock)
    }

    #[tokio::test]
    async fn a_limit_holds_on_average() {
        // 09:00 in Berlin.
        let (pacer, clock) = pacer("2026-11-24T08:00:00Z", vec![rule("07:00", "19:00", 20)]);
        for _ in 0..11 {
            pacer.take(PART).await;
        }
        // The time of ten parts passes before the eleventh is sent: 83.9 MB at 2.5 MB/s.
        let seconds = clock.elapsed().as_secs_f64();
        assert!((33.5..34.0).contains(&seconds), "{seconds}");
    }

    #[tokio::test]
    async fn nothing_is_limited_outside_the_rules() {
        // 19:30 in Berlin.
        let (pacer, clock) = pacer("2026-11-24T18:30:00Z", vec![rule("07:00", "19:00", 1)]);
        for _ in 0..1000 {
            pacer.take(PART).await;
        }
        assert_eq!(clock.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_waiting_part_goes_out_when_the_limit_ends() {
        // 18:59 in Berlin; 512 MiB at 1 Mbit/s would take more than an hour.
        let (pacer, clock) = pacer("2026-11-24T17:59:00Z", vec![rule("07:00", "19:00", 1)]);
        pacer.take(512 << 20).await;
        pacer.take(512 << 20).await;
        let seconds = clock.elapsed().as_secs_f64();
        assert!((60.0..61.0).contains(&seconds), "{seconds}");
    }

    #[tokio::test]
    async fn parallel_uploads_share_one_limit() {
        let (pacer, clock) = pacer("2026-11-24T08:00:00Z", vec![rule("00:00", "00:00", 8)]);
        let take = || pacer.take(1_000_000);
        futures_util::future::join_all((0..11).map(|_| take())).await;
        let seconds = clock.elapsed().as_secs_f64();
        assert!((10.0..10.2).contains(&seconds), "{seconds}");
    }

    #[tokio::test]
    async fn one_that_gives_up_waiting_has_taken_nothing() {
        let (pacer, clock) = pacer("2026-11-24T08:00:00Z", vec![rule("00:00", "00:00", 8)]);
        pacer.take(1_000_000).await;
        let waiting = pacer.take(1_000_000_000);
        assert!(futures_util::FutureExt::now_or_never(waiting).is_none());
        pacer.take(1_000_000).await;
        assert!(clock.elapsed() < Duration::from_millis(1_100));
    }

    #[test]
    fn the_lowest_of_the_rules_that_apply_holds_also_over_midnight() {
        let rules = vec![rule("22:00", "06:00", 50), rule("05:00", "07:00", 10)];
        for (utc, rate) in [
            ("2026-11-24T20:59:59Z", None),
            ("2026-11-24T21:00:00Z", Some(50_000_000)),
            ("2026-11-24T23:30:00Z", Some(50_000_000)),
            ("2026-11-24T04:00:00Z", Some(10_000_000)),
            ("2026-11-24T05:30:00Z", Some(10_000_000)),
            ("2026-11-24T06:00:00Z", None),
            // Summer time: 05:00 in Berlin is 03:00 UTC.
            ("2026-07-24T03:00:00Z", Some(10_000_000)),
        ] {
            assert_eq!(pacer(utc, rules.clone()).0.rate(), rate, "{utc}");
        }
    }

    #[test]
    fn a_pace_that_would_never_end_is_refused() {
        let slow = PaceRule {
            from: Time::midnight(),
            until: Time::midnight(),
            bits_per_second: 0,
        };
        let clock = Box::<SystemClock>::default();
        let error = Pacer::new(vec![slow], TimeZone::UTC, clock).err();
        assert_eq!(error, Some(PaceError::TooSlow(0)));
    }
}
