//! Configuration: raw TOML → merged with defaults → validated. Only validated values leave this room.
//!
//! Never reads a secret from the TOML; unknown keys are errors that name the nearest known one.
