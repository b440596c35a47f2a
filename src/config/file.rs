//! Reads a TOML file: bounded, and every error with its line.

use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::ConfigError;
use crate::model::Sha256Digest;

pub(super) const CONFIG_BYTES_MAX: u64 = 1 << 20;
pub(super) const ROSTER_BYTES_MAX: u64 = 16 << 20;

/// Key names that people use for secrets; none of them is a valid key.
const SECRET_WORDS: [&str; 8] = [
    "secret",
    "password",
    "passwd",
    "access_key",
    "token",
    "private",
    "wrap_key",
    "station_key",
];

/// SHA-256 of a configuration file's current bytes, for the `config.changed` event of a refused edit.
pub fn digest_of(path: &Path) -> Option<Sha256Digest> {
    read(path, ROSTER_BYTES_MAX)
        .ok()
        .map(|bytes| Sha256Digest::of(&bytes))
}

pub(super) fn read_text(path: &Path, limit: u64) -> Result<String, ConfigError> {
    let bytes = read(path, limit)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        ConfigError::Syntax {
            file: path.to_owned(),
            line: valid.split(|&b| b == b'\n').count(),
            column: 1,
            message: "the text is not UTF-8".into(),
        }
    })
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ConfigError> {
    let failed = |source| ConfigError::Read {
        file: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(failed)?
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(ConfigError::TooLarge {
            file: path.to_owned(),
            limit,
        });
    }
    Ok(bytes)
}

pub(super) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| explain(path, text, &error))
}

/// 1-based line and column (in characters) of a byte offset.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        1 + before.matches('\n').count(),
        1 + before[line_start..].chars().count(),
    )
}

fn explain(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let span: Range<usize> = error.span().unwrap_or(0..0);
    let (line, column) = position(text, span.start);
    let file = path.to_owned();
    // Only serde's message knows every key of the struct.
    for (prefix, what) in [("unknown field `", "key"), ("unknown variant `", "value")] {
        let Some(rest) = error.message().strip_prefix(prefix) else {
            continue;
        };
        let (key, known) = match rest.rsplit_once("`, expected ") {
            Some((key, known)) => (key, quoted(known)),
            None => (
                rest.rsplit_once("`, there are")
                    .map_or(rest, |(key, _)| key),
                Vec::new(),
            ),
        };
        let key: String = key.chars().take(64).flat_map(char::escape_debug).collect();
        if what == "key" && looks_secret(&key) {
            return ConfigError::SecretInFile { file, line, key };
        }
        return ConfigError::Unknown {
            nearest: nearest(&key, &known).map(Into::into),
            file,
            line,
            column,
            what,
            key: key.into(),
            known: known.into(),
        };
    }
    ConfigError::Syntax {
        file,
        line,
        column,
        message: without_values(error.message()),
    }
}

/// Removes the value from serde's type errors, because it might be a misplaced secret.
fn without_values(message: &str) -> String {
    let message = message.replace('\n', ", ");
    for kind in ["string", "character"] {
        if let Some((before, rest)) = message.split_once(&format!("{kind} \""))
            && let Some((_, after)) = rest.rsplit_once("\", expected ")
        {
            return format!("{before}a {kind}, expected {after}");
        }
    }
    message
}

fn looks_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    SECRET_WORDS.iter().any(|word| key.contains(word))
}

/// The words between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The known key that is fewest edits away, if it is at most a third of the key's length away.
fn nearest(key: &str, known: &[String]) -> Option<String> {
    known
        .iter()
        .map(|candidate| {
            let distance =
                strsim::damerau_levenshtein(&key.to_lowercase(), &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| *distance <= candidate.len().max(key.len()).div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate.clone())
}
