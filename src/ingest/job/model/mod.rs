//! The ingest against a model: random scenarios happen to a real station, and what it logs and shows must keep the promises.
//!
//! The jobs, the committer's steps, the sealing, the spool, the journal (in memory), the uploads and the recovery after a stop
//! are real; cameras, store and custody log are simulated. Each station runs on one thread, so that a scenario is repeatable
//! and can be shrunk. A restart reads back what a real one would; a power cut takes what was not synced.

mod cameras;
mod harness;
mod reference;
mod scenario;
mod station;
mod steps;
mod store;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use proptest::strategy::Strategy as _;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use scenario::{Fault, ModelStep, Scenario, scenario};
use station::{ModelStation, Stock};

/// Steps of one run; `CAMDOCK_MODEL_STEPS` asks for another number.
const STEPS: u64 = 100_000;

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
    )
}

/// A folder in memory where the machine has one.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let parent: PathBuf = if memory.is_dir() {
        memory.into()
    } else {
        std::env::temp_dir()
    };
    tempfile::tempdir_in(parent).unwrap()
}

/// Runs one scenario; returns its steps, or the promise that was broken, and where.
fn run(dir: &Path, scenario: &Scenario, stock: &mut Stock) -> Result<u64, String> {
    let mut station = ModelStation::new(dir, scenario, stock)?;
    for (n, step) in scenario.steps.iter().enumerate() {
        station
            .step(*step)
            .map_err(|broken| format!("{broken} (at step {}: {step})", n + 1))?;
    }
    station
        .ending()
        .map_err(|broken| format!("{broken} (at the scenario's end)"))?;
    Ok(station.steps())
}

const SEED: u64 = 7;

/// Scenarios until there are `steps` of all threads, counted in `done`.
fn run_many(seed: u64, steps: u64, done: &AtomicU64, failed: &AtomicBool) -> Result<(), String> {
    let dir = folder();
    let mut stock = Stock::default();
    let mut runner = TestRunner::new(Config {
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    });
    while done.load(Ordering::Relaxed) < steps && !failed.load(Ordering::Relaxed) {
        let tree = scenario()
            .new_tree(&mut runner)
            .map_err(|e| e.to_string())?;
        let stock = std::cell::RefCell::new(&mut stock);
        let outcome = runner.run_one(tree, |scenario| {
            let steps = run(dir.path(), &scenario, &mut stock.borrow_mut());
            done.fetch_add(steps.map_err(TestCaseError::fail)?, Ordering::Relaxed);
            Ok(())
        });
        if let Err(error) = outcome {
            failed.store(true, Ordering::Relaxed);
            return Err(match error {
                TestError::Fail(broken, scenario) => format!("{broken}\n  {scenario}"),
                other @ TestError::Abort(_) => other.to_string(),
            });
        }
    }
    Ok(())
}

#[test]
fn whatever_happens_to_a_station_its_promises_are_kept() {
    let steps = from_environment("CAMDOCK_MODEL_STEPS").unwrap_or(STEPS);
    // The same scenarios each time; `make soak` runs others.
    let seed = from_environment("CAMDOCK_MODEL_SEED").unwrap_or(SEED);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let (done, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let broken: Vec<String> = std::thread::scope(|scope| {
        let (done, failed) = (&done, &failed);
        let threads: Vec<_> = (0..threads)
            .map(|n| scope.spawn(move || run_many(seed + n, steps, done, failed)))
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().unwrap().err())
            .collect()
    });
    let done = done.into_inner();
    assert!(
        broken.is_empty(),
        "CAMDOCK_MODEL_SEED={seed} (after {done} steps):\n{}",
        broken.join("\n")
    );
    println!("{done} steps, CAMDOCK_MODEL_SEED={seed}");
    assert!(done >= steps, "only {done} steps were done");
}

/// Scenarios that the model found, with their fault at every point in turn.
#[test]
fn what_once_broke_a_promise_does_so_at_no_point_any_more() {
    let (camera, bay) = (0, 0);
    let record = |file| ModelStep::Record {
        camera,
        file,
        size: 1,
        time: 0,
        growing: false,
    };
    let (dock, turn) = (ModelStep::Dock { camera, bay }, ModelStep::Turn { bay });
    let taken = [record(0), dock, turn, turn, ModelStep::Damage { nth: 0 }];
    let upload = ModelStep::Upload { items: 1 };
    let scenarios: [(&[ModelStep], Fault, &[ModelStep]); 6] = [
        // Sealed, in the committer's hands, and pulled again after another file's failure.
        (&[record(0), record(1), dock], Fault::DiskError, &[turn]),
        // An entry that could not be named was never named again, and the bay said that all was stored.
        (
            &[ModelStep::Odd { camera }, dock],
            Fault::LogFull { times: 1 },
            &[turn, turn],
        ),
        // Given up in the log, and still held by the journal.
        (&taken, Fault::PowerCut, &[upload, upload]),
        // Given up, and still called safe.
        (&taken, Fault::NoRoom { times: 1 }, &[upload]),
        // Sealed, not in the log when the service stopped, and entered there after its session's end.
        (
            &[record(0), dock],
            Fault::LogFull { times: 1 },
            &[turn, ModelStep::Restart],
        ),
        // In the log as stored, which the journal did not learn, and stored once more.
        (
            &[record(0), dock, turn, turn],
            Fault::ProofFails { times: 1 },
            &[upload, upload],
        ),
    ];
    let dir = folder();
    let mut stock = Stock::default();
    for (before, what, after) in scenarios {
        for points in 0..100 {
            let mut steps = before.to_vec();
            steps.push(ModelStep::Soon { points, what });
            steps.extend(after);
            let scenario = Scenario {
                keeps: true,
                waits: false,
                steps,
            };
            if let Err(broken) = run(dir.path(), &scenario, &mut stock) {
                panic!("{broken}\n  {scenario}");
            }
        }
    }
}
