use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::audit::AuditError;
use crate::durable::DurableError;
use crate::model::{Explain, RetryClass};
use crate::upload::BoxError;

/// What keeps a log from being cosigned by one witness.
#[derive(Debug, Error)]
pub enum WitnessError {
    #[error("the witness cannot be reached")]
    Unreachable(#[source] BoxError),
    #[error("the witness did not answer within {seconds} s")]
    Silent { seconds: u64 },
    #[error("the witness answers with status {status} for now")]
    Unavailable { status: u16 },
    #[error("the witness refuses with status {status}: {said}")]
    Refused {
        status: u16,
        /// Escaped and short.
        said: String,
    },
    #[error("the answer is none that a witness gives: {0}")]
    Answer(&'static str),
    #[error("the answer holds no cosignature by the policy's key {key}")]
    OtherKey { key: String },
    #[error("the cosignature by the policy's key {key} is wrong")]
    WrongSignature { key: String },
    #[error("the witness has cosigned {theirs} entries, and this log has {ours}")]
    Ahead { theirs: u64, ours: u64 },
    #[error(
        "the witness finds that the log's {size} entries do not go on from what it has cosigned"
    )]
    Contradicts { size: u64 },
    #[error("what was kept of the witness's cosignatures cannot be read")]
    ReadKept(#[source] io::Error),
    #[error("what was kept of the witness's cosignatures does not hold: {0}")]
    Kept(AuditError),
    #[error(
        "the log does not go on from the {size} entries that the witness is known to have cosigned"
    )]
    LogDiffers { size: u64 },
    #[error("the policy names logs, and this one, {log}, is not among them")]
    OtherLog { log: String },
    #[error("TLS cannot be set up for the witness")]
    Tls(#[source] BoxError),
    #[error("the certificates of the witnesses' authority in {path} cannot be used")]
    CaFile {
        path: PathBuf,
        #[source]
        source: BoxError,
    },
    #[error(transparent)]
    Log(#[from] AuditError),
    #[error(transparent)]
    Durable(#[from] DurableError),
}

impl Explain for WitnessError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Unreachable(_) | Self::Silent { .. } | Self::Unavailable { .. } => {
                RetryClass::Later
            }
            Self::Log(inner) => inner.retry_class(),
            Self::Durable(inner) => inner.retry_class(),
            _ => RetryClass::Operator,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Unreachable(_)
            | Self::Silent { .. }
            | Self::Unavailable { .. }
            | Self::Tls(_) => "witness_unreachable",
            Self::CaFile { .. } => "witness_ca_file",
            Self::Refused { .. } => "witness_refused",
            Self::Answer(_) => "witness_answer",
            Self::OtherKey { .. } | Self::WrongSignature { .. } => "witness_key",
            Self::Ahead { .. } | Self::Contradicts { .. } | Self::LogDiffers { .. } => {
                "witness_contradicts"
            }
            Self::ReadKept(_) | Self::Kept(_) => "witness_record",
            Self::OtherLog { .. } => "witness_policy",
            Self::Log(inner) => inner.label(),
            Self::Durable(inner) => inner.label(),
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::Unreachable(_) | Self::Silent { .. } | Self::Unavailable { .. } => {
                "Check the network, the witness's address in the policy, and whether it runs; it is asked again automatically.".into()
            }
            Self::Tls(_) => "Check that the system's certificates are installed, for example the package `ca-certificates`.".into(),
            Self::CaFile { .. } => "Write the certificate of the authority that signed the witness's there (PEM), readable for the user `camdock`.".into(),
            Self::Refused { .. } => {
                "Give the witness's operator this log's public key, keys/log.pub in the state folder; an office needs it as `log_key` in office.toml.".into()
            }
            Self::Answer(_) => {
                "Check the address in the policy: is it the prefix of a C2SP witness? If it is, tell the witness's operator.".into()
            }
            Self::OtherKey { .. } | Self::WrongSignature { .. } => {
                "Compare the key in the policy with the one that the witness's operator names. If they are the same, somebody else answers at its address.".into()
            }
            Self::Ahead { .. } | Self::Contradicts { .. } | Self::LogDiffers { .. } => {
                "Run `camdock verify` and keep its output and the folder `witnesses`. If this station was put back from an old copy, follow what it says at its start; else call the evidence manager: the log was changed.".into()
            }
            Self::ReadKept(_) | Self::Kept(_) => {
                "Check the disk. The file is written anew with the witness's next cosignature.".into()
            }
            Self::OtherLog { .. } => {
                "Add a line `log` with keys/log.pub to the policy, or remove its `log` lines.".into()
            }
            Self::Log(inner) => inner.next_step(),
            Self::Durable(inner) => inner.next_step(),
        }
    }
}
