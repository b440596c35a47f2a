//! The calls of S3 that a station, rclone and boto3 make while they upload.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::http::response::Builder;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::objects::{KEPT, Lock, Object, Objects, Received, header, lock_of, meta_of};

type Answer = Response<Full<Bytes>>;

#[derive(Default)]
pub struct Sink(RefCell<Objects>);

/// The key and the parameters of one request, decoded.
struct Target {
    key: String,
    query: BTreeMap<String, String>,
}

impl Target {
    fn of(request: &Request<Incoming>) -> Self {
        // Path style only: the bucket comes first, and there is one.
        let path = request.uri().path().trim_start_matches('/');
        let key = path.split_once('/').map_or("", |(_, key)| key);
        let pairs = request.uri().query().unwrap_or_default().split('&');
        let query = pairs.filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescaped(name), unescaped(value))
        });
        Self {
            key: unescaped(key),
            query: query.collect(),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.query.contains_key(name)
    }

    fn get(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    fn upload(&self) -> u64 {
        self.get("uploadId").parse().unwrap_or(0)
    }
}

impl Sink {
    pub async fn answer(&self, request: Request<Incoming>) -> Answer {
        let target = Target::of(&request);
        let (head, body) = request.into_parts();
        let Some(received) = receive(&head.headers, body).await else {
            return error(StatusCode::BAD_REQUEST, "IncompleteBody");
        };
        match head.method {
            Method::PUT => self.put(&target, &head.headers, received),
            Method::POST => self.post(&target, &head.headers),
            Method::GET if target.key.is_empty() => self.bucket(&target),
            Method::GET | Method::HEAD => {
                self.get(&target, &head.headers, head.method == Method::HEAD)
            }
            Method::DELETE => self.delete(&target),
            _ => error(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
        }
    }

    fn put(&self, target: &Target, headers: &HeaderMap, body: Received) -> Answer {
        let mut objects = self.0.borrow_mut();
        if target.has("retention") {
            let text = body.bytes.unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lock = between(&text, "Mode").zip(between(&text, "RetainUntilDate"));
            return match objects.latest.get_mut(&target.key) {
                Some(object) => {
                    object.lock = lock.map(|(mode, until)| Lock { mode, until });
                    done(Response::builder())
                }
                None => error(StatusCode::NOT_FOUND, "NoSuchKey"),
            };
        }
        if target.has("partNumber") {
            let Some(upload) = objects.uploads.get_mut(&target.upload()) else {
                return error(StatusCode::NOT_FOUND, "NoSuchUpload");
            };
            let answer = with_digests(Response::builder(), &body.etag(), body.sha256.as_ref());
            let number = target.get("partNumber").parse().unwrap_or(0);
            // Parts are never read back.
            let part = Received {
                bytes: None,
                ..body
            };
            upload.parts.insert(number, part);
            return done(answer);
        }
        if header(headers, "if-none-match").is_some() && objects.latest.contains_key(&target.key) {
            return error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
        }
        let object = objects.put(&target.key, body, lock_of(headers), meta_of(headers));
        let answer = Response::builder().header("x-amz-version-id", object.version);
        done(with_digests(answer, &object.etag, object.sha256.as_ref()))
    }

    fn post(&self, target: &Target, headers: &HeaderMap) -> Answer {
        let mut objects = self.0.borrow_mut();
        let key = escaped(&target.key);
        if target.has("uploads") {
            let id = objects.begin(&target.key, lock_of(headers), meta_of(headers));
            return xml(
                Response::builder(),
                "InitiateMultipartUploadResult",
                &format!("<Bucket>b</Bucket><Key>{key}</Key><UploadId>{id}</UploadId>"),
            );
        }
        let Some(object) = objects.complete(target.upload()) else {
            return error(StatusCode::NOT_FOUND, "NoSuchUpload");
        };
        let mut text = format!(
            "<Bucket>b</Bucket><Key>{key}</Key><ETag>\"{}\"</ETag>",
            object.etag
        );
        if let Some(sha256) = &object.sha256 {
            let _ = write!(text, "<ChecksumSHA256>{sha256}</ChecksumSHA256>");
        }
        let answer = Response::builder().header("x-amz-version-id", object.version);
        xml(answer, "CompleteMultipartUploadResult", &text)
    }

    fn get(&self, target: &Target, headers: &HeaderMap, head: bool) -> Answer {
        let objects = self.0.borrow();
        if target.has("uploadId") {
            let Some(upload) = objects.uploads.get(&target.upload()) else {
                return error(StatusCode::NOT_FOUND, "NoSuchUpload");
            };
            let after = target.get("part-number-marker").parse().unwrap_or(0);
            let parts = upload.parts.iter().filter(|(number, _)| **number > after);
            let parts = parts.map(|(number, part)| {
                format!(
                    "<Part><PartNumber>{number}</PartNumber><ETag>\"{}\"</ETag><Size>{}</Size></Part>",
                    part.etag(),
                    part.size
                )
            });
            let text = "<IsTruncated>false</IsTruncated>".to_owned() + &parts.collect::<String>();
            return xml(Response::builder(), "ListPartsResult", &text);
        }
        let Some(object) = objects.latest.get(&target.key) else {
            return error(StatusCode::NOT_FOUND, "NoSuchKey");
        };
        if target.has("retention") {
            let Some(lock) = &object.lock else {
                return error(StatusCode::NOT_FOUND, "NoSuchObjectLockConfiguration");
            };
            let Lock { mode, until } = lock;
            let text = format!("<Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate>");
            return xml(Response::builder(), "Retention", &text);
        }
        let answer = described(object);
        if head {
            let answer = answer.header("content-length", object.size);
            return answer.body(Full::default()).unwrap();
        }
        let Some(bytes) = &object.bytes else {
            return error(StatusCode::NOT_IMPLEMENTED, "DroppedBySink");
        };
        match header(headers, "range")
            .as_deref()
            .map(|range| span(range, bytes.len()))
        {
            None => answer.body(Full::new(bytes.clone())).unwrap(),
            Some(Some((from, to))) => answer
                .status(StatusCode::PARTIAL_CONTENT)
                .header(
                    "content-range",
                    format!("bytes {from}-{}/{}", to - 1, bytes.len()),
                )
                .body(Full::new(bytes.slice(from..to)))
                .unwrap(),
            Some(None) => error(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange"),
        }
    }

    fn delete(&self, target: &Target) -> Answer {
        let mut objects = self.0.borrow_mut();
        if target.has("uploadId") {
            objects.uploads.remove(&target.upload());
        } else if objects
            .latest
            .get(&target.key)
            .is_some_and(|object| object.lock.is_some())
        {
            return error(StatusCode::FORBIDDEN, "AccessDenied");
        } else {
            objects.latest.remove(&target.key);
        }
        let answer = Response::builder().status(StatusCode::NO_CONTENT);
        done(answer)
    }

    fn bucket(&self, target: &Target) -> Answer {
        let plain = Response::builder();
        if target.has("object-lock") {
            let text = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
            return xml(plain, "ObjectLockConfiguration", text);
        }
        if target.has("versioning") {
            return xml(plain, "VersioningConfiguration", "<Status>Enabled</Status>");
        }
        if target.has("location") {
            return xml(plain, "LocationConstraint", "us-east-1");
        }
        if target.has("uploads") {
            return xml(
                plain,
                "ListMultipartUploadsResult",
                "<IsTruncated>false</IsTruncated>",
            );
        }
        self.list(target)
    }

    /// Objects or their versions, of which there is one each.
    fn list(&self, target: &Target) -> Answer {
        let versions = target.has("versions");
        let most = target
            .get("max-keys")
            .parse()
            .unwrap_or(1000)
            .clamp(1, 1000);
        let (prefix, delimiter) = (target.get("prefix"), target.get("delimiter"));
        let after = ["continuation-token", "key-marker", "start-after", "marker"];
        let after = after
            .iter()
            .map(|name| target.get(name))
            .find(|text| !text.is_empty());
        let after = after.unwrap_or_default();
        let shown = |text: &str| {
            if target.get("encoding-type") == "url" {
                percent(text)
            } else {
                escaped(text)
            }
        };
        let objects = self.0.borrow();
        let (mut text, mut folders, mut count, mut last) = (String::new(), BTreeSet::new(), 0, "");
        let mut more = false;
        for (key, object) in objects.latest.range(prefix.to_owned()..) {
            let Some(rest) = key.strip_prefix(prefix) else {
                break;
            };
            if key.as_str() <= after {
                continue;
            }
            if count == most {
                more = true;
                break;
            }
            (count, last) = (count + 1, key);
            if let Some(end) = (!delimiter.is_empty())
                .then(|| rest.find(delimiter))
                .flatten()
            {
                folders.insert(&key[..prefix.len() + end + delimiter.len()]);
                continue;
            }
            let (kind, own) = if versions {
                let version = format!(
                    "<VersionId>{}</VersionId><IsLatest>true</IsLatest>",
                    object.version
                );
                ("Version", version)
            } else {
                ("Contents", String::new())
            };
            let _ = write!(
                text,
                "<{kind}><Key>{}</Key>{own}<LastModified>{TIME}</LastModified><ETag>\"{}\"</ETag><Size>{}</Size>\
                 <StorageClass>STANDARD</StorageClass></{kind}>",
                shown(key),
                object.etag,
                object.size
            );
        }
        for folder in folders {
            let _ = write!(
                text,
                "<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>",
                shown(folder)
            );
        }
        let _ = write!(
            text,
            "<KeyCount>{count}</KeyCount><IsTruncated>{more}</IsTruncated>"
        );
        if target.has("encoding-type") {
            text += "<EncodingType>url</EncodingType>";
        }
        if more {
            let name = if versions {
                "NextKeyMarker"
            } else {
                "NextContinuationToken"
            };
            let _ = write!(text, "<{name}>{}</{name}>", shown(last));
        }
        let kind = if versions {
            "ListVersionsResult"
        } else {
            "ListBucketResult"
        };
        xml(Response::builder(), kind, &text)
    }
}

/// Nobody asks the sink when; a fixed time costs no clock.
const TIME: &str = "2026-01-01T00:00:00.000Z";

/// Reads a body to its end. `None` if it was cut short.
async fn receive(headers: &HeaderMap, mut body: Incoming) -> Option<Received> {
    let mut size = 0;
    let mut kept = Some(BytesMut::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else {
            continue;
        };
        size += data.len() as u64;
        match &mut kept {
            Some(bytes) if bytes.len() + data.len() <= KEPT => bytes.extend_from_slice(&data),
            _ => kept = None,
        }
    }
    // In chunks with their own signatures or a checksum after them: what is kept would not be the object.
    let chunked = header(headers, "x-amz-decoded-content-length");
    let chunked = chunked.and_then(|length| length.parse().ok());
    Some(Received {
        size: chunked.unwrap_or(size),
        sha256: header(headers, "x-amz-checksum-sha256"),
        md5: header(headers, "content-md5"),
        bytes: kept.filter(|_| chunked.is_none()).map(BytesMut::freeze),
    })
}

fn described(object: &Object) -> Builder {
    let mut answer = with_digests(Response::builder(), &object.etag, object.sha256.as_ref())
        .header("x-amz-version-id", object.version)
        .header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        .header("accept-ranges", "bytes");
    if let Some(lock) = &object.lock {
        answer = answer
            .header("x-amz-object-lock-mode", &lock.mode)
            .header("x-amz-object-lock-retain-until-date", &lock.until);
    }
    for (name, value) in &object.meta {
        answer = answer.header(name, value);
    }
    answer
}

fn with_digests(answer: Builder, etag: &str, sha256: Option<&String>) -> Builder {
    let answer = answer.header("etag", format!("\"{etag}\""));
    match sha256 {
        Some(sha256) => answer.header("x-amz-checksum-sha256", sha256),
        None => answer,
    }
}

fn done(answer: Builder) -> Answer {
    answer.body(Full::default()).unwrap()
}

fn xml(answer: Builder, kind: &str, inside: &str) -> Answer {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><{kind}>{inside}</{kind}>");
    let answer = answer.header("content-type", "application/xml");
    answer.body(Full::new(text.into())).unwrap()
}

fn error(status: StatusCode, code: &str) -> Answer {
    let answer = Response::builder().status(status);
    xml(
        answer,
        "Error",
        &format!("<Code>{code}</Code><Message>{code}</Message>"),
    )
}

/// The range of a `Range` header within `len` bytes; `None` if it begins beyond them.
fn span(range: &str, len: usize) -> Option<(usize, usize)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let from: usize = from.parse().ok()?;
    let to = to
        .parse()
        .map_or(len, |last: usize| last.saturating_add(1).min(len));
    (from < to).then_some((from, to))
}

/// The text of an element in XML that this bench's clients write.
fn between(xml: &str, name: &str) -> Option<String> {
    let from = xml.split_once(&format!("<{name}>"))?.1;
    Some(from.split_once('<')?.0.to_owned())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn percent(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn unescaped(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
