//! Numbers that are missing in the names of a camera's recordings.
//!
//! Nobody says how a camera names its files, so this looks at the names themselves, and only where they clearly count
//! up: a gap that is none costs trust. A series is one folder and one name but for its last run of digits; it counts where
//! at least half of its steps are by one. Names that may be times of day are left out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use crate::model::{Escaped, SessionId, SourcePath};

/// Endings of what cameras record; photos and sidecars may fill a gap but never make one.
const VIDEO: [&str; 12] = [
    "mp4", "mov", "avi", "ts", "mts", "mkv", "m4v", "mpg", "mpeg", "3gp", "asf", "wmv",
];
/// Digits in a number at most; more are no counter.
const DIGITS_MAX: usize = 12;
/// A step back by this much is a counter that began anew.
const ANEW: u64 = 100;
/// A file of another folder fills a gap if it is not older or newer than its neighbours by more than this.
const AROUND: SignedDuration = SignedDuration::from_hours(24);

/// A run of numbers that no file has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// Folder and name, with `#` for the number.
    pub series: String,
    from: u64,
    to: u64,
    width: usize,
    pub before: String,
    pub after: String,
    /// When the file after it was recorded, and the last session that saw it.
    pub since: Timestamp,
    pub session: SessionId,
}

impl Missing {
    pub fn numbers(&self) -> String {
        let width = self.width;
        if self.from == self.to {
            format!("{:0width$}", self.from)
        } else {
            format!("{:0width$}-{:0width$}", self.from, self.to)
        }
    }

    pub fn names(&self) -> String {
        let count = self.to - self.from + 1;
        match count {
            1 => format!("number {}", self.numbers()),
            _ => format!("a run of {count} numbers ({})", self.numbers()),
        }
    }
}

/// A name around its last run of digits.
#[derive(Debug, Clone, Copy)]
struct Name<'a> {
    folder: &'a [u8],
    prefix: &'a [u8],
    digits: &'a [u8],
    suffix: &'a [u8],
    number: u64,
}

fn parse(path: &SourcePath) -> Option<Name<'_>> {
    let name = path.file_name();
    let folder = &path.as_bytes()[..path.as_bytes().len() - name.len()];
    let stem = name.iter().rposition(|&b| b == b'.').unwrap_or(name.len());
    let end = name[..stem].iter().rposition(u8::is_ascii_digit)? + 1;
    let begin = name[..end]
        .iter()
        .rposition(|b| !b.is_ascii_digit())
        .map_or(0, |at| at + 1);
    let digits = &name[begin..end];
    if digits.len() > DIGITS_MAX {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(Name {
        folder,
        prefix: &name[..begin],
        digits,
        suffix: &name[end..],
        number,
    })
}

impl Name<'_> {
    /// A date stands before it, and hours, minutes and seconds would make it up.
    fn may_be_time_of_day(&self) -> bool {
        let runs = self.prefix.split(|b| !b.is_ascii_digit());
        let digits: usize = runs.map(<[u8]>::len).sum();
        let parts: Vec<u64> = match self.digits.len() {
            2 => vec![self.number],
            4 => vec![self.number / 100, self.number % 100],
            6 => vec![
                self.number / 10_000,
                self.number / 100 % 100,
                self.number % 100,
            ],
            _ => return false,
        };
        digits >= 6 && parts.iter().all(|part| *part < 60)
    }
}

struct File<'a> {
    path: &'a SourcePath,
    name: Name<'a>,
    at: Timestamp,
    session: SessionId,
}

type Key<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// The runs of numbers that are missing between files of one camera, given with their times.
pub(super) fn missing<'a>(
    files: impl Iterator<Item = (&'a SourcePath, Timestamp, SessionId)>,
) -> Vec<Missing> {
    let files: Vec<File<'a>> = files
        .filter_map(|(path, at, session)| {
            let name = parse(path)?;
            Some(File {
                path,
                name,
                at,
                session,
            })
        })
        .collect();
    let mut series: BTreeMap<Key<'a>, Vec<&File<'a>>> = BTreeMap::new();
    for file in &files {
        let video = file
            .path
            .extension()
            .is_some_and(|e| VIDEO.contains(&e.as_str()));
        if video {
            let key = (file.name.folder, file.name.prefix, file.name.suffix);
            series.entry(key).or_default().push(file);
        }
    }
    let mut holes = Vec::new();
    for members in series.values_mut() {
        if members.iter().all(|file| file.name.may_be_time_of_day()) {
            continue;
        }
        members.sort_by_key(|file| (file.at, file.name.number));
        for run in runs(members) {
            holes.extend(steps(&run));
        }
    }
    if holes.is_empty() {
        return Vec::new();
    }
    let mut by_number: HashMap<u64, Vec<&File<'a>>> = HashMap::new();
    for file in &files {
        by_number.entry(file.name.number).or_default().push(file);
    }
    holes
        .iter()
        .flat_map(|(before, after)| left(before, after, &by_number))
        .collect()
}

/// Cuts a series, in the order of its times, where the counter began anew.
fn runs<'a, 'f>(members: &[&'f File<'a>]) -> Vec<BTreeMap<u64, &'f File<'a>>> {
    let mut runs: Vec<BTreeMap<u64, &'f File<'a>>> = Vec::new();
    for file in members {
        let number = file.name.number;
        let anew = runs.last().is_none_or(|run| {
            let highest = run.last_key_value().map_or(0, |(highest, _)| *highest);
            run.contains_key(&number) || number + ANEW <= highest
        });
        if anew {
            runs.push(BTreeMap::new());
        }
        if let Some(run) = runs.last_mut() {
            run.insert(number, file);
        }
    }
    runs
}

/// Where a run steps by more than one; nothing where it does not clearly count.
fn steps<'a, 'f>(run: &BTreeMap<u64, &'f File<'a>>) -> Vec<(&'f File<'a>, &'f File<'a>)> {
    let pairs = run.values().copied().zip(run.values().copied().skip(1));
    let (by_one, wide): (Vec<_>, Vec<_>) =
        pairs.partition(|(a, b)| a.name.number + 1 == b.name.number);
    if run.len() < 3 || by_one.len() < wide.len() {
        return Vec::new();
    }
    wide
}

/// What is left of a hole once other files with such a number are put into it.
fn left(
    before: &File<'_>,
    after: &File<'_>,
    by_number: &HashMap<u64, Vec<&File<'_>>>,
) -> Vec<Missing> {
    let (first, last) = (before.at.min(after.at), before.at.max(after.at));
    let fills = |file: &File<'_>| {
        let around = file.at + AROUND >= first && file.at - AROUND <= last;
        file.name.folder == before.name.folder || (file.name.prefix == before.name.prefix && around)
    };
    let (from, to) = (before.name.number + 1, after.name.number - 1);
    // A hole may be as wide as its digits allow; the files are fewer.
    let filled: BTreeSet<u64> = if to - from < by_number.len() as u64 {
        (from..=to)
            .filter(|n| {
                by_number
                    .get(n)
                    .is_some_and(|files| files.iter().any(|f| fills(f)))
            })
            .collect()
    } else {
        let within = by_number.iter().filter(|(n, _)| (from..=to).contains(n));
        within
            .filter(|(_, files)| files.iter().any(|f| fills(f)))
            .map(|(n, _)| *n)
            .collect()
    };
    let mut found = Vec::new();
    let mut next = from;
    for end in filled.iter().copied().chain([to + 1]) {
        if next < end {
            let name = &before.name;
            let series = [name.folder, name.prefix, b"#", name.suffix].concat();
            found.push(Missing {
                series: Escaped(&series).to_string(),
                from: next,
                to: end - 1,
                width: name.digits.len(),
                before: before.path.to_string(),
                after: after.path.to_string(),
                since: after.at,
                session: after.session,
            });
        }
        next = end + 1;
    }
    found
}
