//! `[tags]` of office.toml.

use jiff::tz::TimeZone;

use super::Check;
use crate::config::IncidentPattern;
use crate::config::office::{DispatchFormat, TagSettings};
use crate::config::raw::{Setting, TagsSection};

const COLUMN_MAX: usize = 100;

pub fn section(check: &mut Check<'_>, raw: &TagsSection) -> TagSettings {
    let columns = [
        (&raw.badge_column, "badge_column"),
        (&raw.start_column, "start_column"),
        (&raw.end_column, "end_column"),
        (&raw.incident_column, "incident_column"),
        (&raw.category_column, "category_column"),
    ];
    for (setting, key) in columns {
        let heading = setting.value.trim();
        check.ensure(
            (1..=COLUMN_MAX).contains(&heading.len()) && !heading.chars().any(char::is_control),
            setting.at.as_ref(),
            key,
            "is no heading of a column",
            "Give the heading as the first line of the file has it, at most 100 bytes.",
        );
    }
    let zone = &raw.time_zone;
    let time_zone = match zone.value.as_str() {
        "" => None,
        name => TimeZone::get(name).ok(),
    };
    check.ensure(
        zone.value.is_empty() || time_zone.is_some(),
        zone.at.as_ref(),
        "time_zone",
        "is not a known time zone",
        "Use a name such as \"Europe/London\", or \"\" where every time in the file has its offset.",
    );
    check.ensure(
        raw.time_format.value.len() <= COLUMN_MAX,
        raw.time_format.at.as_ref(),
        "time_format",
        "is too long",
        "Use a format as strptime has it, for example \"%d/%m/%Y %H:%M\", or \"\" for ISO 8601.",
    );
    TagSettings {
        incident_pattern: incident_pattern(check, &raw.incident_pattern),
        dispatch: DispatchFormat {
            badge: raw.badge_column.value.trim().to_owned(),
            start: raw.start_column.value.trim().to_owned(),
            end: raw.end_column.value.trim().to_owned(),
            incident: raw.incident_column.value.trim().to_owned(),
            category: raw.category_column.value.trim().to_owned(),
            time_zone,
            time_format: raw.time_format.value.clone(),
        },
    }
}

/// `incident_pattern` of [tags], or of [web] in camdock.toml.
pub(super) fn incident_pattern(
    check: &mut Check<'_>,
    setting: &Setting<String>,
) -> Option<IncidentPattern> {
    if setting.value.is_empty() {
        return None;
    }
    let pattern = IncidentPattern::new(&setting.value);
    check.ensure(
        pattern.is_some(),
        setting.at.as_ref(),
        "incident_pattern",
        "is not a regular expression, or too long",
        "Write, for example, 'CAD-[0-9]{4}/[0-9]{2}' in single quotes, at most 200 bytes.",
    );
    pattern
}
