//! Why nobody is signed in.

use std::path::PathBuf;

use thiserror::Error;

use crate::config::ConfigError;
use crate::model::{Explain, RetryClass};
use crate::web::outbound::OutboundError;

/// Why somebody is not signed in.
#[derive(Debug, Error)]
pub enum SignInError {
    #[error("the provider cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the provider does not answer")]
    Silent,
    #[error("the provider's answer cannot be used: {0}")]
    Answer(&'static str),
    #[error("the provider refuses this office with status {status}, {why:?}")]
    Refused { status: u16, why: String },
    #[error("this way back belongs to no sign-in that was begun in this browser")]
    NoFlow,
    #[error("the provider did not sign anybody in")]
    Declined,
    #[error("the provider's ID token is not accepted: {0}")]
    IdToken(String),
    #[error("the provider names nobody in the claim {0}")]
    NoName(String),
    #[error("no group of {0} has a role or a station here")]
    NoRole(String),
    #[error("the sign-in could not be entered in the office's log: {0}")]
    NotLogged(String),
    #[error("this system gives no randomness")]
    NoRandomness,
    #[error("the certificates of [people] in {file} cannot be used: {why}")]
    Trust { file: PathBuf, why: String },
    #[error(transparent)]
    Secret(#[from] ConfigError),
}

impl From<OutboundError> for SignInError {
    fn from(error: OutboundError) -> Self {
        match error {
            OutboundError::Unreachable(source) => Self::Unreachable(source),
            OutboundError::Trust { file, why } => Self::Trust { file, why },
        }
    }
}

impl Explain for SignInError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Unreachable(_) | Self::Silent | Self::NoFlow | Self::NotLogged(_) => {
                RetryClass::Later
            }
            Self::Secret(inner) => inner.retry_class(),
            _ => RetryClass::Operator,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Unreachable(_) | Self::Silent => "sign_in_unreachable",
            Self::Answer(_) | Self::Refused { .. } | Self::IdToken(_) => "sign_in_answer",
            Self::NoFlow | Self::Declined => "sign_in_not_begun",
            Self::NoName(_) | Self::NoRole(_) => "sign_in_no_role",
            Self::NotLogged(_) | Self::NoRandomness => "access_not_logged",
            Self::Trust { .. } => "sign_in_ca_file",
            Self::Secret(inner) => inner.label(),
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::Secret(inner) => inner.next_step(),
            _ => crate::model::codes::find(self.label())
                .map_or_else(String::new, |code| code.next_step.to_owned()),
        }
    }
}
