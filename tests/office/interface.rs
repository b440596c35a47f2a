//! The witness's interface as C2SP tlog-witness describes it, asked like any log would ask.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use camdock::audit::{AddCheckpoint, DirSource, LogGrowth, growth};

use crate::bed::{Bed, station};

/// Status, headers and body.
pub fn ask(port: u16, method: &str, path: &str, body: &str) -> (u16, String, String) {
    let began = Instant::now();
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(error) if began.elapsed() > Duration::from_secs(20) => panic!("{error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: witness\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

/// The first answer that is not 503.
fn until_recalled(add: impl Fn() -> (u16, String, String)) -> (u16, String, String) {
    let began = Instant::now();
    loop {
        let answer = add();
        if answer.0 != 503 || began.elapsed() > Duration::from_secs(20) {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_witness_that_lost_its_record_cosigns_nothing_before_the_bucket_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let link = crate::bed::link();
    let mut bed = Bed::behind(&link, "office-recall", &[&one], dir);
    let honest = one.append(&["a", "b", "c"]);
    bed.publish(&one, &honest);
    bed.run();
    bed.cosigns("one", 3);
    bed.kill();
    std::fs::remove_dir_all(bed.path("state/witness")).unwrap();
    link.cut();
    bed.run();
    let fork = one.forked();
    let forged = fork.append(&["a", "X", "c", "d", "e"]);
    let add = |body: &str| ask(bed.port, "POST", "/add-checkpoint", body);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        let (status, _, said) = add(&AddCheckpoint::body(0, &[], &forged));
        assert_eq!(status, 503, "{said}");
        std::thread::sleep(Duration::from_millis(200));
    }
    link.mend();
    let (status, _, said) = until_recalled(|| add(&AddCheckpoint::body(0, &[], &forged)));
    assert_eq!((status, said.as_str()), (409, "3\n"));
    bed.publish(&fork, &forged);
    bed.alarms("one", "office_log_rewritten");
    bed.stop();
}

#[test]
fn a_log_that_is_asked_about_again_and_again_without_growing_is_silent() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-silent", &[&one], dir);
    let note = one.append(&["a"]);
    bed.publish(&one, &note);
    bed.run();
    bed.cosigns("one", 1);
    bed.stop();
    let hash = camdock::model::Sha256Digest::of(one.origin().as_bytes()).to_string();
    let record = bed.path("state/witness").join(hash);
    let long_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(2);
    std::fs::write(record.join("grown"), long_ago.to_string()).unwrap();
    // An office that ended two hours ago shows nothing as being in order.
    let path = record.join("standing.json");
    let mut standing: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(bed.standing("one").0["stale"], false);
    standing["looked_at"] = long_ago.to_string().into();
    std::fs::write(&path, standing.to_string()).unwrap();
    let (found, code) = bed.standing("one");
    assert_eq!((&found["stale"], code), (&true.into(), Some(3)), "{found}");
    bed.run();
    bed.alarms("one", "office_log_silent");
    let again = AddCheckpoint::body(1, &[], &note);
    assert_eq!(ask(bed.port, "POST", "/add-checkpoint", &again).0, 200);
    let asked = jiff::Timestamp::now();
    bed.until("one", |found| {
        let looked: jiff::Timestamp = found["looked_at"].as_str().unwrap().parse().unwrap();
        looked > asked
    });
    assert_eq!(bed.standing("one").0["code"], "office_log_silent");
    bed.stop();
}

#[test]
fn any_log_gets_the_answers_that_the_specification_names() {
    let dir = tempfile::tempdir().unwrap();
    let (one, stranger) = (station(&dir, "one"), station(&dir, "stranger"));
    let mut bed = Bed::new("office-interface", &[&one], dir);
    bed.run();
    let add = |body: &str| ask(bed.port, "POST", "/add-checkpoint", body);
    let first = one.append(&["a", "b", "c"]);
    // The witness asks the bucket first what it had cosigned before.
    let (status, _, line) = until_recalled(|| add(&AddCheckpoint::body(0, &[], &first)));
    assert_eq!(status, 200, "{line}");
    let witness = bed.witness();
    assert!(
        witness
            .cosigned(&format!("{first}{line}"))
            .unwrap()
            .is_some()
    );
    // The same again is cosigned again: the log may have lost the first answer.
    assert_eq!(add(&AddCheckpoint::body(3, &[], &first)).0, 200);

    let second = one.append(&["d", "e"]);
    let (old, new) = (one.checkpoint(&first), one.checkpoint(&second));
    let LogGrowth::Grown(proof) = growth(&DirSource::new(one.dir()), &old, &new).unwrap() else {
        panic!("the log has grown");
    };
    // Another old size than was cosigned: it says which.
    let (status, head, body) = add(&AddCheckpoint::body(0, &[], &second));
    assert_eq!((status, body.as_str()), (409, "3\n"));
    assert!(head.contains("content-type: text/x.tlog.size"), "{head}");
    // A proof that does not hold, then one that does.
    assert_eq!(add(&AddCheckpoint::body(3, &[], &second)).0, 422);
    let mut wrong = proof.clone();
    wrong[0][0] ^= 1;
    assert_eq!(add(&AddCheckpoint::body(3, &wrong, &second)).0, 422);
    let (status, _, line) = add(&AddCheckpoint::body(3, &proof, &second));
    assert_eq!(status, 200);
    assert!(
        witness
            .cosigned(&format!("{second}{line}"))
            .unwrap()
            .is_some()
    );

    // The monitoring interface shows what was cosigned last.
    let hash = camdock::model::Sha256Digest::of(one.origin().as_bytes());
    let (status, _, note) = ask(bed.port, "GET", &format!("/{hash}/checkpoint"), "");
    assert_eq!(status, 200);
    assert_eq!(one.checkpoint(&note).size, 5);

    assert_eq!(add("nonsense").0, 400);
    assert_eq!(add(&AddCheckpoint::body(9, &[], &second)).0, 400);
    let unknown = stranger.append(&["a"]);
    assert_eq!(add(&AddCheckpoint::body(0, &[], &unknown)).0, 404);
    let forged = unknown.replace("camdock/stranger", "camdock/one");
    assert_eq!(add(&AddCheckpoint::body(0, &[], &forged)).0, 403);

    // Another checkpoint of the same size: refused, kept, and nothing of this log is cosigned any more.
    let fork = one.forked();
    let other = fork.append(&["a", "b", "c", "d", "X"]);
    assert_eq!(add(&AddCheckpoint::body(5, &[], &other)).0, 422);
    assert_eq!(add(&AddCheckpoint::body(5, &[], &second)).0, 422);
    bed.publish(&one, &second);
    bed.alarms("one", "office_log_rewritten");
    bed.stop();
}
