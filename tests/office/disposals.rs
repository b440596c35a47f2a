//! Deletion by rule: what is due, and what two people decide about it.

use camdock::model::{EvidenceId, SessionId};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bed::{Bed, TOKEN, station};
use crate::place::until;
use crate::searches::{Made, publish};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A recording that the station one took in so many days ago.
pub fn taken_in(path: &str, days_ago: i32, officer: &str) -> Made {
    let sealed = Timestamp::now() - DAY * days_ago;
    Made {
        id: EvidenceId::new(),
        station: "one",
        session: SessionId::new(),
        camera: "acme/X1",
        officer: officer.into(),
        path: format!("DCIM/{path}"),
        kind: "video",
        flagged: false,
        recorded: None,
        sealed,
        stored: true,
        quarantined: false,
    }
}

/// What is due, by the items' ids.
fn due(bed: &Bed, within: &str) -> Vec<Value> {
    let ran = bed.camdock(&["office", "due", "--within", within, "--json"]);
    assert!(ran.status.success(), "{ran:?}");
    let lines = String::from_utf8(ran.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn kept_by(all: &[Value], made: &Made) -> Value {
    let id = made.id.to_string();
    let found = all.iter().find(|item| item["evidence"] == id.as_str());
    found.map_or(json!("absent"), |item| item["kept_by"].clone())
}

fn approve(bed: &Bed, made: &Made, token: &str) -> (u16, String, String) {
    let body = json!({"decision": "approve_disposal", "reason": "agreed"});
    bed.post(&format!("/api/disposals/one/{}", made.id), token, &body)
}

#[test]
fn what_is_due_goes_only_by_two_people_and_what_keeps_the_rest_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-disposals", &[&one], dir);
    let classes = "\n[retention]\nunclassified = \"month\"\n[class.month]\ndays = 31\nreview = false\n\
        [class.looked-at]\ndays = 30\nreview = true\n[class.decade]\ndays = 3650\n";
    let text = std::fs::read_to_string(bed.path("office.toml")).unwrap();
    std::fs::write(bed.path("office.toml"), format!("{text}{classes}")).unwrap();
    let over = taken_in("over.MP4", 40, "4711");
    // It shares its recording's fate.
    let sidecar = Made {
        id: EvidenceId::new(),
        path: "DCIM/over.GPS".into(),
        kind: "sidecar",
        ..over.clone()
    };
    let tagged = taken_in("tagged.MP4", 40, "4711");
    let held = taken_in("held.MP4", 41, "4712");
    let reviewed = taken_in("reviewed.MP4", 43, "4713");
    let quarantined = Made {
        quarantined: true,
        ..taken_in("strange.MP4", 45, "4714")
    };
    let soon = taken_in("soon.MP4", 20, "4715");
    let later = taken_in("later.MP4", 0, "4716");
    let all = [
        over.clone(),
        sidecar.clone(),
        tagged.clone(),
        held.clone(),
        reviewed.clone(),
        quarantined.clone(),
        soon.clone(),
        later.clone(),
    ];
    for made in &all {
        made.put(&bed);
    }
    publish(&bed, &[&one], &all);
    bed.run_pages();
    bed.until("one", |found| found["bucket"]["items"] == all.len());
    let id = |made: &Made| made.id.to_string();
    let fine = |(code, said): (Option<i32>, String)| {
        assert_eq!(code, Some(0), "{said}");
        said
    };
    fine(bed.decide(&["hold", &id(&held)]));
    fine(bed.decide(&["classify", "--class", "looked-at", &id(&reviewed)]));
    fine(bed.decide(&["classify", "--class", "decade", &id(&tagged)]));
    fine(bed.decide(&["tag", "--incident", "0412", &id(&tagged)]));

    // Each with what keeps it; 11 days ahead is within 30 days and not within 7.
    let listed = due(&bed, "30");
    for (made, kept) in [
        (&over, json!("disposal_not_proposed")),
        (&sidecar, json!("disposal_not_proposed")),
        (&tagged, json!("absent")),
        (&held, json!("disposal_held")),
        (&reviewed, json!("disposal_unreviewed")),
        (&quarantined, json!("disposal_unreviewed")),
        (&soon, json!("disposal_not_due")),
        (&later, json!("absent")),
    ] {
        assert_eq!(kept_by(&listed, made), kept, "{}: {listed:#?}", made.path);
    }
    assert_eq!(kept_by(&due(&bed, "7"), &soon), json!("absent"));
    let of_over = listed.iter().find(|item| item["evidence"] == id(&over));
    let of_over = of_over.unwrap();
    assert_eq!(of_over["class"], "month");
    let end = Timestamp::from_millisecond((over.sealed + DAY * 31).as_millisecond()).unwrap();
    assert_eq!(of_over["due"], json!(end));
    assert_eq!(
        of_over["overlaps"],
        json!([{"station": "one", "evidence": tagged.id, "held": false, "incident": "0412"}])
    );
    let words = bed.camdock(&["office", "due"]);
    let words = String::from_utf8(words.stdout).unwrap();
    assert!(
        words.contains("stays: a hold keeps it (disposal_held)") && words.contains("\"0412\""),
        "{words}"
    );

    // Without --really nothing is entered.
    let dry = fine(bed.decide(&["dispose", "propose", &id(&over), &id(&held)]));
    assert!(
        dry.contains("disposal_held") && dry.contains("1 held or tagged items overlap it"),
        "{dry}"
    );
    bed.until_acts("disposal.proposed", 0);
    let refused = |arguments: &[&str], why: &str| {
        let (code, said) = bed.decide(&[&["dispose"], arguments, &["--really"]].concat());
        assert!(code == Some(3) && said.contains(why), "{said}");
    };
    refused(&["propose", &id(&held)], "a hold keeps it");
    refused(&["propose", &id(&soon)], "its class has not run out");
    refused(&["propose", &id(&quarantined)], "it needs a review");
    refused(&["propose", &id(&reviewed)], "it needs a review");
    refused(&["approve", &id(&over)], "nobody has proposed");
    bed.until_acts("disposal.proposed", 0);
    fine(bed.decide(&[
        "dispose",
        "propose",
        "--reviewed",
        "--really",
        &id(&reviewed),
    ]));
    fine(bed.decide(&["dispose", "propose", "--really", &id(&over)]));
    let proposed = bed.until_acts("disposal.proposed", 3);
    assert_eq!(proposed[0]["data"]["reviewed"], json!(true));
    let act = &proposed[1]["data"];
    assert_eq!(
        (&act["evidence"], &act["class"], &act["days"]),
        (&json!(over.id), &json!("month"), &json!(31))
    );
    assert_eq!(proposed[2]["data"]["evidence"], json!(sidecar.id));
    assert_eq!(
        kept_by(&due(&bed, "0"), &over),
        json!("disposal_not_approved")
    );

    // Nobody approves their own: not by the name, and not as the same user under another one.
    let other_name = bed.camdock(&[
        "office",
        "dispose",
        "approve",
        "--really",
        &id(&over),
        "--operator",
        "J. Byrne",
        "--reason",
        "agreed",
    ]);
    let said = String::from_utf8(other_name.stdout).unwrap();
    assert!(said.contains("the same person proposed it"), "{said}");
    let (status, head, body) = approve(&bed, &over, TOKEN);
    assert_eq!(status, 409, "{body}");
    assert!(
        head.contains("disposal_one_person") || body.contains("same person"),
        "{head}{body}"
    );
    assert_eq!(approve(&bed, &over, "camdock_manager_token").0, 403);
    assert_eq!(approve(&bed, &over, "camdock_viewer_token").0, 403);
    let elsewhere = json!({"decision": "approve_disposal", "reason": "agreed"});
    let path = format!("/api/decisions/one/{}", over.id);
    assert_eq!(bed.post(&path, TOKEN, &elsewhere).0, 400);
    bed.until_acts("disposal.approved", 0);
    // A sidecar that stays keeps its recording: on the pages, and by command.
    fine(bed.decide(&["classify", "--class", "looked-at", &id(&sidecar)]));
    let (status, _, body) = approve(&bed, &over, "camdock_disposer_token");
    assert!(status == 409 && body.contains(&id(&sidecar)), "{body}");
    let (code, said) = bed.decide(&["dispose", "approve", "--really", &id(&over)]);
    assert!(
        code == Some(3) && said.contains("its class is another one"),
        "{said}"
    );
    fine(bed.decide(&["classify", "--class", "month", &id(&sidecar)]));
    bed.until_acts("disposal.approved", 0);
    let (status, _, body) = approve(&bed, &over, "camdock_disposer_token");
    assert_eq!(status, 200, "{body}");
    let approved = bed.until_acts("disposal.approved", 2);
    assert_eq!(
        approved[0]["data"]["proposal"]["index"],
        proposed[1]["entry"]
    );
    let again: Value =
        serde_json::from_str(&approve(&bed, &over, "camdock_disposer_token").2).unwrap();
    assert_eq!(again["repeated"], json!(true));
    let listed = due(&bed, "0");
    assert_eq!(kept_by(&listed, &over), Value::Null, "{listed:#?}");

    // Another class or a hold keeps what was approved; what was withdrawn needs both people again.
    fine(bed.decide(&["classify", "--class", "looked-at", &id(&over)]));
    assert_eq!(
        kept_by(&due(&bed, "0"), &over),
        json!("disposal_class_changed")
    );
    fine(bed.decide(&["classify", "--class", "month", &id(&over)]));
    assert_eq!(kept_by(&due(&bed, "0"), &over), Value::Null);
    fine(bed.decide(&["hold", &id(&over)]));
    assert_eq!(kept_by(&due(&bed, "0"), &over), json!("disposal_held"));
    // A hold locks as far ahead as it may, and that lock runs out by itself.
    until("the hold's lock", || {
        bed.is_locked(&format!("evidence/one/{}/original", over.id))
    });
    fine(bed.decide(&["lift-hold", &id(&over)]));
    until("the lock in the index", || {
        kept_by(&due(&bed, "0"), &over) == "disposal_locked"
    });
    fine(bed.decide(&["dispose", "withdraw", "--really", &id(&over)]));
    bed.until_acts("disposal.withdrawn", 2);
    let (status, _, body) = approve(&bed, &over, "camdock_disposer_token");
    assert_eq!(status, 409, "{body}");

    // A class that office.toml does not have any more lets nothing go; an index that was made anew says the same.
    bed.stop();
    let text = std::fs::read_to_string(bed.path("office.toml")).unwrap();
    let without = text.replace("[class.looked-at]\ndays = 30\nreview = true\n", "");
    std::fs::write(bed.path("office.toml"), without).unwrap();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(bed.path("state").join(format!("index.db{end}")));
    }
    bed.run_pages();
    bed.until("one", |found| found["bucket"]["items"] == all.len());
    let (status, _, body) = approve(&bed, &reviewed, "camdock_disposer_token");
    assert_eq!(status, 409, "{body}");
    assert!(body.contains("no class of office.toml"), "{body}");
    bed.stop();
    let acts = bed.camdock(&["office", "acts"]);
    let told = String::from_utf8(acts.stdout).unwrap();
    assert!(
        told.contains("is deleted under the class \"month\": 31 days from")
            && told.contains("was approved under the name \"disposer\""),
        "{told}"
    );
}
