//! Previews through the real worker process and its sandbox, from sealed files.

mod damaged;
mod encoder;
#[path = "../support/footage.rs"]
mod footage;
mod matrix;
mod proxy;
mod sandbox;
mod stage;
mod storyboard;
