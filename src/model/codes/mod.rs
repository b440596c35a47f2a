//! Every problem code: what it means, whom it concerns and what to do.
//!
//! This is the only place that explains a code. `camdock explain`, the man page, `docs/codes.md` and the pages' English
//! texts are made from it. A code is stable: logs, metrics and alert rules name it.

mod camera;
mod config;
mod disposal;
mod docking;
mod file;
mod gap;
mod import;
mod log;
mod office;
mod pack;
mod pages;
mod preview;
mod seal;
mod station;
mod store;
mod unlock;
mod verify;
mod wipe;
mod witness;

use std::fmt;

/// A stable name of a problem, with its explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Code {
    pub code: &'static str,
    /// The person who has to act.
    pub concerns: Person,
    /// One or two sentences: what has happened.
    pub meaning: &'static str,
    /// Sentences in the imperative: what to do about it.
    pub next_step: &'static str,
}

/// The people who use a station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Person {
    Officer,
    EvidenceManager,
    Operations,
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Officer => "officer",
            Self::EvidenceManager => "evidence manager",
            Self::Operations => "operations",
        })
    }
}

/// Codes that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Topic {
    pub title: &'static str,
    /// In alphabetical order.
    pub codes: &'static [Code],
}

pub const TOPICS: &[Topic] = &[
    Topic {
        title: "Docking and bays",
        codes: docking::CODES,
    },
    Topic {
        title: "Reading a camera",
        codes: camera::CODES,
    },
    Topic {
        title: "Files on a camera",
        codes: file::CODES,
    },
    Topic {
        title: "Imports",
        codes: import::CODES,
    },
    Topic {
        title: "Locked cameras",
        codes: unlock::CODES,
    },
    Topic {
        title: "Wiping cameras",
        codes: wipe::CODES,
    },
    Topic {
        title: "Sealed files and keys",
        codes: seal::CODES,
    },
    Topic {
        title: "The store",
        codes: store::CODES,
    },
    Topic {
        title: "Previews",
        codes: preview::CODES,
    },
    Topic {
        title: "The custody log",
        codes: log::CODES,
    },
    Topic {
        title: "Witnesses of the custody log",
        codes: witness::CODES,
    },
    Topic {
        title: "Verifying stored items",
        codes: verify::CODES,
    },
    Topic {
        title: "Gaps",
        codes: gap::CODES,
    },
    Topic {
        title: "The station",
        codes: station::CODES,
    },
    Topic {
        title: "The office",
        codes: office::CODES,
    },
    Topic {
        title: "Deletion by rule",
        codes: disposal::CODES,
    },
    Topic {
        title: "Court packs",
        codes: pack::CODES,
    },
    Topic {
        title: "Configuration and secrets",
        codes: config::CODES,
    },
    Topic {
        title: "The pages",
        codes: pages::CODES,
    },
];

const fn code(
    code: &'static str,
    concerns: Person,
    meaning: &'static str,
    next_step: &'static str,
) -> Code {
    Code {
        code,
        concerns,
        meaning,
        next_step,
    }
}

/// Every code, topic by topic.
pub fn all() -> impl Iterator<Item = &'static Code> {
    TOPICS.iter().flat_map(|topic| topic.codes)
}

/// Those that a bay can show: an office's never stand there.
pub fn at_a_station() -> impl Iterator<Item = &'static Code> {
    let offices = [office::CODES, pack::CODES];
    all().filter(move |code| {
        !offices
            .iter()
            .any(|codes| codes.iter().any(|other| other.code == code.code))
    })
}

pub fn find(code: &str) -> Option<&'static Code> {
    all().find(|known| known.code == code)
}

/// The known code whose spelling is most similar.
pub fn nearest(code: &str) -> &'static Code {
    all()
        .min_by_key(|known| strsim::damerau_levenshtein(known.code, code))
        .expect("the table has codes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_sorted_within_their_topic_and_explained_in_whole_sentences() {
        let mut seen = std::collections::BTreeSet::new();
        for topic in TOPICS {
            assert!(
                topic.codes.is_sorted_by_key(|code| code.code),
                "{}",
                topic.title
            );
        }
        for code in all() {
            assert!(seen.insert(code.code), "{} stands twice", code.code);
            for text in [code.meaning, code.next_step] {
                let whole = text.ends_with('.') && !text.contains(['|', '\n', '"']);
                assert!(whole, "{}: {text}", code.code);
            }
        }
    }

    #[test]
    fn a_misspelt_code_finds_its_neighbour() {
        for (typed, meant) in [
            ("store_unreachabel", "store_unreachable"),
            ("bayflaps", "bay_flaps"),
            ("disk_ful", "disk_full"),
        ] {
            assert_eq!(nearest(typed).code, meant);
        }
        assert_eq!(
            find("disk_full").map(|code| code.concerns),
            Some(Person::Operations)
        );
        assert!(find("disk").is_none());
    }
}
