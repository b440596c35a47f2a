//! The report of a quarter: its figures against what was made, and its JSON against the schema that is handed to others.

use std::fs;
use std::path::Path;

use camdock::model::{EvidenceId, SessionId};
use serde_json::{Value, json};

use crate::bed::{Bed, KIOSK, TOKEN, station};
use crate::browser::sign_in;
use crate::driver::Browser;
use crate::place::until;
use crate::searches::{Made, at};
use crate::sign_in::with_people;

/// What of a value is not as the schema says. Keywords that this does not understand are an error, too.
fn differs(root: &Value, schema: &Value, value: &Value, place: &str, wrong: &mut Vec<String>) {
    let mut say = |what: String| wrong.push(format!("{place}: {what}"));
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#')).unwrap();
        return differs(root, target, value, place, wrong);
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("no such type: {other}"),
    };
    for (keyword, rule) in schema.as_object().unwrap() {
        let fine = match keyword.as_str() {
            "type" => match rule {
                Value::Array(kinds) => kinds.iter().any(|kind| is(kind.as_str().unwrap())),
                kind => is(kind.as_str().unwrap()),
            },
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|n| n >= rule.as_f64().unwrap()),
            "required" => {
                let mut names = rule.as_array().unwrap().iter();
                names.all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "additionalProperties" => {
                let known = schema["properties"].as_object().unwrap();
                let own = value.as_object();
                own.is_none_or(|own| own.keys().all(|name| known.contains_key(name)))
            }
            // Times and quarters are looked at by the test itself.
            "pattern" | "description" | "title" | "properties" | "items" | "$schema" | "$defs" => {
                true
            }
            other => panic!("the test does not know the keyword {other}"),
        };
        if !fine {
            say(format!("{keyword} is {rule}, and there is {value}"));
        }
    }
    if let (Some(rules), Some(own)) = (schema["properties"].as_object(), value.as_object()) {
        for (name, own) in own {
            if let Some(rule) = rules.get(name) {
                differs(root, rule, own, &format!("{place}/{name}"), wrong);
            }
        }
    }
    if let (true, Some(items)) = (schema["items"].is_object(), value.as_array()) {
        for (number, item) in items.iter().enumerate() {
            differs(
                root,
                &schema["items"],
                item,
                &format!("{place}/{number}"),
                wrong,
            );
        }
    }
}

fn unlike(value: &Value) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut wrong = Vec::new();
    differs(&schema, &schema, value, "", &mut wrong);
    wrong
}

fn report(bed: &Bed, quarter: &str) -> Value {
    let ran = bed.camdock(&["office", "report", "--quarter", quarter, "--json"]);
    assert!(ran.status.success(), "{ran:?}");
    serde_json::from_slice(&ran.stdout).unwrap()
}

#[test]
fn a_quarter_is_counted_as_it_was_and_its_json_is_as_the_schema_says() {
    let dir = tempfile::tempdir().unwrap();
    let stations = ["one", "two"].map(|name| station(&dir, name));
    let [one, two] = &stations;
    let mut bed = Bed::new("office-report", &stations.each_ref(), dir);
    let config = bed.path("office.toml");
    let text = fs::read_to_string(&config).unwrap();
    let prices = "[report]\nminutes_per_recording = 30.0\nhour_price = 20.0\nrecordings_per_disc = 2\ndisc_price = 0.5\n\
        currency = \"EUR\"\nstore_terabytes = 0.000001\n[store]\n";
    fs::write(&config, text.replacen("[store]\n", prices, 1)).unwrap();
    with_people(&bed);
    let units = "units = [{ group = \"south\", stations = [\"two\"] }, { group = \"county\", stations = [\"one\"] }, \
        { group = \"county\", stations = [\"two\", \"one\"] }, ";
    let classes = "[retention]\nunclassified = \"month\"\nflagged = \"evidential\"\n[class.month]\ndays = 31\nreview = false\n\
        [class.evidential]\ndays = 400\n";
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replacen("units = [", units, 1) + classes;
    fs::write(&config, text).unwrap();

    // Three dockings: of five recordings in the quarter, one before it, and a sidecar that is no recording.
    let sessions = [(); 3].map(|()| SessionId::new());
    let made = |station: &'static str, session: usize, path: &str, sealed: &str| Made {
        id: EvidenceId::new(),
        station,
        session: sessions[session],
        camera: "acme/X1",
        officer: "4711".into(),
        path: path.into(),
        kind: if path.ends_with("GPS") {
            "sidecar"
        } else {
            "video"
        },
        flagged: path == "DCIM/A0004.MP4",
        recorded: None,
        sealed: at(sealed),
        stored: path != "DCIM/A0003.MP4",
        quarantined: false,
    };
    let docked = |station: &str, session: usize, time: &str| {
        let data = json!({"bay": "1", "camera": "acme/X1", "profile": "folder", "access": "folder", "clock": {"synchronised": true}});
        let entry = json!({"data": data, "event": "camera.docked", "session": sessions[session], "station": station, "time": time, "v": 1});
        entry.to_string().into_bytes()
    };
    let first = [
        made("one", 0, "DCIM/A0000.MP4", "2026-03-31T23:59:59Z"),
        made("one", 1, "DCIM/A0001.MP4", "2026-04-01T00:00:00Z"),
        made("one", 1, "DCIM/A0001.GPS", "2026-05-01T08:00:40Z"),
        made("one", 1, "DCIM/A0002.MP4", "2026-05-01T08:01:00Z"),
    ];
    let lasting = |made: &Made, ms: u64| {
        let data = json!({"evidence": made.id, "part": "preview", "outcome": "skipped", "reason": "x",
            "probe": {"container": "mp4", "duration_ms": ms, "index": "at_start"}});
        one.entry("item.previewed", &data)
    };
    let mut entries = vec![docked("one", 0, "2026-03-31T20:00:00Z")];
    entries.extend(first[0].entries());
    entries.push(docked("one", 1, "2026-05-01T08:00:00Z"));
    entries.extend(first[1..].iter().flat_map(Made::entries));
    entries.extend([
        lasting(&first[1], 5_400_000),
        lasting(&first[1], 1),
        lasting(&first[0], 1000),
    ]);
    entries.push(lasting(&first[3], u64::MAX));
    bed.publish(one, &one.append_bytes(&entries));
    let mut entries = vec![docked("two", 2, "2026-06-01T08:00:00Z")];
    let second = [
        made("two", 2, "DCIM/A0003.MP4", "2026-06-01T08:00:20Z"),
        made("two", 2, "DCIM/A0004.MP4", "2026-06-30T23:59:59.999Z"),
    ];
    entries.extend(second.iter().flat_map(Made::entries));
    bed.publish(two, &two.append_bytes(&entries));
    bed.run();
    bed.until("one", |found| {
        found["bucket"]["items"] == 4 && found["bucket"]["gaps_at"].is_string()
    });
    bed.until("two", |found| {
        found["bucket"]["items"] == 2 && found["bucket"]["gaps_at"].is_string()
    });

    let id = first[1].id.to_string();
    let (code, said) = bed.decide(&["classify", &id, "--class", "evidential"]);
    assert_eq!(code, Some(0), "{said}");
    until("the class is in the index", || {
        report(&bed, "2026-Q2")["stations"][0]["classes"][0]["files"] == 2
    });

    let told = report(&bed, "2026-Q2");
    assert_eq!(unlike(&told), Vec::<String>::new());
    assert_eq!(
        (&told["from"], &told["to"]),
        (
            &json!("2026-04-01T00:00:00Z"),
            &json!("2026-07-01T00:00:00Z")
        )
    );
    let force = &told["force"];
    for (figure, wanted) in [
        ("recordings", json!(4)),
        ("files", json!(5)),
        ("hours", json!(1.5)),
        ("recordings_timed", json!(1)),
        ("dockings", json!(2)),
        ("added_bytes", json!(404)),
        ("stored_bytes", json!(505)),
        ("discs_saved", json!(2)),
        ("hours_saved", json!(2.0)),
        ("money_saved", json!(41.0)),
    ] {
        assert_eq!(force[figure], wanted, "{figure}: {told:#}");
    }
    let [of_one, of_two] = [&told["stations"][0], &told["stations"][1]];
    // Docked at 8:00:00; the last item was sealed a minute later. The other station's second one was not stored at all.
    assert_eq!(of_one["figures"]["dock_to_safe_seconds"], 60.0, "{told:#}");
    assert_eq!(
        of_one["figures"]["dock_to_stored_seconds"], 60.0,
        "{told:#}"
    );
    assert_eq!(
        of_two["figures"]["dock_to_stored_seconds"],
        Value::Null,
        "{told:#}"
    );
    assert_eq!(
        (&of_one["first_entry"], &of_one["last_entry"]),
        (&json!(4), &json!(8)),
        "{told:#}"
    );
    assert_eq!(told["capacity"]["store_bytes"], json!(1_000_000));
    assert!(told["capacity"]["store_full"].is_string(), "{told:#}");

    // The classes of what is stored, whenever it came: by a person (with its sidecar), by the camera's flag, and all else. One file is not in the store.
    let class = |name: &str, recordings: u64, files: u64, bytes: u64| json!({"class": name, "recordings": recordings, "files": files, "stored_bytes": bytes});
    let both = json!([class("evidential", 2, 3, 303), class("month", 3, 3, 202)]);
    let of_north = json!([class("evidential", 1, 2, 202), class("month", 2, 2, 202)]);
    let of_south = json!([class("evidential", 1, 1, 101), class("month", 1, 1, 0)]);
    assert_eq!(told["classes"], both, "{told:#}");
    assert_eq!(of_one["classes"], of_north, "{told:#}");
    assert_eq!(of_two["classes"], of_south, "{told:#}");
    assert!(told["office_entries_read"].as_u64().unwrap() > 0);
    // Units that share a station; who sees all of them is of no unit.
    let unit = |name: &str, stations: Value, figures: &Value, classes: &Value| json!({"unit": name, "stations": stations, "figures": figures, "classes": classes});
    let units = json!([
        unit("county", json!(["one", "two"]), force, &both),
        unit("north", json!(["one"]), &of_one["figures"], &of_north),
        unit("south", json!(["two"]), &of_two["figures"], &of_south),
    ]);
    assert_eq!(told["units"], units, "{told:#}");
    // Not the median of the medians: it lies between a minute and the 29 days of the other docking.
    assert_eq!(force["dock_to_safe_seconds"], json!(1_281_629.999_5));
    assert_eq!(told["not_read"], json!([]));

    // A quarter of which nothing is known has no figures that somebody made up.
    let empty = report(&bed, "2019-Q1");
    assert_eq!(unlike(&empty), Vec::<String>::new());
    assert_eq!(
        (
            &empty["force"]["recordings"],
            &empty["force"]["dock_to_safe_seconds"]
        ),
        (&json!(0), &Value::Null)
    );
    assert_eq!(empty["capacity"]["store_full"], Value::Null);
    assert_eq!(
        bed.camdock(&["office", "report", "--quarter", "2026-Q5"])
            .status
            .code(),
        Some(2)
    );
    let ran = bed.camdock(&["office", "report", "--quarter", "2026-Q2"]);
    let text = String::from_utf8(ran.stdout).unwrap();
    for wanted in [
        "all 2 stations",
        "41.00 EUR",
        "entries 4 to 8",
        "unit county (the entries above of one, two)",
        "unit north (the entries above of one)",
        "class month                             202 bytes of 3 recordings, 3 files",
        "How each figure is counted",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    // The schema refuses what is not as it says.
    let mut other = told.clone();
    other["force"]["recordings"] = json!(-1);
    other["stations"][0]["extra"] = json!(1);
    other.as_object_mut().unwrap().remove("office");
    assert_eq!(unlike(&other).len(), 3, "{:?}", unlike(&other));
    // The page shows the same, prints, and knows the stations of a unit alone.
    let (status, _, body) = bed.page("/api/report?quarter=2026-Q2", Some(TOKEN));
    assert_eq!(status, 200, "{body}");
    let paged: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&paged["force"], &paged["stations"]),
        (force, &told["stations"])
    );
    let (_, _, body) = bed.page("/api/report?quarter=2026-Q2", Some("camdock_viewer_token"));
    let unit: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(unit["stations"].as_array().unwrap().len(), 1, "{unit}");
    assert!(!body.contains("\"two\""), "{body}");
    assert_eq!(unit["units"], json!([told["units"][1]]), "{unit}");
    for wrong in ["2026-Q5", "x", "%3Cb%3E", "2026-Q1-Q1"] {
        assert_eq!(
            bed.page(&format!("/api/report?quarter={wrong}"), Some(TOKEN))
                .0,
            400,
            "{wrong}"
        );
    }
    assert_eq!(bed.page("/api/report", Some(KIOSK)).0, 403);
    assert_eq!(bed.page("/api/report", Some(TOKEN)).0, 200);
    let browser = Browser::start(1400, 1000);
    let office = format!("http://127.0.0.1:{}", bed.pages);
    sign_in(&browser, &office);
    browser.until(
        "today",
        "document.querySelectorAll('#stations tr').length === 2",
    );
    browser.open(&format!("{office}/report?quarter=2026-Q2"));
    browser.until(
        "the figures",
        "document.querySelectorAll('#figures tr').length === 14",
    );
    let shown = browser.text("main").replace('\t', " ");
    assert_eq!(browser.text("#units").lines().count(), 3);
    for wanted in [
        "41 EUR",
        "Docked to safe, median",
        "60 s",
        "4 to 8 of",
        "At this rate the store is full",
        "unit south evidential",
        "all stations month",
    ] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.shot("office-report");
    assert!((1..=3).contains(&browser.printed_pages()));
    browser.click("#languages button[lang=de]");
    browser.until("German", "document.documentElement.lang === 'de'");
    assert!(browser.text("main").contains("Erklärte Lücken"));
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    bed.stop();
}
