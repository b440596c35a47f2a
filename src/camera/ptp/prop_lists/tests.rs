use proptest::prelude::*;

use super::*;
use crate::camera::ptp::wire::prop;

fn element(object: u32, code: u16, kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = object.to_le_bytes().to_vec();
    bytes.extend(code.to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    bytes.extend(value);
    bytes
}

fn list(elements: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = u32::try_from(elements.len())
        .unwrap()
        .to_le_bytes()
        .to_vec();
    bytes.extend(elements.concat());
    bytes
}

/// Everything about one file of 7 bytes.
fn file(object: u32) -> Vec<Vec<u8>> {
    let text = PtpString::encode;
    vec![
        element(object, prop::OBJECT_FORMAT, 4, &[0x0b, 0x30]),
        element(object, prop::PROTECTION, 4, &[0, 0]),
        element(object, prop::OBJECT_SIZE, 8, &7_u64.to_le_bytes()),
        element(object, prop::FILE_NAME, 0xffff, &text("A.MP4")),
        element(object, prop::MODIFIED, 0xffff, &text("20260102T030405")),
    ]
}

fn known(bytes: &[u8], handles: &[u32]) -> Facts {
    let mut drafts = drafts(handles);
    let _ = gather(bytes, &mut drafts);
    finished(drafts)
}

#[test]
fn an_object_is_known_when_nothing_about_it_is_missing_or_odd() {
    let whole = file(5);
    let facts = known(&list(&whole), &[5, 6]);
    assert_eq!(facts.len(), 1);
    assert_eq!((facts[&5].size, facts[&5].folder), (Some(7), false));
    assert_eq!(
        facts[&5].modified.unwrap().to_string(),
        "2026-01-02T03:04:05Z"
    );
    for missing in 0..whole.len() {
        let mut less = whole.clone();
        less.remove(missing);
        assert_eq!(known(&list(&less), &[5]).len(), 0, "without {missing}");
    }
    for odd in [
        element(5, prop::OBJECT_SIZE, 8, &8_u64.to_le_bytes()),
        element(5, prop::OBJECT_SIZE, 7, &(-1_i64).to_le_bytes()),
        element(5, prop::FILE_NAME, 0xffff, &PtpString::encode("B.MP4")),
        element(5, prop::FILE_NAME, 4, &[1, 0]),
    ] {
        let more = [whole.clone(), vec![odd]].concat();
        assert_eq!(known(&list(&more), &[5]).len(), 0);
    }
    // The same again, and another object's, do no harm.
    let more = [whole.clone(), whole, file(99)].concat();
    assert_eq!(known(&list(&more), &[5, 6]).len(), 1);
}

#[test]
fn a_time_of_change_that_is_none_wants_the_time_of_making() {
    let mut elements = file(5);
    elements[4] = element(5, prop::MODIFIED, 0xffff, &[0]);
    assert_eq!(known(&list(&elements), &[5]).len(), 0);
    let made = PtpString::encode("20260203T000000Z");
    elements.push(element(5, prop::CREATED, 0xffff, &made));
    let time = known(&list(&elements), &[5])[&5].modified.unwrap();
    assert_eq!(time.to_string(), "2026-02-03T00:00:00Z");
}

proptest! {
    #[test]
    fn any_bytes_give_only_objects_that_were_asked_for(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(known(&bytes, &[1, 2]).keys().all(|handle| [1, 2].contains(handle)));
    }

    #[test]
    fn a_list_cut_or_changed_anywhere_does_no_harm(cut in 0_usize..400, at in 0_usize..400, with in any::<u8>()) {
        let mut bytes = list(&[file(1), file(2), file(3)].concat());
        if let Some(byte) = bytes.get_mut(at) {
            *byte = with;
        }
        bytes.truncate(cut);
        prop_assert!(known(&bytes, &[1, 2, 3]).len() <= 3);
    }
}
