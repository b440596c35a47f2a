//! Explanations of gaps: which gaps each explains, and which come too late for it.

use serde_json::json;

use super::{E1, LogScript, S1};

#[test]
fn an_accepted_gap_is_known_by_its_name() {
    let mut story = LogScript::new();
    story.docked(S1, Some("acme/X1"));
    story.lists(S1, &[("A.MP4", 5, 1)]);
    story.undocked(S1, 1);
    let gaps = story.gaps();
    let history = &story.history;
    assert!(gaps.iter().all(|gap| history.accepted(gap).is_none()));
    story.accepts(&gaps[0].gap);
    let history = &story.history;
    assert_eq!(
        history.accepted(&gaps[0]).unwrap().reason,
        "lent to Bradford"
    );
    assert!(history.accepted(&gaps[1]).is_none());
}

#[test]
fn an_explanation_of_all_gaps_with_a_beginning_covers_those_that_there_were() {
    let mut story = LogScript::new();
    let number = |story: &LogScript, name: &str| -> bool {
        let gaps = story.gaps();
        let gap = gaps.iter().find(|gap| gap.gap == name);
        let gap = gap.unwrap_or_else(|| panic!("{name} is not among the gaps: {gaps:?}"));
        story.history.accepted(gap).is_some()
    };
    story.docked(S1, Some("acme/X1"));
    let files = [
        ("D/A0001.MP4", 5, 1),
        ("D/A0002.MP4", 5, 2),
        ("D/A0004.MP4", 5, 4),
    ];
    story.lists(S1, &files);
    story.accepts("number:acme/X1:*");
    assert!(number(&story, "number:acme/X1:D/A#:0003:2026-02-28"));
    // The explanation does not cover a later loss.
    story.lists(S1, &[("D/A0005.MP4", 5, 5), ("D/A0007.MP4", 5, 7)]);
    assert!(number(&story, "number:acme/X1:D/A#:0003:2026-02-28"));
    assert!(!number(&story, "number:acme/X1:D/A#:0006:2026-02-28"));
    story.accepts("number:acme/X1:*");
    assert!(number(&story, "number:acme/X1:D/A#:0006:2026-02-28"));
}

/// Recordings of one day that are all held, so that only their numbers count.
fn holds(story: &mut LogScript, day: &str, numbers: &[u8]) {
    let files: Vec<_> = numbers
        .iter()
        .map(|n| {
            json!({"path": format!("D/A{n:04}.MP4"), "size": 5,
                "modified": format!("{day}T{n:02}:00:00Z"), "evidence": E1})
        })
        .collect();
    let data = json!({"page": 1, "last": true, "total_files": files.len(), "total_bytes": 0, "files": files});
    story.says(S1, "inventory.taken", &data);
    for file in &files {
        story.says(S1, "item.held", file);
    }
}

/// The gaps without an explanation.
fn unexplained(story: &LogScript) -> Vec<String> {
    let gaps = story.gaps().into_iter();
    gaps.filter(|gap| story.history.accepted(gap).is_none())
        .map(|gap| gap.gap)
        .collect()
}

#[test]
fn an_explanation_given_before_the_loss_explains_nothing() {
    let mut story = LogScript::new();
    story.docked(S1, Some("acme/X1"));
    holds(&mut story, "2026-02-20", &[1, 2, 3]);
    let gap = "number:acme/X1:D/A#:0004:2026-02-21";
    let other = "never-taken:acme/X1:B.MP4:5:2026-02-28T01:00:00Z";
    for name in [gap, "number:acme/X1:D/A#:0004", other] {
        story.accepts(name);
    }
    story.accepts(&format!("session:{S1}"));
    holds(&mut story, "2026-02-21", &[5, 6]);
    story.lists(S1, &[("B.MP4", 5, 1)]);
    story.undocked(S1, 1);
    let session = format!("session:{S1}");
    assert_eq!(unexplained(&story), [other, &session, gap]);
    for name in [gap, other, &session] {
        story.accepts(name);
    }
    assert_eq!(unexplained(&story), [""; 0]);
}

#[test]
fn the_same_number_missing_anew_is_another_gap() {
    for name in [
        "number:acme/X1:D/A#:0003:2026-02-20",
        // As older stations named it.
        "number:acme/X1:D/A#:0003",
    ] {
        let mut story = LogScript::new();
        story.docked(S1, Some("acme/X1"));
        holds(&mut story, "2026-02-20", &[1, 2, 4]);
        story.accepts(name);
        assert_eq!(unexplained(&story), [""; 0]);
        // The counter begins anew.
        holds(&mut story, "2026-02-24", &[1, 2, 4]);
        assert_eq!(unexplained(&story), ["number:acme/X1:D/A#:0003:2026-02-24"]);
    }
}
