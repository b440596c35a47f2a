//! Sentences about evidence that no camera brought. What people declared stands in quotation marks: the station has not seen it.

use super::deleted_by_rule;
use crate::model::{DockSessionEnd, Event, EvidenceId, ImportDeclared, ItemHeld, ItemSealed};

pub(super) fn declared(e: &ImportDeclared) -> String {
    let facts = &e.facts;
    let mut text = format!(
        "An import began ({}), declared as {:?}, received from {:?}",
        e.bay, facts.source, facts.received_from
    );
    for (what, words) in [
        ("of the incident", &facts.incident),
        ("with the exhibit mark", &facts.exhibit),
    ] {
        if let Some(words) = words {
            text.push_str(&format!(", {what} {words:?}"));
        }
    }
    if let Some(officer) = &facts.officer {
        text.push_str(&format!(", for officer {officer}"));
    }
    let name = facts.operator.as_ref();
    let name = name.map_or(String::new(), |name| format!("under the name {name:?} "));
    text.push_str(&format!(". It was ordered {name}[{}].", e.peer));
    if let Some(derived) = &facts.derived {
        text.push_str(&format!(
            "\n    It was declared to be made from item {}",
            derived.from
        ));
        for (how, words) in [("by", &derived.maker), ("with", &derived.tool)] {
            if let Some(words) = words {
                text.push_str(&format!(" {how} {words:?}"));
            }
        }
        match derived.sha256 {
            Some(sha256) => text.push_str(&format!(
                ", whose SHA-256 in this log is {sha256}: it is not the original."
            )),
            None => text.push_str(", which this station had not taken: it is not the original."),
        }
    }
    let clock = if e.clock.synchronised {
        "synchronised"
    } else {
        "not synchronised"
    };
    text.push_str(&format!(
        "\n    The station has seen none of what was declared. Its clock was {clock}."
    ));
    text
}

/// Of the item itself, or of another that is derived from it.
pub(super) fn sealed(e: &ItemSealed, id: EvidenceId) -> String {
    if e.evidence != id {
        return format!(
            "Item {} ({}) was imported and declared to be made from this one.",
            e.evidence, e.path
        );
    }
    let time = e.modified.map_or("gave no time for it".into(), |t| {
        format!("gave its time as {t} (never corrected)")
    });
    let entry = e.import.map_or(0, |import| import.entry);
    let derived = e.import.and_then(|import| import.derived_from);
    let derived = derived.map_or(String::new(), |from| {
        format!("\n    It is declared to be a copy made from item {from}, not an original.")
    });
    format!(
        "The file {} of {} bytes was read whole from what was imported (entry {entry}), which {time}.\n    Its SHA-256 is {}.\n    It \
         was encrypted at once to the recipients and made durable on the station ({} sealed bytes).{derived}",
        e.path, e.size, e.sha256, e.sealed_size
    )
}

pub(super) fn held(e: &ItemHeld, id: EvidenceId) -> String {
    let files: Vec<_> = e.files().filter(|file| file.evidence == id).collect();
    let paths: Vec<_> = files.iter().map(|file| file.path.to_string()).collect();
    format!(
        "The same source was imported again and still had the file {}; it was not taken again{}.",
        paths.join(", "),
        deleted_by_rule(files.iter().find_map(|file| file.disposed.as_ref()))
    )
}

pub(super) fn ended(e: &DockSessionEnd) -> String {
    let left = match e.missing_count {
        _ if e.complete => "everything seen was secured".to_owned(),
        n => format!("{n} files or entries were not taken"),
    };
    format!("The import ended ({}); {left}.", e.reason)
}

/// Another item was imported as made from this one.
pub(super) fn derived_from_it(event: &Event, id: EvidenceId) -> bool {
    let Event::ItemSealed(sealed) = event else {
        return false;
    };
    sealed.import.and_then(|import| import.derived_from) == Some(id)
}
