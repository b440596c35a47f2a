//! `tagging` and what belongs to it in `[web]` of camdock.toml.

use super::{Check, tags};
use crate::config::TaggingSettings;
use crate::config::raw::WebSection;
use crate::model::{TAG_MAX, is_one_line};

/// More do not fit on a screen that is touched.
const CATEGORIES_MAX: usize = 40;

pub(super) fn section(check: &mut Check<'_>, raw: &WebSection) -> Option<TaggingSettings> {
    let given = &raw.tag_categories.value;
    check.ensure(
        given.len() <= CATEGORIES_MAX,
        raw.tag_categories.at.as_ref(),
        "tag_categories",
        "has too many entries",
        "Name at most 40 categories.",
    );
    for category in given {
        let name = category.get_ref();
        check.ensure(
            name.len() <= TAG_MAX && is_one_line(name) && name.trim() == name,
            Some(&category.span()),
            "tag_categories",
            "has an entry that is no category",
            "Give each category as one line of at most 200 bytes, without space around it.",
        );
    }
    let incident_pattern = tags::incident_pattern(check, &raw.incident_pattern);
    raw.tagging.value.then(|| TaggingSettings {
        categories: given.iter().map(|name| name.get_ref().clone()).collect(),
        incident_pattern,
    })
}
