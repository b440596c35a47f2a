//! A sealed object, or a range of it, on its way to a browser: in pieces, and never so that a part looks whole.

use std::future::Future;
use std::io;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::range::{ByteRange, Unsatisfiable};
use crate::web::{RefusedRequest, WatchRefusal};

/// Bytes that are in memory at a time for each object on its way.
const PIECE: u64 = 512 << 10;

/// Answers a request for an object of `size` bytes; `read` gets exactly so many of them.
pub async fn answer<R, F>(
    headers: &HeaderMap,
    size: u64,
    read: R,
) -> Result<Response, RefusedRequest>
where
    R: Fn(u64, u64) -> F + Send + 'static,
    F: Future<Output = Result<Bytes, WatchRefusal>> + Send,
{
    let range = ByteRange::of(headers.get(header::RANGE), size).map_err(|Unsatisfiable| {
        let all = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
        RefusedRequest::from_response((StatusCode::RANGE_NOT_SATISFIABLE, all))
    })?;
    let mut sending = Sending {
        read,
        at: range.from,
        end: range.end,
    };
    // Before the headers: whatever keeps it from being read is told with its status.
    let first = sending.next().await?.unwrap_or_default();
    let mut response = Response::builder()
        .status(if range.partial {
            StatusCode::PARTIAL_CONTENT
        } else {
            StatusCode::OK
        })
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_LENGTH, range.end - range.from);
    if range.partial {
        let last = range.end - 1;
        let all = format!("bytes {}-{last}/{size}", range.from);
        response = response.header(header::CONTENT_RANGE, all);
    }
    let rest = stream::try_unfold(sending, |mut sending| async move {
        // An error in the middle ends the connection: a part must not look whole.
        let piece = sending.next().await;
        let piece = piece.map_err(|refusal| io::Error::other(refusal.words))?;
        Ok::<_, io::Error>(piece.map(|piece| (piece, sending)))
    });
    let first = stream::once(async move { Ok::<_, io::Error>(first) });
    let made = response.body(Body::from_stream(first.chain(rest)));
    Ok(made.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response()))
}

struct Sending<R> {
    read: R,
    at: u64,
    end: u64,
}

impl<R, F> Sending<R>
where
    R: Fn(u64, u64) -> F,
    F: Future<Output = Result<Bytes, WatchRefusal>>,
{
    async fn next(&mut self) -> Result<Option<Bytes>, WatchRefusal> {
        let length = (self.end - self.at).min(PIECE);
        if length == 0 {
            return Ok(None);
        }
        let piece = (self.read)(self.at, length).await?;
        self.at += length;
        Ok(Some(piece))
    }
}
