//! Numbers that are missing in the names of a camera's recordings.
//!
//! Cameras do not say how they name their files, so this looks at the names themselves, and only where they clearly count
//! up: a false gap costs trust. The files of one series are in one folder and have the same name except for the last run of
//! digits and a date and time before it. A series counts if at least half of its steps are by one, or if one is and its numbers
//! lie close together. Numbers that may be times of day are left out.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use jiff::{SignedDuration, Timestamp};

use crate::model::{Escaped, SessionId, SourcePath};

/// Extensions of recordings. Photos and sidecars may fill a gap but never make one.
const VIDEO: [&str; 12] = [
    "mp4", "mov", "avi", "ts", "mts", "mkv", "m4v", "mpg", "mpeg", "3gp", "asf", "wmv",
];
/// A number with more digits than this is not a counter.
const DIGITS_MAX: usize = 12;
/// A step back by this much means that the counter was reset.
const RESET_STEP: u64 = 100;
/// A file of another folder fills a gap unless it is older or newer than the neighbours by more than this.
const NEIGHBOUR_WINDOW: SignedDuration = SignedDuration::from_mins(10);

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
#[derive(Debug, Clone)]
struct Name<'a> {
    folder: &'a [u8],
    /// Has `@` in place of each run of digits of a date and time, because those differ from file to file.
    prefix: Cow<'a, [u8]>,
    digits: &'a [u8],
    suffix: &'a [u8],
    number: u64,
    /// The chapter of a recording that the camera split; cameras count chapters apart from recordings.
    chapter: Option<Chapter>,
    may_be_time_of_day: bool,
}

/// The position of a file within a split recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Chapter {
    number: u64,
    /// The number that the first one has.
    first: u64,
}

/// GoPro's names: `GX020045` is the second file of recording 45, and `GP010045` follows `GOPR0045`. Returns the letters that
/// all files of the series share, the chapter, and the digits of the recording.
fn chaptered(name: &[u8]) -> Option<(&'static [u8], Chapter, Range<usize>)> {
    let (letters, first) = match name.get(..2)? {
        b"GH" => (&b"GH"[..], 1),
        b"GX" => (&b"GX"[..], 1),
        b"GL" => (&b"GL"[..], 1),
        b"GP" => (&b"GOPR"[..], 0),
        b"GO" if name.starts_with(b"GOPR") => (&b"GOPR"[..], 0),
        _ => return None,
    };
    let digits = &name[name.iter().position(u8::is_ascii_digit)?..];
    let digits = &digits[..digits.iter().take_while(|b| b.is_ascii_digit()).count()];
    let at = name.len() - name.iter().skip_while(|b| !b.is_ascii_digit()).count();
    let (number, skipped) = match (digits.len(), at) {
        (6, 2) => (value(&digits[..2]), 2),
        (4, 4) => (0, 0),
        _ => return None,
    };
    let chapter = Chapter { number, first };
    Some((letters, chapter, at + skipped..at + digits.len()))
}

fn parse(path: &SourcePath) -> Option<Name<'_>> {
    let whole = path.as_bytes();
    let name_at = whole.len() - path.file_name().len();
    let stem_end = whole[name_at..].iter().rposition(|&b| b == b'.');
    let stem_end = name_at + stem_end.unwrap_or(whole.len() - name_at);
    let (last, before) = runs_of_digits(&whole[..stem_end])
        .split_last()
        .map(|(l, b)| (l.clone(), b.to_vec()))?;
    if last.start < name_at || last.len() > DIGITS_MAX {
        return None;
    }
    if let Some((letters, chapter, run)) = chaptered(&whole[name_at..stem_end]) {
        let run = run.start + name_at..run.end + name_at;
        return Some(Name {
            folder: &whole[..name_at],
            prefix: Cow::Borrowed(letters),
            digits: &whole[run.clone()],
            suffix: &whole[run.end..],
            number: value(&whole[run]),
            chapter: Some(chapter),
            may_be_time_of_day: false,
        });
    }
    let digits = &whole[last.clone()];
    let number = value(digits);
    // The runs of the date and its time that stand before the last run.
    let stamped = date(whole, &before).map(|(from, behind)| (&before[from..], behind));
    let within = |run: &Range<usize>| run.start >= name_at;
    let prefix = match stamped {
        Some((runs, _)) if runs.iter().any(within) => {
            let mut masked = Vec::new();
            let mut at = name_at;
            for run in runs.iter().filter(|run| within(run)) {
                masked.extend_from_slice(&whole[at..run.start]);
                masked.push(b'@');
                at = run.end;
            }
            masked.extend_from_slice(&whole[at..last.start]);
            Cow::Owned(masked)
        }
        _ => Cow::Borrowed(&whole[name_at..last.start]),
    };
    Some(Name {
        folder: &whole[..name_at],
        prefix,
        digits,
        suffix: &whole[last.end..],
        number,
        chapter: None,
        may_be_time_of_day: stamped.is_some_and(|(_, behind)| time_of_day(digits, behind))
            || date(whole, std::slice::from_ref(&last)).is_some(),
    })
}

fn runs_of_digits(text: &[u8]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.iter().enumerate().filter(|(_, b)| b.is_ascii_digit()) {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end = at + 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

fn value(digits: &[u8]) -> u64 {
    digits.iter().fold(0u64, |sum, b| {
        sum.saturating_mul(10).saturating_add(u64::from(b - b'0'))
    })
}

/// Finds the last date among runs of digits; returns the run where it begins and how many digits follow it.
fn date(text: &[u8], runs: &[Range<usize>]) -> Option<(usize, usize)> {
    let of = |run: usize| runs.get(run).map_or(&[][..], |run| &text[run.clone()]);
    let month_day = |digits: &[u8]| {
        digits.len() == 4
            && (1..=12).contains(&value(&digits[..2]))
            && (1..=31).contains(&value(&digits[2..]))
    };
    let year = |digits: &[u8]| digits.len() == 4 && (1990..2100).contains(&value(digits));
    let found = |at: usize, short: bool| {
        let digits = of(at);
        // The number of runs that the date takes up, and the number of digits of its last run that belong to the time.
        let (taken, over) = match digits.len() {
            8 | 12 | 14 if year(&digits[..4]) && month_day(&digits[4..8]) => (1, digits.len() - 8),
            // A time of day can look like this, too.
            6 if short && month_day(&digits[2..]) => (1, 0),
            4 if year(digits) && month_day(of(at + 1)) => (2, 0),
            4 if year(digits) && month_day(&[of(at + 1), of(at + 2)].concat()) => (3, 0),
            _ => return None,
        };
        let behind: usize = runs.iter().skip(at + taken).map(Range::len).sum();
        Some((at, over + behind))
    };
    let last = |short| (0..runs.len()).rev().find_map(|at| found(at, short));
    last(false).or_else(|| last(true))
}

/// Whether `digits` can continue a time of day of which `before` digits stand in front of them.
fn time_of_day(digits: &[u8], before: usize) -> bool {
    let pairs = digits.chunks(2);
    digits.len().is_multiple_of(2)
        && before + digits.len() <= 6
        && pairs.into_iter().all(|pair| value(pair) < 60)
}

struct NumberedFile<'a> {
    path: &'a SourcePath,
    name: Name<'a>,
    at: Timestamp,
    session: SessionId,
}

type SeriesKey<'a> = (&'a [u8], Cow<'a, [u8]>);

/// The runs of numbers that are missing between files of one camera, given with their times.
pub(super) fn missing<'a>(
    files: impl Iterator<Item = (&'a SourcePath, Timestamp, SessionId)>,
) -> Vec<Missing> {
    let files: Vec<NumberedFile<'a>> = files
        .filter_map(|(path, at, session)| {
            let name = parse(path)?;
            Some(NumberedFile {
                path,
                name,
                at,
                session,
            })
        })
        .collect();
    let mut series: BTreeMap<SeriesKey<'a>, Vec<&NumberedFile<'a>>> = BTreeMap::new();
    for file in &files {
        let video = file
            .path
            .extension()
            .is_some_and(|e| VIDEO.contains(&e.as_str()));
        if video {
            let name = &file.name;
            let key = (name.folder, name.prefix.clone());
            series.entry(key).or_default().push(file);
        }
    }
    let mut holes = Vec::new();
    let mut chapters = Vec::new();
    for members in series.values_mut() {
        chapters.extend(missing_chapters(members));
        if members.iter().all(|file| file.name.may_be_time_of_day) {
            continue;
        }
        members.sort_by_key(|file| (file.at, file.name.number));
        for run in runs(members) {
            holes.extend(steps(&run));
        }
    }
    if holes.is_empty() {
        return chapters;
    }
    let mut by_number: HashMap<u64, Vec<&NumberedFile<'a>>> = HashMap::new();
    for file in &files {
        by_number.entry(file.name.number).or_default().push(file);
    }
    holes
        .iter()
        .flat_map(|(before, after)| left(before, after, &by_number))
        .chain(chapters)
        .collect()
}

/// The chapters that are missing before others of the same recording.
fn missing_chapters(members: &[&NumberedFile<'_>]) -> Vec<Missing> {
    let mut split: BTreeMap<(u64, Chapter), &NumberedFile<'_>> = BTreeMap::new();
    for file in members {
        if let Some(chapter) = file.name.chapter {
            split.entry((file.name.number, chapter)).or_insert(*file);
        }
    }
    let mut found = Vec::new();
    let mut before: Option<(u64, u64, &NumberedFile<'_>)> = None;
    for ((recording, chapter), file) in split {
        let previous = before.filter(|(number, ..)| *number == recording);
        let next = previous.map_or(chapter.first, |(_, last, _)| last + 1);
        if next < chapter.number {
            let name = &file.name;
            let series = [name.folder, &name.prefix, b"#", name.digits].concat();
            found.push(Missing {
                series: Escaped(&series).to_string(),
                from: next,
                to: chapter.number - 1,
                width: 2,
                before: previous.map_or_else(
                    || "the beginning of the recording".to_owned(),
                    |(_, _, file)| file.path.to_string(),
                ),
                after: file.path.to_string(),
                since: file.at,
                session: file.session,
            });
        }
        before = Some((recording, chapter.number, file));
    }
    found
}

/// Cuts a series, sorted by time, where the counter was reset.
fn runs<'a, 'f>(members: &[&'f NumberedFile<'a>]) -> Vec<BTreeMap<u64, &'f NumberedFile<'a>>> {
    let mut runs: Vec<BTreeMap<u64, &'f NumberedFile<'a>>> = Vec::new();
    let mut names = BTreeSet::new();
    for file in members {
        let (number, suffix) = (file.name.number, (file.name.chapter, file.name.suffix));
        let reset = runs.last().is_none_or(|run| {
            let highest = run.last_key_value().map_or(0, |(highest, _)| *highest);
            // Two lenses may share a number, but one name cannot occur twice.
            names.contains(&(number, suffix)) || number.saturating_add(RESET_STEP) <= highest
        });
        if reset {
            runs.push(BTreeMap::new());
            names.clear();
        }
        names.insert((number, suffix));
        if let Some(run) = runs.last_mut() {
            run.entry(number).or_insert(*file);
        }
    }
    runs
}

/// The places where a run steps by more than one; none if the run does not clearly count up.
fn steps<'a, 'f>(
    run: &BTreeMap<u64, &'f NumberedFile<'a>>,
) -> Vec<(&'f NumberedFile<'a>, &'f NumberedFile<'a>)> {
    let pairs = run.values().copied().zip(run.values().copied().skip(1));
    let (by_one, wide): (Vec<_>, Vec<_>) =
        pairs.partition(|(a, b)| a.name.number + 1 == b.name.number);
    let counts = by_one.len() >= wide.len() || !by_one.is_empty() && is_dense(run);
    if run.len() < 3 || !counts {
        return Vec::new();
    }
    wide
}

/// Whether so many of the numbers between the first and the last are there that only a counter can have made them, though
/// more are missing than not.
fn is_dense(run: &BTreeMap<u64, &NumberedFile<'_>>) -> bool {
    let (Some((first, _)), Some((last, _))) = (run.first_key_value(), run.last_key_value()) else {
        return false;
    };
    let padded = run
        .values()
        .any(|file| file.name.digits.first() == Some(&b'0'));
    let sparsest = if padded { 100 } else { 10 };
    (last - first) / run.len().max(1) as u64 <= sparsest
}

/// The part of a hole that is left after other files with its numbers have filled it.
fn left(
    before: &NumberedFile<'_>,
    after: &NumberedFile<'_>,
    by_number: &HashMap<u64, Vec<&NumberedFile<'_>>>,
) -> Vec<Missing> {
    let (first, last) = (before.at.min(after.at), before.at.max(after.at));
    let fills = |file: &NumberedFile<'_>| {
        // A camera may name any time there is, so no time is moved: it could fall outside the years that there are.
        let around = first.duration_since(file.at) <= NEIGHBOUR_WINDOW
            && file.at.duration_since(last) <= NEIGHBOUR_WINDOW;
        file.name.folder == before.name.folder || (file.name.prefix == before.name.prefix && around)
    };
    let (from, to) = (before.name.number + 1, after.name.number - 1);
    // A hole may be as wide as its digits allow, so this walks whichever is fewer: numbers or files.
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
            let series = [name.folder, &name.prefix, b"#"].concat();
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
