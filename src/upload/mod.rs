//! To the store: the store trait, S3, multipart with resume, pacing.
//!
//! Says stored only when the store names the checksum that we computed. Never deletes anything.
