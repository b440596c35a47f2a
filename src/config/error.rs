use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::model::{Explain, RetryClass};

/// Errors of a configuration file or a secret. Never holds a secret's bytes or a line that may contain one.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("cannot read {}", file.display())]
    Read {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is larger than {limit} bytes", file.display())]
    TooLarge { file: PathBuf, limit: u64 },
    #[error("{}:{line}:{column}: {message}", file.display())]
    Syntax {
        file: PathBuf,
        line: usize,
        column: usize,
        message: String,
    },
    #[error("{}:{line}:{column}: unknown {what} `{key}`{}", file.display(), did_you_mean(nearest.as_deref()))]
    Unknown {
        file: PathBuf,
        line: usize,
        column: usize,
        /// `key` or `value`.
        what: &'static str,
        key: Box<str>,
        nearest: Option<Box<str>>,
        known: Box<[String]>,
    },
    #[error("{}:{line}: the key `{key}` looks like a secret, and secrets are never read from this file", file.display())]
    SecretInFile {
        file: PathBuf,
        line: usize,
        key: String,
    },
    #[error("{}: `{key}` is missing", file.display())]
    Missing {
        file: PathBuf,
        key: &'static str,
        fix: &'static str,
    },
    #[error("{}{}: `{key}` {message}", file.display(), line_suffix(*line))]
    Invalid {
        file: PathBuf,
        line: Option<usize>,
        key: String,
        message: String,
        fix: String,
    },
    #[error("{} has {} errors{}", file.display(), problems.len(), listed(problems))]
    Several {
        file: PathBuf,
        /// At least two.
        problems: Vec<ConfigError>,
    },
    #[error("{} holds a private key where a recipient's public key belongs", file.display())]
    PrivateKey { file: PathBuf },
    #[error("the secret {name} was not found")]
    SecretMissing { name: String, fix: String },
    #[error("the secret file {} can be read by others (mode {mode:04o})", file.display())]
    SecretExposed { file: PathBuf, mode: u32 },
    #[error("the secret {name} in {} {message}", file.display())]
    SecretMalformed {
        name: String,
        file: PathBuf,
        message: &'static str,
        fix: &'static str,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |key| format!("; did you mean `{key}`?"))
}

fn line_suffix(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(":{line}"))
}

fn listed(problems: &[ConfigError]) -> String {
    problems.iter().fold(String::new(), |mut text, problem| {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {problem}");
        text
    })
}

impl Explain for ConfigError {
    fn retry_class(&self) -> RetryClass {
        RetryClass::Operator
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Read { .. } => "config_unreadable",
            Self::TooLarge { .. } => "config_too_large",
            Self::Syntax { .. } => "config_syntax",
            Self::Unknown { .. } => "config_unknown_key",
            Self::SecretInFile { .. } => "config_secret_in_file",
            Self::Missing { .. } => "config_missing",
            Self::Invalid { .. } | Self::Several { .. } => "config_invalid",
            Self::PrivateKey { .. } => "config_private_key",
            Self::SecretMissing { .. } => "secret_missing",
            Self::SecretExposed { .. } => "secret_exposed",
            Self::SecretMalformed { .. } => "secret_malformed",
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::Read { file, .. } => format!(
                "Check that {} exists and that the user `camdock` may read it, or name another file with --config.",
                file.display()
            ),
            Self::TooLarge { .. } => {
                "Check that the path names the file you mean and make the file smaller.".into()
            }
            Self::Syntax { line, .. } => format!("Correct line {line}, then run `camdock check`."),
            Self::Unknown {
                nearest: Some(nearest),
                line,
                ..
            } => format!("Write `{nearest}` in line {line}, or remove the line."),
            Self::Unknown { known, line, .. } => format!(
                "Correct or remove line {line}; known here: {}.",
                known.join(", ")
            ),
            Self::SecretInFile { .. } => WHERE_SECRETS_GO.into(),
            Self::Missing { fix, .. } | Self::SecretMalformed { fix, .. } => (*fix).into(),
            Self::Invalid { fix, .. } | Self::SecretMissing { fix, .. } => fix.clone(),
            Self::Several { problems, .. } => {
                let mut steps: Vec<_> = problems.iter().map(Explain::next_step).collect();
                steps.dedup();
                steps.join(" ")
            }
            Self::PrivateKey { file } => format!(
                "Move {} off this station at once: whoever has it can open the footage. Put the public key there instead (`camdock keygen recipient` writes both; the public file begins `-----BEGIN PUBLIC KEY-----`).",
                file.display()
            ),
            Self::SecretExposed { file, .. } => format!(
                "Run `chmod 0600 {0}` and make the service's user its owner; if others may have read it, replace the secret.",
                file.display()
            ),
        }
    }
}

pub(super) const WHERE_SECRETS_GO: &str = "Remove it from the file and replace the secret if others could read it. Give the store's keys as systemd credentials (`store-access-key-id`, `store-secret-access-key`), in a file with mode 0600 named by `credentials_file` in [store], or in the environment (CAMDOCK_STORE_ACCESS_KEY_ID, CAMDOCK_STORE_SECRET_ACCESS_KEY).";
