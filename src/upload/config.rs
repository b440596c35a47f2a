use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use crate::config::{RetentionMode, StoreCredentials, StoreSettings};
use crate::model::Retention;

/// A secret in memory; wiped on drop, never printed.
pub type Secret = Zeroizing<String>;

/// Where and how to store. The station fills it from validated configuration; no `Debug`, because it holds secrets.
#[derive(Clone)]
pub struct StoreConfig {
    /// `None` for AWS S3 of the region.
    pub endpoint: Option<String>,
    pub region: String,
    pub bucket: String,
    /// `http://host/bucket/key` instead of `http://bucket.host/key`.
    pub path_style: bool,
    pub access_key: Secret,
    pub secret_key: Secret,
    pub session_token: Option<Secret>,
    /// PEM bundle: then only these authorities are trusted, not the system's.
    pub ca_file: Option<PathBuf>,
    pub connect_timeout: Duration,
    /// The limit for one call, without the time that its bytes need at `slowest_rate`.
    pub attempt_timeout: Duration,
    /// Bytes a second; a transfer below it is given up and tried again. A part of 8 MiB at 64 KiB/s has 128 s.
    pub slowest_rate: u64,
}

impl StoreConfig {
    /// The defaults for everything that is not given here.
    pub fn new(region: &str, bucket: &str, access_key: &str, secret_key: &str) -> Self {
        Self {
            endpoint: None,
            region: region.to_owned(),
            bucket: bucket.to_owned(),
            path_style: false,
            access_key: Zeroizing::new(access_key.to_owned()),
            secret_key: Zeroizing::new(secret_key.to_owned()),
            session_token: None,
            ca_file: None,
            connect_timeout: Duration::from_secs(10),
            attempt_timeout: Duration::from_mins(1),
            slowest_rate: 64 << 10,
        }
    }
}

impl StoreConfig {
    /// From a validated `[store]` and its keys.
    pub fn of(settings: &StoreSettings, keys: StoreCredentials) -> Self {
        Self {
            endpoint: settings.endpoint.clone(),
            path_style: settings.path_style,
            session_token: keys.session_token,
            ca_file: settings.ca_file.clone(),
            attempt_timeout: settings.answer,
            ..Self::new(
                &settings.region,
                &settings.bucket,
                &keys.access_key_id,
                &keys.secret_access_key,
            )
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Nobody can shorten the lock, not even the bucket's owner.
    Compliance,
    /// Users with a special right can shorten it.
    Governance,
}

impl LockMode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compliance => "COMPLIANCE",
            Self::Governance => "GOVERNANCE",
        }
    }
}

/// The time for which an object of a log is locked from its creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionPolicy {
    pub mode: LockMode,
    /// Days of 24 hours.
    pub days: u32,
}

impl RetentionPolicy {
    /// From a validated `[store]`; `None` when it asks for no lock.
    pub fn of(settings: &StoreSettings) -> Option<Self> {
        let mode = match settings.retention {
            RetentionMode::Compliance => LockMode::Compliance,
            RetentionMode::Governance => LockMode::Governance,
            RetentionMode::None => return None,
        };
        Some(Self {
            mode,
            days: settings.retention_days,
        })
    }

    /// The lock of an object created at `now`: whole seconds, as S3 keeps them.
    pub fn from(self, now: Timestamp) -> Retention {
        let until = now
            .checked_add(SignedDuration::from_hours(i64::from(self.days) * 24))
            .unwrap_or(Timestamp::MAX);
        Retention {
            mode: self.mode.as_str().to_owned(),
            until: Timestamp::from_second(until.as_second()).unwrap_or(until),
        }
    }
}
