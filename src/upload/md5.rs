//! MD5, which does not protect against forgery. Stores that name no SHA-256 check each body against its MD5, and name it as
//! the ETag.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

/// The content that a store took in, as MD5 names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Md5Digest([u8; 16]);

impl Md5Digest {
    pub fn of(bytes: &[u8]) -> Self {
        Self(Md5::digest(bytes).into())
    }

    /// The form of the header `Content-MD5`.
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }

    /// The ETag of an object that was put whole and is not encrypted by the store.
    pub fn to_etag(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }
}

/// The ETag of a multipart object: the MD5 of its parts' MD5s, and their number.
pub fn etag_of_parts(parts: &[Md5Digest]) -> String {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part.0);
    }
    let whole = Md5Digest(hash.finalize().into());
    format!("{}-{}", whole.to_etag(), parts.len())
}

/// An ETag without the quotes that most stores put around it; `None` when there is nothing between them.
pub fn bare_etag(etag: &str) -> Option<&str> {
    Some(etag.trim_matches('"')).filter(|etag| !etag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_are_what_md5sum_says() {
        let (one, two) = (Md5Digest::of(b"hello"), Md5Digest::of(b""));
        assert_eq!(one.to_etag(), "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(two.to_etag(), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(one.to_base64(), "XUFAKrxLKna5cZ2REBfFkg==");
        // (echo -n hello | md5sum; md5sum </dev/null), as bytes, through md5sum.
        assert_eq!(
            etag_of_parts(&[one, two]),
            "a169f9255cc30bf56198c64ae2a09832-2"
        );
        assert_eq!(bare_etag("\"\""), None);
        assert_eq!(bare_etag("\"a-2\""), Some("a-2"));
    }
}
