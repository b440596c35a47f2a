//! A recording that takes another one's place, with its path, size and time, while the pull of that one is interrupted.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use camdock::seal::MessageHeader;

use crate::all_of;
use crate::place::Place;
use crate::support::SeededSource;

/// Enough to be resumed.
const SIZE: u64 = 9_000_000;

/// The progress of the pull when the other recording is docked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Whole frames, and so many bytes of the next one.
    After(u64, u64),
    /// Everything is sealed.
    Whole,
}

/// Where the recordings differ.
#[derive(Clone, Copy)]
enum Differs {
    Everywhere,
    InFrame(u64),
}

const CASES: [(Cut, Differs); 9] = [
    (Cut::After(3, 0), Differs::Everywhere),
    (Cut::After(3, 0), Differs::InFrame(0)),
    (Cut::After(3, 0), Differs::InFrame(2)),
    (Cut::After(3, 9), Differs::Everywhere),
    (Cut::After(3, 9), Differs::InFrame(2)),
    (Cut::After(3, 1000), Differs::InFrame(0)),
    (Cut::After(3, 1000), Differs::InFrame(3)),
    (Cut::Whole, Differs::Everywhere),
    (Cut::Whole, Differs::InFrame(0)),
];

fn record(place: &Place, content: &[u8]) {
    let path = place.camera("X0000001").join("A.MP4");
    fs::write(&path, content).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

fn partial(place: &Place) -> PathBuf {
    let entries = fs::read_dir(place.path("state/spool")).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths
        .find(|path| path.extension().is_some_and(|e| e == "part"))
        .unwrap()
}

/// The length of a message's header with its tag, and of a frame's plaintext.
fn layout(path: &Path) -> (u64, u64) {
    let mut file = BufReader::new(File::open(path).unwrap());
    let (header, body, tag) = MessageHeader::read(&mut file).unwrap();
    let length = body.len() + tag.len();
    (length as u64, header.frame_length.into())
}

fn stops(place: &Place, point: &str) {
    let set = [("CAMDOCK_FAILPOINT", format!("stop:{point}"))];
    let set = set.each_ref().map(|(name, value)| (*name, value.as_str()));
    let ran = place.start_with(&["run", "--drain"], &set).wait();
    assert_eq!(ran.code, None, "{}", ran.err);
}

#[test]
fn another_recording_is_never_joined_to_the_beginning_of_one_that_it_replaced() {
    let base = Place::new(&[]);
    all_of(&CASES, |number, (cut, differs)| {
        let prefix = format!("prefix = \"swapped-{number}/\"");
        let place = base.another(&[("store", &prefix)]);
        let content = SeededSource::new(1, SIZE).whole();
        record(&place, &content);
        stops(&place, "pull: finished");
        let path = partial(&place);
        let (header, frame) = layout(&path);
        if let Cut::After(frames, bytes) = cut {
            let length = header + frames * (frame + 32) + bytes;
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(length)
                .unwrap();
        }
        let mut other = content;
        match differs {
            Differs::Everywhere => other = SeededSource::new(2, SIZE).whole(),
            Differs::InFrame(n) => other[usize::try_from(n * frame).unwrap()] ^= 1,
        }
        record(&place, &other);
        place.drain().ends(0);
        let items = place.items();
        if items.len() != 1 {
            return Err(format!("case {number}: {items:?}"));
        }
        if place.open(items[0]["evidence"].as_str().unwrap()) != other {
            return Err(format!("case {number}: two recordings were joined"));
        }
        Ok(())
    });
}

#[test]
fn torn_bytes_stay_until_the_frame_that_is_made_again_has_matched_them() {
    let place = Place::new(&[]);
    let mut content = SeededSource::new(1, SIZE).whole();
    record(&place, &content);
    stops(&place, "pull: finished");
    let path = partial(&place);
    let (header, frame) = layout(&path);
    let length = header + 3 * (frame + 32) + 1000;
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len(length).unwrap();
    let bytes = fs::read(&path).unwrap();
    // Stopped again before anything more was sealed.
    stops(&place, "journal move_to_session: after");
    assert!(fs::read(&path).unwrap() == bytes);
    let evidence = place.items()[0]["evidence"].clone();
    // The same frame number under the same key may never seal two contents.
    content[usize::try_from(3 * frame).unwrap()] ^= 1;
    record(&place, &content);
    place.drain().ends(0);
    let items = place.items();
    assert_eq!(items.len(), 1, "{items:?}");
    assert_ne!(items[0]["evidence"], evidence);
    assert!(place.open(items[0]["evidence"].as_str().unwrap()) == content);
}
