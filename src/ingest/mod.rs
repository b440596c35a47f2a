//! The conductor: one job a docked camera, from inventory to stored.
//!
//! Keeps promises 1, 2 and 9. The only room that joins camera, seal, audit, upload and journal.
