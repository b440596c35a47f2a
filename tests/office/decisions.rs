//! What people decide about logs, and what comes of it.

use std::fs;

use camdock::audit::{AddCheckpoint, LogKey};
use camdock::model::Sha256Digest;
use jiff::{SignedDuration, Timestamp};

use crate::bed::{Bed, station};
use crate::interface::ask;

#[test]
fn a_rewritten_log_is_kept_as_proof_and_believed_again_when_a_person_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-release", &[&one], dir);
    let original = one.append(&["a", "b", "c", "d"]);
    bed.publish(&one, &original);
    bed.run();
    bed.cosigns("one", 4);
    assert!(
        bed.decide(&["release", "one"])
            .1
            .contains("neither frozen nor closed")
    );
    let fork = one.forked();
    let forged = fork.append(&["a", "X", "c", "d", "e", "f"]);
    bed.publish(&fork, &forged);
    bed.alarms("one", "office_log_rewritten");

    // A stranger with the station's key alone sees that one of them is a lie.
    let alarm = &bed.until_acts("log.alarm", 1)[0]["data"];
    let proof = |which: &str| {
        let note = alarm["contradiction"][which].as_str().unwrap();
        one.checkpoint(note)
    };
    assert_eq!(proof("earlier"), one.checkpoint(&original));
    assert_eq!(proof("later"), fork.checkpoint(&forged));
    assert_eq!(alarm["code"], "office_log_rewritten");
    assert_eq!((&alarm["cosigned"], &alarm["size"]), (&4.into(), &6.into()));

    let (code, said) = bed.decide(&["release", "one"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("--from earlier") && said.contains("camdock/one\n6\n"),
        "{said}"
    );
    assert!(
        bed.decide(&["release", "two", "--from", "later"])
            .1
            .contains("follows no station two")
    );
    let (code, said) = bed.decide(&["release", "one", "--from", "later"]);
    assert_eq!(code, Some(0), "{said}");
    bed.cosigns("one", 6);
    let released = &bed.until_acts("log.released", 1)[0];
    let data = &released["data"];
    assert_eq!(data["from"]["size"], 6);
    assert_eq!(data["operator"], "M. Shah");
    assert!(data["peer"].as_str().unwrap().starts_with("uid "), "{data}");
    let acts = bed.acts();
    let superseded = usize::try_from(data["supersedes"]["index"].as_u64().unwrap()).unwrap();
    assert_eq!(acts[superseded]["event"], "log.alarm");
    // The log names nobody in the reason; the text is an object of its own, bound by its SHA-256.
    assert_eq!(released["reason"], "\"Superintendent Byrne asked for it\"");
    assert!(!data.to_string().contains("Byrne"), "{data}");
    let key = format!(
        "log/office-1/text/{}",
        data["reason_sha256"].as_str().unwrap()
    );
    let text = bed.get(&key).unwrap();
    assert!(text.contains("Byrne"));
    assert_eq!(
        data["reason_sha256"],
        Sha256Digest::of(text.as_bytes()).to_string()
    );

    // It grows on, and both contradicting checkpoints are still here.
    let grown = fork.append(&["g"]);
    bed.publish(&fork, &grown);
    bed.cosigns("one", 7);
    let record = bed.path("state/witness");
    let record = record.join(Sha256Digest::of(one.origin().as_bytes()).to_string());
    let index = released["entry"].as_u64().unwrap();
    let kept = |which: &str| {
        let name = format!("released-{index}-{which}");
        one.checkpoint(&fs::read_to_string(record.join(name)).unwrap())
    };
    assert_eq!(kept("earlier"), one.checkpoint(&original));
    assert_eq!(kept("later"), fork.checkpoint(&forged));

    // An office that loses its disk heeds the decision again: it does not go back to what was believed before.
    bed.kill();
    for name in ["state/witness", "state/log"] {
        fs::remove_dir_all(bed.path(name)).unwrap();
    }
    bed.run();
    bed.cosigns("one", 7);
    // The history that nobody believes any more is a contradiction now.
    let more = one.append(&["e", "f", "g", "h"]);
    bed.publish(&one, &more);
    bed.alarms("one", "office_log_rewritten");
    bed.until_acts("log.alarm", 2);
    bed.kill();
    fs::remove_dir_all(bed.path("state/witness")).unwrap();
    bed.publish(&fork, &grown);
    bed.run();
    // Frozen, as its own log says, although the record is gone and the bucket looks well.
    bed.alarms("one", "office_log_rewritten");
    let (code, said) = bed.decide(&["release", "one", "--from", "earlier"]);
    assert_eq!(code, Some(0), "{said}");
    bed.cosigns("one", 7);
    bed.stop();
}

#[test]
fn a_closed_log_may_be_silent_and_its_growth_is_an_alarm() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (station(&dir, "one"), station(&dir, "other"));
    let mut bed = Bed::new("office-close", &[&one, &other], dir);
    // Cosigned two hours ago, as the bucket remembers.
    let note = one.append(&["a", "b"]);
    bed.publish(&one, &note);
    let witness = LogKey::from_pkcs8(&fs::read(bed.path("state/keys/witness.key")).unwrap());
    let then = Timestamp::now() - SignedDuration::from_hours(2);
    let name = bed.witness().name().to_owned();
    let line = witness.unwrap().cosign(&name, &note, then).unwrap();
    let key = format!("witness/office-1/one/2-{}", one.checkpoint(&note).root);
    bed.put(&key, format!("{note}{line}").into_bytes());
    bed.publish(&other, &other.append(&["a"]));
    bed.run();
    bed.alarms("one", "office_log_silent");
    bed.until_acts("log.alarm", 1);
    bed.cosigns("other", 1);

    let (code, said) = bed.decide(&["close", "one"]);
    assert_eq!(code, Some(0), "{said}");
    bed.until("one", |found| {
        found["closed"] == true && found["code"].is_null()
    });
    assert_eq!(bed.standing("one").1, Some(0));
    let (code, said) = bed.decide(&["close", "one"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("closed already"), "{said}");
    let closed = &bed.until_acts("log.closed", 1)[0]["data"];
    assert_eq!(closed["cosigned"]["size"], 2);
    bed.stop();
    bed.run();

    // Somebody still has the key. The office has not looked at anything yet, and refuses.
    let grown = one.append(&["c"]);
    let body = AddCheckpoint::body(2, &[], &grown);
    let (status, _, said) = ask(bed.port, "POST", "/add-checkpoint", &body);
    assert_eq!(status, 422, "{said}");
    assert!(said.contains("closed"), "{said}");
    bed.publish(&one, &grown);
    let found = bed.alarms("one", "office_log_after_close");
    assert_eq!(found["cosigned_entries"], 2);
    let alarm = &bed.until_acts("log.alarm", 2)[1]["data"];
    assert_eq!((&alarm["cosigned"], &alarm["size"]), (&2.into(), &3.into()));
    bed.cosigns("other", 1);
    // It was closed by mistake.
    let (code, said) = bed.decide(&["release", "one"]);
    assert_eq!(code, Some(0), "{said}");
    bed.cosigns("one", 3);
    bed.stop();
}

#[test]
fn a_station_that_gets_a_new_key_has_a_new_name_and_its_old_log_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (station(&dir, "old"), station(&dir, "new"));
    let mut bed = Bed::new("office-keys", &[&old, &new], dir);
    bed.publish(&old, &old.append(&["a", "b"]));
    bed.run();
    bed.cosigns("old", 2);
    bed.alarms("new", "office_log_absent");
    let (code, said) = bed.decide(&["close", "old"]);
    assert_eq!(code, Some(0), "{said}");
    bed.publish(&new, &new.append(&["a"]));
    bed.cosigns("new", 1);
    bed.until("old", |found| {
        found["closed"] == true && found["code"].is_null()
    });
    // A new key under the old name is not believed.
    bed.put("log/old/checkpoint", new.append(&["b"]).into_bytes());
    bed.alarms("old", "log_key");
    bed.cosigns("new", 1);
    bed.stop();
}
