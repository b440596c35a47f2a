//! Court packs: a BagIt folder with opened originals, their proven custody, CASE/UCO, statements to sign, and a page that checks it.
//!
//! Keeps promise 16: a pack proves itself offline with nothing of ours. This room only writes what it is handed: it opens no
//! footage, knows neither logs nor stores, and puts nothing into a pack that is not about its items. A pack that is being made has a
//! name that says so, and gets its own only when it is whole.

mod bag;
mod case;
mod error;
mod facts;
mod names;
mod page;
mod papers;
mod statements;
mod zipped;

pub use bag::{BagTotals, BagWriter};
pub use error::PackError;
pub use facts::{
    Decided, PackDecision, PackFacts, PackItem, PackLog, PackPart, PackWitness, custody_file,
    fingerprint, grouped, part_file,
};
pub use page::check_page;
pub use papers::add_papers;
pub use zipped::write_zip;
