//! A line that a person gives with a decision: a name, or a reason.

/// Characters of one.
const CHARS_MAX: usize = 500;

/// Whether it says something, in one line that is not too long. Space around it is not counted.
pub fn is_one_line(text: &str) -> bool {
    let count = text.trim().chars().count();
    (1..=CHARS_MAX).contains(&count) && !text.chars().any(char::is_control)
}

/// Refuses, in words, what a log cannot say of who decided and why.
pub fn check_signature(operator: &str, reason: &str) -> Result<(), String> {
    for (what, words) in [("operator", operator), ("reason", reason)] {
        if !is_one_line(words) {
            return Err(format!("the {what} is empty, too long or not one line"));
        }
    }
    Ok(())
}
