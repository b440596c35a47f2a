//! Stores and networks that fail in every way: nothing is lost, nothing is called stored that is not, and people learn of it.

use std::time::Duration;

use camdock::model::Event;

use crate::all_of;
use crate::conditions_at_rest::{Expected, check};
use crate::place::{Place, Ran, until};
use crate::proxy::{Call, Fault, Proxy};
use crate::support::SeededSource;

const CAMERA: &str = "X0000001";

fn footage() -> Vec<(String, Vec<u8>)> {
    [
        ("A.GPS", 1, 700),
        ("B.MP4", 2, 300_000),
        ("LONG.MP4", 3, 9_000_000),
    ]
    .map(|(name, seed, len)| (name.to_owned(), SeededSource::new(seed, len).whole()))
    .into()
}

/// A station whose store is behind a proxy, with a small sidecar, a small recording and one of two parts.
struct Spoilt {
    place: Place,
    proxy: Proxy,
    prefix: String,
    /// The time that the station waits for an answer.
    seconds: u32,
}

impl Spoilt {
    fn new(base: &Place, prefix: &str) -> Self {
        Self::waiting(base, prefix, 2)
    }

    /// For spoilt answers that are counted: a busy machine must not make the station ask again.
    fn waiting(base: &Place, prefix: &str, seconds: u32) -> Self {
        let proxy = Proxy::start(base.weed.s3_port());
        let place = base.another(&[]);
        let spoilt = Self {
            place,
            proxy,
            prefix: format!("{prefix}/"),
            seconds,
        };
        spoilt.configure(Some(&spoilt.proxy.endpoint()));
        for (name, seed, len) in [
            ("A.GPS", 1, 700),
            ("B.MP4", 2, 300_000),
            ("LONG.MP4", 3, 9_000_000),
        ] {
            spoilt.place.film(CAMERA, name, seed, len);
        }
        spoilt
    }

    /// `None`: straight to the store.
    fn configure(&self, endpoint: Option<&str>) {
        self.configure_with(endpoint, &[]);
    }

    fn configure_with(&self, endpoint: Option<&str>, more: &[(&str, &str)]) {
        let (prefix, answer, endpoint) = (
            format!("prefix = \"{}\"", self.prefix),
            format!("answer_seconds = {}", self.seconds),
            endpoint.map(|e| format!("endpoint = \"{e}\"")),
        );
        let mut settings = vec![
            ("upload", "part_size = 5242880"),
            ("store", answer.as_str()),
            ("store", prefix.as_str()),
        ];
        settings.extend(endpoint.as_deref().map(|e| ("store", e)));
        settings.extend(more);
        self.place.configure(&settings);
    }

    fn is_whole(&self) -> Result<(), String> {
        self.configure(None);
        let files = footage();
        check(
            &self.place,
            &Expected {
                prefix: &self.prefix,
                files: &files,
                quarantined: false,
                previewed: 0,
            },
        )
    }
}

const CALLS: [Call; 9] = [
    Call::PutManifest,
    Call::PutOriginal,
    Call::PutReceipt,
    Call::PutCheckpoint,
    Call::GetCheckpoint,
    Call::BeginUpload,
    Call::Part,
    Call::ListParts,
    Call::Complete,
];

#[test]
fn faults_that_pass_cost_time_and_nothing_else() {
    let mut cases = Vec::new();
    for call in CALLS {
        for (fault, times) in [
            (Fault::Reset, 2),
            (Fault::LostReply, 2),
            (Fault::CutReply, 1),
            (Fault::Answer(500, "InternalError", None, 0), 2),
            (Fault::Answer(503, "SlowDown", Some(1), 0), 1),
        ] {
            cases.push((call, fault, times));
        }
    }
    for call in [Call::BeginUpload, Call::Complete, Call::GetCheckpoint] {
        cases.push((call, Fault::Garbage, 1));
    }
    for call in [Call::PutOriginal, Call::Part, Call::Complete] {
        cases.push((call, Fault::Silent, 1));
    }
    cases.push((Call::Any, Fault::Late(Duration::from_millis(300)), 1000));
    cases.push((Call::Any, Fault::Reset, 6));
    cases.push((Call::Part, Fault::OtherChecksum, 1));
    let base = Place::new(&[]);
    all_of(&cases, |number, (call, fault, times)| {
        let spoilt = Spoilt::new(&base, &format!("passing-{number}"));
        spoilt.proxy.spoil(*call, *fault, 0, *times);
        if *call == Call::ListParts {
            // Only an upload that is resumed asks for it.
            spoilt.proxy.spoil(Call::Part, Fault::Reset, 1, 1);
        }
        let what = |problem: String| format!("{fault:?} at {call:?}: {problem}");
        let ran = spoilt.place.drain();
        if ran.code != Some(0) {
            return Err(what(format!("{:?}\n{}", ran.code, ran.err)));
        }
        if spoilt.proxy.spoilt() == 0 {
            return Err(what("no such request came".into()));
        }
        spoilt.is_whole().map_err(what)
    });
    eprintln!("{} faults", cases.len());
}

#[test]
fn verify_says_which_objects_were_compared_by_size_only() {
    let base = Place::new(&[]);
    let spoilt = Spoilt::new(&base, "nameless");
    spoilt.place.drain().ends(0);
    let all =
        "each of the 3 stored items is in the store with the size and the checksum of the log";
    spoilt.place.camdock(&["verify"]).ends(0).says(all);
    spoilt
        .proxy
        .spoil(Call::HeadOriginal, Fault::NoChecksum, 0, 1000);
    let ran = spoilt.place.camdock(&["verify"]).ends(0);
    assert!(!ran.out.contains("the checksum of the log"), "{}", ran.out);
    ran.says("each of the 3 stored items is in the store with the size of the log")
        .says("3 objects were compared by size only, because the store named no SHA-256 for them");
    let found = spoilt.place.camdock(&["verify", "--json"]).ends(0);
    let found: serde_json::Value = serde_json::from_str(&found.out).unwrap();
    assert_eq!(
        (&found["checksums_named"], &found["by_size_only"]),
        (&0.into(), &3.into())
    );
    // Once every byte is read back, nothing rests on what the store names.
    spoilt
        .place
        .camdock(&["verify", "--deep"])
        .ends(0)
        .says(all);
}

/// The code and next step of everything that a station reported when it could not continue.
fn advice(ran: &Ran) -> Vec<(String, String)> {
    let field = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!(" {name}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let lines = ran.err.lines();
    lines
        .filter_map(|line| Some((field(line, "code")?, field(line, "next_step")?)))
        .collect()
}

#[test]
fn faults_that_need_a_person_are_reported_with_their_remedy_and_work_goes_on_once_they_are_mended()
{
    const HOUR: i64 = 3600;
    let cases = [
        (
            Fault::Answer(400, "ExpiredToken", None, 0),
            "store_credentials",
            "keys",
        ),
        (
            Fault::Answer(403, "InvalidAccessKeyId", None, 0),
            "store_credentials",
            "keys",
        ),
        (
            Fault::Answer(403, "AccessDenied", None, 0),
            "store_forbidden",
            "policy",
        ),
        (
            Fault::Answer(403, "RequestTimeTooSkewed", None, HOUR),
            "store_clock_skew",
            "clock",
        ),
        (
            Fault::Answer(403, "SignatureDoesNotMatch", None, -HOUR),
            "store_clock_skew",
            "clock",
        ),
        (
            Fault::Answer(404, "NoSuchBucket", None, 0),
            "store_no_bucket",
            "bucket",
        ),
        (
            Fault::Answer(301, "PermanentRedirect", None, 0),
            "store_wrong_region",
            "region",
        ),
    ];
    // From the first request on, and in the middle of the work.
    let cases: Vec<_> = cases
        .into_iter()
        .flat_map(|case| [(case, 0), (case, 7)])
        .collect();
    let base = Place::new(&[]);
    all_of(&cases, |number, ((fault, label, remedy), skip)| {
        let spoilt = Spoilt::new(&base, &format!("person-{number}"));
        spoilt.proxy.spoil(Call::Any, *fault, *skip, 100_000);
        let what = |problem: String| format!("{fault:?} after {skip}: {problem}");
        let ran = spoilt.place.drain();
        if ran.code != Some(3) {
            return Err(what(format!("{:?}\n{}", ran.code, ran.err)));
        }
        let advice = advice(&ran);
        if !advice
            .iter()
            .any(|(code, step)| code == label && step.contains(remedy))
        {
            return Err(what(format!("{advice:?}")));
        }
        if spoilt.place.items().len() != 3 {
            return Err(what("not everything was taken".into()));
        }
        spoilt.proxy.heal();
        spoilt.place.drain().ends(0);
        spoilt.is_whole().map_err(what)
    });
}

#[test]
fn work_that_needed_a_person_goes_on_without_a_restart() {
    let base = Place::new(&[]);
    let spoilt = Spoilt::new(&base, "mended");
    let denied = Fault::Answer(403, "AccessDenied", None, 0);
    spoilt.proxy.spoil(Call::Any, denied, 6, 100_000);
    let running = spoilt.place.start(&["run"]);
    until("the problem to be shown", || {
        spoilt
            .place
            .status()
            .is_some_and(|s| s["outbound"]["problem"]["needs_person"] == true)
    });
    spoilt.proxy.heal();
    until("all to be stored", || {
        let items = spoilt.place.items();
        items.len() == 3 && items.iter().all(|i| i["state"] == "released")
    });
    until("the problem to be gone", || {
        spoilt
            .place
            .status()
            .is_some_and(|s| s["outbound"]["problem"].is_null())
    });
    running.stop().ends(0);
    spoilt.is_whole().unwrap();
}

/// AWS and Ceph answer so to keys that may not list the bucket.
#[test]
fn a_store_that_calls_a_missing_log_forbidden_gets_the_log() {
    let base = Place::new(&[]);
    let spoilt = Spoilt::new(&base, "hidden");
    let denied = Fault::Answer(403, "AccessDenied", None, 0);
    spoilt.proxy.spoil(Call::GetCheckpoint, denied, 0, 100_000);
    spoilt.place.drain().ends(0);
    spoilt.is_whole().unwrap();
}

#[test]
fn a_store_that_names_another_checksum_is_not_believed_and_one_that_lies_is_found_by_verifying() {
    let base = Place::new(&[]);
    let spoilt = Spoilt::waiting(&base, "other", 60);
    spoilt
        .proxy
        .spoil(Call::PutOriginal, Fault::OtherChecksum, 0, 2);
    spoilt.place.drain().ends(3).says("store_content_differs");
    let stored = |place: &Place| {
        let events = place.events().into_iter();
        events.filter(|e| matches!(e, Event::ItemStored(_))).count()
    };
    assert_eq!(stored(&spoilt.place), 1, "only the one that was confirmed");
    let spooled = spoilt.place.path("state/spool").read_dir().unwrap().count();
    assert_eq!(spooled, 2, "the station keeps its own");
    spoilt.proxy.heal();
    spoilt.place.drain().ends(0);
    spoilt.is_whole().unwrap();

    // One that is asked for the lock is found at once, and gets nothing more.
    let spoilt = Spoilt::waiting(&base, "liar", 60);
    spoilt.proxy.spoil(Call::PutOriginal, Fault::Liar, 0, 1);
    spoilt.place.drain().ends(3).says("store_not_locked");
    assert!(stored(&spoilt.place) < 3);
    spoilt.proxy.heal();
    spoilt.place.drain().ends(0);
    spoilt.is_whole().unwrap();

    let spoilt = Spoilt::waiting(&base, "liar-unlocked", 60);
    spoilt.proxy.spoil(Call::PutOriginal, Fault::Liar, 0, 1);
    let unlocked = [
        ("store", "retention = \"none\""),
        ("store", "retention_days = 0"),
    ];
    spoilt.configure_with(Some(&spoilt.proxy.endpoint()), &unlocked);
    spoilt.place.drain().ends(0);
    spoilt.configure_with(None, &unlocked);
    let ran = spoilt.place.camdock(&["verify", "--json"]).ends(1);
    let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let findings = found["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{found}");
    assert_eq!(findings[0]["code"], "object_missing");
}

#[test]
fn a_store_that_comes_back_empty_gets_the_whole_log_and_verifying_names_what_is_gone() {
    let mut place = Place::new(&[("store", "answer_seconds = 2")]);
    place.film(CAMERA, "A.MP4", 1, 300_000);
    let running = place.start(&["run"]);
    let released = |place: &Place, count: usize| {
        let listed = place.camdock(&["items", "--json"]);
        let items = if listed.code == Some(0) {
            listed.lines()
        } else {
            Vec::new()
        };
        items.iter().filter(|i| i["state"] == "released").count() == count
    };
    until("the first to be stored", || released(&place, 1));
    until("the log to be published", || {
        place.camdock(&["verify", "--bucket"]).code == Some(0)
    });
    place.weed.kill();
    place.film(CAMERA, "B.MP4", 2, 300_000);
    until("the station to notice", || {
        running.said().contains("store_unreachable")
    });
    place.weed.wipe();
    place.weed.restart();
    Place::block_on(place.weed.create_bucket_with_object_lock("evidence"));
    until("the second to be stored", || released(&place, 2));
    until("the loss to be reported", || {
        running.said().contains("bucket_log_missing")
    });
    running.stop().ends(0);
    let ran = place.camdock(&["verify", "--bucket", "--json"]).ends(1);
    let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let findings = found["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{found}");
    assert_eq!(findings[0]["code"], "object_missing");
    assert_eq!(findings[0]["evidence"], place.item("A.MP4")["evidence"]);
}

#[test]
fn a_long_outage_fills_the_spool_through_restarts_and_drains_by_itself() {
    let base = Place::new(&[]);
    let spool = tempfile::tempdir_in("/dev/shm").unwrap();
    let free = rustix::fs::statvfs(spool.path()).unwrap();
    let free = free.f_bavail * free.f_frsize;
    let (file, room) = (4 << 20, 21 << 20);
    let proxy = Proxy::start(base.weed.s3_port());
    let lines = [
        ("spool", format!("dir = {:?}", spool.path())),
        ("spool", format!("reserve_bytes = {}", free - room)),
        ("store", format!("endpoint = \"{}\"", proxy.endpoint())),
        ("store", "prefix = \"outage/\"".to_owned()),
    ];
    let settings: Vec<_> = lines.iter().map(|(s, line)| (*s, line.as_str())).collect();
    let place = base.another(&settings);
    let files = 10;
    for n in 0..files {
        place.film(CAMERA, &format!("F{n:02}.MP4"), n, file);
    }
    proxy.close();
    let full = |place: &Place| {
        let status = place.status();
        status.is_some_and(|s| s["bays"].to_string().contains("spool is full"))
    };
    for _ in 0..3 {
        let running = place.start(&["run"]);
        until("the bay to show that the spool is full", || full(&place));
        until("the reason to be shown", || {
            running.said().contains("store_unreachable")
        });
        running.kill();
    }
    let running = place.start(&["run"]);
    until("the spool to be full again", || full(&place));
    assert!(place.items().iter().all(|i| i["state"] == "logged"));
    proxy.heal();
    until("everything to be stored", || {
        let items = place.items();
        items.iter().filter(|i| i["state"] == "released").count() as u64 == files
    });
    until("the bay to say so", || {
        let status = place.status();
        status.is_some_and(|s| s["bays"].to_string().contains("all_stored"))
    });
    running.stop().ends(0);
    let sealed = place.events().into_iter();
    let sealed = sealed.filter(|e| matches!(e, Event::ItemSealed(_))).count();
    assert_eq!(sealed as u64, files, "each was taken once");
    assert_eq!(place.verify_deep()["items_opened"], files);
}
