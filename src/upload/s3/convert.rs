//! Between the model's plain values and the SDK's.

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::ObjectLockMode;

use crate::model::Retention;

pub fn lock_mode(retention: Option<&Retention>) -> Option<ObjectLockMode> {
    retention.map(|retention| ObjectLockMode::from(retention.mode.as_str()))
}

pub fn lock_until(retention: Option<&Retention>) -> Option<DateTime> {
    retention.map(|retention| DateTime::from_secs(retention.until.as_second()))
}

pub fn part_number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

pub fn length(length: Option<i64>) -> u64 {
    length
        .and_then(|length| u64::try_from(length).ok())
        .unwrap_or(0)
}
