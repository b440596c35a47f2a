use std::time::Duration;

use super::Check;
use crate::config::file;
use crate::config::raw::WitnessesSection;
use crate::config::settings::WitnessSettings;

/// Far longer than 32 witnesses and 32 groups.
const POLICY_BYTES_MAX: u64 = 64 << 10;

pub(super) fn section(check: &mut Check<'_>, raw: &WitnessesSection) -> Option<WitnessSettings> {
    let every = check.seconds(&raw.every_seconds, "every_seconds", 0.1);
    check.number(
        &raw.answer_seconds,
        1..=300,
        "answer_seconds",
        "Use 1 to 300 seconds; 10 suits most.",
    );
    let Some(policy_file) = check.optional_path(&raw.policy_file) else {
        check.ensure(
            !raw.before_safe.value,
            raw.before_safe.at.as_ref(),
            "before_safe",
            "waits for witnesses, and there are none",
            "Name the witnesses in a file and this file as `policy_file` in [witness], or set `before_safe = false`.",
        );
        return None;
    };
    let policy = match file::read_text(&policy_file, POLICY_BYTES_MAX) {
        Ok(policy) => policy,
        // Who only reads the store needs no witness.
        Err(_) if check.reading => return None,
        Err(error) => {
            let cause =
                std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string);
            check.wrong(
                raw.policy_file.at.as_ref(),
                "policy_file",
                &format!("names {}, which cannot be read: {cause}", policy_file.display()),
                "Write the witnesses' policy there (docs/operations.md has an example), readable for the user `camdock`.",
            );
            return None;
        }
    };
    Some(WitnessSettings {
        policy_file,
        policy,
        ca_file: check.optional_path(&raw.ca_file),
        before_safe: raw.before_safe.value,
        every,
        answer: Duration::from_secs(raw.answer_seconds.value.into()),
    })
}
