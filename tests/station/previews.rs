//! Previews of items, through the real program and a real store.

use std::fs;

use camdock::model::{Event, ItemPreviewed, Part, PreviewOutcome, Remark, RemarkCode};

use crate::footage::{clip, ffmpeg};
use crate::place::{Place, age, until};
use crate::store::put;

pub const ON: (&str, &str) = ("preview", "enabled = true");
/// The footage here is mostly of a kind that browsers play.
pub const VIDEO: (&str, &str) = ("preview", "video = \"always\"");

pub fn dock(place: &Place, camera: &str, name: &str, bytes: &[u8]) {
    let path = place.camera(camera).join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let hidden = place.path("being-made");
    fs::write(&hidden, bytes).unwrap();
    age(&fs::File::options().write(true).open(&hidden).unwrap());
    fs::rename(&hidden, &path).unwrap();
}

pub fn previewed(place: &Place) -> Vec<ItemPreviewed> {
    let events = place.events().into_iter();
    let previewed = events.filter_map(|event| match event {
        Event::ItemPreviewed(previewed) => Some(previewed),
        _ => None,
    });
    previewed.collect()
}

#[test]
fn recordings_get_a_storyboard_and_a_video_and_everything_else_a_reason() {
    let place = Place::new(&[ON, VIDEO]);
    let clip = clip("bigbuckbunny.mp4");
    dock(&place, "X0000001", "DCIM/A0001.MP4", &clip);
    dock(&place, "X0000001", "DCIM/A0001.LOG", b"REC START\r\n");
    place.film("X0000001", "DCIM/A0002.MP4", 7, 300_000);
    place.drain().ends(0);
    let items = place.items();
    assert!(items.iter().all(|i| i["state"] == "released"), "{items:?}");
    let item = place.item("DCIM/A0001.MP4");
    let evidence = item["evidence"].as_str().unwrap();
    let all = previewed(&place);
    let of = |part| {
        let found = all
            .iter()
            .find(|p| p.evidence.to_string() == evidence && p.part == part);
        found.unwrap_or_else(|| panic!("no {part} in {all:#?}"))
    };
    let PreviewOutcome::Made(sheet) = &of(Part::Storyboard).outcome else {
        panic!("{all:#?}");
    };
    assert!(!sheet.picture.cues.is_empty());
    assert!(sheet.retention.is_some());
    assert_eq!(
        of(Part::Storyboard)
            .probe
            .as_ref()
            .unwrap()
            .video
            .as_ref()
            .unwrap()
            .codec,
        "h264"
    );
    let PreviewOutcome::Made(video) = &of(Part::Preview).outcome else {
        panic!("{all:#?}");
    };
    assert_eq!((video.picture.width, video.picture.height), (640, 360));
    // The one that is no video: one entry says so.
    let noise = place.item("DCIM/A0002.MP4");
    let noise: Vec<_> = all
        .iter()
        .filter(|p| noise["evidence"] == p.evidence.to_string())
        .collect();
    assert!(
        matches!(
            &noise[..],
            [ItemPreviewed {
                outcome: PreviewOutcome::Skipped { .. },
                ..
            }]
        ),
        "{noise:#?}"
    );
    assert_eq!(
        all.len(),
        3,
        "a sidecar is none of the previews' business: {all:#?}"
    );

    // Opened with a recipient's key, each part; and no part that isn't there.
    let open = |part: &str, out: &str| {
        let (key, out) = (place.path("keys/one.key.pem"), place.path(out));
        place.camdock_viewing(&[
            "open",
            evidence,
            "--part",
            part,
            "--key",
            key.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ])
    };
    open("preview", "preview.mp4")
        .ends(0)
        .says(&video.sha256.to_string());
    open("storyboard", "sheet.jpg")
        .ends(0)
        .says(&sheet.sha256.to_string());
    assert_eq!(
        fs::read(place.path("preview.mp4")).unwrap().len() as u64,
        video.size
    );
    assert!(
        fs::read(place.path("sheet.jpg"))
            .unwrap()
            .starts_with(&[0xff, 0xd8])
    );
    let verified = place.verify_deep();
    assert_eq!(
        (&verified["items_opened"], &verified["previews"]),
        (&3.into(), &2.into())
    );
    place
        .camdock(&["show", evidence])
        .ends(0)
        .says("A storyboard was made")
        .says("A preview video was made")
        .says("h264 1280 × 720")
        .says("PREVIEW – not the original");
    let left: Vec<_> = fs::read_dir(place.path("state/spool")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_no_preview_shows_is_said_by_the_record_and_by_show() {
    let place = Place::new(&[ON, VIDEO]);
    let source = |kind: &str| format!("-f lavfi -i {kind}=s=320x180:r=15:d=6");
    let (one, other) = (source("testsrc2"), source("testsrc"));
    let film = place.path("two.mp4");
    let codec = "-map 0 -map 1 -c:v libx264 -preset ultrafast -pix_fmt yuv420p";
    ffmpeg(&format!("{one} {other} {codec} {}", film.display()));
    dock(&place, "X0000001", "TWO.MP4", &fs::read(film).unwrap());
    dock(&place, "X0000001", "ZEROS.MP4", &vec![0; 100_000]);
    place.drain().ends(0);
    let all = previewed(&place);
    let remarks: Vec<_> = all
        .iter()
        .flat_map(|p| &p.probe)
        .flat_map(|p| &p.remarks)
        .collect();
    let expected = Remark::new(RemarkCode::OtherVideo, 1);
    assert_eq!(remarks, [&expected, &expected], "{all:#?}");
    let show = |path: &str| {
        let evidence = place.item(path)["evidence"].as_str().unwrap().to_owned();
        place.camdock(&["show", &evidence]).ends(0)
    };
    show("TWO.MP4").says("The recording has more video tracks (1) that its previews do not show.");
    show("ZEROS.MP4")
        .says("preview_all_zeros")
        .says("nothing but zeros");
}

#[test]
fn a_profile_switches_previews_off() {
    let place = Place::new(&[ON, VIDEO]);
    fs::create_dir(place.path("profiles")).unwrap();
    fs::write(place.path("profiles/folder.toml"), "preview = false\n").unwrap();
    dock(&place, "X0000001", "A0001.MP4", &clip("bikes.mp4"));
    place.drain().ends(0).says("its profile switches them off");
    assert_eq!(place.item("A0001.MP4")["state"], "released");
    assert!(previewed(&place).is_empty());
}

#[test]
fn previews_altered_in_the_store_are_found() {
    let place = Place::new(&[
        ON,
        VIDEO,
        ("store", "retention = \"none\""),
        ("store", "retention_days = 0"),
    ]);
    dock(
        &place,
        "X0000001",
        "A0001.MP4",
        &clip("carphone_pristine.mp4"),
    );
    place.drain().ends(0);
    place.verify_deep();
    let item = place.item("A0001.MP4");
    let key = format!(
        "evidence/test-1/{}/storyboard",
        item["evidence"].as_str().unwrap()
    );
    put(&place, &key, b"something else");
    place
        .camdock(&["verify"])
        .ends(1)
        .says("the storyboard of item");
}

#[test]
fn a_station_killed_while_making_previews_makes_them_after_the_restart_and_logs_each_once() {
    let place = Place::new(&[ON, VIDEO]);
    let film = place.path("long.mp4");
    ffmpeg(&format!(
        "-f lavfi -i testsrc2=s=1280x720:r=25:d=60 -c:v libx264 -preset ultrafast -g 50 {}",
        film.display()
    ));
    dock(&place, "X0000001", "A0001.MP4", &fs::read(&film).unwrap());
    for _ in 0..2 {
        let running = place.start(&["run"]);
        until("the station is ready", || {
            running.said().contains("the station is ready")
        });
        until("a video is being made", || {
            fs::read_dir(place.path("state/spool")).is_ok_and(|mut dir| {
                dir.any(|e| {
                    e.is_ok_and(|e| e.path().extension().is_some_and(|x| x == "preview-part"))
                })
            })
        });
        until("the worker runs", || !running.children().is_empty());
        let workers = running.children();
        running.kill();
        // They die with the station, however it ends.
        until("the workers are gone", || {
            workers.iter().all(|pid| {
                let status = fs::read_to_string(format!("/proc/{pid}/stat"));
                status.is_err() || status.is_ok_and(|stat| stat.contains(") Z "))
            })
        });
    }
    place.drain().ends(0);
    let all = previewed(&place);
    let made = |part| {
        let of = all.iter().filter(|p| p.part == part);
        of.filter(|p| matches!(p.outcome, PreviewOutcome::Made(_)))
            .count()
    };
    assert_eq!(
        (made(Part::Storyboard), made(Part::Preview)),
        (1, 1),
        "{all:#?}"
    );
    place.verify_deep();
}

/// A recording of moving colours with a key frame every two seconds.
fn long(place: &Place, seconds: u32) -> Vec<u8> {
    let film = place.path("long.mp4");
    ffmpeg(&format!(
        "-f lavfi -i testsrc2=s=1280x720:r=25:d={seconds} -c:v libx264 -preset ultrafast -g 50 {}",
        film.display()
    ));
    fs::read(&film).unwrap()
}

fn failures(place: &Place) -> Vec<(Part, String)> {
    let failed = previewed(place)
        .into_iter()
        .filter_map(|p| match p.outcome {
            PreviewOutcome::Failed { code, .. } => Some((p.part, code)),
            _ => None,
        });
    failed.collect()
}

#[test]
fn storyboards_come_before_videos_and_flagged_recordings_before_others() {
    let place = Place::new(&[ON, VIDEO, ("preview", "workers = 1")]);
    let clip = clip("carphone_pristine.mp4");
    for name in ["A.MP4", "B.MP4", "EVENT/C.MP4", "D.MP4", "EVENT/E.MP4"] {
        dock(&place, "X0000001", name, &clip);
    }
    // All of them lie ready before the first preview is begun.
    place
        .camdock(&["run", "--drain", "--until-secured"])
        .ends(0);
    let ran = place.drain().ends(0);
    let begun: Vec<(String, String)> = ran
        .err
        .lines()
        .filter(|l| l.contains("a preview is begun"))
        .map(|l| {
            let of = |key: &str| {
                let rest = l.split_once(key).unwrap().1;
                rest.split(' ').next().unwrap().to_owned()
            };
            (of("part="), of("path="))
        })
        .collect();
    let parts: Vec<_> = begun.iter().map(|(part, _)| part.as_str()).collect();
    let expected = [["storyboard"; 5], ["preview"; 5]].concat();
    assert_eq!(parts, expected, "{begun:?}");
    for begun in [&begun[..5], &begun[5..]] {
        let flagged: Vec<_> = begun.iter().map(|(_, p)| p.contains("EVENT")).collect();
        assert_eq!(flagged, [true, true, false, false, false], "{begun:?}");
    }
    assert_eq!(previewed(&place).len(), 10);
}

#[test]
fn a_video_being_made_stands_still_while_a_camera_is_read_and_goes_on_after() {
    let place = Place::new(&[ON, VIDEO]);
    let film = long(&place, 120);
    dock(&place, "X0000001", "A0001.MP4", &film);
    let running = place.start(&["run"]);
    until("a video is being made", || {
        running
            .said()
            .lines()
            .any(|l| l.contains("a preview is begun") && l.contains("part=preview"))
            && !running.children().is_empty()
    });
    // Nothing but a preview for this one would come in the way of the other.
    let state = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .and_then(|(_, rest)| rest.chars().next())
    };
    assert!(running.children().iter().all(|pid| state(pid) != Some('T')));
    let large = place.path("large");
    let file = fs::File::create(&large).unwrap();
    file.set_len(1 << 30).unwrap();
    age(&file);
    fs::rename(&large, place.camera("X0000002").join("BULK.LOG")).unwrap();
    until("the worker stands still", || {
        running.children().iter().any(|pid| state(pid) == Some('T'))
    });
    // It is read to its end meanwhile, and the video then, too.
    until("the camera is read", || {
        place.items().iter().any(|i| i["path"] == "BULK.LOG")
    });
    until("the worker to continue", || {
        running.children().iter().all(|pid| state(pid) != Some('T'))
    });
    until("the video is stored", || {
        running
            .said()
            .lines()
            .any(|l| l.contains("preview stored") && l.contains("part=preview"))
    });
    running.stop().ends(0);
    assert!(failures(&place).is_empty());
}

#[test]
fn a_worker_that_is_killed_again_and_again_is_given_up_and_the_original_is_stored() {
    let place = Place::new(&[ON, VIDEO]);
    let film = long(&place, 120);
    dock(&place, "X0000001", "A0001.MP4", &film);
    let running = place.start(&["run"]);
    let mut killed = 0;
    until("it is given up", || {
        // The storyboard lives: only who makes the video is killed.
        let video = running
            .said()
            .lines()
            .any(|l| l.contains("a preview is begun") && l.contains("part=preview"));
        if video {
            for pid in running.children() {
                let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
                let kill = rustix::process::Signal::KILL;
                killed += u32::from(rustix::process::kill_process(pid, kill).is_ok());
            }
        }
        running.said().contains("code=\"preview_killed\" reason=")
    });
    assert!(killed >= 3, "{killed}");
    until("the original is released", || {
        place.item("A0001.MP4")["state"] == "released"
    });
    let ran = running.stop().ends(0);
    let begun = |part: &str| {
        let lines = ran.err.lines().filter(|l| l.contains("a preview is begun"));
        lines.filter(|l| l.contains(part)).count()
    };
    assert_eq!((begun("part=storyboard"), begun("part=preview")), (1, 3));
    assert_eq!(
        failures(&place),
        [(Part::Preview, "preview_killed".to_owned())]
    );
    assert_eq!(place.verify_deep()["previews"], 1);
}

#[test]
fn what_waited_longer_than_hold_hours_goes_without_and_is_released() {
    let place = Place::new(&[]);
    dock(&place, "X0000001", "A0001.MP4", &clip("bikes.mp4"));
    place.configure(&[("spool", "keep_hours = 1")]);
    place.drain();
    assert_eq!(place.item("A0001.MP4")["state"], "stored");
    // As if it had been stored two days ago.
    let journal = rusqlite::Connection::open(place.path("state/journal.db")).unwrap();
    let changed = journal
        .execute(
            "UPDATE items SET stored_at = ?1",
            [(jiff::Timestamp::now() - jiff::SignedDuration::from_hours(48)).to_string()],
        )
        .unwrap();
    assert_eq!(changed, 1);
    drop(journal);
    place.configure(&[ON, ("preview", "hold_hours = 24")]);
    place
        .drain()
        .ends(0)
        .says("it waited too long for its turn");
    assert_eq!(place.item("A0001.MP4")["state"], "released");
    assert_eq!(
        failures(&place),
        [
            (Part::Storyboard, "preview_too_late".to_owned()),
            (Part::Preview, "preview_too_late".to_owned())
        ]
    );
}

#[test]
fn hold_hours_out_of_range_are_refused_with_the_range() {
    let place = Place::new(&[]);
    for wrong in ["0", "8761", "4294967295"] {
        let hold = format!("hold_hours = {wrong}");
        place.configure(&[("preview", hold.as_str())]);
        let ran = place.camdock(&["run", "--drain"]).ends(2);
        ran.says("`hold_hours` is out of range")
            .says("Use 1 to 8760 hours");
    }
}
