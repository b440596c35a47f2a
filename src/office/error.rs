use std::io;

use thiserror::Error;

use crate::audit::AuditError;
use crate::durable::DurableError;
use crate::model::{Explain, RetryClass, StationName};
use crate::upload::UploadError;

/// What the office finds wrong with a station's log, and what keeps it from its own work.
#[derive(Debug, Error)]
pub enum OfficeError {
    #[error("the log key of the station {station} in office.toml cannot be used")]
    StationKey {
        station: StationName,
        #[source]
        source: AuditError,
    },
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
    #[error("the witness's own record of the log of {station} is damaged: {what}")]
    OwnRecord { station: StationName, what: String },
    #[error("the witness's own record of the log of {station} cannot be read")]
    ReadRecord {
        station: StationName,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Log(#[from] AuditError),
    #[error(transparent)]
    Durable(#[from] DurableError),
    #[error(transparent)]
    Store(#[from] UploadError),
}

impl Explain for OfficeError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::NoLog { .. } | Self::TilesUnfit { .. } | Self::Silent { .. } => RetryClass::Later,
            Self::Log(inner) => inner.retry_class(),
            Self::Durable(inner) => inner.retry_class(),
            Self::Store(inner) => inner.retry_class(),
            _ => RetryClass::Operator,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::StationKey { .. } | Self::SameOrigin { .. } => "office_station_key",
            Self::NoLog { .. } => "office_log_absent",
            Self::Rewritten { .. } => "office_log_rewritten",
            Self::RolledBack { .. } => "office_log_rolled_back",
            Self::TilesUnfit { .. } => "office_log_tiles",
            Self::Silent { .. } => "office_log_silent",
            Self::OwnRecord { .. } | Self::ReadRecord { .. } => "office_record",
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
            _ => crate::model::codes::find(self.label())
                .map_or_else(String::new, |code| code.next_step.to_owned()),
        }
    }
}
