//! Questions to whoever says that they hold a share's key. In memory alone; each is good for one answer, and soon too old.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;

use crate::model::ShareId;
use crate::seal::Possession;
use crate::web::random_secret;

/// The key file was read before the question is asked.
const LASTS: Duration = Duration::from_secs(30);
/// Beyond this, the oldest is forgotten.
const CHALLENGES_MAX: usize = 1_000;

struct Challenge {
    id: String,
    share: ShareId,
    possession: Possession,
    asked: Instant,
}

/// A question as the page gets it.
#[derive(Serialize)]
pub struct Asked {
    challenge: String,
    /// SEC 1: `04 ‖ x ‖ y`, base64.
    key: String,
    nonce: String,
}

/// Oldest first.
#[derive(Default)]
pub struct Challenges(Mutex<VecDeque<Challenge>>);

impl Challenges {
    /// `None` when the system has no randomness.
    pub fn ask(&self, share: ShareId) -> Option<Asked> {
        self.ask_at(share, Instant::now())
    }

    /// The question with this name, which cannot be answered again.
    pub fn answered(&self, id: &str, share: ShareId) -> Option<Possession> {
        self.answered_at(id, share, Instant::now())
    }

    fn ask_at(&self, share: ShareId, now: Instant) -> Option<Asked> {
        let (id, possession) = (random_secret()?, Possession::ask().ok()?);
        let asked = Asked {
            challenge: id.clone(),
            key: possession.public(),
            nonce: possession.nonce(),
        };
        let mut open = self.0.lock();
        open.retain(|challenge| now.duration_since(challenge.asked) < LASTS);
        if open.len() >= CHALLENGES_MAX {
            open.pop_front();
        }
        open.push_back(Challenge {
            id,
            share,
            possession,
            asked: now,
        });
        Some(asked)
    }

    fn answered_at(&self, id: &str, share: ShareId, now: Instant) -> Option<Possession> {
        let mut open = self.0.lock();
        let at = open.iter().position(|challenge| challenge.id == id)?;
        let challenge = open.remove(at)?;
        let fits = challenge.share == share && now.duration_since(challenge.asked) < LASTS;
        fits.then_some(challenge.possession)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_good_for_one_answer_about_its_share_and_for_half_a_minute() {
        let [one, two] = [[1; 16], [2; 16]].map(ShareId::from_bytes);
        let (challenges, now) = (Challenges::default(), Instant::now());
        let ask = || challenges.ask_at(one, now).unwrap().challenge;
        let id = ask();
        assert!(challenges.answered_at(&id, one, now).is_some());
        assert!(challenges.answered_at(&id, one, now).is_none(), "once");
        let id = ask();
        assert!(challenges.answered_at(&id, two, now).is_none());
        assert!(
            challenges.answered_at(&id, one, now).is_none(),
            "it is used"
        );
        let id = ask();
        assert!(challenges.answered_at(&id, one, now + LASTS).is_none());
        assert!(challenges.answered_at("", one, now).is_none());
        let first = ask();
        for _ in 0..CHALLENGES_MAX {
            ask();
        }
        assert_eq!(challenges.0.lock().len(), CHALLENGES_MAX);
        assert!(challenges.answered_at(&first, one, now).is_none());
        let later = challenges.ask_at(one, now + LASTS).unwrap().challenge;
        assert_eq!(challenges.0.lock().len(), 1);
        assert!(challenges.answered_at(&later, one, now + LASTS).is_some());
    }
}
