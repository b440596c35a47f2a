//! Limits how often one address, or one share, may ask.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::model::ShareId;

/// A token bucket for each of `K`.
pub(crate) struct RateLimit<K = IpAddr> {
    burst: f64,
    per_second: f64,
    buckets: Mutex<HashMap<K, (f64, Instant)>>,
}

/// Buckets that are remembered; beyond that full ones are forgotten, then all.
const BUCKETS_MAX: usize = 4096;

impl RateLimit {
    /// Counts one request; `false`: too many.
    pub fn take(&self, from: IpAddr) -> bool {
        self.take_at(network(from), Instant::now())
    }

    /// Whether another one would be allowed; counts nothing.
    pub fn has(&self, from: IpAddr) -> bool {
        self.change(network(from), Instant::now(), 0.0)
    }
}

impl RateLimit<ShareId> {
    /// Counts one request; `false`: too many.
    pub fn take(&self, share: ShareId) -> bool {
        self.take_at(share, Instant::now())
    }
}

impl<K: Eq + Hash + Copy> RateLimit<K> {
    pub fn new(burst: u32, per: Duration) -> Self {
        Self {
            burst: f64::from(burst),
            per_second: 1.0 / per.as_secs_f64(),
            buckets: Mutex::default(),
        }
    }

    fn take_at(&self, of: K, now: Instant) -> bool {
        self.change(of, now, 1.0)
    }

    fn change(&self, of: K, now: Instant, take: f64) -> bool {
        let mut buckets = self.buckets.lock();
        let filled = |(level, at): (f64, Instant)| {
            (level + now.duration_since(at).as_secs_f64() * self.per_second).min(self.burst)
        };
        if buckets.len() >= BUCKETS_MAX {
            buckets.retain(|_, bucket| filled(*bucket) < self.burst);
            if buckets.len() >= BUCKETS_MAX {
                buckets.clear();
            }
        }
        let level = buckets
            .get(&of)
            .map_or(self.burst, |bucket| filled(*bucket));
        let fine = level >= 1.0;
        let left = if fine { level - take } else { level };
        buckets.insert(of, (left, now));
        fine
    }
}

/// A /64 network of IPv6 counts as one address.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => IpAddr::V6((v6.to_bits() & !(u128::MAX >> 64)).into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_per_address_and_recovers_with_time() {
        let limiter = RateLimit::new(3, Duration::from_secs(1));
        let (a, b): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let now = Instant::now();
        let take = |from, now| limiter.take_at(network(from), now);
        assert!((0..3).all(|_| take(a, now)));
        assert!(!take(a, now));
        assert!(take(b, now));
        assert!(take(a, now + Duration::from_millis(1100)));
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        assert!((0..3).all(|_| take(v6, now)));
        assert!(!take(neighbour, now));
    }
}
