//! What classes that were changed in office.toml would do, for `camdock office check`.

use crate::cli::check::diagnosis::{Diagnosis, advice, failed, fine};
use crate::config::OfficeConfig;
use crate::office::{self, ClassChange, KeptUntil};

const WHAT: &str = "classes";

pub fn diagnoses(config: &OfficeConfig) -> Vec<Diagnosis> {
    let changes = match office::class_changes(config) {
        Ok(Some(changes)) => changes,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![failed(WHAT, &error.into())],
    };
    if changes.is_empty() {
        let nothing = "they differ from those that the office has loaded, and no item's keeping changes by it";
        return vec![fine(WHAT, nothing.into())];
    }
    let all = changes.iter();
    all.map(|(class, change)| {
        advice(
            WHAT,
            in_words(class, change),
            "If it is meant so, restart the office: `systemctl restart camdock-office`. Nothing that is locked is shortened by it.",
        )
    })
    .collect()
}

fn in_words(class: &str, change: &ClassChange) -> String {
    let of = if class.is_empty() {
        "without a class".to_owned()
    } else {
        format!("of the class {class}")
    };
    let mut text = format!(
        "once this office.toml is loaded, {} items {of} stay longer, and {} less long",
        change.longer, change.shorter
    );
    if let Some(last) = change.last_lock {
        text.push_str(&format!(
            "; {} of these are locked beyond that, the last until {last}: their locks stay and run out by themselves",
            change.locked_longer
        ));
    }
    for item in &change.items {
        let locked = item.locked.map_or_else(
            || "not locked".to_owned(),
            |lock| format!("locked until {lock}"),
        );
        text.push_str(&format!(
            "\n                   {} of {}: {}, now {} ({locked})",
            item.evidence,
            item.station,
            until(item.becomes),
            until(item.was)
        ));
    }
    let more = change.longer + change.shorter - change.items.len() as u64;
    if more > 0 {
        text.push_str(&format!("\n                   and {more} more"));
    }
    text
}

fn until(kept: KeptUntil) -> String {
    match kept {
        KeptUntil::LockAlone => "no rule keeps it".into(),
        KeptUntil::Time(end) => format!("until {end}"),
        KeptUntil::NoEnd => "without an end".into(),
    }
}
