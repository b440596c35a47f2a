//! Searching the recordings of all stations, through the office's own program.

use std::fs;
use std::process::Command;

use camdock::model::{EvidenceId, SessionId};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bed::{Bed, KIOSK, Station, TOKEN, station};

/// A file as the stations' logs have it.
#[derive(Clone)]
pub struct Made {
    pub id: EvidenceId,
    pub station: &'static str,
    pub session: SessionId,
    pub camera: &'static str,
    pub officer: String,
    pub path: String,
    pub kind: &'static str,
    pub flagged: bool,
    pub recorded: Option<Timestamp>,
    pub sealed: Timestamp,
    pub stored: bool,
    pub quarantined: bool,
}

impl Made {
    fn entry(&self, event: &str, data: &Value) -> Vec<u8> {
        let entry = json!({"data": data, "event": event, "session": self.session, "station": self.station,
            "time": self.sealed, "v": 1});
        entry.to_string().into_bytes()
    }

    pub fn entries(&self) -> Vec<Vec<u8>> {
        let id = self.id;
        let mut sealed = json!({"evidence": id, "path": self.path, "size": 1, "kind": self.kind, "flagged": self.flagged,
            "sha256": "0".repeat(64), "sealed_size": 101, "frame_length": 65536, "message_id": "0".repeat(64),
            "camera": self.camera, "officer": self.officer, "bay": "1"});
        if let Some(recorded) = self.recorded {
            sealed["modified"] = json!(recorded);
        }
        let mut entries = vec![self.entry("item.sealed", &sealed)];
        if self.quarantined {
            let data = json!({"evidence": id, "reason": "the camera gives no usable serial"});
            entries.push(self.entry("item.quarantined", &data));
        }
        if self.stored {
            let key = format!("evidence/{}/{id}/original", self.station);
            let data =
                json!({"evidence": id, "bucket": "b", "key": key, "size": 101, "checksum": "c"});
            entries.push(self.entry("item.stored", &data));
        }
        entries
    }

    /// What the store has of it.
    pub fn put(&self, bed: &Bed) {
        for object in ["original", "manifest.json", "receipt", "item-key"] {
            let key = format!("evidence/{}/{}/{object}", self.station, self.id);
            bed.put(&key, vec![0; 101]);
        }
    }

    fn stem(&self) -> (SessionId, &str, &str) {
        let stem = self
            .path
            .rsplit_once('.')
            .map_or(&*self.path, |(stem, _)| stem);
        (self.session, self.camera, stem)
    }

    fn at(&self) -> Timestamp {
        self.recorded.unwrap_or(self.sealed).min(self.sealed)
    }
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Two stations' files: `one` has recordings of two cameras with sidecars, and names that would hurt; `two` has other files.
fn footage() -> Vec<Made> {
    let sessions = [(); 3].map(|()| SessionId::new());
    let sealed = at("2026-01-10T12:00:00Z");
    let mut all = Vec::new();
    for number in 0..60_i64 {
        let video = Made {
            id: EvidenceId::new(),
            station: "one",
            session: sessions[usize::from(number % 2 == 1)],
            camera: if number % 2 == 0 {
                "acme/X1"
            } else {
                "acme/X2"
            },
            officer: format!("47{}", 11 + number % 3),
            path: format!("DCIM/100/A{number:04}.MP4"),
            kind: "video",
            flagged: number == 7,
            // Every other one has the same time as the one before it.
            recorded: Some(at("2026-01-09T06:00:00Z") + SignedDuration::from_mins(number / 2 * 30)),
            sealed,
            stored: number != 3,
            quarantined: number == 5,
        };
        let sidecar = Made {
            id: EvidenceId::new(),
            path: format!("DCIM/100/A{number:04}.GPS"),
            kind: "sidecar",
            flagged: number == 50,
            stored: number != 9,
            quarantined: false,
            ..video.clone()
        };
        match number % 4 {
            0 => all.extend([video]),
            1 => all.extend([sidecar, video]),
            _ => all.extend([video, sidecar]),
        }
    }
    let odd = all[0].clone();
    let odd = |path: &str, recorded: Option<&str>| Made {
        id: EvidenceId::new(),
        path: path.into(),
        recorded: recorded.map(at),
        ..odd.clone()
    };
    all.extend([
        odd("DCIM/<img src=x onerror=alert(1)>.MP4", None),
        odd("DCIM/Übung 100%_a.MP4", Some("9998-01-01T00:00:00Z")),
        odd("DCIM/old\u{202e}.MP4", Some("1980-01-01T00:00:00Z")),
        Made {
            officer: "'; DROP TABLE items; --".into(),
            ..odd("DCIM/B.MP4", None)
        },
        // The same name at another docking is no sidecar of the recording of before.
        Made {
            kind: "sidecar",
            session: sessions[2],
            ..odd("DCIM/100/A0000.GPS", None)
        },
    ]);
    for number in 0..20_i64 {
        all.push(Made {
            station: "two",
            camera: "other/X1",
            officer: "4711".into(),
            kind: "other",
            session: sessions[2],
            path: format!("LOG/{number}.TXT"),
            recorded: None,
            // Later than all others: of what has the same time, that of the station read last comes first.
            sealed: sealed + SignedDuration::from_mins(1 + number),
            ..odd("x", None)
        });
    }
    all
}

fn number(made: &Made) -> Option<u32> {
    let number = made.path.strip_prefix("DCIM/100/A")?;
    number.strip_suffix(".MP4")?.parse().ok()
}

/// The search by its definition: what fits, each recording once, flagged first, then the newest.
fn expected<'a>(all: &'a [Made], fits: &dyn Fn(&Made) -> bool) -> Vec<Vec<&'a Made>> {
    let sidecars = |video: &Made| -> Vec<&Made> {
        let own = all.iter().filter(|made| {
            made.kind == "sidecar"
                && video.kind == "video"
                && made.station == video.station
                && made.stem() == video.stem()
        });
        own.collect()
    };
    let leads = all.iter().filter(|made| {
        made.kind != "sidecar"
            || !all
                .iter()
                .any(|video| sidecars(video).iter().any(|own| own.id == made.id))
    });
    let mut found: Vec<(usize, Vec<&Made>)> = leads
        .filter(|lead| fits(lead))
        .map(|lead| [vec![lead], sidecars(lead)].concat())
        .map(|files| {
            (
                all.iter().position(|made| made.id == files[0].id).unwrap(),
                files,
            )
        })
        .collect();
    found.sort_by_key(|(number, files)| {
        let flagged = files.iter().any(|file| file.flagged);
        std::cmp::Reverse((flagged, files[0].at(), *number))
    });
    found.into_iter().map(|(_, files)| files).collect()
}

fn ids(files: &[Vec<&Made>]) -> Vec<Vec<String>> {
    let ids = |files: &Vec<&Made>| files.iter().map(|file| file.id.to_string()).collect();
    files.iter().map(ids).collect()
}

pub fn get(bed: &Bed, path: &str) -> Value {
    let (status, _, body) = bed.page(path, Some(TOKEN));
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// The recordings of a page with their sidecars.
fn files(page: &Value) -> Vec<Vec<String>> {
    let id = |file: &Value| file["evidence"].as_str().unwrap().to_owned();
    let recordings = page["recordings"].as_array().unwrap();
    let with = |recording: &Value| {
        let sidecars = recording["sidecars"].as_array().unwrap();
        [vec![id(recording)], sidecars.iter().map(id).collect()].concat()
    };
    recordings.iter().map(with).collect()
}

/// All pages of so many recordings.
fn paged(bed: &Bed, query: &str, limit: usize) -> Vec<Vec<String>> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(bed, &format!("/api/find?{query}&limit={limit}{after}"));
        all.extend(files(&page));
        let Some(next) = page["next"].as_str() else {
            return all;
        };
        assert_eq!(files(&page).len(), limit);
        after = format!("&after={next}");
    }
}

pub fn publish(bed: &Bed, stations: &[&Station], all: &[Made]) {
    for station in stations {
        let own = all.iter().filter(|made| made.station == station.name);
        let entries: Vec<_> = own.flat_map(Made::entries).collect();
        let note = station.append_bytes(&entries);
        bed.publish(station, &note);
    }
}

#[test]
fn every_filter_finds_what_it_says_in_order_page_by_page_and_in_both_files() {
    let dir = tempfile::tempdir().unwrap();
    let stations = ["one", "two", "dark"].map(|name| station(&dir, name));
    let mut bed = Bed::new("office-find", &stations.each_ref(), dir);
    let all = footage();
    let [one, two, _] = &stations;
    publish(&bed, &[one, two], &all);
    let kept = |made: &Made| made.station == "two" || made.path.contains("A001");
    all.iter()
        .filter(|made| kept(made))
        .for_each(|made| made.put(&bed));
    bed.run();
    let lost: Vec<&Made> = all
        .iter()
        .filter(|made| made.stored && !kept(made))
        .collect();
    bed.until("one", |found| found["bucket"]["missing"] == 4 * lost.len());
    bed.until("two", |found| found["bucket"]["objects"] == 80);

    let officer = "%27%3B%20DROP%20TABLE%20items%3B%20--";
    let flagged = |made: &Made| made.flagged || made.path.contains("A0050");
    let between = |made: &Made, from: &str, to: &str| made.at() >= at(from) && made.at() < at(to);
    type Fits<'a> = Box<dyn Fn(&Made) -> bool + 'a>;
    let filters: Vec<(&str, Fits<'_>)> = vec![
        ("", Box::new(|_| true)),
        ("officer=4712", Box::new(|made| made.officer == "4712")),
        (
            &*format!("officer={officer}").leak(),
            Box::new(|made| made.officer.starts_with('\'')),
        ),
        ("officer=nobody", Box::new(|_| false)),
        ("camera=acme/X2", Box::new(|made| made.camera == "acme/X2")),
        // The serial alone: cameras of two makes.
        ("camera=X1", Box::new(|made| made.camera.ends_with("/X1"))),
        (
            "camera=X1&kind=other",
            Box::new(|made| made.camera.ends_with("/X1") && made.kind == "other"),
        ),
        ("station=two", Box::new(|made| made.station == "two")),
        ("station=three", Box::new(|_| false)),
        ("kind=video", Box::new(|made| made.kind == "video")),
        ("kind=sidecar", Box::new(|made| made.kind == "sidecar")),
        ("kind=other&station=one", Box::new(|_| false)),
        ("flagged=1", Box::new(flagged)),
        (
            "flagged=1&officer=4713",
            Box::new(move |made| flagged(made) && made.officer == "4713"),
        ),
        (
            "from=2026-01-09&to=2026-01-09",
            Box::new(|made| between(made, "2026-01-09T00:00:00Z", "2026-01-10T00:00:00Z")),
        ),
        (
            "from=2026-01-09T07Z&to=2026-01-09T08Z",
            Box::new(|made| between(made, "2026-01-09T07:00:00Z", "2026-01-09T09:00:00Z")),
        ),
        (
            "from=2026-01-09T07:30Z&to=2026-01-09T07:30Z&officer=4711",
            Box::new(|made| {
                between(made, "2026-01-09T07:30:00Z", "2026-01-09T07:31:00Z")
                    && made.officer == "4711"
            }),
        ),
        ("to=1990-01-01", Box::new(|made| made.path.contains("old"))),
        ("from=2026-01-11&to=2026-01-09", Box::new(|_| false)),
        ("text=a000", Box::new(|made| made.path.contains("A000"))),
        (
            "text=A0050.mp4",
            Box::new(|made| made.path.contains("A0050")),
        ),
        // A sidecar's name finds its recording.
        (
            "text=a0050.gps",
            Box::new(|made| made.path.contains("A0050")),
        ),
        (
            "text=.gps&kind=video",
            Box::new(|made| number(made).is_some_and(|number| number % 4 != 0)),
        ),
        ("text=%25_", Box::new(|made| made.path.contains("%_"))),
        (
            "text=%C3%9Cbung",
            Box::new(|made| made.path.contains("Übung")),
        ),
        (
            "text=%3Cimg+src%3Dx",
            Box::new(|made| made.path.contains("<img")),
        ),
        (
            "text=%5Cu%7B202e%7D",
            Box::new(|made| made.path.contains('\u{202e}')),
        ),
        ("text=%22+OR+1", Box::new(|_| false)),
        (
            "text=100&camera=acme/X2&state=stored",
            Box::new(|made| made.camera == "acme/X2" && made.stored),
        ),
        ("state=undecided", Box::new(|made| made.quarantined)),
    ];
    for (query, fits) in &filters {
        let wanted = ids(&expected(&all, fits));
        let page = get(&bed, &format!("/api/find?{query}&limit=200"));
        assert_eq!(files(&page), wanted, "{query}");
        assert!(
            page["next"].is_null() && page["searched_to"].is_null(),
            "{query}"
        );
    }
    for at in [0, 5, 12, 14, 25] {
        let (query, fits) = &filters[at];
        assert_eq!(paged(&bed, query, 7), ids(&expected(&all, fits)), "{query}");
    }
    // A station that was never read is named, so that nobody takes its silence for an answer.
    let behind = |query: &str| get(&bed, &format!("/api/find?{query}"))["behind"].clone();
    assert_eq!(behind("officer=4712"), json!(["dark"]));
    assert_eq!(behind("station=one"), json!([]));
    assert_eq!(behind("station=dark"), json!(["dark"]));
    // A sidecar that waits alone stands alone; one whose recording waits, too, does not.
    let waiting = get(&bed, "/api/find?state=waiting");
    let path = |at: usize| {
        waiting["recordings"][at]["path"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        [path(0), path(1)],
        ["DCIM/100/A0009.GPS", "DCIM/100/A0003.MP4"],
        "{waiting}"
    );
    assert_eq!(waiting["recordings"].as_array().unwrap().len(), 2);
    assert!(
        waiting["recordings"][0]["recording"].is_string(),
        "{waiting}"
    );
    // What is lost is found, each recording once, with its sidecars.
    let missing: Vec<String> = files(&get(&bed, "/api/find?state=missing&limit=200")).concat();
    for made in &all {
        let shown = missing.contains(&made.id.to_string());
        assert!(
            shown || !lost.iter().any(|lost| lost.id == made.id),
            "{}",
            made.path
        );
        assert!(!shown || !kept(made), "{}", made.path);
    }
    assert_eq!(paged(&bed, "state=missing", 7).concat(), missing);
    let one = get(&bed, &format!("/api/find?text={}", lost[0].id));
    assert_eq!(
        one["recordings"][0]["findings"],
        json!(["missing"]),
        "{one}"
    );

    // The files hold the same in the same order, and a cell is no formula.
    for query in [filters[0].0, filters[2].0, "state=missing"] {
        let pages = paged(&bed, query, 50).concat();
        let (_, head, lines) = bed.page(&format!("/export/find?{query}&format=json"), Some(TOKEN));
        assert!(head.contains("application/x-ndjson"), "{head}");
        let lines: Vec<Value> = lines
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        let written: Vec<_> = lines
            .iter()
            .map(|l| l["evidence"].as_str().unwrap())
            .collect();
        assert_eq!(written, pages, "{query}");
        let (_, head, table) = bed.page(&format!("/export/find?{query}&format=csv"), Some(TOKEN));
        assert!(
            head.contains("text/csv") && head.contains("recordings.csv"),
            "{head}"
        );
        let rows: Vec<_> = table
            .lines()
            .skip(1)
            .map(|l| l.split(',').nth(1).unwrap())
            .collect();
        assert_eq!(rows, pages, "{query}");
    }
    let (_, _, table) = bed.page(
        &format!("/export/find?{}&format=csv", filters[2].0),
        Some(TOKEN),
    );
    assert!(table.contains(",'; DROP TABLE items; --,"), "{table}");

    // What makes no sense is refused in words, and nothing of it is entered.
    for (query, wanted) in [
        ("from=yesterday", "a time is written as"),
        ("to=2026-02-30", "a time is written as"),
        ("from=99999999-01-01", "a time is written as"),
        ("state=lost", "no such state"),
        ("kind=%3Cb%3E", "no such kind"),
        ("station=..%2F", "no such station"),
        ("flagged=yes", "flagged is"),
        ("after=x", "no such page"),
        ("after=1.2.3", "no such page"),
        ("limit=-1", "limit"),
        (
            &*format!("text={}", "x".repeat(201)),
            "at most 200 characters",
        ),
    ] {
        let (status, _, said) = bed.page(&format!("/api/find?{query}"), Some(TOKEN));
        assert_eq!(status, 400, "{query}: {said}");
        assert!(said.contains(wanted), "{query}: {said}");
    }
    assert_eq!(bed.page("/export/find?format=xls", Some(TOKEN)).0, 400);
    for after in [
        "9223372036854775807.-9223372036854775808",
        "-9223372036854775808.0",
    ] {
        get(&bed, &format!("/api/find?after={after}&limit=4000000000"));
    }
    let long = bed.path("long");
    fs::write(&long, "y".repeat(1 << 20)).unwrap();
    let url = format!("http://127.0.0.1:{}/api/find", bed.pages);
    let mut curl = Command::new("curl");
    curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-G", &url]);
    curl.args([
        "-H",
        &format!("authorization: Bearer {TOKEN}"),
        "--data-urlencode",
    ]);
    let sent = curl
        .arg(format!("text@{}", long.display()))
        .output()
        .unwrap();
    let status = String::from_utf8(sent.stdout).unwrap();
    assert!(["000", "400", "414", "431"].contains(&&*status), "{status}");

    for path in ["/find", "/api/find", "/export/find?format=csv"] {
        assert_eq!(bed.page(path, None).0, 401, "{path}");
        assert_eq!(bed.page(path, Some(KIOSK)).0, 403, "{path}");
    }
    // Reading only: what could change evidence does not exist.
    for path in [
        "/find",
        "/api/find",
        "/export/find",
        "/api/today",
        &format!("/api/recordings/one/{}", all[0].id),
    ] {
        for method in ["POST", "PUT", "DELETE"] {
            let url = format!("http://127.0.0.1:{}{path}", bed.pages);
            let token = format!("authorization: Bearer {TOKEN}");
            let mut curl = Command::new("curl");
            curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", method]);
            let sent = curl.args([&url, "-H", &token]).output().unwrap();
            assert_eq!(sent.stdout, b"405", "{method} {path}");
        }
    }
    let (status, head, page) = bed.page("/find?text=%3Cscript%3E", Some(TOKEN));
    assert_eq!(status, 200);
    assert!(
        head.contains("content-security-policy: default-src 'none'"),
        "{head}"
    );
    assert!(!page.contains("<script>"), "{page}");

    // Each search is on record once, however many pages it had, and each file every time.
    bed.stop();
    let acts = bed.acts();
    let accesses: Vec<&Value> = acts
        .iter()
        .filter(|act| act["event"] == "operator.action")
        .collect();
    let entered = |action: &str, reason: &str| {
        let same = accesses
            .iter()
            .filter(|act| act["data"]["action"] == action && act["data"]["reason"] == reason);
        same.count()
    };
    assert_eq!(
        entered("evidence.listed", "officer=4712"),
        1,
        "{accesses:#?}"
    );
    assert_eq!(entered("evidence.listed", "text=%_"), 1, "{accesses:#?}");
    assert_eq!(entered("evidence.listed", "everything"), 1, "{accesses:#?}");
    assert_eq!(
        entered("evidence.exported", "state=missing"),
        2,
        "{accesses:#?}"
    );
    assert_eq!(
        entered("evidence.listed", "from=yesterday"),
        0,
        "{accesses:#?}"
    );
    let data = &accesses[0]["data"];
    assert_eq!(data["operator"], "M. Shah");
    assert_eq!(data["peer"], "web 127.0.0.1");
    let told = bed.camdock(&["office", "acts"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("listed evidence: \"officer=4712\""), "{told}");
}
