//! The cosigned checkpoints in the bucket: which of them are the office's, and which of them it goes by.

use camdock::audit::AddCheckpoint;
use jiff::Timestamp;

use crate::bed::{Bed, station};
use crate::follow::kept;
use crate::interface::ask;

const FOREIGN: &str = "something else";

#[test]
fn only_what_bears_its_cosignature_is_the_offices_and_the_largest_of_many_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-copies", &[&one], dir);
    let first = one.append(&["a"]);
    bed.publish(&one, &first);
    bed.run();
    bed.cosigns("one", 1);
    // Somebody knows the next name before the office uses it.
    let third = one.append(&["b", "c"]);
    bed.put(&kept(&one, &third), FOREIGN.into());
    bed.publish(&one, &third);
    let told = bed.alarms("one", "office_copy_foreign");
    assert_eq!(told["cosigned_entries"], 3, "{told}");
    let problem = told["problem"].as_str().unwrap();
    assert!(problem.contains(&kept(&one, &third)), "{problem}");
    assert_eq!(bed.get(&kept(&one, &third)).unwrap(), FOREIGN);

    // It is in nobody's way, after a restart either.
    bed.stop();
    let tenth = one.append(&["d", "e", "f", "g", "h", "i", "j"]);
    bed.publish(&one, &tenth);
    bed.run();
    bed.cosigns("one", 10);
    let key = kept(&one, &tenth);
    let there = bed.get(&key).unwrap();
    let at = bed.witness().cosigned(&there).unwrap().unwrap();

    // The office signs the same checkpoint again, at another time, and knows nothing of the copy after its restart.
    while Timestamp::now().as_second() <= at.as_second() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let again = AddCheckpoint::body(10, &[], &tenth);
    assert_eq!(ask(bed.port, "POST", "/add-checkpoint", &again).0, 200);
    bed.stop();
    let restarted = Timestamp::now();
    bed.run();
    let found = bed.until("one", |found| {
        let looked: Timestamp = found["looked_at"].as_str().unwrap().parse().unwrap();
        looked > restarted
    });
    assert!(found["code"].is_null(), "{found}");
    assert_eq!(bed.get(&key).unwrap(), there);
    assert!(bed.is_locked(&key));

    // Without its record it goes by the largest of more than one page of names, which is not the last of them.
    bed.kill();
    std::fs::remove_dir_all(bed.path("state/witness")).unwrap();
    for n in 0..1005 {
        bed.put(&format!("witness/office-1/one/9-{n}"), FOREIGN.into());
    }
    let fork = one.forked();
    let forged = fork.append(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "X", "k", "l"]);
    bed.publish(&fork, &forged);
    bed.run();
    let told = bed.alarms("one", "office_log_rewritten");
    assert_eq!(told["cosigned_entries"], 10, "{told}");

    // What lies above the largest may hide a larger one.
    bed.kill();
    std::fs::remove_dir_all(bed.path("state/witness")).unwrap();
    bed.put("witness/office-1/one/11-hidden", FOREIGN.into());
    bed.run();
    let told = bed.alarms("one", "office_copy_foreign");
    assert_eq!(told["cosigned_entries"], 0, "{told}");
    bed.stop();
}
