//! Previews through the real worker process and its sandbox, from sealed files.

mod clock;
mod damage;
mod faulty_reads;
#[path = "../support/footage.rs"]
mod footage;
mod matrix;
mod ordinary;
mod proxy;
mod remarks;
mod shapes;
mod sound;
mod stage;
mod storyboard;
#[path = "../support/worker_stage.rs"]
mod worker_stage;
