//! Searches as files: CSV for spreadsheets, JSON (one object a line) for programs. A file is sent while it is read.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;

use super::RefusedRequest;
use super::csv_rows::CsvRows;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExportFormat {
    Csv,
    Json,
}

impl ExportFormat {
    pub fn parse(text: &str) -> Result<Self, RefusedRequest> {
        match text {
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            _ => Err(RefusedRequest::new(
                StatusCode::BAD_REQUEST,
                "format is csv or json\n",
            )),
        }
    }

    /// A search as a file, read while it is sent: no more than a step of it is in memory.
    pub fn searched<T: Serialize + 'static, P: Send + 'static>(
        self,
        name: &str,
        columns: &'static [&'static str],
        read: impl FnMut(Option<P>) -> Result<ExportStep<T, P>, String> + Send + 'static,
    ) -> Response {
        let search = SentSearch {
            format: self,
            columns,
            read: Box::new(read),
            after: None,
            begun: false,
            ended: false,
        };
        let body = stream::unfold(search, |mut search| async move {
            let part = tokio::task::block_in_place(|| search.next())?;
            Some((part, search))
        });
        self.response(name, Body::from_stream(body))
    }

    fn response(self, name: &str, body: Body) -> Response {
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

    /// The lines of these records, after a heading if the file begins with them.
    pub fn lines(
        self,
        columns: &'static [&'static str],
        first: bool,
        records: &[impl Serialize],
    ) -> std::io::Result<Bytes> {
        let mut bytes = Vec::new();
        match self {
            Self::Json => {
                for record in records {
                    serde_json::to_writer(&mut bytes, record)?;
                    bytes.push(b'\n');
                }
            }
            Self::Csv => {
                let mut rows = CsvRows::new(bytes, csv::Terminator::CRLF, columns);
                if first {
                    rows.header()?;
                }
                for record in records {
                    rows.row(record)?;
                }
                bytes = rows.finish()?;
            }
        }
        Ok(Bytes::from(bytes))
    }
}

/// Records of a search, and where the next ones begin; no place: these are the last.
pub(super) struct ExportStep<T, P> {
    pub records: Vec<T>,
    pub next: Option<P>,
}

/// Reads the records that begin at a place; at none: the first.
type ReadStep<T, P> = Box<dyn FnMut(Option<P>) -> Result<ExportStep<T, P>, String> + Send>;

/// A search as a file that is sent while it is read.
struct SentSearch<T, P> {
    format: ExportFormat,
    columns: &'static [&'static str],
    read: ReadStep<T, P>,
    after: Option<P>,
    begun: bool,
    ended: bool,
}

impl<T: Serialize, P> SentSearch<T, P> {
    /// The next part of the file. An error in the middle ends the connection: a truncated file must not look whole.
    fn next(&mut self) -> Option<Result<Bytes, String>> {
        if self.ended {
            return None;
        }
        let part = self.part();
        self.ended |= part.is_err();
        Some(part)
    }

    fn part(&mut self) -> Result<Bytes, String> {
        let step = (self.read)(self.after.take())?;
        self.ended = step.next.is_none();
        self.after = step.next;
        let first = !std::mem::replace(&mut self.begun, true);
        let lines = self.format.lines(self.columns, first, &step.records);
        lines.map_err(|error| error.to_string())
    }
}
