use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error as ThisError;

use crate::model::{Explain, RetryClass};

pub type BoxError = Box<dyn Error + Send + Sync>;

/// In place of the store's code, for an answer without the ETag that Complete has to name.
pub(super) const NO_ETAG: &str = "no ETag";

/// Errors between the spool and the store. `action` is the S3 call, such as `upload part`.
#[derive(Debug, ThisError)]
pub enum UploadError {
    #[error("cannot reach the store to {action}")]
    Unreachable {
        action: &'static str,
        #[source]
        source: BoxError,
    },
    #[error("the store gave no answer within {limit:?} to {action}")]
    Timeout {
        action: &'static str,
        limit: Duration,
    },
    #[error("the store asks to slow down ({code}) at {action}")]
    Busy {
        action: &'static str,
        code: String,
        retry_after: Option<Duration>,
    },
    #[error("the store failed ({status} {code}) to {action}")]
    Server {
        action: &'static str,
        status: u16,
        code: String,
        retry_after: Option<Duration>,
    },
    #[error("the store's answer to {action} cannot be understood")]
    BadAnswer {
        action: &'static str,
        #[source]
        source: BoxError,
    },
    #[error(
        "the store refused what arrived at {action}: its checksum is not the one that was sent ({code})"
    )]
    Damaged { action: &'static str, code: String },
    #[error("another upload to {key} is under way")]
    Racing { key: String },
    /// The store has forgotten the multipart upload and holds no object: the next attempt begins a new one.
    #[error("the store no longer knows the unfinished upload of {key}")]
    UploadLost { key: String },
    #[error("stopped before {key} was stored")]
    Cancelled { key: String },

    #[error("the store does not accept these credentials ({code}) at {action}")]
    Credentials { action: &'static str, code: String },
    #[error("the credentials lack the right to {action} ({code})")]
    Forbidden { action: &'static str, code: String },
    #[error("the bucket {bucket} does not exist")]
    NoBucket { bucket: String },
    #[error("the bucket {bucket} has no Object Lock")]
    NoObjectLock { bucket: String },
    #[error(
        "this station's clock is off by {seconds} s from the store's, which refuses to {action}"
    )]
    ClockSkew { action: &'static str, seconds: i64 },
    #[error("the bucket is not in this region or at this endpoint ({code}) to {action}")]
    WrongRegion { action: &'static str, code: String },
    #[error("the store's TLS certificate is not trusted at {action}")]
    Tls {
        action: &'static str,
        #[source]
        source: BoxError,
    },
    #[error("the store refuses to {action} ({status} {code}: {message})")]
    Refused {
        action: &'static str,
        status: u16,
        code: String,
        message: String,
    },
    #[error("{key} is in the store already, and the credentials do not allow reading its checksum")]
    ConflictUnknown {
        key: String,
        #[source]
        source: Option<BoxError>,
    },
    #[error("the store took {key} but names neither its SHA-256 checksum nor its MD5")]
    Unconfirmed { key: String },
    #[error("{0}; nothing more is put into this store")]
    Stopped(Arc<Self>),
    #[error("{what} {path}")]
    Setup {
        what: &'static str,
        path: String,
        #[source]
        source: BoxError,
    },
    #[error("the upload's progress cannot be noted on this station")]
    Ledger(#[source] BoxError),

    #[error(
        "the store holds something else at {key} than this station: {theirs} there, {ours} here"
    )]
    ContentDiffers {
        key: String,
        ours: String,
        theirs: String,
    },
    #[error("this station's sealed file for {key} is damaged or unreadable at byte {offset}")]
    SpoolDamaged {
        key: String,
        offset: u64,
        #[source]
        source: BoxError,
    },
    #[error(
        "the store does not lock {key} as it was asked to: {asked} was asked for, {seen} is what it says"
    )]
    NotLocked {
        key: String,
        asked: String,
        seen: String,
    },
    #[error("a recording of {bytes} sealed bytes is more than a store takes as one object")]
    TooLarge { bytes: u64 },
    #[error("{key} in the store is larger than the {limit} bytes expected of it")]
    Oversized { key: String, limit: u64 },
}

impl UploadError {
    /// The pause that the store asked for.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } | Self::Server { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// True when the call may have taken effect although it failed.
    pub const fn may_have_happened(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Timeout { .. }
                | Self::Busy { .. }
                | Self::Server { .. }
                | Self::BadAnswer { .. }
        )
    }

    /// True when the store's content contradicts ours: somebody must look before anything is removed.
    pub const fn is_alarm(&self) -> bool {
        matches!(
            self,
            Self::ContentDiffers { .. } | Self::SpoolDamaged { .. } | Self::NotLocked { .. }
        )
    }
}

impl Explain for UploadError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Busy { .. }
            | Self::Server { .. }
            | Self::BadAnswer { .. }
            | Self::Damaged { .. }
            | Self::Racing { .. }
            | Self::UploadLost { .. }
            | Self::Cancelled { .. } => RetryClass::Later,
            Self::Credentials { .. }
            | Self::Forbidden { .. }
            | Self::NoBucket { .. }
            | Self::NoObjectLock { .. }
            | Self::ClockSkew { .. }
            | Self::WrongRegion { .. }
            | Self::Tls { .. }
            | Self::Refused { .. }
            | Self::ConflictUnknown { .. }
            | Self::Unconfirmed { .. }
            | Self::Stopped(_)
            | Self::NotLocked { .. }
            | Self::Setup { .. }
            | Self::Ledger(_) => RetryClass::Operator,
            Self::ContentDiffers { .. }
            | Self::SpoolDamaged { .. }
            | Self::TooLarge { .. }
            | Self::Oversized { .. } => RetryClass::Never,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "store_unreachable",
            Self::Timeout { .. } => "store_timeout",
            Self::Busy { .. } => "store_busy",
            Self::Server { .. } => "store_failure",
            Self::BadAnswer { .. } => "store_bad_answer",
            Self::Damaged { .. } => "store_checksum_refused",
            Self::Racing { .. } => "store_racing",
            Self::UploadLost { .. } => "store_upload_lost",
            Self::Cancelled { .. } => "cancelled",
            Self::Credentials { .. } => "store_credentials",
            Self::Forbidden { .. } => "store_forbidden",
            Self::NoBucket { .. } => "store_no_bucket",
            Self::NoObjectLock { .. } => "store_no_object_lock",
            Self::ClockSkew { .. } => "store_clock_skew",
            Self::WrongRegion { .. } => "store_wrong_region",
            Self::Tls { .. } => "store_tls",
            Self::Refused { .. } => "store_refused",
            Self::ConflictUnknown { .. } => "store_conflict_unknown",
            Self::Unconfirmed { .. } => "store_unconfirmed",
            Self::Stopped(why) => why.label(),
            Self::NotLocked { .. } => "store_not_locked",
            Self::Setup { .. } => "store_setup",
            Self::Ledger(_) => "upload_ledger",
            Self::ContentDiffers { .. } => "store_content_differs",
            Self::SpoolDamaged { .. } => "spool_damaged",
            Self::TooLarge { .. } => "too_large",
            Self::Oversized { .. } => "store_oversized",
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => {
                "Check the network and the store's endpoint; the upload resumes when the store answers.".into()
            }
            Self::Busy { .. } | Self::Server { .. } | Self::BadAnswer { .. } => {
                "Nothing to do now: the upload is tried again. If it lasts, ask whoever runs the store.".into()
            }
            Self::Damaged { .. } => {
                "Nothing to do now: it is sent again. If it repeats, test this station's memory and network.".into()
            }
            Self::Racing { .. } | Self::UploadLost { .. } | Self::Cancelled { .. } => {
                "Nothing to do: the upload is tried again automatically.".into()
            }
            Self::Credentials { .. } => {
                "Give the service valid access and secret keys of the store, then restart it.".into()
            }
            Self::Forbidden { action, .. } => {
                format!("Give the station's credentials the right to {action}: config/station-policy.json has all that is needed. It is tried again automatically.")
            }
            Self::NoBucket { bucket } => {
                format!("Create the bucket {bucket} with Object Lock, or correct its name in the configuration.")
            }
            Self::NoObjectLock { bucket } => format!(
                "Create a bucket with Object Lock (it can't always be added to {bucket} later), or switch retention off in the configuration."
            ),
            Self::ClockSkew { .. } => {
                "Set this station's clock: start time synchronisation and check its time server.".into()
            }
            Self::WrongRegion { .. } => {
                "Correct the store's region and endpoint in the configuration.".into()
            }
            Self::Tls { .. } => {
                "Name the certificate authority of the store in `ca_file`, or renew the store's certificate.".into()
            }
            Self::Refused { status: 413, .. } => {
                "A proxy or gateway in front of the store limits the size of a request: raise its limit above part_size in [upload] (nginx: client_max_body_size), or lower part_size.".into()
            }
            Self::Refused { code, .. } if code == NO_ETAG => {
                "A proxy or gateway in front of the store removes the ETag of an answer: let it pass.".into()
            }
            Self::Refused { status, code, .. } if *status == 501 || code == "NotImplemented" => {
                "The store, or a gateway in front of it, does not know this request: `camdock check --store` says which of them it lacks. Update it, or use one with multipart uploads, checksums and Object Lock.".into()
            }
            Self::Refused { code, .. } => {
                format!("Look up {code} in the store's documentation and correct the bucket or the configuration.")
            }
            Self::ConflictUnknown { key, .. } => format!(
                "Allow the station to read the checksum of {key} (s3:GetObject), or compare the object with `camdock verify` from a machine that may."
            ),
            Self::Unconfirmed { .. } => {
                "Use a store that names SHA-256 checksums or MD5 ETags, allow the station to ask for them, then restart the service.".into()
            }
            Self::Stopped(why) => why.next_step(),
            Self::NotLocked { .. } => {
                "Call the evidence manager: anybody with the right to delete can delete from this store. Use one with Object Lock, check it with `camdock check --store`, then restart the service.".into()
            }
            Self::Setup { path, .. } => format!("Correct what [store] of camdock.toml says of {path}, then run `camdock check`."),
            Self::Ledger(_) => {
                "Check the station's disk and the journal, then restart the service.".into()
            }
            Self::ContentDiffers { key, .. } => format!(
                "Call the evidence manager and remove nothing: find out who wrote {key}. The station keeps its own copy."
            ),
            Self::SpoolDamaged { .. } => {
                "Check the station's disk, and leave the camera docked or dock it again: the recording is taken anew. If the camera no longer has it, call the evidence manager.".into()
            }
            Self::TooLarge { .. } => {
                "Keep the camera and copy this recording by hand: it is beyond what S3 stores.".into()
            }
            Self::Oversized { key, .. } => {
                format!("Find out who wrote {key}: it is not what CamDock puts there.")
            }
        }
    }
}
