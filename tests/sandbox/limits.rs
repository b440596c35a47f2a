//! Each misdeed is ended by the sandbox or by the supervisor, which says how.

use std::time::{Duration, Instant};

use camdock::model::Part;
use camdock::preview::{Ending, Limits, PreviewError};

use crate::misdeed::{Misdeed, REFUSED};
use crate::worker_stage::{LIMITS, WorkerStage};

fn ending(misdeed: Misdeed, limits: Limits) -> Result<(String, String), PreviewError> {
    let program = std::env::current_exe().unwrap();
    ending_at(&WorkerStage::new(&program), misdeed, limits)
}

fn ending_at(
    stage: &WorkerStage,
    misdeed: Misdeed,
    limits: Limits,
) -> Result<(String, String), PreviewError> {
    let sealed = stage.seal(b"footage");
    let arguments = ["misbehave", misdeed.name()];
    let answer = stage.run_watched(Part::Preview, limits, &sealed, &arguments, &|| {})?;
    match answer.report.ending {
        Ending::Failed { code, reason } => Ok((code, reason)),
        other => panic!("{other:?}"),
    }
}

pub fn what_libraries_ask_in_vain_is_refused_and_the_worker_lives_on() {
    for one in [Misdeed::OpenFile, Misdeed::WriteFile] {
        let (code, reason) = ending(one, LIMITS).unwrap();
        assert_eq!(code, REFUSED, "{one:?}: {reason}");
        assert!(reason.contains("not permitted"), "{one:?}: {reason}");
    }
    assert!(!std::path::Path::new("/tmp/camdock-misdeed").exists());
}

pub fn network_processes_signals_and_runnable_memory_are_deadly() {
    for one in [
        Misdeed::Socket,
        Misdeed::Execute,
        Misdeed::Kill,
        Misdeed::RunnableMemory,
        Misdeed::Descriptors,
    ] {
        let ended = ending(one, LIMITS);
        assert!(
            matches!(ended, Err(PreviewError::Forbidden)),
            "{one:?}: {ended:?}"
        );
    }
}

pub fn memory_time_and_output_are_limited() {
    let ended = ending(
        Misdeed::Memory,
        Limits {
            memory_bytes: 100 << 20,
            ..LIMITS
        },
    );
    assert!(
        matches!(ended, Err(PreviewError::Limit("memory"))),
        "{ended:?}"
    );
    let ended = ending(
        Misdeed::Spin,
        Limits {
            cpu_seconds: 1,
            ..LIMITS
        },
    );
    assert!(
        matches!(ended, Err(PreviewError::Limit("processor time"))),
        "{ended:?}"
    );
    let ended = ending(
        Misdeed::Flood,
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

pub fn a_worker_that_hangs_is_ended() {
    let began = Instant::now();
    let ended = ending(
        Misdeed::Sleep,
        Limits {
            silence_seconds: 1,
            ..LIMITS
        },
    );
    assert!(matches!(ended, Err(PreviewError::Hung(1))), "{ended:?}");
    assert!(began.elapsed() < Duration::from_secs(20));
}

pub fn a_worker_that_only_talks_or_never_ends_is_ended() {
    let began = Instant::now();
    let silent = Limits {
        silence_seconds: 2,
        ..LIMITS
    };
    let ended = ending(Misdeed::Chatter, silent);
    assert!(matches!(ended, Err(PreviewError::Hung(2))), "{ended:?}");
    let short = Limits {
        wall_seconds: 4,
        ..LIMITS
    };
    let ended = ending(Misdeed::Creep, short);
    assert!(
        matches!(ended, Err(PreviewError::Limit("total time"))),
        "{ended:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(40));
}

pub fn crashes_panics_and_nonsense_are_told_apart() {
    // A worker that ends before it is confined has read no footage: another version of the program, for example.
    let stage = WorkerStage::new(std::path::Path::new("/bin/false"));
    let started = ending_at(&stage, Misdeed::Crash, LIMITS);
    assert!(
        matches!(started, Err(PreviewError::Start(_))),
        "{started:?}"
    );
    let ended = ending(Misdeed::Crash, LIMITS);
    assert!(
        matches!(&ended, Err(PreviewError::Crashed(why)) if why.contains("signal 6")),
        "{ended:?}"
    );
    let ended = ending(Misdeed::Panic, LIMITS);
    assert!(
        matches!(&ended, Err(PreviewError::Crashed(why)) if why.contains("told to panic")),
        "{ended:?}"
    );
    let ended = ending(Misdeed::Babble, LIMITS);
    assert!(matches!(ended, Err(PreviewError::Nonsense(_))), "{ended:?}");
}

pub fn the_sandbox_holds_an_ordinary_users_worker_just_as_well() {
    let stage = WorkerStage::ordinary(&std::env::current_exe().unwrap());
    let at = |one, limits| ending_at(&stage, one, limits);
    for one in [Misdeed::OpenFile, Misdeed::WriteFile] {
        let (code, reason) = at(one, LIMITS).unwrap();
        assert_eq!(code, REFUSED, "{one:?}: {reason}");
        // By the filter, not by the file's owner: reading /etc/passwd is everybody's right.
        assert!(reason.contains("not permitted"), "{one:?}: {reason}");
    }
    for one in [
        Misdeed::Socket,
        Misdeed::Execute,
        Misdeed::Kill,
        Misdeed::RunnableMemory,
        Misdeed::Descriptors,
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
        (Misdeed::Memory, "memory"),
        (Misdeed::Spin, "processor time"),
        (Misdeed::Flood, "output size"),
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
    let ended = at(Misdeed::Sleep, silent);
    assert!(matches!(ended, Err(PreviewError::Hung(1))), "{ended:?}");
    let ended = at(Misdeed::Crash, LIMITS);
    assert!(matches!(ended, Err(PreviewError::Crashed(_))), "{ended:?}");
}
