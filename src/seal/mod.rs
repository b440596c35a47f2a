//! Hash and seal in one pass; open; resume. AWS Encryption SDK message v2, suite 0x0478.
//!
//! Keeps promises 4, 5, 7 and 8. Never edits a written header; never hands out a byte that was not verified.
