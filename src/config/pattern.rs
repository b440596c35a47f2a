use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

const PATTERNS_MAX: usize = 256;
const PATTERN_BYTES_MAX: usize = 200;

/// Name patterns with `*`, `?`, `[a-z]` and `{a,b}`; letters match in either case, names may be any bytes.
#[derive(Clone)]
pub struct Patterns {
    set: GlobSet,
    source: Vec<String>,
}

impl Patterns {
    /// The error is a clause that follows the key's name.
    pub fn new(patterns: &[String]) -> Result<Self, String> {
        if patterns.len() > PATTERNS_MAX {
            return Err(format!("has more than {PATTERNS_MAX} patterns"));
        }
        let mut builder = GlobSetBuilder::new();
        for pattern in patterns {
            if pattern.is_empty() || pattern.len() > PATTERN_BYTES_MAX || pattern.contains('/') {
                return Err(format!(
                    "has the pattern {pattern:?}: patterns match one name, without `/`, of 1 to {PATTERN_BYTES_MAX} bytes"
                ));
            }
            let glob = GlobBuilder::new(pattern)
                .case_insensitive(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| format!("has the pattern {pattern:?}: {}", error.kind()))?;
            builder.add(glob);
        }
        let set = builder
            .build()
            .map_err(|error| format!("has unusable patterns: {}", error.kind()))?;
        Ok(Self {
            set,
            source: patterns.to_vec(),
        })
    }

    /// Whether one name (not a path) matches any of the patterns.
    pub fn matches(&self, name: &[u8]) -> bool {
        self.set.is_match(OsStr::from_bytes(name))
    }

    pub fn is_empty(&self) -> bool {
        self.source.is_empty()
    }

    /// The patterns as they were written.
    pub fn as_written(&self) -> &[String] {
        &self.source
    }
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Patterns {}

impl fmt::Debug for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

/// An expression that every incident number of the force matches as a whole.
#[derive(Debug, Clone)]
pub struct IncidentPattern(regex_lite::Regex);

impl IncidentPattern {
    /// `None`: it is none, or too long.
    pub(super) fn new(pattern: &str) -> Option<Self> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return None;
        }
        // One that were found somewhere inside a number would let anything pass.
        let whole = format!("^(?:{pattern})$");
        let mut builder = regex_lite::RegexBuilder::new(&whole);
        builder.size_limit(1 << 20).build().ok().map(Self)
    }

    pub fn matches(&self, incident: &str) -> bool {
        self.0.is_match(incident)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(list: &[&str]) -> Result<Patterns, String> {
        Patterns::new(&list.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn patterns_ignore_case_and_match_any_bytes() {
        let video = patterns(&["*.MP4", "REC_??.mov"]).unwrap();
        for name in [
            &b"a.mp4"[..],
            b"A.MP4",
            b"\xff\xfe.Mp4",
            b"a\nb.mp4",
            b".mp4",
            b"rec_01.MOV",
        ] {
            assert!(video.matches(name), "{name:?}");
        }
        for name in [&b"a.mp4.txt"[..], b"amp4", b"REC_1.MOV", b""] {
            assert!(!video.matches(name), "{name:?}");
        }
    }

    #[test]
    fn no_pattern_matches_nothing() {
        assert!(!patterns(&[]).unwrap().matches(b"a"));
    }

    #[test]
    fn unusable_patterns_are_refused_with_the_pattern() {
        for bad in ["", "a/b", "[", "{a", &"*".repeat(300)] {
            let error = patterns(&[bad]).unwrap_err();
            assert!(error.contains("pattern"), "{error}");
        }
    }
}
