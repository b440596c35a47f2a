use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::durable::DurableError;
use crate::model::{Explain, RetryClass};

/// What keeps a pack from being made.
#[derive(Debug, Error)]
pub enum PackError {
    #[error("{} exists already", path.display())]
    Exists { path: PathBuf },
    #[error("{} is left over from a pack that was not finished", path.display())]
    LeftOver { path: PathBuf },
    #[error("a pack cannot hold two files of the name {name}")]
    Twice { name: String },
    #[error("the file {} of the pack cannot be read back", path.display())]
    ReadBack {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the ZIP cannot be written")]
    Zip(#[source] io::Error),
    #[error(transparent)]
    Durable(#[from] DurableError),
}

impl Explain for PackError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Durable(inner) => inner.retry_class(),
            Self::Twice { .. } => RetryClass::Never,
            _ => RetryClass::Operator,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "pack_exists",
            Self::LeftOver { .. } => "pack_left_over",
            Self::Twice { .. } | Self::ReadBack { .. } | Self::Zip(_) => "pack_write",
            Self::Durable(inner) => inner.label(),
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::Durable(inner) => inner.next_step(),
            _ => crate::model::codes::find(self.label())
                .map_or_else(String::new, |code| code.next_step.to_owned()),
        }
    }
}
