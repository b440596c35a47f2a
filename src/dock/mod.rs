//! What is plugged where: arrivals and departures of cameras in bays, from one classifier.
//!
//! Decides nothing about footage and never reads it.
