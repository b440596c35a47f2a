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

#[test]
fn any_log_gets_the_answers_that_the_specification_names() {
    let dir = tempfile::tempdir().unwrap();
    let (one, stranger) = (station(&dir, "one"), station(&dir, "stranger"));
    let mut bed = Bed::new("office-interface", &[&one], dir);
    bed.run();
    let add = |body: &str| ask(bed.port, "POST", "/add-checkpoint", body);
    let first = one.append(&["a", "b", "c"]);
    let (status, _, line) = add(&AddCheckpoint::body(0, &[], &first));
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
