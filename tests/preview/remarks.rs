//! The facts that nobody can see in a preview are in its record: hidden, lost, encrypted and further footage.

use std::fs;

use camdock::model::{Part, Remark, RemarkCode};
use camdock::preview::{Ending, FinishedPreview};

use crate::stage::Stage;

const X264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 30";
const FILM: &str = "-f lavfi -i testsrc2=s=320x180:r=15";

fn film(stage: &Stage, name: &str, args: &str) -> Vec<u8> {
    fs::read(stage.film(name, args)).unwrap()
}

/// The record's remarks about the recording, and about this preview of it.
fn remarks(stage: &Stage, part: Part, bytes: &[u8]) -> (Vec<Remark>, Option<FinishedPreview>) {
    let report = stage.answer(part, bytes).report;
    let of_file = report.probe.map_or(Vec::new(), |probe| probe.remarks);
    match report.ending {
        Ending::Made(made) => (of_file, Some(made)),
        _ => (of_file, None),
    }
}

fn number(remarks: &[Remark], code: RemarkCode) -> Option<u64> {
    remarks.iter().find(|r| r.code == code).map(|r| r.n)
}

#[test]
fn ordinary_footage_needs_no_remark() {
    let stage = Stage::new();
    let sound = "-f lavfi -i sine=f=440";
    for name in ["a.mp4", "a.mov", "a.avi", "a.ts", "a.mkv"] {
        let bytes = film(
            &stage,
            name,
            &format!("{FILM} {sound} -t 12 {X264} -c:a aac"),
        );
        for part in [Part::Storyboard, Part::Preview] {
            let (of_file, made) = remarks(&stage, part, &bytes);
            assert_eq!(of_file, [], "{name}");
            assert_eq!(made.unwrap().picture.remarks, [], "{name}, {part}");
        }
    }
}

#[test]
fn footage_that_an_edit_list_hides_is_named() {
    let stage = Stage::new();
    stage.film("whole.mp4", &format!("{FILM} -t 20 {X264} -g 600"));
    let whole = stage.path("whole.mp4");
    let cut = film(
        &stage,
        "cut.mp4",
        &format!("-ss 8.4 -i {} -c copy", whole.display()),
    );
    let (of_file, made) = remarks(&stage, Part::Storyboard, &cut);
    let hidden = number(&of_file, RemarkCode::HiddenByEdits).expect("a remark");
    assert!(hidden.abs_diff(8400) < 200, "{hidden}");
    let length = made.unwrap().picture.duration_ms;
    assert!(length.abs_diff(11_600) < 300, "{length}");
}

/// Where a box begins.
fn find(bytes: &[u8], name: [u8; 4]) -> usize {
    bytes.windows(4).position(|four| four == name).unwrap() - 4
}

#[test]
fn media_that_the_index_does_not_name_is_named() {
    let stage = Stage::new();
    let whole = film(&stage, "whole.mp4", &format!("{FILM} -t 40 {X264}"));
    let from = stage.path("whole.mp4");
    let short = film(
        &stage,
        "short.mp4",
        &format!("-i {} -t 4 -c copy", from.display()),
    );
    let media = find(&whole, *b"moov");
    let bytes = [&whole[..media], &short[find(&short, *b"moov")..]].concat();
    let (of_file, _) = remarks(&stage, Part::Preview, &bytes);
    let outside = number(&of_file, RemarkCode::OutsideIndex).expect("a remark");
    assert!(outside > media as u64 / 2, "{outside} of {media}");
}

#[test]
fn a_file_of_zeros_is_called_so_and_zeros_at_the_end_are_counted() {
    let stage = Stage::new();
    for part in [Part::Storyboard, Part::Preview] {
        let ending = stage.answer(part, &vec![0; 3_000_000]).report.ending;
        let Ending::Failed { code, .. } = &ending else {
            panic!("{ending:?}");
        };
        assert_eq!(code, "preview_all_zeros");
    }
    let faststart = format!("{FILM} -t 30 {X264} -movflags +faststart");
    let mut bytes = film(&stage, "a.mp4", &faststart);
    let from = bytes.len() * 4 / 10;
    bytes[from..].fill(0);
    let (of_file, made) = remarks(&stage, Part::Preview, &bytes);
    let zeros = number(&of_file, RemarkCode::ZerosAtEnd).expect("a remark");
    assert!(zeros.abs_diff((bytes.len() - from) as u64) < 10, "{zeros}");
    let picture = made.expect("what there is is shown").picture;
    let missing = number(&picture.remarks, RemarkCode::NotShown).expect("a remark");
    assert!((5000..29_000).contains(&picture.duration_ms), "{picture:?}");
    assert!(
        picture.duration_ms.abs_diff(30_000 - missing) < 1000,
        "{picture:?}"
    );
    let (_, made) = remarks(&stage, Part::Storyboard, &bytes);
    let picture = made.expect("what there is is shown").picture;
    assert!(
        number(&picture.remarks, RemarkCode::MissingPictures).is_some(),
        "{picture:?}"
    );
}

#[test]
fn encrypted_pictures_are_called_so_and_not_shown_in_grey() {
    let stage = Stage::new();
    let key = "0123456789abcdef0123456789abcdef";
    let scheme =
        format!("-encryption_scheme cenc-aes-ctr -encryption_key {key} -encryption_kid {key}");
    let bytes = film(&stage, "a.mp4", &format!("{FILM} -t 6 {X264} {scheme}"));
    for part in [Part::Storyboard, Part::Preview] {
        let report = stage.answer(part, &bytes).report;
        let Ending::Failed { code, .. } = &report.ending else {
            panic!("{report:?}");
        };
        assert_eq!(code, "preview_encrypted");
        let of_file = report.probe.unwrap().remarks;
        assert_eq!(of_file, [Remark::new(RemarkCode::EncryptedVideo, 1)]);
    }
}

#[test]
fn a_second_video_track_is_named() {
    let stage = Stage::new();
    let other = "-f lavfi -i testsrc=s=320x180:r=15";
    let bytes = film(
        &stage,
        "a.mp4",
        &format!("{FILM} {other} -map 0 -map 1 -t 6 {X264}"),
    );
    let (of_file, made) = remarks(&stage, Part::Storyboard, &bytes);
    assert_eq!(of_file, [Remark::new(RemarkCode::OtherVideo, 1)]);
    assert!(made.is_some());
}

#[test]
fn a_fragmented_file_that_breaks_off_is_called_cut_off() {
    let stage = Stage::new();
    let flags = "-movflags +frag_keyframe+empty_moov";
    let mut bytes = film(&stage, "a.mp4", &format!("{FILM} -t 20 {X264} {flags}"));
    bytes.truncate(bytes.len() * 63 / 100);
    let (of_file, made) = remarks(&stage, Part::Preview, &bytes);
    assert!(
        number(&of_file, RemarkCode::CutOff).is_some(),
        "{of_file:?}"
    );
    let length = made.unwrap().picture.duration_ms;
    assert!((8000..14_000).contains(&length), "{length}");
}

/// A bare stream in the frames of Dahua's recorders.
fn dhav(stream: &[u8]) -> Vec<u8> {
    let delimiter = [0, 0, 0, 1, 9];
    let starts: Vec<usize> = (0..stream.len() - 5)
        .filter(|at| stream[*at..].starts_with(&delimiter))
        .chain([stream.len()])
        .collect();
    let mut film = Vec::new();
    for (number, unit) in (0u32..).zip(starts.windows(2)) {
        let unit = &stream[unit[0]..unit[1]];
        let key = unit
            .windows(4)
            .any(|w| w[..3] == [0, 0, 1] && w[3] & 31 == 5);
        let more = [0x81, 0, 2, 25, 0x82, 0, 0, 0, 0xe0, 1, 0x0e, 1];
        let length = u32::try_from(24 + more.len() + unit.len() + 8).unwrap();
        let date = (26 << 26) | (11 << 22) | (3 << 17) | (10 << 12) | (number / 25);
        let ms = u16::try_from((number * 40) & 0xffff).unwrap();
        let mut head = b"DHAV".to_vec();
        head.extend([if key { 0xfd } else { 0xfc }, 1, 0, 0]);
        head.extend([number, length, date].iter().flat_map(|n| n.to_le_bytes()));
        head.extend(ms.to_le_bytes());
        head.push(12);
        head.push(head.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)));
        film.extend([&head[..], &more, unit, b"dhav", &length.to_le_bytes()].concat());
    }
    film
}

#[test]
fn recordings_of_dahua_are_shown() {
    let stage = Stage::new();
    let source = "-f lavfi -i testsrc2=s=480x270:r=25";
    let stream = film(
        &stage,
        "a.264",
        &format!("{source} -t 20 {X264} -g 50 -bf 0 -x264-params aud=1 -f h264"),
    );
    let bytes = dhav(&stream);
    let (_, made, mp4) = stage.made(Part::Preview, &bytes);
    stage.ffprobe("preview.mp4", &mp4);
    stage.decodes("preview.mp4");
    assert!(
        made.picture.duration_ms.abs_diff(20_000) < 1500,
        "{:?}",
        made.picture
    );
    let (_, made, _) = stage.made(Part::Storyboard, &bytes);
    let cues = &made.picture.cues;
    assert!(
        cues.len() >= 3 && cues.last().unwrap().start_ms >= 10_000,
        "{cues:?}"
    );
}
