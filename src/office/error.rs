use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::audit::AuditError;
use crate::durable::DurableError;
use crate::model::{EvidenceId, Explain, Obstacle, RetryClass, ShareId, StationName};
use crate::publish::PublishError;
use crate::upload::{BoxError, UploadError};

/// What the office finds wrong with a station's log, and what keeps it from its own work.
#[derive(Debug, Error)]
pub enum OfficeError {
    #[error("the log key of the station {station} in office.toml cannot be used")]
    StationKey {
        station: StationName,
        #[source]
        source: AuditError,
    },
    #[error("the log key of the earlier office {office} in office.toml cannot be used")]
    EarlierKey {
        office: StationName,
        #[source]
        source: AuditError,
    },
    #[error("the log of the earlier office {office} cannot be read")]
    EarlierLog {
        office: StationName,
        #[source]
        source: AuditError,
    },
    #[error("the log of the earlier office {office} does not verify: {what}")]
    EarlierLogWrong { office: StationName, what: String },
    #[error("two stations in office.toml have logs of one origin, {origin}")]
    SameOrigin { origin: String },
    #[error("the bucket holds no log of the station {station}")]
    NoLog { station: StationName },
    #[error(
        "the log of {station} was rewritten: it has {size} entries now, and they do not begin with the {cosigned} that were cosigned"
    )]
    Rewritten {
        station: StationName,
        cosigned: u64,
        size: u64,
    },
    #[error(
        "the bucket shows {size} entries of the log of {station}, and {cosigned} were cosigned before"
    )]
    RolledBack {
        station: StationName,
        cosigned: u64,
        size: u64,
    },
    #[error("the tiles of the log of {station} do not lead to its signed root")]
    TilesUnfit { station: StationName },
    #[error("the log of {station} has not grown for {hours} hours")]
    Silent { station: StationName, hours: u64 },
    #[error(
        "the log of {station} was closed with {cosigned} entries, and the bucket shows {size} now"
    )]
    GrewAfterClose {
        station: StationName,
        cosigned: u64,
        size: u64,
    },
    #[error("this system gives no randomness")]
    NoRandomness,
    #[error("the reasons that wait in {path} cannot be read")]
    Texts {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the witness's own record of the log of {station} is damaged: {what}")]
    OwnRecord { station: StationName, what: String },
    #[error("the witness's own record of the log of {station} cannot be read")]
    ReadRecord {
        station: StationName,
        #[source]
        source: io::Error,
    },
    #[error(
        "the bucket holds another object as {key}, the name of a checkpoint that was cosigned here"
    )]
    CopyForeign {
        key: String,
        #[source]
        source: BoxError,
    },
    #[error("the entries of the log of {station} in the bucket do not lead to its signed root")]
    EntriesUnfit { station: StationName },
    #[error("the store's answer is no listing of {folder} in the order of its keys")]
    Listing { folder: String },
    #[error("the office's index cannot be read or written")]
    Index(#[from] rusqlite::Error),
    #[error("this office knows no item {item} of {station}")]
    NoItem {
        station: StationName,
        item: EvidenceId,
    },
    #[error("no station of this office has logged an item {item}")]
    UnknownItem { item: EvidenceId },
    #[error("the logs contradict each other about the item {item}: {what}")]
    ItemUnfit { item: EvidenceId, what: String },
    #[error("nothing of the item {item} is in the store")]
    NotStored { item: EvidenceId },
    #[error("{key} is not in the store, or not whole")]
    ObjectGone { key: String },
    #[error("nothing is to be decided about the item {item}: {why}")]
    NothingToDecide { item: EvidenceId, why: &'static str },
    #[error("the item {item} cannot be deleted by rule: {why}")]
    NotDisposable { item: EvidenceId, why: Obstacle },
    #[error("what the disposer says it has deleted makes no sense: {key}")]
    DisposalUnfit { key: String },
    #[error("the disposer says that it has deleted {key}, and the store still has it")]
    StillThere { key: String },
    #[error("the office's log does not say that the item {item} was deleted")]
    NotDisposed { item: EvidenceId },
    #[error("nothing proves that the item {item} was deleted by rule: {what}")]
    AgainstRule { item: EvidenceId, what: String },
    #[error("{station} has no such gap: {gap:?}")]
    NoGap { station: StationName, gap: String },
    #[error("the log of {station} has more than {most} entries, so nothing is said of its gaps")]
    LogTooLong { station: StationName, most: u64 },
    #[error("this is no public key on the curve P-384")]
    KeyUnfit,
    #[error("no key of {person} waits to be confirmed")]
    NoEnrolment { person: String },
    #[error("these are not the eight words of the key that waits for {person}")]
    WordsDiffer { person: String },
    #[error("{person} cannot confirm a key of their own")]
    OwnKey { person: String },
    #[error("{person} has no key in the address book")]
    NotInBook { person: String },
    #[error("this link was never made, was used, or has ended")]
    NoInvitation,
    #[error("{what}")]
    OutsiderUnfit { what: &'static str },
    #[error("it cannot be shared like this: {what}")]
    ShareUnfit { what: String },
    #[error("the item {item} is not shared: {why}")]
    NotShared { item: EvidenceId, why: &'static str },
    #[error("this office has made no share {share}")]
    NoShare { share: ShareId },
    #[error("the entry of this view could not be published within {limit:?}")]
    Unpublished { limit: Duration },
    #[error("no published act shares this with whoever asks for it: {share}")]
    ShareClosed { share: ShareId },
    #[error("the store does not say that the legal hold of {key} is as it was set")]
    NotHeld { key: String },
    #[error("the store does not say that {key} is locked as it was asked to")]
    NotLocked { key: String },
    #[error(
        "decisions of before are not in the bucket after {limit:?}, and each names the one before it"
    )]
    ActsWait { limit: Duration },
    #[error("the index has not read which items are restricted")]
    RestrictionsUnread,
    #[error(transparent)]
    Log(#[from] AuditError),
    #[error(transparent)]
    Durable(#[from] DurableError),
    #[error(transparent)]
    Store(#[from] UploadError),
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl OfficeError {
    /// It is about the followed log itself, and not about the store or this machine.
    pub const fn is_alarm(&self) -> bool {
        match self {
            Self::NoLog { .. }
            | Self::Rewritten { .. }
            | Self::RolledBack { .. }
            | Self::TilesUnfit { .. }
            | Self::Silent { .. }
            | Self::GrewAfterClose { .. } => true,
            Self::Log(error) => matches!(
                error,
                AuditError::Note(_)
                    | AuditError::ForeignKey { .. }
                    | AuditError::BadSignature { .. }
                    | AuditError::Missing { .. }
                    | AuditError::Corrupt { .. }
                    | AuditError::Proof(_)
            ),
            _ => false,
        }
    }

    /// Entries that the followed log claims, where that is the point.
    pub const fn claimed(&self) -> Option<u64> {
        match self {
            Self::Rewritten { size, .. }
            | Self::RolledBack { size, .. }
            | Self::GrewAfterClose { size, .. } => Some(*size),
            _ => None,
        }
    }

    /// The error with its causes.
    pub fn described(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        text
    }
}

impl Explain for OfficeError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::NoLog { .. }
            | Self::TilesUnfit { .. }
            | Self::EntriesUnfit { .. }
            | Self::Listing { .. }
            | Self::Silent { .. }
            | Self::NotStored { .. }
            | Self::Unpublished { .. }
            | Self::ActsWait { .. }
            | Self::RestrictionsUnread
            | Self::NoRandomness => RetryClass::Later,
            Self::Publish(inner) => inner.retry_class(),
            Self::EarlierLog { source, .. } => source.retry_class(),
            Self::Log(inner) => inner.retry_class(),
            Self::Durable(inner) => inner.retry_class(),
            Self::Store(inner) => inner.retry_class(),
            _ => RetryClass::Operator,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::StationKey { .. } | Self::SameOrigin { .. } => "office_station_key",
            Self::EarlierKey { .. } | Self::EarlierLog { .. } | Self::EarlierLogWrong { .. } => {
                "office_earlier_log"
            }
            Self::NoLog { .. } => "office_log_absent",
            Self::Rewritten { .. } => "office_log_rewritten",
            Self::RolledBack { .. } => "office_log_rolled_back",
            Self::TilesUnfit { .. } => "office_log_tiles",
            Self::Silent { .. } => "office_log_silent",
            Self::GrewAfterClose { .. } => "office_log_after_close",
            Self::CopyForeign { .. } => "office_copy_foreign",
            Self::EntriesUnfit { .. } => "office_entries",
            Self::Listing { .. } => "office_listing",
            Self::Index(_) => "office_index",
            Self::OwnRecord { .. } | Self::ReadRecord { .. } => "office_record",
            Self::NoRandomness | Self::Texts { .. } => "office_text",
            Self::NoItem { .. } => "watch_no_item",
            Self::UnknownItem { .. } => "pack_item_unknown",
            Self::ItemUnfit { .. } => "pack_item_unfit",
            Self::NothingToDecide { .. } => "office_nothing_to_decide",
            Self::NotDisposable { why, .. } => why.label(),
            Self::DisposalUnfit { .. } => "disposer_plan",
            Self::StillThere { .. } => "disposal_still_there",
            Self::NotDisposed { .. } => "disposal_not_done",
            Self::AgainstRule { .. } => "disposal_against_rule",
            Self::NoGap { .. } => "office_no_gap",
            Self::LogTooLong { .. } => "office_log_long",
            Self::KeyUnfit => "person_key_unfit",
            Self::NoEnrolment { .. } => "person_not_waiting",
            Self::WordsDiffer { .. } => "person_words_differ",
            Self::OwnKey { .. } => "person_own_key",
            Self::NotInBook { .. } => "person_unknown",
            Self::NoInvitation => "invitation_ended",
            Self::OutsiderUnfit { .. } => "invitation_unfit",
            Self::ShareUnfit { .. } => "share_unfit",
            Self::NotShared { .. } => "share_item_refused",
            Self::NoShare { .. } => "share_unknown",
            Self::NotStored { .. } => "watch_not_stored",
            Self::ObjectGone { .. } => "office_object_missing",
            Self::ShareClosed { .. } => "share_closed",
            Self::Unpublished { .. } => "watch_unpublished",
            Self::NotHeld { .. } => "office_not_held",
            Self::NotLocked { .. } => "office_lock_refused",
            Self::ActsWait { .. } => "office_acts_wait",
            Self::RestrictionsUnread => "office_restrictions",
            Self::Publish(inner) => inner.label(),
            Self::Log(inner) => inner.label(),
            Self::Durable(inner) => inner.label(),
            Self::Store(inner) => inner.label(),
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::Log(inner) => inner.next_step(),
            Self::Durable(inner) => inner.next_step(),
            Self::Store(inner) => inner.next_step(),
            Self::Publish(inner) => inner.next_step(),
            _ => crate::model::codes::find(self.label())
                .map_or_else(String::new, |code| code.next_step.to_owned()),
        }
    }
}
