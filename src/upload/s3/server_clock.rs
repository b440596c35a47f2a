use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use jiff::Timestamp;

const UNKNOWN: i64 = i64::MIN;

/// Watches the `Date` header of every answer: how far the store's clock is from ours.
#[derive(Debug)]
pub struct ServerClock(AtomicI64);

impl Default for ServerClock {
    fn default() -> Self {
        Self(AtomicI64::new(UNKNOWN))
    }
}

impl ServerClock {
    /// Seconds that the store's clock is ahead of ours.
    pub fn ahead(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&seconds| seconds != UNKNOWN)
    }

    fn note(&self, date: &str, now: Timestamp) {
        if let Some(seconds) = ahead_of(date, now) {
            self.0.store(seconds, Ordering::Relaxed);
        }
    }
}

/// Seconds from `now` to an HTTP date (RFC 9110, section 5.6.7, the preferred form).
fn ahead_of(date: &str, now: Timestamp) -> Option<i64> {
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(theirs.as_second() - now.as_second())
}

/// The client takes ownership of its interceptor; the store keeps the other reference.
#[derive(Debug)]
pub struct ClockInterceptor(pub Arc<ServerClock>);

impl Intercept for ClockInterceptor {
    fn name(&self) -> &'static str {
        "ServerClock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date) = context.response().headers().get("date") {
            self.0.note(date, Timestamp::now());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stores_clock_is_read_from_its_date_header() {
        let now: Timestamp = "2026-11-24T01:06:54.9Z".parse().unwrap();
        assert_eq!(ahead_of("Tue, 24 Nov 2026 01:06:54 GMT", now), Some(0));
        assert_eq!(ahead_of("Tue, 24 Nov 2026 02:06:54 GMT", now), Some(3600));
        assert_eq!(ahead_of("Tue, 24 Nov 2026 01:00:54 GMT", now), Some(-360));
        assert_eq!(ahead_of("yesterday", now), None);
        assert_eq!(ServerClock::default().ahead(), None);
    }
}
