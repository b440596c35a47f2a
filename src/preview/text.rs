//! Cleaning of texts that came from a camera or a worker.

const TEXT_MAX: usize = 160;

/// Makes one line of at most 160 characters, without control characters.
pub fn clean(text: &str) -> String {
    let shown = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(TEXT_MAX);
    shown.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_one_bounded_line() {
        assert_eq!(clean("a\nb\0c "), "a b c");
        assert_eq!(clean(&"x".repeat(1000)).len(), TEXT_MAX);
    }
}
