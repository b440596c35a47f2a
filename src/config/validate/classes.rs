//! `[retention]` and `[class.NAME]` of office.toml.

use super::Check;
use crate::config::office::{Keeping, RetentionClass};
use crate::config::raw::OfficeMerged;

const CLASSES_MAX: usize = 100;
const NAME: &str =
    "Use 1 to 63 of a-z, 0-9 and '-', for example `[class.evidence]`, and give it its days.";

pub fn section(check: &mut Check<'_>, merged: &OfficeMerged) -> Keeping {
    let raw = &merged.retention;
    check.number(
        &raw.lock_ahead_days,
        60..=3650,
        "lock_ahead_days",
        "Use 60 to 3650 days; 400 suits most. It is as long as nobody can correct a class that was wrong.",
    );
    let mut keeping = Keeping {
        ahead_days: raw.lock_ahead_days.value,
        ..Keeping::default()
    };
    for (name, class) in merged.classes.iter().take(CLASSES_MAX + 1) {
        let at = Some(class.span());
        let class = class.get_ref();
        check.ensure(
            keeping.classes.len() < CLASSES_MAX,
            at.as_ref(),
            "class",
            "has too many entries",
            "Use at most 100 classes.",
        );
        let fits = (1..=63).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        check.ensure(fits, at.as_ref(), "class", "has a name that is none", NAME);
        check.ensure(
            (1..=73_000).contains(&class.days),
            at.as_ref(),
            "days",
            "is out of range",
            "Use 1 to 73000 days (200 years).",
        );
        let class = RetentionClass {
            days: class.days,
            review: class.review,
        };
        keeping.classes.insert(name.clone(), class);
    }
    for (setting, key, into) in [
        (&raw.unclassified, "unclassified", &mut keeping.unclassified),
        (&raw.flagged, "flagged", &mut keeping.flagged),
    ] {
        if setting.value.is_empty() {
            continue;
        }
        check.ensure(
            keeping.classes.contains_key(&setting.value),
            setting.at.as_ref(),
            key,
            "names no class",
            "Name one of the classes that have a section of their own, such as [class.unclassified].",
        );
        *into = Some(setting.value.clone());
    }
    keeping
}
