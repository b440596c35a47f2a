//! A fast check that recognises the canonical JSON that the log itself writes, without building a tree of values.

const DEPTH_MAX: u8 = 32;

/// `true` means certainly RFC 8785 canonical; `false` means unusual (escaped or non-ASCII names, fractions, `\u` escapes)
/// or wrong.
pub fn surely_canonical(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok() && value(bytes, 0).is_some_and(<[u8]>::is_empty)
}

/// Returns what follows the value, or `None` when in doubt.
fn value(bytes: &[u8], depth: u8) -> Option<&[u8]> {
    match bytes.first()? {
        b'{' if depth < DEPTH_MAX => object(&bytes[1..], depth + 1),
        b'[' if depth < DEPTH_MAX => array(&bytes[1..], depth + 1),
        b'"' => string(&bytes[1..]).map(|(_, rest)| rest),
        b'0'..=b'9' => number(bytes),
        _ => [&b"true"[..], b"false", b"null"]
            .into_iter()
            .find_map(|word| bytes.strip_prefix(word)),
    }
}

fn object(mut rest: &[u8], depth: u8) -> Option<&[u8]> {
    if let Some(after) = rest.strip_prefix(b"}") {
        return Some(after);
    }
    let mut previous: Option<&[u8]> = None;
    loop {
        let (name, after) = string(rest.strip_prefix(b"\"")?)?;
        // Among plain ASCII names the order of bytes is that of UTF-16 units.
        if !name.is_ascii() || name.contains(&b'\\') || previous.is_some_and(|p| p >= name) {
            return None;
        }
        previous = Some(name);
        let after = value(after.strip_prefix(b":")?, depth)?;
        match after.split_first()? {
            (b',', more) => rest = more,
            (b'}', end) => return Some(end),
            _ => return None,
        }
    }
}

fn array(mut rest: &[u8], depth: u8) -> Option<&[u8]> {
    if let Some(after) = rest.strip_prefix(b"]") {
        return Some(after);
    }
    loop {
        match value(rest, depth)?.split_first()? {
            (b',', more) => rest = more,
            (b']', end) => return Some(end),
            _ => return None,
        }
    }
}

/// Takes what follows the opening quote; returns the string as written and what follows the closing quote.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'"' => return Some((&bytes[..at], &bytes[at + 1..])),
            b'\\' if b"\"\\bfnrt".contains(bytes.get(at + 1)?) => at += 2,
            b'\\' | 0..=0x1f => return None,
            _ => at += 1,
        }
    }
}

/// Accepts whole numbers that a double represents exactly.
fn number(bytes: &[u8]) -> Option<&[u8]> {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let plain = digits <= 15 && (digits == 1 || bytes[0] != b'0');
    let rest = &bytes[digits..];
    (plain && !matches!(rest.first(), Some(b'.' | b'e' | b'E'))).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::super::canonical::canonical_by_rewriting;
    use super::*;
    use proptest::prelude::*;

    const ENTRY: &str = r#"{"data":{"a":[1,20,0,{"x":null}],"b":"é\"\\\n/","c":{}},"event":"item.sealed","ok":true,"v":[]}"#;

    #[test]
    fn an_entry_as_the_log_writes_it_is_recognised() {
        assert!(surely_canonical(ENTRY.as_bytes()));
        assert!(canonical_by_rewriting(ENTRY.as_bytes()));
    }

    #[test]
    fn deep_nesting_is_left_to_the_slow_check() {
        assert!(!surely_canonical("[".repeat(100_000).as_bytes()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn nothing_is_recognised_that_rewriting_would_change(
            edits in prop::collection::vec((0..ENTRY.len(), prop::sample::select(
                b"{}[]:,\"\\/ 019.eEu-abxtrue\n\x01\xc3".to_vec()), 0..3u8), 1..4),
        ) {
            let mut bytes = ENTRY.as_bytes().to_vec();
            for (at, new, how) in edits {
                let at = at.min(bytes.len() - 1);
                match how {
                    0 => bytes[at] = new,
                    1 => bytes.insert(at, new),
                    _ => drop(bytes.remove(at)),
                }
            }
            prop_assert!(!surely_canonical(&bytes) || canonical_by_rewriting(&bytes));
        }
    }
}
