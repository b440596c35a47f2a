use super::Check;
use crate::config::raw::FirstLockSection;
use crate::config::settings::{FirstLockSettings, RetentionMode, StoreSettings};

pub(super) fn section(
    check: &mut Check<'_>,
    raw: &FirstLockSection,
    store: &StoreSettings,
) -> Option<FirstLockSettings> {
    let given = [&raw.flagged_days, &raw.at_least_days];
    if store.retention == RetentionMode::None {
        for (setting, key) in given.into_iter().zip(["flagged_days", "at_least_days"]) {
            check.ensure(
                setting.at.is_none(),
                setting.at.as_ref(),
                key,
                "is given, and nothing is locked (`retention = \"none\"` in [store])",
                "Remove one of the two.",
            );
        }
        return None;
    }
    let days = store.retention_days;
    let flagged_days = match raw.flagged_days.value {
        0 => days,
        flagged => flagged,
    };
    check.number(
        &raw.flagged_days,
        0..=36_500,
        "flagged_days",
        "Use 1 to 36500 days, or 0 for as long as everything else.",
    );
    // The default gives way to shorter locks; a number that somebody wrote down does not.
    let at_least = &raw.at_least_days;
    let longest = days.min(flagged_days);
    let at_least_days = if at_least.at.is_none() {
        at_least.value.min(longest)
    } else {
        check.number(
            at_least,
            1..=longest.max(1),
            "at_least_days",
            "Use 1 day or more, and no more than `retention_days` in [store] and `flagged_days`.",
        );
        at_least.value
    };
    Some(FirstLockSettings {
        days,
        flagged_days,
        at_least_days,
    })
}
