//! The model's types as SQLite keeps them. A value that does not fit its type is corruption, never a panic.

use jiff::Timestamp;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use super::{FileOutcome, PreviewState};
use crate::model::{
    BayName, CameraId, EvidenceId, ItemKind, ItemState, NotedDisposal, Officer, Part, Retention,
    SessionId, Sha256Digest, SourcePath,
};

/// SQLite's integers are signed. A camera may claim any size, so all 64 bits must survive.
#[derive(Clone, Copy)]
pub(super) struct Unsigned(pub u64);

/// RFC 3339 in UTC: text that sorts by time.
#[derive(Clone, Copy)]
pub(super) struct Time(pub Timestamp);

type Sql<'a> = rusqlite::Result<ToSqlOutput<'a>>;

impl ToSql for Unsigned {
    fn to_sql(&self) -> Sql<'_> {
        Ok(self.0.cast_signed().into())
    }
}

impl FromSql for Unsigned {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(|n| Self(n.cast_unsigned()))
    }
}

impl ToSql for Time {
    fn to_sql(&self) -> Sql<'_> {
        Ok(self.0.to_string().into())
    }
}

impl FromSql for Time {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let parsed = value.as_str()?.parse();
        parsed.map(Self).map_err(FromSqlError::other)
    }
}

macro_rules! as_text {
    ($($type:ty),+) => {$(
        impl ToSql for $type {
            fn to_sql(&self) -> Sql<'_> {
                Ok(self.as_str().into())
            }
        }

        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                value.as_str()?.parse().map_err(FromSqlError::other)
            }
        }
    )+};
}

macro_rules! as_blob {
    ($($type:ty),+) => {$(
        impl ToSql for $type {
            fn to_sql(&self) -> Sql<'_> {
                Ok(self.as_bytes().as_slice().into())
            }
        }

        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                FromSql::column_result(value).map(Self::from_bytes)
            }
        }
    )+};
}

as_text!(
    CameraId,
    FileOutcome,
    ItemKind,
    ItemState,
    Part,
    PreviewState
);
as_blob!(EvidenceId, SessionId);

impl ToSql for Sha256Digest {
    fn to_sql(&self) -> Sql<'_> {
        Ok(self.0.as_slice().into())
    }
}

impl FromSql for Sha256Digest {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        FromSql::column_result(value).map(Self)
    }
}

impl ToSql for SourcePath {
    fn to_sql(&self) -> Sql<'_> {
        Ok(self.as_bytes().into())
    }
}

impl FromSql for SourcePath {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::new(value.as_blob()?).map_err(FromSqlError::other)
    }
}

impl ToSql for BayName {
    fn to_sql(&self) -> Sql<'_> {
        Ok(self.as_str().into())
    }
}

impl FromSql for BayName {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str().map(Self::new)
    }
}

impl ToSql for Officer {
    fn to_sql(&self) -> Sql<'_> {
        self.0.to_sql()
    }
}

impl FromSql for Officer {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        String::column_result(value).map(Self)
    }
}

macro_rules! as_json {
    ($($type:ty),+) => {$(
        impl ToSql for $type {
            fn to_sql(&self) -> Sql<'_> {
                let json = serde_json::to_string(self);
                let json = json.map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
                Ok(json.into())
            }
        }

        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                serde_json::from_str(value.as_str()?).map_err(FromSqlError::other)
            }
        }
    )+};
}

as_json!(NotedDisposal, Retention);
