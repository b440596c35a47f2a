//! Why the pages cannot be served.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use super::SignInError;
use crate::config::ConfigError;
use crate::model::{Explain, RetryClass};

#[derive(Debug, Error)]
pub enum WebError {
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("the certificate or key of [web] cannot be used: {0}")]
    Certificate(String),
    #[error(transparent)]
    Key(#[from] ConfigError),
    #[error(transparent)]
    SignIn(#[from] SignInError),
}

impl Explain for WebError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Listen { .. } => RetryClass::Later,
            Self::Certificate(_) => RetryClass::Operator,
            Self::Key(e) => e.retry_class(),
            Self::SignIn(e) => e.retry_class(),
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "web_listen",
            Self::Certificate(_) => "web_certificate",
            Self::Key(e) => e.label(),
            Self::SignIn(e) => e.label(),
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::Listen { address, .. } => format!(
                "Stop the program that listens on {address}, or give another address in [web] or [metrics]; footage is still taken."
            ),
            Self::Certificate(_) => {
                "Correct `tls_certificate` and `tls_key` in [web]: PEM files, the server's own certificate first.".into()
            }
            Self::Key(e) => e.next_step(),
            Self::SignIn(e) => e.next_step(),
        }
    }
}
