//! Columns of the journal as the model's types; what does not fit is corruption, never a panic.

use std::str::FromStr;

use rusqlite::Row;

use super::JournalError;
use crate::model::{ItemKind, ItemState, SourcePath};

pub(super) fn id_column(
    row: &Row<'_>,
    index: usize,
    what: &'static str,
) -> Result<[u8; 16], JournalError> {
    row.get(index).map_err(|e| match e {
        rusqlite::Error::FromSqlConversionFailure(..) => JournalError::Corrupt {
            what,
            value: e.to_string(),
        },
        other => other.into(),
    })
}

pub(super) fn path_column(row: &Row<'_>, index: usize) -> Result<SourcePath, JournalError> {
    let bytes: Vec<u8> = row.get(index)?;
    SourcePath::new(bytes).map_err(|e| JournalError::Corrupt {
        what: "a path",
        value: e.to_string(),
    })
}

pub(super) fn column<T: FromStr>(text: &str, what: &'static str) -> Result<T, JournalError> {
    text.parse().map_err(|_| JournalError::Corrupt {
        what,
        value: text.to_owned(),
    })
}

pub(super) const fn kind_name(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Video => "video",
        ItemKind::Sidecar => "sidecar",
        ItemKind::Other => "other",
    }
}

pub(super) fn kind_of(name: String) -> Result<ItemKind, JournalError> {
    match name.as_str() {
        "video" => Ok(ItemKind::Video),
        "sidecar" => Ok(ItemKind::Sidecar),
        "other" => Ok(ItemKind::Other),
        _ => Err(JournalError::Corrupt {
            what: "a kind",
            value: name,
        }),
    }
}

pub(super) fn state_name(state: ItemState) -> &'static str {
    ItemState::NAMES
        .iter()
        .find(|(s, _)| *s == state)
        .map_or("", |(_, name)| name)
}

pub(super) fn state_of(name: &str) -> Result<ItemState, JournalError> {
    ItemState::NAMES
        .iter()
        .find(|(_, n)| *n == name)
        .map(|(state, _)| *state)
        .ok_or_else(|| JournalError::Corrupt {
            what: "a state",
            value: name.to_owned(),
        })
}
