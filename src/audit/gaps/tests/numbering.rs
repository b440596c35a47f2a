//! Numbers in names: what is missing, and what only looks so.

use serde_json::json;

use super::{E1, LogScript, S1, file};
use crate::audit::gaps::{Gap, GapKind};

/// A camera whose files are all held, so that only their names count.
fn named(files: &[(&str, u64, u8)]) -> Vec<Gap> {
    let mut story = LogScript::new();
    story.docked(S1, Some("acme/X1"));
    story.lists(S1, files);
    for taken in files {
        let mut data = file(taken);
        data["evidence"] = json!(E1);
        story.says(S1, "item.held", &data);
    }
    story.undocked(S1, 0);
    story.gaps()
}

fn missing(names: &[&str]) -> Vec<String> {
    let files: Vec<_> = names
        .iter()
        .zip(0..)
        .map(|(name, at)| (*name, 5, at))
        .collect();
    let gaps = named(&files);
    gaps.into_iter()
        .map(|gap| {
            assert_eq!(gap.code, GapKind::GapNumber, "{gap:?}");
            let name = gap.gap.strip_prefix("number:acme/X1:").unwrap();
            name.strip_suffix(":2026-02-28").unwrap().to_owned()
        })
        .collect()
}

#[test]
fn a_missing_number_is_named_and_a_photo_or_a_locked_recording_fills_it() {
    assert_eq!(
        missing(&["D/A0001.MP4", "D/A0002.MP4", "D/A0003.MP4"]),
        [""; 0]
    );
    assert_eq!(
        missing(&["D/A0001.MP4", "D/A0002.MP4", "D/A0003.MP4", "D/A0005.MP4"]),
        ["D/A#:0004"]
    );
    let wide = ["D/A0001.MP4", "D/A0002.MP4", "D/A0009.MP4", "D/A0010.MP4"];
    assert_eq!(missing(&wide), ["D/A#:0003-0008"]);
    let filled = [
        "D/A0001.MP4",
        "D/A0002.MP4",
        "D/P0003.JPG",
        "EVENT/A0004.MP4",
        "D/A0005.MP4",
        "D/A0006.MP4",
        "D/A0009.MP4",
        "D/A0010.MP4",
    ];
    assert_eq!(missing(&filled), ["D/A#:0007-0008"]);
    // Out of order, as a long recording ends after a short one that began later.
    assert_eq!(
        missing(&["D/A0001.MP4", "D/A0003.MP4", "D/A0002.MP4", "D/A0004.MP4"]),
        [""; 0]
    );
}

#[test]
fn a_counter_behind_date_and_time_counts() {
    let names = |counters: &[u8]| {
        let named = counters
            .iter()
            .map(|n| format!("D/X81234567_20260301_12{n:02}17_00{n:02}.MP4"));
        named.collect::<Vec<_>>()
    };
    let all = |names: &[String]| missing(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(all(&names(&[1, 2, 3, 4])), [""; 0]);
    assert_eq!(all(&names(&[1, 2, 4, 5])), ["D/X81234567_@_@_#:0003"]);
    let others = [
        "D/2026_0301_101112_021.MP4",
        "D/2026_0301_101512_022.MP4",
        "D/2026_0301_102212_024.MP4",
        "D/2026_0301_112212_025.MP4",
    ];
    assert_eq!(missing(&others), ["D/@_@_@_#:023"]);
    let short = [
        "D/260301-1.MP4",
        "D/260301-2.MP4",
        "D/260302-3.MP4",
        "D/260302-5.MP4",
    ];
    assert_eq!(missing(&short), ["D/@-#:4"]);
    // The day's own counter is its folder's.
    let days = [
        "2026-03-01/A1.MP4",
        "2026-03-01/A2.MP4",
        "2026-03-01/A3.MP4",
        "2026-03-02/A1.MP4",
        "2026-03-02/A2.MP4",
        "2026-03-02/A4.MP4",
    ];
    assert_eq!(missing(&days), ["2026-03-02/A#:3"]);
}

#[test]
fn a_counter_that_begins_anew_leaves_no_gap() {
    let wrapped = [
        "D/A9997.MP4",
        "D/A9998.MP4",
        "D/A9999.MP4",
        "D/A0001.MP4",
        "D/A0002.MP4",
        "D/A0003.MP4",
    ];
    assert_eq!(missing(&wrapped), [""; 0]);
    // Formatted after three, then as many again: their paths are the same.
    let again: Vec<_> = [
        ("D/A0001.MP4", 5, 1),
        ("D/A0002.MP4", 5, 2),
        ("D/A0003.MP4", 5, 3),
        ("D/A0001.MP4", 6, 4),
        ("D/A0002.MP4", 6, 5),
        ("D/A0003.MP4", 6, 6),
        ("D/A0004.MP4", 6, 7),
    ]
    .into();
    assert_eq!(named(&again), []);
}

#[test]
fn names_that_do_not_count_make_no_gaps() {
    for names in [
        // Times of day, by the minute and by the second.
        &[
            "D/20260301_1258.MP4",
            "D/20260301_1259.MP4",
            "D/20260301_1300.MP4",
            "D/20260301_1301.MP4",
        ][..],
        &[
            "D/2026-03-01_10-20-30.MP4",
            "D/2026-03-01_10-20-31.MP4",
            "D/2026-03-01_10-20-32.MP4",
            "D/2026-03-01_10-20-50.MP4",
        ],
        &[
            "20260301/1258.MP4",
            "20260301/1259.MP4",
            "20260301/1300.MP4",
            "20260301/1301.MP4",
        ],
        &[
            "D/20260301-10-20-31.MP4",
            "D/20260301-10-20-32.MP4",
            "D/20260301-10-20-33.MP4",
            "D/20260301-10-20-50.MP4",
        ],
        &[
            "D/20260301102031.MP4",
            "D/20260301102032.MP4",
            "D/20260301102033.MP4",
            "D/20260301102050.MP4",
        ],
        &[
            "D/202603011258.MP4",
            "D/202603011259.MP4",
            "D/202603011300.MP4",
            "D/202603011301.MP4",
        ],
        &[
            "D/20260330.MP4",
            "D/20260331.MP4",
            "D/20260401.MP4",
            "D/20260402.MP4",
        ],
        // Two lenses.
        &[
            "D/1F.MP4", "D/1R.MP4", "D/2F.MP4", "D/2R.MP4", "D/3F.MP4", "D/3R.TS",
        ],
        // Anything at all.
        &["D/100.MP4", "D/207.MP4", "D/350.MP4", "D/351.MP4"],
        &["D/1.MP4", "D/3.MP4"],
        &[
            "D/99999999999999999999.MP4",
            "D/no digits.MP4",
            "D/.MP4",
            "D/7",
        ],
        // Sidecars and photos make no series.
        &["D/A1.GPS", "D/A2.GPS", "D/A3.GPS", "D/A9.GPS"],
    ] {
        assert_eq!(missing(names), [""; 0], "{names:?}");
    }
}

#[test]
fn an_absurdly_wide_gap_costs_nothing() {
    let names = ["D/A1.MP4", "D/A2.MP4", "D/A3.MP4", "D/A999999999999.MP4"];
    assert_eq!(missing(&names), ["D/A#:4-999999999998"]);
}

#[test]
fn the_last_and_the_first_time_there_is_count_as_any_other() {
    for extreme in ["9999-12-30T21:59:59Z", "-009999-01-02T01:59:59Z"] {
        let mut story = LogScript::new();
        story.docked(S1, Some("acme/X1"));
        let mut files: Vec<_> = [
            ("D/A0001.MP4", 5, 1),
            ("D/A0002.MP4", 5, 2),
            ("D/A0003.MP4", 5, 3),
            ("D/A0005.MP4", 5, 5),
            ("E/A0004.MP4", 5, 4),
        ]
        .iter()
        .map(file)
        .collect();
        files[4]["modified"] = json!(extreme);
        let data =
            json!({"page": 1, "last": true, "total_files": 5, "total_bytes": 0, "files": files});
        story.says(S1, "inventory.taken", &data);
        let gaps = story.gaps();
        let numbers = gaps.iter().filter(|gap| gap.code == GapKind::GapNumber);
        let names: Vec<_> = numbers.map(|gap| gap.gap.as_str()).collect();
        // So far from its neighbours, the file of the other folder fills nothing.
        assert_eq!(names, ["number:acme/X1:D/A#:0004:2026-02-28"]);
    }
}

#[test]
fn the_more_is_missing_the_more_is_said() {
    let of = |numbers: &[u32]| {
        let names: Vec<String> = numbers.iter().map(|n| format!("D/A{n:04}.MP4")).collect();
        missing(&names.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert_eq!(of(&[1, 2, 5]), ["D/A#:0003-0004"]);
    assert_eq!(of(&[1, 2, 5, 10]), ["D/A#:0003-0004", "D/A#:0006-0009"]);
    assert_eq!(of(&[1, 2, 50, 90, 120]).len(), 3);
}

#[test]
fn chapters_of_one_recording_are_not_recordings() {
    let whole = [
        "D/GX010044.MP4",
        "D/GX010045.MP4",
        "D/GX020045.MP4",
        "D/GX030045.MP4",
        "D/GX010046.MP4",
    ];
    assert_eq!(missing(&whole), [""; 0]);
    let holes = [
        "D/GX010044.MP4",
        "D/GX010045.MP4",
        "D/GX030045.MP4",
        "D/GX010047.MP4",
        "D/GX020048.MP4",
    ];
    let found = ["D/GX#0045:02", "D/GX#0048:01", "D/GX#:0046"];
    assert_eq!(missing(&holes), found);
    let older = [
        "D/GOPR0001.MP4",
        "D/GP010001.MP4",
        "D/GP020001.MP4",
        "D/GOPR0002.MP4",
        "D/GOPR0004.MP4",
    ];
    assert_eq!(missing(&older), ["D/GOPR#:0003"]);
}
