//! Which recordings get a video, and what the record says where there is none.

use std::fs;

use camdock::model::{Part, PreviewOutcome};

use crate::footage::{clip, ffmpeg};
use crate::place::Place;
use crate::previews::{ON, dock, previewed};

#[test]
fn a_video_is_made_where_browsers_do_not_play_the_original_and_the_log_says_why_there_is_none() {
    let place = Place::new(&[ON]);
    let clip_path = place.path("clip.mp4");
    let pristine = clip("carphone_pristine.mp4");
    fs::write(&clip_path, &pristine).unwrap();
    let converted = |name: &str, codec: &str| {
        let made = place.path(name);
        let (from, to) = (clip_path.display(), made.display());
        ffmpeg(&format!("-i {from} -c:v {codec} {to}"));
        fs::read(made).unwrap()
    };
    dock(&place, "X0000001", "A.MP4", &clip("bigbuckbunny.mp4"));
    dock(&place, "X0000001", "B.MKV", &converted("b.mkv", "copy"));
    dock(&place, "X0000001", "C.TS", &converted("c.ts", "copy"));
    let hevc = "libx265 -preset ultrafast -x265-params log-level=error";
    dock(&place, "X0000001", "D.MP4", &converted("d.mp4", hevc));
    place.drain().ends(0);
    let ts = converted("g.ts", "copy");
    for (setting, name, bytes) in [
        ("above_megabits = 1", "E.MP4", &pristine),
        ("video = \"always\"", "F.MP4", &pristine),
        ("video = \"never\"", "G.TS", &ts),
    ] {
        place.configure(&[ON, ("preview", setting)]);
        dock(&place, "X0000001", name, bytes);
        place.drain().ends(0);
    }
    let all = previewed(&place);
    assert_eq!(all.len(), 14, "{all:#?}");
    let plays = |what: &str, rate: &str| {
        let reason = format!(
            "the original is {what}, which browsers play, and has {rate} megabits a second, not more than 12"
        );
        Some(("preview_not_needed".to_owned(), reason))
    };
    let off = "the configuration of the station asks for no preview videos".to_owned();
    for (name, none) in [
        ("A.MP4", plays("MP4 with H.264 and AAC", "1.5")),
        ("B.MKV", plays("Matroska with H.264 and no sound", "1.1")),
        ("C.TS", None),
        ("D.MP4", None),
        ("E.MP4", None),
        ("F.MP4", None),
        ("G.TS", Some(("preview_videos_off".to_owned(), off))),
    ] {
        let item = place.item(name);
        assert_eq!(item["state"], "released", "{name}");
        let of = |part| {
            let found = all
                .iter()
                .find(|p| p.part == part && item["evidence"] == p.evidence.to_string());
            &found
                .unwrap_or_else(|| panic!("no {part} of {name}"))
                .outcome
        };
        let sheet = of(Part::Storyboard);
        assert!(
            matches!(sheet, PreviewOutcome::Made(_)),
            "{name}: {sheet:?}"
        );
        let video = of(Part::Preview);
        match (video, &none) {
            (PreviewOutcome::Made(_), None) => {}
            (
                PreviewOutcome::Skipped {
                    code: Some(code),
                    reason,
                },
                Some((expected, words)),
            ) => {
                assert_eq!((code, reason), (expected, words), "{name}");
            }
            _ => panic!("{name}: {video:?}"),
        }
        if let Some((code, reason)) = none {
            let evidence = item["evidence"].as_str().unwrap();
            place
                .camdock(&["show", evidence])
                .ends(0)
                .says(&format!("No preview video was made ({code}): {reason}."));
        }
    }
    assert_eq!(place.verify_deep()["previews"], 11);
}
