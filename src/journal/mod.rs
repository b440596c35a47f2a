//! Work state in SQLite: what was seen, what is in flight, what is held.
//!
//! It can be lost without losing evidence: the log and the spool are the truth it is rebuilt from.
