//! A worker that misbehaves: the sandbox or the supervisor ends it, and says how.

use std::time::{Duration, Instant};

use camdock::model::Part;
use camdock::preview::{Drill, Ending, Limits, PreviewError};

use crate::footage::clip;

use crate::stage::{LIMITS, SETTINGS, Stage};

fn drill(drill: Drill, limits: Limits) -> Result<(String, String), PreviewError> {
    drill_at(&Stage::new(), drill, limits)
}

fn drill_at(stage: &Stage, drill: Drill, limits: Limits) -> Result<(String, String), PreviewError> {
    let sealed = stage.seal(b"footage");
    let order = stage.order(Part::Preview, SETTINGS, limits, Some(drill));
    let answer = stage.run(&order, &sealed)?;
    match answer.report.ending {
        Ending::Failed { code, reason } => Ok((code, reason)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_libraries_ask_in_vain_is_refused_and_the_worker_lives_on() {
    for one in [Drill::OpenFile, Drill::WriteFile] {
        let (code, reason) = drill(one, LIMITS).unwrap();
        assert_eq!(code, "drill_refused", "{one:?}: {reason}");
        assert!(reason.contains("not permitted"), "{one:?}: {reason}");
    }
    assert!(!std::path::Path::new("/tmp/camdock-drill").exists());
}

#[test]
fn network_processes_signals_and_runnable_memory_are_deadly() {
    for one in [
        Drill::Socket,
        Drill::Execute,
        Drill::Kill,
        Drill::RunnableMemory,
        Drill::Descriptors,
    ] {
        let ended = drill(one, LIMITS);
        assert!(
            matches!(ended, Err(PreviewError::Forbidden)),
            "{one:?}: {ended:?}"
        );
    }
}

#[test]
fn memory_time_and_output_are_limited() {
    let ended = drill(
        Drill::Memory,
        Limits {
            memory_bytes: 100 << 20,
            ..LIMITS
        },
    );
    assert!(
        matches!(ended, Err(PreviewError::Limit("memory"))),
        "{ended:?}"
    );
    let ended = drill(
        Drill::Spin,
        Limits {
            cpu_seconds: 1,
            ..LIMITS
        },
    );
    assert!(
        matches!(ended, Err(PreviewError::Limit("processor time"))),
        "{ended:?}"
    );
    let ended = drill(
        Drill::Flood,
        Limits {
            output_bytes: 8 << 20,
            ..LIMITS
        },
    );
    assert!(
        matches!(ended, Err(PreviewError::Limit("output size"))),
        "{ended:?}"
    );
}

#[test]
fn a_worker_that_hangs_is_ended() {
    let began = Instant::now();
    let ended = drill(
        Drill::Sleep,
        Limits {
            silence_seconds: 1,
            ..LIMITS
        },
    );
    assert!(matches!(ended, Err(PreviewError::Hung(1))), "{ended:?}");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn crashes_panics_and_nonsense_are_told_apart() {
    let ended = drill(Drill::Crash, LIMITS);
    assert!(
        matches!(&ended, Err(PreviewError::Crashed(why)) if why.contains("signal 6")),
        "{ended:?}"
    );
    let ended = drill(Drill::Panic, LIMITS);
    assert!(
        matches!(&ended, Err(PreviewError::Crashed(why)) if why.contains("told to panic")),
        "{ended:?}"
    );
    let ended = drill(Drill::Babble, LIMITS);
    assert!(matches!(ended, Err(PreviewError::Nonsense(_))), "{ended:?}");
}

#[test]
fn the_sandbox_holds_an_ordinary_users_worker_just_as_well() {
    let stage = Stage::ordinary();
    let at = |one, limits| drill_at(&stage, one, limits);
    for one in [Drill::OpenFile, Drill::WriteFile] {
        let (code, reason) = at(one, LIMITS).unwrap();
        assert_eq!(code, "drill_refused", "{one:?}: {reason}");
        // By the filter, not by the file's owner: reading /etc/passwd is everybody's right.
        assert!(reason.contains("not permitted"), "{one:?}: {reason}");
    }
    for one in [
        Drill::Socket,
        Drill::Execute,
        Drill::Kill,
        Drill::RunnableMemory,
        Drill::Descriptors,
    ] {
        let ended = at(one, LIMITS);
        assert!(
            matches!(ended, Err(PreviewError::Forbidden)),
            "{one:?}: {ended:?}"
        );
    }
    let small = Limits {
        memory_bytes: 100 << 20,
        cpu_seconds: 1,
        output_bytes: 8 << 20,
        ..LIMITS
    };
    for (one, what) in [
        (Drill::Memory, "memory"),
        (Drill::Spin, "processor time"),
        (Drill::Flood, "output size"),
    ] {
        let ended = at(one, small);
        assert!(
            matches!(ended, Err(PreviewError::Limit(limit)) if limit == what),
            "{one:?}: {ended:?}"
        );
    }
    let silent = Limits {
        silence_seconds: 1,
        ..LIMITS
    };
    let ended = at(Drill::Sleep, silent);
    assert!(matches!(ended, Err(PreviewError::Hung(1))), "{ended:?}");
    let ended = at(Drill::Crash, LIMITS);
    assert!(matches!(ended, Err(PreviewError::Crashed(_))), "{ended:?}");
}

#[test]
fn an_ordinary_users_worker_makes_both_previews_and_lacks_no_layer_that_root_has() {
    let (root, ordinary) = (Stage::new(), Stage::ordinary());
    let clip = clip("bigbuckbunny.mp4");
    for part in [Part::Storyboard, Part::Preview] {
        let (with, _, _) = root.made(part, &clip);
        let (without, made, bytes) = ordinary.made(part, &clip);
        assert_eq!(without.missing, with.missing, "{part}");
        ordinary.ffprobe("made", &bytes);
        assert!(made.picture.duration_ms > 5000, "{made:?}");
    }
}
