//! The same lists as files: CSV for spreadsheets, JSON (one object a line) for programs. Sent while they are read.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Extension, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;

use super::evidence::{Asked, DAYS_EXPORTED_MAX, DayLine, Days, Item, days};
use super::record::EXPORTED;
use super::server::Shared;
use super::{Refused, Viewer};
use crate::journal::{Search, SearchCursor};

/// Items read at a time.
const STEP: u32 = 1000;

type Answer = Result<Response, Refused>;

const ITEM_COLUMNS: &str = "evidence,camera,officer,bay,path,bytes,camera_time,docked,state,sha256,quarantine,decision,\
                            stored_at,log_entry,stored_entry\r\n";
const DAY_COLUMNS: &str =
    "day,camera,officers,sessions,interrupted,seen,held,sealed,stored,missing\r\n";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
}

impl Format {
    fn of(text: &str) -> Result<Self, Refused> {
        match text {
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            _ => Err(Refused::new(
                StatusCode::BAD_REQUEST,
                "format is csv or json\n",
            )),
        }
    }

    fn answer(self, name: &str, body: Body) -> Response {
        let (kind, end) = match self {
            Self::Csv => ("text/csv; charset=utf-8", "csv"),
            Self::Json => ("application/x-ndjson", "ndjson"),
        };
        let file = format!("attachment; filename=\"{name}.{end}\"");
        let headers = [
            (header::CONTENT_TYPE, kind.to_owned()),
            (header::CONTENT_DISPOSITION, file),
        ];
        (headers, body).into_response()
    }
}

/// Quoted where needed; a cell that a spreadsheet would take for a formula gets a leading quote.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// One line of any of our flat records: its values in the order of its fields.
fn line(format: Format, record: &impl serde::Serialize) -> String {
    if format == Format::Json {
        return serde_json::to_string(record).unwrap_or_default() + "\n";
    }
    let value = serde_json::to_value(record).unwrap_or_default();
    let cells = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(_, value)| match value {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => cell(text),
            other => other.to_string(),
        });
    cells.collect::<Vec<_>>().join(",") + "\r\n"
}

struct Export {
    shared: Arc<Shared>,
    search: Search,
    format: Format,
    after: Option<SearchCursor>,
    begun: bool,
    ended: bool,
}

impl Export {
    /// A part of the file. An error in the middle cuts the connection: a cut file must not look whole.
    fn next(&mut self) -> Option<Result<Bytes, String>> {
        if self.ended {
            return None;
        }
        let archive = self.shared.archive.as_ref()?;
        let found = match archive.journal.search(&self.search, self.after, STEP) {
            Ok(found) => found,
            Err(error) => {
                self.ended = true;
                return Some(Err(error.to_string()));
            }
        };
        let mut text = String::new();
        if !std::mem::replace(&mut self.begun, true) && self.format == Format::Csv {
            text.push_str(ITEM_COLUMNS);
        }
        for item in found.items {
            let _ = text.write_str(&line(self.format, &Item::from(item)));
        }
        self.after = found.next;
        self.ended = found.next.is_none();
        Some(Ok(Bytes::from(text)))
    }
}

pub(super) async fn evidence(
    State(shared): State<Arc<Shared>>,
    Extension(viewer): Extension<Viewer>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(asked): Query<Asked>,
) -> Answer {
    let format = Format::of(&asked.format)?;
    let search = asked.search()?;
    let told = asked.told();
    tokio::task::block_in_place(|| {
        shared
            .accesses
            .enter(&*shared.station, &viewer, peer.ip(), EXPORTED, None, &told)
    })?;
    let name = format!("{}-evidence", shared.name);
    let export = Export {
        shared,
        search,
        format,
        after: None,
        begun: false,
        ended: false,
    };
    let body = stream::unfold(export, |mut export| async move {
        let part = tokio::task::block_in_place(|| export.next())?;
        Some((part, export))
    });
    Ok(format.answer(&name, Body::from_stream(body)))
}

pub(super) async fn completeness(
    State(shared): State<Arc<Shared>>,
    Extension(viewer): Extension<Viewer>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(asked): Query<Days>,
) -> Answer {
    let format = Format::of(&asked.format)?;
    let (from, to) = asked.range()?;
    let lines: Vec<DayLine> = tokio::task::block_in_place(|| {
        let told = format!("completeness from={from} to={to}");
        shared
            .accesses
            .enter(&*shared.station, &viewer, peer.ip(), EXPORTED, None, &told)?;
        days(&shared, &from, &to, DAYS_EXPORTED_MAX)
    })?;
    let mut text = String::new();
    if format == Format::Csv {
        text.push_str(DAY_COLUMNS);
    }
    text.extend(lines.iter().map(|day| line(format, day)));
    let name = format!("{}-completeness", shared.name);
    let whole = stream::iter([Ok::<_, Infallible>(Bytes::from(text))]);
    Ok(format.answer(&name, Body::from_stream(whole)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::CameraDay;

    #[test]
    fn columns_are_the_fields_in_their_order_and_no_cell_is_a_formula() {
        let day = DayLine::from(CameraDay {
            day: "2026-01-31".into(),
            camera: Some("=folder/1,2".into()),
            ..CameraDay::default()
        });
        let value = serde_json::to_value(&day).unwrap();
        let names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names.join(",") + "\r\n", DAY_COLUMNS);
        assert_eq!(
            line(Format::Csv, &day),
            "2026-01-31,\"'=folder/1,2\",,0,0,0,0,0,0,0\r\n"
        );
    }
}
