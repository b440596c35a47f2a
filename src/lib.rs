//! CamDock: takes the footage of docked body-worn cameras, seals it, stores it and can prove it.
//!
//! Rooms and floors are those of the design; `tests/architecture` refuses an import that goes up or sideways.

pub mod audit;
pub mod camera;
pub mod cli;
pub mod config;
pub mod disposer;
pub mod dock;
pub mod durable;
mod failpoint;
pub mod ingest;
pub mod journal;
pub mod keydesk;
pub mod metrics;
pub mod model;
pub mod office;
pub mod pack;
pub mod preview;
pub mod publish;
pub mod root;
pub mod seal;
pub mod sharereader;
pub mod station;
pub mod sys;
pub mod upload;
pub mod web;
pub mod witnessing;
