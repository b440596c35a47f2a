//! What the sink remembers: of each object its size, digests and lock, and its bytes if they are few.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use hyper::HeaderMap;
use md5::Md5;
use sha2::{Digest as _, Sha256};

/// Larger objects are dropped, and cannot be read back.
pub const KEPT: usize = 1 << 20;

/// The body of one request, as the client described it.
#[derive(Clone)]
pub struct Received {
    pub size: u64,
    /// Base64, as sent with the body.
    pub sha256: Option<String>,
    pub md5: Option<String>,
    /// Present if there are few.
    pub bytes: Option<Bytes>,
}

impl Received {
    /// The MD5 where the client sent it; a store that costs nothing makes none itself.
    pub fn etag(&self) -> String {
        let md5 = self.md5.as_deref().and_then(decoded);
        match md5 {
            Some(md5) => hex(&md5),
            None => format!("unknown-{}", self.size),
        }
    }
}

#[derive(Clone)]
pub struct Object {
    pub version: u64,
    pub size: u64,
    pub etag: String,
    pub sha256: Option<String>,
    pub bytes: Option<Bytes>,
    pub lock: Option<Lock>,
    /// `x-amz-meta-…`, as sent.
    pub meta: Vec<(String, String)>,
}

#[derive(Clone)]
pub struct Lock {
    pub mode: String,
    pub until: String,
}

pub struct Upload {
    pub key: String,
    pub lock: Option<Lock>,
    pub meta: Vec<(String, String)>,
    pub parts: BTreeMap<u32, Received>,
}

#[derive(Default)]
pub struct Objects {
    pub latest: BTreeMap<String, Object>,
    pub uploads: BTreeMap<u64, Upload>,
    versions: u64,
    begun: u64,
}

impl Objects {
    pub fn put(
        &mut self,
        key: &str,
        body: Received,
        lock: Option<Lock>,
        meta: Vec<(String, String)>,
    ) -> Object {
        self.versions += 1;
        let object = Object {
            version: self.versions,
            size: body.size,
            etag: body.etag(),
            sha256: body.sha256,
            bytes: body.bytes,
            lock,
            meta,
        };
        self.latest.insert(key.to_owned(), object.clone());
        object
    }

    pub fn begin(&mut self, key: &str, lock: Option<Lock>, meta: Vec<(String, String)>) -> u64 {
        self.begun += 1;
        let upload = Upload {
            key: key.to_owned(),
            lock,
            meta,
            parts: BTreeMap::new(),
        };
        self.uploads.insert(self.begun, upload);
        self.begun
    }

    /// Joins all parts that came. The digests of the whole are those that S3 makes of the parts' digests.
    pub fn complete(&mut self, id: u64) -> Option<Object> {
        let upload = self.uploads.remove(&id)?;
        let count = upload.parts.len();
        let of_parts = |digest: fn(&Received) -> Option<&String>| {
            let digests: Option<Vec<_>> = upload
                .parts
                .values()
                .map(|part| decoded(digest(part)?))
                .collect();
            digests.map(|digests| digests.concat())
        };
        let sha256 = of_parts(|part| part.sha256.as_ref())
            .map(|all| format!("{}-{count}", BASE64_STANDARD.encode(Sha256::digest(all))));
        let etag = match of_parts(|part| part.md5.as_ref()) {
            Some(all) => format!("{}-{count}", hex(&Md5::digest(all))),
            None => format!("unknown-{count}"),
        };
        self.versions += 1;
        let object = Object {
            version: self.versions,
            size: upload.parts.values().map(|part| part.size).sum(),
            etag,
            sha256,
            bytes: None,
            lock: upload.lock,
            meta: upload.meta,
        };
        self.latest.insert(upload.key, object.clone());
        Some(object)
    }
}

pub fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

pub fn lock_of(headers: &HeaderMap) -> Option<Lock> {
    Some(Lock {
        mode: header(headers, "x-amz-object-lock-mode")?,
        until: header(headers, "x-amz-object-lock-retain-until-date")?,
    })
}

pub fn meta_of(headers: &HeaderMap) -> Vec<(String, String)> {
    let named = headers.iter().filter_map(|(name, value)| {
        let own = name.as_str().starts_with("x-amz-meta-");
        own.then(|| Some((name.to_string(), value.to_str().ok()?.to_owned())))?
    });
    named.collect()
}

fn decoded(base64: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(base64).ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
