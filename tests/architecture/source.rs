//! Just enough reading of Rust source for the rules: no comments, no strings, paths and test modules.

use std::collections::BTreeSet;

use super::floor;

/// The same text with comments, strings and characters blanked out; offsets and lines stay.
pub fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => find(bytes, at, b"\n"),
            b'/' if bytes.get(at + 1) == Some(&b'*') => block_comment(bytes, at),
            b'"' => string(bytes, at),
            b'r' if raw_string(bytes, at).is_some() => raw_string(bytes, at).unwrap_or(at),
            b'\'' => character(bytes, at),
            b if b.is_ascii_alphanumeric() || b == b'_' => {
                // A whole word, so that the `r` of `for` begins no raw string; `b"…"` and `br"…"` still do.
                let word = bytes[at..]
                    .iter()
                    .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
                    .count();
                let last = at + word - 1;
                let raw = bytes[last] == b'r' && word <= 2;
                at = if raw && raw_string(bytes, last).is_some() {
                    last
                } else {
                    at + word
                };
                continue;
            }
            _ => {
                at += 1;
                continue;
            }
        };
        for byte in &mut code[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(code).expect("whole tokens were blanked")
}

fn find(bytes: &[u8], from: usize, needle: &[u8]) -> usize {
    bytes[from..]
        .windows(needle.len())
        .position(|window| window == needle)
        .map_or(bytes.len(), |position| from + position)
}

fn block_comment(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < bytes.len() {
        match &bytes[at..(at + 2).min(bytes.len())] {
            b"/*" => (at, depth) = (at + 2, depth + 1),
            b"*/" => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

fn raw_string(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..]
        .iter()
        .take_while(|b| **b == b'#')
        .count();
    if bytes.get(start + 1 + hashes) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let end = find(bytes, start + 2 + hashes, &close);
    Some((end + close.len()).min(bytes.len()))
}

/// The end of a character literal; of a lifetime, just its quote.
fn character(bytes: &[u8], start: usize) -> usize {
    if bytes.get(start + 1) == Some(&b'\\') {
        return (find(bytes, start + 3, b"'") + 1).min(bytes.len());
    }
    let rest = std::str::from_utf8(&bytes[start + 1..]).unwrap_or("");
    match rest.chars().next() {
        Some(c) if rest[c.len_utf8()..].starts_with('\'') => start + 2 + c.len_utf8(),
        _ => start + 1,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Where `word` stands by itself, whatever white space is inside of it.
pub fn words(code: &str, word: &str) -> Vec<usize> {
    let bytes = code.as_bytes();
    let ends = |end: usize| {
        !word.ends_with(|c: char| c.is_alphanumeric())
            || !bytes.get(end).is_some_and(|b| is_word(*b))
    };
    code.match_indices(word)
        .map(|(offset, _)| offset)
        .filter(|&offset| (offset == 0 || !is_word(bytes[offset - 1])) && ends(offset + word.len()))
        .collect()
}

/// Rooms that the code names: `crate::room`, `camdock::room`, `super::…::room` and groups of them.
pub fn imports(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for root in ["crate", "camdock"] {
        for offset in words(code, root) {
            if let Some(rest) = after_colons(code, offset + root.len()) {
                heads(code, rest, &mut found);
            }
        }
    }
    // `super` is mostly the room itself; it is a way out when it names another room.
    for offset in words(code, "super") {
        if let Some(rest) = after_colons(code, offset + "super".len()) {
            let mut heads_found = Vec::new();
            heads(code, rest, &mut heads_found);
            let twice = code[..offset].trim_end().ends_with("super::");
            let out = |(_, name): &(usize, String)| twice && floor(name).is_some();
            found.extend(heads_found.into_iter().filter(out));
        }
    }
    found
}

fn after_colons(code: &str, at: usize) -> Option<usize> {
    let rest = &code[at..];
    let trimmed = rest.trim_start().strip_prefix("::")?;
    Some(code.len() - trimmed.trim_start().len())
}

/// The first name of each path in `a::b` or `{a::b, c::{d, e}}`.
fn heads(code: &str, at: usize, found: &mut Vec<(usize, String)>) {
    let bytes = code.as_bytes();
    if bytes.get(at) != Some(&b'{') {
        let length = bytes[at..].iter().take_while(|b| is_word(**b)).count();
        let name = &code[at..at + length];
        if length > 0
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name != "super"
            && name != "self"
        {
            found.push((at, name.to_owned()));
        }
        return;
    }
    let (mut depth, mut head) = (0, true);
    for (offset, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 1 => head = true,
            b if is_word(*b) && depth == 1 && head => {
                heads(code, offset, found);
                head = false;
            }
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

/// The bodies of `#[cfg(test)] mod … { … }`.
pub fn test_modules(code: &str) -> Vec<std::ops::Range<usize>> {
    code.match_indices("#[cfg(test)]")
        .filter_map(|(start, attribute)| {
            let rest = code[start + attribute.len()..].trim_start();
            let body = rest.find(['{', ';'])?;
            let module = rest.starts_with("mod ") || rest.starts_with("pub(crate) mod ");
            if !module || rest.as_bytes()[body] == b';' {
                return None;
            }
            let open = code.len() - rest.len() + body;
            let mut depth = 0;
            let close = code.as_bytes()[open..].iter().position(|byte| {
                depth += match byte {
                    b'{' => 1,
                    b'}' => -1,
                    _ => 0,
                };
                depth == 0
            })?;
            Some(open..open + close)
        })
        .collect()
}

/// Files that another one declares as `#[cfg(test)] mod name;`.
pub fn test_files(sources: &[(String, String)]) -> BTreeSet<&str> {
    let mut files = BTreeSet::new();
    for (file, text) in sources {
        let code = code_only(text);
        let folder = match file.strip_suffix("/mod.rs") {
            Some(folder) => folder,
            None => file.strip_suffix(".rs").unwrap_or(file),
        };
        for (start, attribute) in code.match_indices("#[cfg(test)]") {
            let rest = code[start + attribute.len()..].trim_start();
            if let Some(name) = rest
                .strip_prefix("mod ")
                .and_then(|rest| rest.split_once(';'))
                && !name.0.contains('{')
            {
                let inside = format!("{folder}/{}", name.0.trim());
                let declared = sources
                    .iter()
                    .map(|(file, _)| file.as_str())
                    .filter(|file| {
                        *file == format!("{inside}.rs") || file.starts_with(&format!("{inside}/"))
                    });
                files.extend(declared);
            }
        }
    }
    files
}
