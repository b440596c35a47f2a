//! The page that checks a pack, in one file.

use crate::model::Sha256Digest;

const PAGE: &str = include_str!("check.html");

/// `check.html` with the hashes of its own script and style in its rules: nothing else runs in it.
pub fn check_page() -> String {
    let hash = |tag: &str| {
        let (begin, end) = (format!("<{tag}>"), format!("</{tag}>"));
        let inner = PAGE
            .split_once(&begin)
            .and_then(|(_, rest)| rest.split_once(&end));
        Sha256Digest::of(inner.map_or("", |(inner, _)| inner).as_bytes()).to_base64()
    };
    PAGE.replace("SCRIPT-HASH", &hash("script"))
        .replace("STYLE-HASH", &hash("style"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_small_file_without_a_network() {
        let page = check_page();
        assert!(page.len() < 200 << 10);
        assert!(page.contains("default-src 'none'"));
        assert!(!page.contains("-HASH"));
        for outside in [
            "http://",
            "https://",
            "import(",
            "fetch(",
            "XMLHttpRequest",
            " src=",
            "@import",
            "url(",
        ] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
