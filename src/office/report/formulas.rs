//! How each figure of the report is counted, in words.

use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Formula {
    pub figure: &'static str,
    pub unit: &'static str,
    pub formula: &'static str,
}

impl From<(&'static str, &'static str, &'static str)> for Formula {
    fn from((figure, unit, formula): (&'static str, &'static str, &'static str)) -> Self {
        Self {
            figure,
            unit,
            formula,
        }
    }
}

/// Each figure's name, unit and formula.
pub const FORMULAS: [(&str, &str, &str); 14] = [
    (
        "recordings",
        "recordings",
        "videos whose item.sealed is dated in the quarter",
    ),
    (
        "files",
        "files",
        "all items whose item.sealed is dated in the quarter",
    ),
    (
        "hours",
        "hours",
        "sum of probe.duration_ms in item.previewed of these recordings",
    ),
    (
        "recordings_timed",
        "recordings",
        "those of these recordings whose duration is known",
    ),
    (
        "dockings",
        "dockings",
        "sessions whose camera.docked is dated in the quarter and that sealed something",
    ),
    (
        "dock_to_safe_seconds",
        "seconds",
        "median over these dockings: last item.sealed of the session minus camera.docked; a wait for witnesses is in no log",
    ),
    (
        "dock_to_stored_seconds",
        "seconds",
        "median over these dockings of which all is stored: last item.stored of its items minus camera.docked",
    ),
    (
        "added_bytes",
        "bytes",
        "sealed bytes of originals and previews of these items, as item.stored and item.previewed say",
    ),
    (
        "stored_bytes",
        "bytes",
        "the same of all items of the log, whenever they were sealed, but those of which item.disposed says that they are gone",
    ),
    (
        "gaps_open",
        "gaps",
        "what the last search of the log found and nobody explained",
    ),
    (
        "gaps_explained",
        "gaps",
        "what it found and somebody explained, at the station or by gap.accepted",
    ),
    (
        "discs_saved",
        "discs",
        "recordings / [report] recordings_per_disc, rounded up",
    ),
    (
        "hours_saved",
        "hours",
        "recordings * [report] minutes_per_recording / 60",
    ),
    (
        "money_saved",
        "[report] currency",
        "hours_saved * [report] hour_price + discs_saved * [report] disc_price",
    ),
];

/// The same for what is stored in each retention class.
pub const CLASS_FORMULAS: [(&str, &str, &str); 4] = [
    (
        "class",
        "[retention] class",
        "that of the newest item.classified of the office's log, else `flagged` or `unclassified` of [retention]; null if there is none",
    ),
    (
        "recordings",
        "recordings",
        "videos of the class, of all items that count for stored_bytes",
    ),
    (
        "files",
        "files",
        "all items of the class that count for stored_bytes",
    ),
    ("stored_bytes", "bytes", "stored_bytes of these items"),
];
