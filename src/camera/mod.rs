//! How a docked camera is read: one trait, one file a way of access.
//!
//! Keeps promise 3: nothing here can write to a camera. All that a camera says is bounded here.
