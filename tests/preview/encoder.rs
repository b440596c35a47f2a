//! An encoder in a process beside the worker: libx264 stands in for the hardware, which this machine need not have.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camdock::model::Part;
use camdock::preview::{
    Answer, Drill, ENCODER_VERB, EncoderDrill, EncoderOrder, Ending, Limits, Made,
    again_in_software, try_hardware,
};
use camdock::sys;

use crate::stage::{LIMITS, SETTINGS, Stage};

/// An encoder may take some three seconds for an answer.
const IMPATIENT: Limits = Limits {
    silence_seconds: 12,
    ..LIMITS
};

fn stand_in(limits: Limits, drill: Option<EncoderDrill>) -> EncoderOrder {
    EncoderOrder {
        limits,
        stand_in: true,
        drill,
    }
}

/// Makes a proxy with an encoder beside the worker.
fn beside(stage: &Stage, bytes: &[u8], encoder: EncoderOrder) -> Answer {
    let sealed = stage.seal(bytes);
    let mut order = stage.order(Part::Preview, SETTINGS, encoder.limits, None);
    order.request.hardware = true;
    stage.run_beside(&order, &sealed, Some(encoder)).unwrap()
}

#[track_caller]
fn made(answer: &Answer) -> Made {
    match &answer.report.ending {
        Ending::Made(made) => made.clone(),
        other => panic!("{other:?}"),
    }
}

fn film(stage: &Stage) -> Vec<u8> {
    let film = stage.film(
        "a.mp4",
        "-f lavfi -i testsrc2=s=1280x720:r=25:d=6 -f lavfi -i sine=f=440:r=48000:d=6 \
         -c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p -c:a aac",
    );
    fs::read(film).unwrap()
}

#[test]
fn a_proxy_made_beside_the_worker_is_the_same_film_and_its_record_says_who_made_it() {
    for stage in [Stage::new(), Stage::ordinary()] {
        let bytes = film(&stage);
        let (_, software, own) = stage.made(Part::Preview, &bytes);
        let answer = beside(&stage, &bytes, stand_in(LIMITS, None));
        let made = made(&answer);
        let mp4 = stage.open(Part::Preview, &made);
        let settings = &made.picture.settings;
        assert_eq!(settings["encoder"], "stand-in", "{answer:?}");
        assert_eq!(settings["profile"], "constrained baseline");
        assert_eq!(software.picture.settings["encoder"], "libx264");
        let size = |made: &Made| {
            let picture = &made.picture;
            (picture.width, picture.height, picture.duration_ms)
        };
        assert_eq!(size(&made), size(&software));
        let shown = stage.ffprobe("preview.mp4", &mp4);
        let (video, sound) = (&shown["streams"][0], &shown["streams"][1]);
        assert_eq!(video["codec_name"], "h264");
        assert_eq!(video["profile"], "Constrained Baseline");
        assert_eq!(video["time_base"], "1/90000");
        assert_eq!(
            (&video["width"], &video["height"]),
            (&640.into(), &360.into())
        );
        assert_eq!(sound["codec_name"], "aac");
        stage.decodes("preview.mp4");
        assert_eq!(stage.frames("preview.mp4"), 150);
        let theirs = stage.ffprobe("own.mp4", &own);
        assert_eq!(video["duration_ts"], theirs["streams"][0]["duration_ts"]);
        let often = keys(&stage, "preview.mp4");
        assert_eq!(often, keys(&stage, "own.mp4"));
        assert_eq!(often.len(), 3);
        // Mark, time and picture: libx264 gets the same pictures, whoever asks it.
        let (_, with) = stage.grey(&mp4, 3.0);
        let (_, without) = stage.grey(&own, 3.0);
        let apart: u64 = with
            .iter()
            .zip(&without)
            .map(|(a, b)| u64::from(a.abs_diff(*b)))
            .sum();
        assert!(apart < 2 * with.len() as u64, "{apart}");
    }
}

/// Times of the key pictures.
fn keys(stage: &Stage, name: &str) -> Vec<f64> {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v"])
        .args(["-show_entries", "packet=pts_time,flags", "-of", "csv=p=0"])
        .arg(stage.path(name))
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let keys = text.lines().filter_map(|line| {
        let (time, flags) = line.split_once(',')?;
        flags.contains('K').then(|| time.parse().unwrap())
    });
    keys.collect()
}

#[test]
fn turned_and_odd_pictures_come_through_an_encoder_beside_the_worker() {
    let stage = Stage::new();
    // Its rows have gaps in memory.
    let film = stage.film(
        "a.mp4",
        "-f lavfi -i testsrc2=s=404x720:r=30:d=4 -c:v libx264 -preset ultrafast -pix_fmt yuv420p",
    );
    let answer = beside(&stage, &fs::read(film).unwrap(), stand_in(LIMITS, None));
    let made = made(&answer);
    let mp4 = stage.open(Part::Preview, &made);
    stage.ffprobe("preview.mp4", &mp4);
    stage.decodes("preview.mp4");
    let picture = &made.picture;
    assert_eq!(picture.settings["encoder"], "stand-in");
    assert_eq!(picture.width.min(picture.height), 360);
    let theirs = stage.like_ffmpeg("a.mp4", 2.0, (picture.width, picture.height));
    let (width, ours) = stage.grey(&mp4, 2.0);
    // Without the labels at top and bottom.
    let inner = 24 * width..ours.len() - 24 * width;
    let apart: u64 = ours[inner.clone()]
        .iter()
        .zip(&theirs[inner.clone()])
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    assert!(apart < 9 * inner.len() as u64, "{apart}");
}

#[test]
fn without_a_device_the_proxy_is_made_in_software_in_the_same_run() {
    let stage = Stage::new();
    let none = EncoderOrder {
        stand_in: false,
        ..stand_in(LIMITS, None)
    };
    let answer = beside(&stage, &film(&stage), none);
    assert_eq!(made(&answer).picture.settings["encoder"], "libx264");
    let said = answer.encoder.unwrap();
    assert_eq!(said, "no hardware encoder works here");
}

#[test]
fn an_encoder_that_is_never_ready_costs_no_preview() {
    for drill in [
        EncoderDrill::Never,
        EncoderDrill::Misdeed(Drill::Execute),
        EncoderDrill::Misdeed(Drill::Memory),
    ] {
        let stage = Stage::new();
        let small = Limits {
            memory_bytes: 200 << 20,
            ..IMPATIENT
        };
        let answer = beside(&stage, &film(&stage), stand_in(small, Some(drill)));
        let encoder = &made(&answer).picture.settings["encoder"];
        assert_eq!(encoder, "libx264", "{drill:?}");
    }
}

#[test]
fn an_encoder_that_fails_or_lies_midway_ends_in_a_proxy_made_in_software() {
    for (drill, why) in [
        // Seen while sending or while listening, whichever comes first.
        (EncoderDrill::Crash, ""),
        (EncoderDrill::Hang, "takes no more pictures"),
        (EncoderDrill::GarbageLength, ""),
        (EncoderDrill::Garbage, "is no picture"),
        (EncoderDrill::TooMuch, "other pictures"),
        (EncoderDrill::Flood, ""),
        (EncoderDrill::Silent, "does not answer"),
    ] {
        let stage = Stage::new();
        let bytes = film(&stage);
        let began = Instant::now();
        let answer = beside(&stage, &bytes, stand_in(IMPATIENT, Some(drill)));
        let again = again_in_software(Ok(&answer.report.ending));
        let Some(reason) = again else {
            panic!("{drill:?}: {answer:?}");
        };
        let told = reason.contains("hardware encoder") && reason.contains(why);
        assert!(told, "{drill:?}: {reason}");
        assert!(began.elapsed() < Duration::from_mins(1), "{drill:?}");
        let (_, made, mp4) = stage.made(Part::Preview, &bytes);
        assert_eq!(made.picture.settings["encoder"], "libx264");
        stage.ffprobe("preview.mp4", &mp4);
    }
}

/// Runs an encoder process alone, to its ready word or its end. How it ended, if by a signal, and what it said.
fn alone(stage: &Stage, drill: EncoderDrill) -> (Option<i32>, String) {
    let (mut own, theirs) = UnixStream::pair().unwrap();
    let (program, arguments) = stage.command(ENCODER_VERB);
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    sys::with_descriptors(&mut command, vec![OwnedFd::from(theirs)]);
    let mut child = command.spawn().unwrap();
    drop(command);
    let order = serde_json::to_vec(&stand_in(LIMITS, Some(drill))).unwrap();
    child.stdin.take().unwrap().write_all(&order).unwrap();
    let shape: Vec<u8> = [640u32, 360, 25, 1]
        .iter()
        .flat_map(|word| word.to_be_bytes())
        .collect();
    own.write_all(&shape).unwrap();
    own.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut ready = [0];
    // Nothing comes from one that died.
    let _ = own.read(&mut ready).unwrap();
    drop(own);
    let out = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    (out.status.signal(), said)
}

#[test]
fn behind_its_sandbox_an_encoder_reaches_no_file_network_process_or_runnable_memory() {
    for stage in [Stage::new(), Stage::ordinary()] {
        for misdeed in [Drill::OpenFile, Drill::WriteFile] {
            let (signal, said) = alone(&stage, EncoderDrill::Misdeed(misdeed));
            assert_eq!(signal, None, "{misdeed:?}: {said}");
            assert!(said.contains("drill refused"), "{misdeed:?}: {said}");
            assert!(said.contains("not permitted"), "{misdeed:?}: {said}");
        }
        for misdeed in [
            Drill::Socket,
            Drill::Execute,
            Drill::Kill,
            Drill::RunnableMemory,
            Drill::Descriptors,
        ] {
            let (signal, said) = alone(&stage, EncoderDrill::Misdeed(misdeed));
            assert_eq!(signal, Some(libc::SIGSYS), "{misdeed:?}: {said}");
        }
    }
}

#[test]
fn shapes_of_no_proxy_end_an_encoder_before_it_opens_anything() {
    let (mut own, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_camdock"));
    command
        .arg(ENCODER_VERB)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    sys::with_descriptors(&mut command, vec![OwnedFd::from(theirs)]);
    let mut child = command.spawn().unwrap();
    drop(command);
    let order = serde_json::to_vec(&stand_in(LIMITS, None)).unwrap();
    child.stdin.take().unwrap().write_all(&order).unwrap();
    own.write_all(&[0xff; 16]).unwrap();
    let out = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(
        !out.status.success() && !said.contains("stand-in"),
        "{said}"
    );
}

#[test]
fn a_machine_without_devices_says_so() {
    if File::open("/dev/dri").is_ok() || File::open("/dev/video0").is_ok() {
        return;
    }
    let program = env!("CARGO_BIN_EXE_camdock").as_ref();
    assert_eq!(
        try_hardware(program),
        Err("no hardware encoder works here".to_owned())
    );
}
