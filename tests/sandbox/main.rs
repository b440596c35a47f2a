//! A preview worker that misbehaves as one that hostile footage has taken over would.
//!
//! This program is both: the tests, and, when it is started with the word `misbehave`, a worker. Such a worker takes its order and
//! closes the sandbox by the same function as `camdock-preview`; only then it misbehaves instead of making a preview.

mod limits;
mod misdeed;
#[path = "../support/worker_stage.rs"]
mod worker_stage;

use camdock::ingest::preview_worker_main;
use libtest_mimic::{Arguments, Trial};
use misdeed::Misdeed;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, name] = &arguments[..]
        && verb == "misbehave"
    {
        let misdeed = Misdeed::named(name);
        let _ = preview_worker_main(&move |_, _, sink, say| misdeed.commit(sink, say));
        return;
    }
    let tests: [(&str, fn()); 7] = [
        (
            "what_libraries_ask_in_vain_is_refused_and_the_worker_lives_on",
            limits::what_libraries_ask_in_vain_is_refused_and_the_worker_lives_on,
        ),
        (
            "network_processes_signals_and_runnable_memory_are_deadly",
            limits::network_processes_signals_and_runnable_memory_are_deadly,
        ),
        (
            "memory_time_and_output_are_limited",
            limits::memory_time_and_output_are_limited,
        ),
        (
            "a_worker_that_hangs_is_ended",
            limits::a_worker_that_hangs_is_ended,
        ),
        (
            "a_worker_that_only_talks_or_never_ends_is_ended",
            limits::a_worker_that_only_talks_or_never_ends_is_ended,
        ),
        (
            "crashes_panics_and_nonsense_are_told_apart",
            limits::crashes_panics_and_nonsense_are_told_apart,
        ),
        (
            "the_sandbox_holds_an_ordinary_users_worker_just_as_well",
            limits::the_sandbox_holds_an_ordinary_users_worker_just_as_well,
        ),
    ];
    let trials = tests.map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit();
}
