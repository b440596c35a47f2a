//! The command line: one file a verb. Only here and in `station` errors become plain text.
