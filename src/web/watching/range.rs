//! The one byte range of a request (RFC 9110, section 14).

use axum::http::HeaderValue;

#[derive(Debug, PartialEq, Eq)]
pub struct ByteRange {
    pub from: u64,
    /// Behind the last byte.
    pub end: u64,
    /// It was asked for; otherwise this is all of the object.
    pub partial: bool,
}

/// Several ranges, none, or one beyond the object's end.
#[derive(Debug, PartialEq, Eq)]
pub struct Unsatisfiable;

impl ByteRange {
    pub fn of(header: Option<&HeaderValue>, size: u64) -> Result<Self, Unsatisfiable> {
        let Some(header) = header else {
            return Ok(Self {
                from: 0,
                end: size,
                partial: false,
            });
        };
        let text = header.to_str().map_err(|_| Unsatisfiable)?;
        let range = text.strip_prefix("bytes=").ok_or(Unsatisfiable)?;
        let (from, last) = range.split_once('-').ok_or(Unsatisfiable)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| Unsatisfiable);
        let (from, end) = match (from, last) {
            ("", count) => (size.saturating_sub(number(count)?), size),
            (from, "") => (number(from)?, size),
            (from, last) => {
                let (from, last) = (number(from)?, number(last)?);
                (from, last.saturating_add(1).min(size))
            }
        };
        if from >= end {
            return Err(Unsatisfiable);
        }
        Ok(Self {
            from,
            end,
            partial: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_within_the_object_is_served_and_nothing_else() {
        let of = |text: &str| {
            let header = HeaderValue::from_str(text).unwrap();
            ByteRange::of(Some(&header), 100).map(|range| (range.from, range.end))
        };
        assert_eq!(of("bytes=0-0"), Ok((0, 1)));
        assert_eq!(of("bytes=10-19"), Ok((10, 20)));
        assert_eq!(of("bytes=10-1000"), Ok((10, 100)));
        assert_eq!(of("bytes=99-18446744073709551615"), Ok((99, 100)));
        assert_eq!(of("bytes=90-"), Ok((90, 100)));
        assert_eq!(of("bytes=-40"), Ok((60, 100)));
        assert_eq!(of("bytes=-400"), Ok((0, 100)));
        for wrong in [
            "bytes=100-",
            "bytes=100-101",
            "bytes=9-8",
            "bytes=-0",
            "bytes=-",
            "bytes=0-1,3-4",
            "bytes=a-b",
            "items=0-1",
            "0-1",
            "",
            "bytes=0--1",
            "bytes=99999999999999999999-",
        ] {
            assert_eq!(of(wrong), Err(Unsatisfiable), "{wrong}");
        }
        let whole = ByteRange::of(None, 7).unwrap();
        assert_eq!((whole.from, whole.end, whole.partial), (0, 7, false));
    }
}
