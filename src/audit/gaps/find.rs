//! Finds the gaps that a [`LogHistory`] shows on its own, without the store.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::history::{CameraFiles, CameraKey, FileFate, FileState, LogHistory, LoggedStay};
use super::{Gap, GapKind, GapRules, numbering};
use crate::model::{CameraId, SessionId};

impl CameraKey {
    pub(super) fn id(&self) -> Option<&CameraId> {
        match self {
            Self::Known(id) => Some(id),
            Self::Unknown(_) => None,
        }
    }

    /// The form used in a gap's name.
    fn name(&self) -> String {
        match self {
            Self::Known(id) => id.to_string(),
            Self::Unknown(session) => format!("unknown:{session}"),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Known(id) => format!("camera {id}"),
            Self::Unknown(session) => format!("the unknown camera of session {session}"),
        }
    }
}

impl LogHistory {
    /// Every gap that the log alone shows, the gravest kind first, including those that an operator has explained.
    pub fn gaps(&self, rules: &GapRules) -> Vec<Gap> {
        let mut gaps = self.gaps_named("", rules);
        self.unseen(rules, &mut gaps);
        gaps.sort_by(|a, b| (a.code, &a.gap).cmp(&(b.code, &b.gap)));
        gaps
    }

    /// At least those gaps whose names begin so, except of cameras that stay away. Looks at nothing that can have no such gap:
    /// a log may hold many explanations.
    pub(super) fn gaps_named(&self, begin: &str, rules: &GapRules) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let meant = |name: &str| begin.starts_with(name) || name.starts_with(begin);
        for (whose, camera) in &self.cameras {
            let finder = Finder {
                history: self,
                rules,
                whose,
                camera,
            };
            let of_camera = |kind: &str| meant(&format!("{kind}:{}:", whose.name()));
            if of_camera("never-taken") || of_camera("not-taken") {
                finder.files(&mut gaps);
            }
            if (camera.stays.last()).is_some_and(|last| meant(&format!("session:{last}"))) {
                finder.stays(&mut gaps);
            }
            if of_camera("number") {
                finder.numbers(&mut gaps);
            }
        }
        if meant("waiting:") {
            self.waiting(rules, &mut gaps);
        }
        gaps
    }

    fn waiting(&self, rules: &GapRules, gaps: &mut Vec<Gap>) {
        for (id, item) in &self.items {
            let late = rules.now.duration_since(item.sealed) > rules.patience;
            if item.stored.is_some() || item.damaged || !late {
                continue;
            }
            gaps.push(Gap {
                gap: format!("waiting:{id}"),
                code: GapKind::GapWaiting,
                camera: item.whose.as_ref().and_then(CameraKey::id).cloned(),
                officer: item.officer.clone(),
                session: item.session,
                evidence: Some(*id),
                since: Some(item.sealed),
                what: format!(
                    "item {id} ({}) is sealed since {} and not in the store",
                    item.path,
                    day(item.sealed)
                ),
            });
        }
    }

    fn unseen(&self, rules: &GapRules, gaps: &mut Vec<Gap>) {
        let last: BTreeMap<&CameraId, Timestamp> = self
            .cameras
            .iter()
            .filter_map(|(whose, camera)| {
                let stay = self.stays.get(camera.stays.last()?)?;
                Some((whose.id()?, stay.docked))
            })
            .collect();
        for (camera, officer) in &rules.roster {
            let seen = last.get(camera).copied();
            let Some(since) = seen.or(self.began) else {
                continue;
            };
            if rules.now.duration_since(since) <= rules.unseen {
                continue;
            }
            let what = match seen {
                Some(at) => format!("camera {camera} was last docked here on {}", day(at)),
                None => format!(
                    "camera {camera} of the roster was never docked here; the log begins on {}",
                    day(since)
                ),
            };
            gaps.push(Gap {
                gap: format!("camera:{camera}:{}", day(since)),
                code: GapKind::GapCamera,
                camera: Some(camera.clone()),
                officer: Some(officer.clone()),
                session: None,
                evidence: None,
                since: Some(since),
                what,
            });
        }
    }
}

struct Finder<'a> {
    history: &'a LogHistory,
    rules: &'a GapRules,
    whose: &'a CameraKey,
    camera: &'a CameraFiles,
}

impl Finder<'_> {
    fn stay(&self, session: SessionId) -> Option<&LoggedStay> {
        self.history.stays.get(&session)
    }

    fn shown(&self) -> String {
        match self.whose.id() {
            Some(id) if self.camera.imported => format!("the import {id}"),
            _ => self.whose.shown(),
        }
    }

    /// The camera is still docked, and not for longer than the rules allow.
    fn at_work(&self, stay: &LoggedStay) -> bool {
        stay.ended.is_none() && self.rules.now.duration_since(stay.docked) <= self.rules.patience
    }

    fn gap(&self, gap: String, code: GapKind, session: SessionId, what: String) -> Gap {
        let stay = self.stay(session);
        Gap {
            gap,
            code,
            camera: self.whose.id().cloned(),
            officer: stay.and_then(|s| s.officer.clone()),
            session: Some(session),
            evidence: None,
            since: stay.map(|s| s.docked),
            what,
        }
    }

    fn files(&self, gaps: &mut Vec<Gap>) {
        let (name, shown) = (self.whose.name(), self.shown());
        for (path, states) in &self.camera.files {
            for seen in states {
                let stay = self.stay(seen.session);
                let at_work = stay.is_some_and(|stay| self.at_work(stay));
                let (code, word, what) = match &seen.fate {
                    FileFate::Pending if !at_work => (
                        GapKind::GapNeverTaken,
                        "never-taken",
                        format!(
                            "{path} ({} bytes) was on {shown} on {} and was not taken{}",
                            seen.size,
                            day(seen.first),
                            self.since(seen)
                        ),
                    ),
                    FileFate::Failed(reason, text) => (
                        GapKind::GapNotTaken,
                        "not-taken",
                        format!(
                            "{path} ({} bytes) of {shown} could not be taken on {} ({reason}): {text}",
                            seen.size,
                            day(seen.first)
                        ),
                    ),
                    _ => continue,
                };
                let stamp = seen.modified.map_or_else(String::new, |m| format!(":{m}"));
                let gap = format!("{word}:{name}:{path}:{}{stamp}", seen.size);
                let mut gap = self.gap(gap, code, seen.session, what);
                gap.since = Some(seen.first);
                gaps.push(gap);
            }
        }
        for (entry, file) in &self.camera.nameless {
            let what = format!(
                "{entry} of {shown} could not be taken on {} ({}): {}",
                day(file.first),
                file.code,
                file.reason
            );
            let mut gap = self.gap(
                format!("not-taken:{name}:{entry}"),
                GapKind::GapNotTaken,
                file.session,
                what,
            );
            gap.since = Some(file.first);
            gaps.push(gap);
        }
    }

    /// Whether the camera was docked later without that file.
    fn since(&self, seen: &FileState) -> &'static str {
        let later = self
            .camera
            .stays
            .iter()
            .rev()
            .take_while(|s| **s != seen.session);
        let later = later
            .filter_map(|s| self.stay(*s))
            .any(|stay| stay.inventory);
        if later {
            "; when it was docked again, the file was gone"
        } else {
            ""
        }
    }

    /// Only the last session counts: a later session took what an earlier one left, or its files are named one by one.
    fn stays(&self, gaps: &mut Vec<Gap>) {
        let Some(session) = self.camera.stays.last() else {
            return;
        };
        let Some(stay) = self.stay(*session) else {
            return;
        };
        let why = match &stay.ended {
            Some(ending) if ending.complete => return,
            Some(ending) => ending.reason.as_str(),
            None if self.at_work(stay) => return,
            None => "its end is not in the log",
        };
        let files = self.camera.files.values().flatten();
        let left = files.filter(|seen| seen.session == *session && seen.open());
        let left = match (stay.inventory, left.count()) {
            (false, _) => "before its files were listed to the end".to_owned(),
            // The file that was being read when the camera left was completed after all.
            (true, 0) => return,
            (true, n) => format!("with {n} of its files not taken"),
        };
        let what = format!(
            "the dock session of {} that began on {} was cut short, {left}: {why}",
            self.shown(),
            day(stay.docked)
        );
        gaps.push(self.gap(
            format!("session:{session}"),
            GapKind::GapSession,
            *session,
            what,
        ));
    }

    fn numbers(&self, gaps: &mut Vec<Gap>) {
        // Without a serial, nobody knows which sessions belong to one camera; and a disc may hold a selection.
        let Some(camera) = self.whose.id().filter(|_| !self.camera.imported) else {
            return;
        };
        let files = self.camera.files.iter().flat_map(|(path, states)| {
            let last = states
                .iter()
                .filter(|seen| seen.fate != FileFate::Superseded);
            last.map(move |seen| (path, seen.modified.unwrap_or(seen.first), seen.session))
        });
        for missing in numbering::missing(files) {
            // A counter that begins anew comes to the same numbers again; the day tells the runs apart.
            let gap = format!(
                "number:{camera}:{}:{}:{}",
                missing.series,
                missing.numbers(),
                day(missing.since)
            );
            let what = format!(
                "camera {camera} numbers its recordings, and {} is missing between {} and {}",
                missing.names(),
                missing.before,
                missing.after
            );
            let mut gap = self.gap(gap, GapKind::GapNumber, missing.session, what);
            gap.since = Some(missing.since);
            gap.officer = self.stay(missing.session).and_then(|s| s.officer.clone());
            gaps.push(gap);
        }
    }
}

pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
