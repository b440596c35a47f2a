//! The steps and faults of a scenario, how often each occurs, and how a failed scenario is printed.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;

use super::cameras::{CAMERAS, FILES, path};

pub const BAYS: usize = 2;
/// Steps of one scenario at most.
const LENGTH: usize = 160;

/// One step of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelStep {
    Dock {
        camera: usize,
        bay: usize,
    },
    /// The bus reports that the camera left.
    Undock {
        bay: usize,
    },
    /// The camera leaves and nothing reports it.
    TornOut {
        bay: usize,
    },
    Turn {
        bay: usize,
    },
    Idle {
        bay: usize,
    },
    Record {
        camera: usize,
        file: usize,
        size: usize,
        time: usize,
        growing: bool,
    },
    Finish {
        camera: usize,
        file: usize,
    },
    Remove {
        camera: usize,
        file: usize,
    },
    Odd {
        camera: usize,
    },
    ReadFails {
        camera: usize,
        file: usize,
        times: u8,
        at: u64,
    },
    Touched {
        camera: usize,
        file: usize,
    },
    ListFails {
        camera: usize,
        times: u8,
    },
    Upload {
        items: usize,
    },
    StoreFails {
        calls: u8,
        answer_lost: bool,
    },
    /// A bit of a sealed file that is still to be stored.
    Damage {
        nth: usize,
    },
    /// A fault in the middle of what is done next.
    Soon {
        points: u16,
        what: Fault,
    },
    Restart,
    PowerCut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    PowerCut,
    Stop,
    Unplug { bay: usize },
    DiskFull { times: u8 },
    DiskError,
    LogFull { times: u8 },
    LogBroken,
    ProofFails { times: u8 },
    NoRoom { times: u8 },
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::PowerCut),
        1 => Just(Fault::Stop),
        2 => (0..BAYS).prop_map(|bay| Fault::Unplug { bay }),
        1 => (1..4u8).prop_map(|times| Fault::DiskFull { times }),
        1 => Just(Fault::DiskError),
        1 => (1..4u8).prop_map(|times| Fault::LogFull { times }),
        1 => Just(Fault::LogBroken),
        1 => (1..4u8).prop_map(|times| Fault::ProofFails { times }),
        1 => (1..4u8).prop_map(|times| Fault::NoRoom { times }),
    ]
}

fn step() -> impl Strategy<Value = ModelStep> {
    let (camera, bay, file) = (0..CAMERAS, 0..BAYS, 0..FILES);
    let of = (camera.clone(), file);
    prop_oneof![
        12 => (camera.clone(), bay.clone()).prop_map(|(camera, bay)| ModelStep::Dock { camera, bay }),
        3 => bay.clone().prop_map(|bay| ModelStep::Undock { bay }),
        2 => bay.clone().prop_map(|bay| ModelStep::TornOut { bay }),
        34 => bay.clone().prop_map(|bay| ModelStep::Turn { bay }),
        12 => bay.prop_map(|bay| ModelStep::Idle { bay }),
        8 => (of.clone(), 0..6usize, 0..8usize, prop::bool::weighted(0.1)).prop_map(
            |((camera, file), size, time, growing)| ModelStep::Record { camera, file, size: size.min(3), time: [0, 1, 0, 1, 0, 1, 0, 2][time], growing }),
        3 => of.clone().prop_map(|(camera, file)| ModelStep::Finish { camera, file }),
        1 => of.clone().prop_map(|(camera, file)| ModelStep::Remove { camera, file }),
        1 => camera.clone().prop_map(|camera| ModelStep::Odd { camera }),
        6 => (of.clone(), 1..4u8, prop_oneof![Just(0u64), Just(70), 65..190u64]).prop_map(
            |((camera, file), times, at)| ModelStep::ReadFails { camera, file, times, at }),
        1 => of.prop_map(|(camera, file)| ModelStep::Touched { camera, file }),
        1 => (camera, 1..3u8).prop_map(|(camera, times)| ModelStep::ListFails { camera, times }),
        8 => (1..4usize).prop_map(|items| ModelStep::Upload { items }),
        2 => (1..4u8, any::<bool>()).prop_map(|(calls, answer_lost)| ModelStep::StoreFails { calls, answer_lost }),
        1 => (0..4usize).prop_map(|nth| ModelStep::Damage { nth }),
        9 => (0..120u16, fault()).prop_map(|(points, what)| ModelStep::Soon { points, what }),
        2 => Just(ModelStep::Restart),
        2 => Just(ModelStep::PowerCut),
    ]
}

#[derive(Clone)]
pub struct Scenario {
    /// Stored files stay on the station for a while.
    pub keeps: bool,
    /// Files that may still be growing are waited for, longer than any scenario lasts.
    pub waits: bool,
    pub steps: Vec<ModelStep>,
}

pub fn scenario() -> impl Strategy<Value = Scenario> {
    (any::<bool>(), any::<bool>(), vec(step(), 1..LENGTH)).prop_map(|(keeps, waits, steps)| {
        Scenario {
            keeps,
            waits,
            steps,
        }
    })
}

fn letter(camera: usize) -> char {
    char::from(b'A' + u8::try_from(camera).unwrap_or(0))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PowerCut => f.write_str("the power is cut"),
            Self::Stop => f.write_str("the service is stopped"),
            Self::Unplug { bay } => write!(f, "bay {bay} is unplugged"),
            Self::DiskFull { times } => write!(f, "the disk is full {times} times"),
            Self::DiskError => f.write_str("the disk fails once"),
            Self::LogFull { times } => write!(f, "the log takes nothing {times} times"),
            Self::LogBroken => f.write_str("the log breaks right after a write"),
            Self::ProofFails { times } => write!(f, "the log can't be read {times} times"),
            Self::NoRoom { times } => write!(f, "the spool has no room {times} times"),
        }
    }
}

impl fmt::Display for ModelStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Dock { camera, bay } => write!(f, "dock {} in bay {bay}", letter(camera)),
            Self::Undock { bay } => write!(f, "undock bay {bay}"),
            Self::TornOut { bay } => write!(f, "tear the camera out of bay {bay}"),
            Self::Turn { bay } => write!(f, "bay {bay} takes a turn"),
            Self::Idle { bay } => write!(f, "bay {bay} looks again"),
            Self::Record {
                camera,
                file,
                size,
                time,
                growing,
            } => write!(
                f,
                "{} {} {} (size {size}, time {time})",
                letter(camera),
                if growing { "is recording" } else { "records" },
                path(file)
            ),
            Self::Finish { camera, file } => write!(f, "{} ends {}", letter(camera), path(file)),
            Self::Remove { camera, file } => write!(f, "{} deletes {}", letter(camera), path(file)),
            Self::Odd { camera } => {
                write!(f, "{} gets an entry that is not a file", letter(camera))
            }
            Self::ReadFails {
                camera,
                file,
                times,
                at,
            } => {
                write!(
                    f,
                    "{times} reads of {} on {} fail at byte {at}",
                    path(file),
                    letter(camera)
                )
            }
            Self::Touched { camera, file } => {
                write!(
                    f,
                    "{} on {} changes during the next read",
                    path(file),
                    letter(camera)
                )
            }
            Self::ListFails { camera, times } => {
                write!(f, "{times} listings of {} fail", letter(camera))
            }
            Self::Upload { items } => write!(f, "{items} uploads"),
            Self::StoreFails {
                calls,
                answer_lost: false,
            } => write!(f, "{calls} calls of the store fail"),
            Self::StoreFails {
                calls,
                answer_lost: true,
            } => write!(f, "{calls} answers of the store are lost"),
            Self::Damage { nth } => write!(f, "the {nth}. sealed file is damaged"),
            Self::Soon { points, what } => write!(f, "{points} points later {what}"),
            Self::Restart => f.write_str("restart"),
            Self::PowerCut => f.write_str("power cut"),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.keeps {
            f.write_str("(stored files stay a while) ")?;
        }
        if self.waits {
            f.write_str("(growing files are waited for) ")?;
        }
        let steps: Vec<String> = self.steps.iter().map(ToString::to_string).collect();
        f.write_str(&steps.join("; "))
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
