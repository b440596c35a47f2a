use super::Check;
use crate::config::raw::{Merged, RawDropFolder};
use crate::config::settings::{DropFolder, ImportSettings};
use crate::model::{ImportFacts, Officer};

const FOLDERS_MAX: usize = 16;

pub(super) fn section(check: &mut Check<'_>, merged: &Merged) -> ImportSettings {
    let given = &merged.import.folders;
    check.ensure(
        given.value.len() <= FOLDERS_MAX,
        given.at.as_ref(),
        "folders",
        "has too many entries",
        "Name at most 16 folders in [import].",
    );
    let docked: Vec<_> = (merged.dock.folders.value.iter())
        .map(|folder| check.path(&folder.get_ref().path))
        .collect();
    let mut folders: Vec<DropFolder> = Vec::new();
    for entry in given.value.iter().take(FOLDERS_MAX) {
        let span = entry.span();
        let RawDropFolder {
            path,
            source,
            received_from,
            officer,
        } = entry.get_ref().clone();
        let path = check.path(&path);
        let others = folders.iter().map(|other| &other.path).chain(&docked);
        let nested =
            (others.into_iter()).any(|other| other.starts_with(&path) || path.starts_with(other));
        check.ensure(
            !nested && path.parent().is_some(),
            Some(&span),
            "folders",
            "names a folder twice, one inside another or among docked cameras, or the root of the disk",
            "Name a folder of its own for each program that drops evidence.",
        );
        let facts = ImportFacts {
            source,
            received_from,
            officer: officer.map(Officer),
            incident: None,
            exhibit: None,
            derived: None,
            operator: None,
        };
        let same = |other: &DropFolder| other.facts.source_id() == facts.source_id();
        check.ensure(
            facts.check().is_ok() && !folders.iter().any(same),
            Some(&span),
            "folders",
            "has an entry whose `source`, `received_from` or `officer` is empty or too long, or that is declared as another one is",
            "Say of each folder in one line what it holds and from where it comes, for example `source = \"interview recorder 2\", received_from = \"custody suite\"`.",
        );
        folders.push(DropFolder { path, facts });
    }
    ImportSettings { folders }
}
