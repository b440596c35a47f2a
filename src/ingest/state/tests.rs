use super::*;

fn counts(pending: u64, secured: u64, failed: u64) -> InventoryCounts {
    let totals = |files| FileTotals {
        files,
        bytes: files * 10,
    };
    InventoryCounts {
        pending: totals(pending),
        secured: totals(secured),
        failed: totals(failed),
        ..InventoryCounts::default()
    }
}

#[test]
fn safe_is_never_shown_while_a_file_is_pending_or_uncommitted() {
    let mut state = SessionState::new(None);
    assert!(matches!(state.status(), BayStatus::Reading { .. }));
    state.pulling(counts(1, 1, 0));
    assert_eq!(
        state.settled(counts(1, 1, 0), 0, 0),
        Err(NotSettled {
            pending: 1,
            uncommitted: 0
        })
    );
    assert_eq!(
        state.settled(counts(0, 2, 0), 1, 0),
        Err(NotSettled {
            pending: 0,
            uncommitted: 1
        })
    );
    assert!(matches!(state.status(), BayStatus::Reading { .. }));
    state.settled(counts(0, 2, 0), 0, 2).unwrap();
    assert_eq!(
        state.status(),
        BayStatus::SafeToRemove {
            files: 2,
            bytes: 20,
            waiting_for_store: 2,
            disposed: 0
        }
    );
    state.unstored(0);
    assert_eq!(
        state.status(),
        BayStatus::AllStored {
            files: 2,
            bytes: 20,
            disposed: 0
        }
    );
    state.pulling(counts(1, 2, 0));
    assert!(matches!(
        state.status(),
        BayStatus::Reading {
            files_done: 2,
            files_total: 3,
            ..
        }
    ));
}

#[test]
fn each_file_that_was_taken_counts_at_once() {
    let mut state = SessionState::new(None);
    state.pulling(counts(4, 0, 0));
    state.progress(5, 5, Duration::from_secs(1));
    for done in 1..=3 {
        state.took(10, done * 10, Duration::from_secs(done));
        let expected = BayStatus::Reading {
            files_done: done,
            files_total: 4,
            bytes_done: done * 10,
            bytes_total: 40,
            seconds_left: Some(4 - done),
        };
        assert_eq!(state.status(), expected);
    }
    // Counted again: one of them could not be committed.
    state.pulling(counts(2, 2, 0));
    assert!(matches!(
        state.status(),
        BayStatus::Reading {
            files_done: 2,
            bytes_done: 20,
            ..
        }
    ));
}

#[test]
fn an_entry_that_cannot_be_taken_needs_attention_even_when_all_files_are_safe() {
    let mut state = SessionState::new(None);
    state.refused(1);
    state.settled(counts(0, 2, 0), 0, 0).unwrap();
    assert!(state.status().needs_person());
    assert_eq!(state.left_behind(), 1);
}

#[test]
fn a_camera_that_shows_nothing_is_not_called_stored_while_that_may_be_no_answer() {
    for silence in [Silence::HeldBefore(3), Silence::EmptyFolder] {
        let mut state = SessionState::new(Some("not in the roster".into()));
        state.silent(Some(silence));
        state.settled(counts(0, 0, 0), 0, 0).unwrap();
        let BayStatus::NeedsAttention { code, .. } = state.status() else {
            panic!("{:?}", state.status());
        };
        assert_eq!(code, "camera_empty");
        assert!(!state.wiping());
    }
}

#[test]
fn wiping_begins_only_when_everything_is_stored_and_ends_as_all_stored() {
    let mut state = SessionState::new(None);
    assert!(!state.wiping());
    state.settled(counts(0, 2, 0), 0, 1).unwrap();
    assert!(!state.wiping(), "one is not stored");
    state.unstored(0);
    assert!(state.wiping());
    assert_eq!(state.status(), BayStatus::Wiping { files: 2 });
    assert!(!state.wiping(), "once at a time");
    state.wiped();
    assert!(matches!(state.status(), BayStatus::AllStored { .. }));
    for (quarantine, failed, refused) in [(Some("x".into()), 0, 0), (None, 1, 0), (None, 0, 1)] {
        let mut state = SessionState::new(quarantine);
        state.refused(refused);
        state.settled(counts(0, 2, failed), 0, 0).unwrap();
        assert!(!state.wiping());
    }
}

#[test]
fn nothing_is_safe_before_the_quorum_covers_it_where_safe_waits_for_that() {
    let waits =
        |state: &SessionState| matches!(state.status(), BayStatus::WaitingForWitness { .. });
    for quarantine in [None, Some("not in the roster".to_owned())] {
        let mut state = SessionState::new(quarantine.clone());
        state.pulling(counts(1, 1, 0));
        state.witnessed(Some(9));
        state.covered_by(8, &counts(0, 2, 0));
        // What is not settled is covered by nothing.
        assert!(state.settled(counts(0, 2, 0), 1, 1).is_err());
        state.covered_by(10, &counts(0, 2, 0));
        state.settled(counts(0, 2, 0), 0, 1).unwrap();
        assert!(waits(&state));
        // Stored is not witnessed.
        state.unstored(0);
        assert!(waits(&state) && !state.wiping());
        // A later look does not move what covers the same files.
        state.covered_by(20, &counts(0, 2, 0));
        assert!(state.witnessed(Some(10)));
        assert!(!waits(&state));
        assert!(!state.witnessed(Some(11)));
        assert_eq!(state.wiping(), quarantine.is_none());
        // Something new has to be covered anew.
        state.wiped();
        state.covered_by(25, &counts(0, 3, 0));
        assert!(waits(&state));
        state.pulling(counts(1, 2, 0));
        state.covered_by(30, &counts(0, 3, 0));
        state.settled(counts(0, 3, 0), 0, 0).unwrap();
        assert!(waits(&state));
        // Where safe does not wait, nothing of it matters.
        state.witnessed(None);
        assert!(!waits(&state));
    }
    // A size that nobody gave covers nothing.
    let mut state = SessionState::new(None);
    state.witnessed(Some(u64::MAX));
    state.settled(counts(0, 1, 0), 0, 0).unwrap();
    assert!(waits(&state));
}

#[test]
fn a_failed_file_needs_attention_even_when_all_else_is_safe() {
    let mut state = SessionState::new(None);
    state.settled(counts(0, 2, 1), 0, 0).unwrap();
    assert!(matches!(
        state.status(),
        BayStatus::NeedsAttention {
            files_done: 2,
            files_total: 3,
            ..
        }
    ));
}
