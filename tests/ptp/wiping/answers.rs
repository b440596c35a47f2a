//! Answers to deletions, and answers that never come.

use super::*;

#[test]
fn each_answer_has_its_own_outcome_and_what_is_still_there_is_left() {
    for (answer, expected) in [
        (0x200d, "write_protected"),
        (0x200e, "medium_read_only"),
        (0x200f, "delete_denied"),
        (0x2012, "delete_partial"),
        (0x2019, "camera_busy"),
        (0x2002, "delete_failed"),
    ] {
        let mut docked = Docked::new(Quirks::default());
        docked.orders.truncate(2);
        docked.device.lock().quirks.delete_answer = Some(answer);
        assert_eq!(docked.wipe(true), [expected; 2]);
        // Each deletion is sent once: a refusal is no reason to repeat it.
        assert_eq!(docked.device.count(op::DELETE_OBJECT), 2);
        assert_eq!(docked.left().len(), 8);
    }
    let mut docked = Docked::new(Quirks::default());
    docked.device.lock().quirks.delete_answer = Some(0x2005);
    assert_eq!(docked.wipe(true), ["delete_unsupported"; 8]);
    assert_eq!(docked.device.count(op::DELETE_OBJECT), 1);
}

#[test]
fn a_deletion_that_is_only_claimed_is_none() {
    let mut docked = Docked::new(Quirks::default());
    docked.device.lock().quirks.delete_ignored = true;
    assert_eq!(docked.wipe(true), ["delete_failed"; 8]);
    assert_eq!(docked.left().len(), 8);
}

#[test]
fn a_lost_answer_is_never_asked_for_again_though_the_handle_is_anothers_now() {
    let mut docked = Docked::new(Quirks::default());
    {
        let mut state = docked.device.lock();
        (state.quirks.delete_unanswered, state.quirks.reuses_handles) = (true, true);
    }
    let answer = docked
        .desk
        .try_wipe(&mut docked.camera, &docked.orders, true, &|| false)
        .unwrap();
    // The last file of the folder has the deleted one's handle.
    let handle = docked.files[0].1;
    let now = docked.device.lock().objects[&handle].name.clone();
    assert_eq!(String::from_utf16(&now).unwrap(), "H.JPG");
    assert_eq!(docked.device.count(op::DELETE_OBJECT), 1);
    let first = &answer.files[0];
    assert!(first.wiped && first.code.is_none(), "{first:?}");
    assert!(
        first
            .reason
            .as_ref()
            .unwrap()
            .contains("did not answer the deletion")
    );
    for result in &answer.files[1..] {
        assert_eq!(result.code.as_deref(), Some("stopped"));
    }
    // The next order of the same docking deletes nothing, either.
    assert_eq!(docked.wipe(true), ["stopped"; 8]);
    assert_eq!(docked.device.count(op::DELETE_OBJECT), 1);
    assert_eq!(docked.left().len(), 7);
}

#[test]
fn a_lost_answer_to_what_was_not_done_leaves_the_file_and_ends_the_work() {
    let mut docked = Docked::new(Quirks::default());
    {
        let mut state = docked.device.lock();
        (state.quirks.delete_unanswered, state.quirks.delete_ignored) = (true, true);
    }
    let told = docked.wipe(true);
    assert_eq!(told[0], "delete_failed");
    assert!(told[1..].iter().all(|code| code == "stopped"), "{told:?}");
    assert_eq!(docked.device.count(op::DELETE_OBJECT), 1);
    assert_eq!(docked.left().len(), 8);
}

#[test]
fn a_camera_that_leaves_before_it_answers_is_told_of_as_unknown() {
    let mut docked = Docked::new(Quirks::default());
    docked.device.lock().quirks.unplugs_on_delete = true;
    let told = docked.wipe(true);
    assert_eq!(told[0], "delete_unknown");
    assert!(told[1..].iter().all(|code| code == "stopped"), "{told:?}");
    assert_eq!(docked.device.count(op::DELETE_OBJECT), 1);
}

#[test]
fn a_file_that_was_looked_at_in_a_session_that_is_over_is_left() {
    let mut docked = Docked::new(Quirks::default());
    docked.orders.truncate(1);
    // Two errors in one piece: the second causes a reset, which ends the session.
    docked.device.lock().quirks.stalls = 2;
    assert_eq!(docked.wipe(true), ["session_lost"]);
    docked.untouched();
    assert_eq!(docked.device.lock().resets, 1);
    // The next attempt succeeds.
    assert_eq!(docked.wipe(true), ["wiped"]);
}
