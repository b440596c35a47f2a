//! What the office makes of a bucket beside the logs: the index that is derived from them, and what is not there any more.

use std::fs;

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ObjectLockRetention, ObjectLockRetentionMode};
use camdock::model::EvidenceId;
use serde_json::{Value, json};

use crate::bed::{Bed, KIOSK, Station, TOKEN, identity, station};
use crate::place::Place;
use crate::searches::get;

/// The keys of a station's findings of one kind.
fn keys(found: &Value, kind: &str) -> Vec<String> {
    let all = found["findings"].as_array().cloned().unwrap_or_default();
    let of_kind = all.iter().filter(|finding| finding["kind"] == kind);
    let mut keys: Vec<_> = of_kind
        .map(|finding| finding["key"].as_str().unwrap().to_owned())
        .collect();
    keys.sort();
    keys
}

/// Waits until a listing that began after now has come to its end.
fn listed(bed: &Bed, station: &str) -> Value {
    let before = bed.standing(station).0["bucket"]["listed_from"].clone();
    let next = bed.until(station, |found| {
        found["bucket"]["listed_from"].is_string() && found["bucket"]["listed_from"] != before
    });
    let next = next["bucket"]["listed_from"].clone();
    bed.until(station, |found| found["bucket"]["listed_from"] != next)
}

#[test]
fn what_is_deleted_covered_or_unlocked_behind_a_stations_back_is_named() {
    let place = Place::with_stations(&[identity("office", "evidence", "office-1")]);
    place.configure(&[("store", "retention = \"governance\"")]);
    let names = ["A.MP4", "B.MP4", "C.MP4", "D.MP4", "E.MP4"];
    for (number, name) in (1..).zip(names) {
        place.film("X0000001", name, number, 1000);
    }
    place.drain().ends(0);
    let mut bed = Bed::beside(&place, "office", tempfile::tempdir().unwrap());
    let checked = bed.camdock(&["office", "check"]);
    let checked = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.contains("test-1: they can be listed"), "{checked}");
    bed.run();
    bed.until("test-1", |found| found["bucket"]["items"] == 5);
    let found = listed(&bed, "test-1");
    // Five originals, each with manifest, receipt and item key.
    assert_eq!(found["bucket"]["objects"], 20, "{found}");
    assert_eq!(found["findings"], json!([]), "{found}");
    assert_eq!(found["bucket"]["unknown_entries"], 0, "{found}");
    assert_eq!(found["bucket"]["unfit_entries"], 0, "{found}");
    assert_eq!(bed.standing("test-1").1, Some(0));
    // An item's custody as the station wrote it, each entry proven; and its objects with their locks.
    let id = place.item("B.MP4")["evidence"].clone();
    let view = get(
        &bed,
        &format!("/api/recordings/test-1/{}", id.as_str().unwrap()),
    );
    let custody = view["custody"].as_array().unwrap();
    let told: Vec<_> = custody
        .iter()
        .map(|told| told["content"]["event"].as_str().unwrap())
        .collect();
    let story = [
        "camera.docked",
        "item.sealed",
        "item.stored",
        "session.ended",
    ];
    assert_eq!(told, story, "{view}");
    assert!(custody.iter().all(|told| told["proven"] == true), "{view}");
    assert_eq!(view["next"], json!(null), "{view}");
    let objects = view["objects"].as_array().unwrap();
    assert_eq!(objects[0]["name"], "original", "{view}");
    assert_eq!(objects[0]["lock"]["mode"], "GOVERNANCE", "{view}");
    assert_eq!(objects[0]["findings"], json!([]), "{view}");
    let near = |which: &str| view[which]["path"].as_str().map(str::to_owned);
    assert!(
        near("before").is_some() || near("after").is_some(),
        "{view}"
    );
    // The page is written before the metric is.
    let until_metric = |kind: &str, count: f64| {
        let labels = format!("kind=\"{kind}\"");
        bed.until_metric("camdock_office_object_findings", &labels, count);
    };
    until_metric("missing", 0.0);

    // The store's administrator does what no station can do.
    let key = |name: &str, object: &str| {
        let item = place.item(name);
        format!(
            "evidence/test-1/{}/{object}",
            item["evidence"].as_str().unwrap()
        )
    };
    let client = place.weed.client();
    let version = |key: &str| {
        let head = client.head_object().bucket("evidence").key(key).send();
        Place::block_on(head).unwrap().version_id.unwrap()
    };
    let (a, b, d, e) = (
        key("A.MP4", "original"),
        key("B.MP4", "original"),
        key("D.MP4", "original"),
        key("E.MP4", "original"),
    );
    let (receipt, foreign) = (key("C.MP4", "receipt"), key("C.MP4", "<b>notes</b>.txt"));
    let delete = client.delete_object().bucket("evidence").key(&a);
    Place::block_on(delete.send()).unwrap();
    let delete = client.delete_object().bucket("evidence").key(&b);
    let delete = delete
        .version_id(version(&b))
        .bypass_governance_retention(true);
    Place::block_on(delete.send()).unwrap();
    let delete = client.delete_object().bucket("evidence").key(&receipt);
    Place::block_on(delete.send()).unwrap();
    for (key, bytes) in [(&foreign, &b"whose?"[..]), (&d, b"shorter")] {
        let put = client.put_object().bucket("evidence").key(key);
        let put = put.body(ByteStream::from_static(bytes));
        Place::block_on(put.send()).unwrap();
    }
    let soon = ObjectLockRetention::builder()
        .mode(ObjectLockRetentionMode::Governance)
        .retain_until_date(DateTime::from_secs(jiff::Timestamp::now().as_second() + 60))
        .build();
    let shorten = client.put_object_retention().bucket("evidence").key(&e);
    let shorten = shorten.version_id(version(&e)).retention(soon);
    Place::block_on(shorten.bypass_governance_retention(true).send()).unwrap();

    let found = bed.until("test-1", |found| {
        keys(found, "missing").len() == 3
            && !keys(found, "foreign").is_empty()
            && !keys(found, "unlocked").is_empty()
            && !keys(found, "covered").is_empty()
            && !keys(found, "wrong_size").is_empty()
    });
    let mut missing = vec![a.clone(), b.clone(), receipt];
    missing.sort();
    assert_eq!(keys(&found, "missing"), missing);
    assert_eq!(keys(&found, "foreign"), [foreign]);
    assert_eq!(keys(&found, "wrong_size"), std::slice::from_ref(&d));
    assert_eq!(keys(&found, "unlocked"), std::slice::from_ref(&e));
    let mut covered = vec![a.clone(), d];
    covered.sort();
    assert_eq!(keys(&found, "covered"), covered);
    let all = found["findings"].as_array().unwrap();
    let of = |key: &str| {
        all.iter()
            .find(|f| f["key"] == key && f["kind"] == "missing")
            .unwrap()
    };
    assert!(
        of(&a)["what"].as_str().unwrap().contains("still there"),
        "{found}"
    );
    assert!(
        !of(&b)["what"].as_str().unwrap().contains("still there"),
        "{found}"
    );
    assert_eq!(of(&b)["path"], "B.MP4");
    assert_eq!(of(&b)["officer"], "4711");
    assert_eq!(bed.standing("test-1").1, Some(3));
    let said = bed.camdock(&["office", "status"]);
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(
        said.contains(&b) && said.contains("camdock explain office_object_missing"),
        "{said}"
    );
    for (kind, count) in [
        ("missing", 3.0),
        ("foreign", 1.0),
        ("wrong_size", 1.0),
        ("unlocked", 1.0),
        ("covered", 2.0),
    ] {
        until_metric(kind, count);
    }
    let today = bed.today();
    let matters = today["matters"].as_array().unwrap();
    let missing = matters
        .iter()
        .find(|matter| matter["code"] == "office_object_missing");
    let missing = missing.unwrap_or_else(|| panic!("{today}"));
    assert_eq!(
        (&missing["station"], &missing["count"]),
        (&json!("test-1"), &json!(3))
    );
    assert!(
        missing["next"]
            .as_str()
            .unwrap()
            .starts_with("Change nothing in the bucket.")
    );
    assert!(
        missing["examples"]
            .as_array()
            .unwrap()
            .iter()
            .any(|example| example["key"] == b)
    );
    assert_eq!(today["stations"][0]["bucket"]["missing"], 3);
    // Each is an entry of the office's own log, once, however often it is found again.
    let entered = |event: &str, count| {
        let acts = bed.until_acts(event, count);
        let named = acts.iter().map(|act| {
            let data = &act["data"];
            assert_eq!(
                (&data["log"], &data["objects"]),
                (&json!("test-1"), &json!(1))
            );
            let word = |field: &str| data[field].as_str().unwrap().to_owned();
            (word("code"), word("key"))
        });
        let mut named: Vec<_> = named.collect();
        named.sort();
        named
    };
    let kinds = ["covered", "foreign", "missing", "wrong_size", "unlocked"];
    let mut all = Vec::new();
    for kind in kinds {
        let keys = keys(&found, kind).into_iter();
        all.extend(keys.map(|key| (finding_code(kind).to_owned(), key)));
    }
    all.sort();
    assert_eq!(entered("object.alarm", 8), all);
    let lines = bed.said();
    for line in [
        "an object in the bucket is not as its station's log says",
        "office_object_unlocked",
    ] {
        assert!(lines.contains(line), "{lines}");
    }
    let listed_at = bed.metric("camdock_office_listed_timestamp_seconds", "test-1");
    assert!(listed_at.unwrap() > 1.7e9);

    // What is put right again is not told any more, and the rest is.
    let list = client.list_object_versions().bucket("evidence").prefix(&a);
    let markers = Place::block_on(list.send())
        .unwrap()
        .delete_markers
        .unwrap();
    let delete = client.delete_object().bucket("evidence").key(&a);
    let delete = delete.set_version_id(markers[0].version_id.clone());
    Place::block_on(delete.send()).unwrap();
    bed.until("test-1", |found| {
        keys(found, "missing").len() == 2 && keys(found, "covered").len() == 1
    });

    let code = |kind: &str| finding_code(kind).to_owned();
    let gone = [(code("covered"), a.clone()), (code("missing"), a.clone())];
    assert_eq!(entered("object.cleared", 2), gone);

    // A store that does not answer takes nothing back and adds nothing.
    let before = keys(&bed.standing("test-1").0, "missing");
    let mut place = place;
    place.weed.kill();
    let away = bed.until("test-1", |found| found["bucket"]["index_code"].is_string());
    assert_eq!(keys(&away, "missing"), before);
    assert_eq!(keys(&away, "unlocked"), [e]);
    place.weed.restart();
    bed.until("test-1", |found| found["bucket"]["index_code"].is_null());
    bed.stop();

    // An index that was made anew knows nothing of what was entered; the office's log does.
    for name in ["index.db", "index.db-wal", "index.db-shm"] {
        let _ = fs::remove_file(bed.path("state").join(name));
    }
    bed.run();
    bed.until("test-1", |found| keys(found, "covered").len() == 1);
    listed(&bed, "test-1");
    bed.stop();
    bed.until_acts("object.alarm", 8);
    bed.until_acts("object.cleared", 2);
}

fn finding_code(kind: &str) -> &'static str {
    match kind {
        "covered" => "office_object_covered",
        "foreign" => "office_object_foreign",
        "missing" => "office_object_missing",
        "wrong_size" => "office_object_size",
        "unlocked" => "office_object_unlocked",
        other => panic!("{other} is no kind"),
    }
}

/// Entries of an item that was sealed and stored.
fn item(station: &Station, number: u64) -> (EvidenceId, [Vec<u8>; 2]) {
    let id = EvidenceId::new();
    let sealed = json!({"evidence": id, "path": format!("DCIM/{number:08}.MP4"), "size": number, "kind": "video",
        "flagged": false, "sha256": "0".repeat(64), "sealed_size": number + 100, "frame_length": 65536,
        "message_id": "0".repeat(64), "camera": "acme/X1", "officer": "4711", "bay": "1"});
    let stored = json!({"evidence": id, "bucket": "b", "key": format!("evidence/{}/{id}/original", station.name),
        "size": number + 100, "checksum": "c", "version_id": "v"});
    let entries = [
        station.entry("item.sealed", &sealed),
        station.entry("item.stored", &stored),
    ];
    (id, entries)
}

#[test]
fn the_index_is_whole_after_a_kill_in_the_middle_and_after_it_was_deleted() {
    const ITEMS: u64 = 9000;
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-index", &[&one], dir);
    let entries: Vec<_> = (0..ITEMS).flat_map(|number| item(&one, number).1).collect();
    let note = one.append_bytes(&entries);
    bed.publish(&one, &note);
    // It ends within the second step's transaction, and within the first after that.
    for point in ["entries taken@2", "entries taken@1"] {
        bed.run_with(&format!("stop:office index: {point}"));
        bed.dies();
    }
    let (found, _) = bed.standing("one");
    assert_eq!(found["bucket"]["indexed_entries"], 64 * 256, "{found}");
    bed.run();
    let whole = |found: &Value| {
        let bucket = &found["bucket"];
        bucket["indexed_entries"] == 2 * ITEMS && bucket["items"] == ITEMS
    };
    bed.until("one", whole);
    // Nothing of it is in the bucket: originals, manifests, receipts and item keys are missing, and counted to the last.
    let found = bed.until("one", |found| found["bucket"]["missing"] == 4 * ITEMS);
    assert_eq!(found["bucket"]["unfit_entries"], 0, "{found}");
    bed.stop();
    let size = |name: &str| fs::metadata(bed.path(name)).map_or(0, |file| file.len());
    let bytes = size("state/index.db");
    assert!(bytes < (ITEMS + 1000) * 1024, "{bytes}");

    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(bed.path(&format!("state/index.db{end}")));
    }
    let rebuilt = bed.camdock(&["office", "rebuild"]);
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    assert!(whole(&bed.standing("one").0), "{}", bed.standing("one").0);
    // A file that is no index is one that has to be made anew, too.
    fs::write(bed.path("state/index.db"), vec![b'x'; 1 << 16]).unwrap();
    bed.run();
    bed.until("one", whole);
    bed.stop();
}

#[test]
fn absurd_entries_and_names_hurt_their_own_row_alone() {
    let dir = tempfile::tempdir().unwrap();
    let stations = ["absurd", "well"].map(|name| station(&dir, name));
    let [absurd, well] = &stations;
    let mut bed = Bed::new("office-absurd", &stations.each_ref(), dir);
    let (id, [sealed, stored]) = item(absurd, 1);
    let (other, [good_sealed, good_stored]) = item(well, 7);
    let replaced = |entry: &[u8], from: &str, to: &str| {
        let text = String::from_utf8(entry.to_vec()).unwrap();
        assert!(text.contains(from), "{text}");
        text.replacen(from, to, 1).into_bytes()
    };
    let unfit = vec![
        Vec::new(),
        b"\xff\x00<script>".to_vec(),
        "[".repeat(60_000).into_bytes(),
        b"{\"v\":1}".to_vec(),
        replaced(&sealed, "\"size\":1", "\"size\":18446744073709551615"),
        replaced(&sealed, "\"size\":1", "\"size\":1e300"),
        replaced(&sealed, "\"absurd\"", "\"well\""),
        replaced(&sealed, "DCIM", "../.."),
        // It claims the other station's object, one of an item that was never sealed, and one larger than any store takes.
        replaced(&stored, "evidence/absurd/", "evidence/well/"),
        stored.clone(),
        well.entry("item.sealed", &json!({})),
    ];
    let long = "<img src=x onerror=alert(1)>".repeat(1000);
    let markup = replaced(&sealed, "\"4711\"", &format!("\"{long}\""));
    let late = vec![
        markup.clone(),
        markup,
        replaced(&stored, "\"size\":101", "\"size\":9223372036854775807"),
        replaced(
            &stored,
            "\"checksum\":\"c\"",
            &format!("\"checksum\":\"{}\"", "c".repeat(60_000)),
        ),
        stored.clone(),
    ];
    let unknown = vec![
        absurd.entry("item.<script>", &json!({"a": [1, 2]})),
        replaced(&sealed, "\"v\":1", "\"v\":2"),
    ];
    let count = unfit.len() + 3;
    let note = absurd.append_bytes(&[unfit, unknown, late].concat());
    bed.publish(absurd, &note);
    let note = well.append_bytes(&[good_sealed, good_stored]);
    bed.publish(well, &note);
    for object in ["original", "manifest.json", "receipt", "item-key"] {
        bed.put(&format!("evidence/well/{other}/{object}"), vec![0; 107]);
    }
    for name in [
        "<script>alert(1)<-script>",
        "-",
        "zzz",
        &format!("{id}/other/x"),
    ] {
        bed.put(&format!("evidence/absurd/{name}"), vec![0; 1]);
    }
    bed.run();
    bed.until("absurd", |found| found["bucket"]["unfit_entries"] == count);
    let found = bed.until("absurd", |found| keys(found, "foreign").len() >= 3);
    assert_eq!(found["bucket"]["unknown_entries"], 2, "{found}");
    assert_eq!(found["bucket"]["items"], 1, "{found}");
    assert_eq!(keys(&found, "missing").len(), 4, "{found}");
    let officer = found["findings"][0]["officer"].as_str().unwrap();
    assert!(officer.len() < 200, "{officer}");
    let note = found["bucket"]["unfit_note"].as_str().unwrap();
    assert!(note.starts_with("entry 0: "), "{note}");
    let found = listed(&bed, "well");
    let bucket = &found["bucket"];
    assert_eq!(
        (&bucket["items"], &bucket["objects"]),
        (&json!(1), &json!(4)),
        "{found}"
    );
    // The version is made up, so that the sweep has something to say; the listing has not.
    assert_eq!(keys(&found, "missing"), [""; 0], "{found}");
    assert_eq!(keys(&found, "foreign"), [""; 0], "{found}");
    bed.stop();
}

#[test]
fn the_page_is_for_those_who_may_see_it_and_holds_no_markup_of_a_station() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-page", &[&one], dir);
    let note = one.append_bytes(&[b"<script>alert(1)</script>".to_vec()]);
    bed.publish(&one, &note);
    bed.put("evidence/one/<img src=x onerror=alert(1)>", vec![0; 1]);
    bed.run();
    let found = bed.until("one", |found| !keys(found, "foreign").is_empty());
    assert_eq!(bed.page("/api/today", None).0, 401);
    assert_eq!(bed.page("/api/today", Some(KIOSK)).0, 403);
    assert_eq!(bed.page("/", Some(KIOSK)).0, 403);
    let (status, head, page) = bed.page("/", Some(TOKEN));
    assert_eq!(status, 200);
    assert!(
        head.contains("content-security-policy: default-src 'none'; script-src 'self'"),
        "{head}"
    );
    assert!(
        page.contains("/static/today.js") && !page.contains("onerror"),
        "{page}"
    );
    let (_, head, _) = bed.page("/api/today", Some(TOKEN));
    assert!(
        head.contains("content-type: application/json") && head.contains("nosniff"),
        "{head}"
    );
    let today = bed.today();
    let codes: Vec<_> = today["matters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["code"].as_str().unwrap())
        .collect();
    assert_eq!(
        codes,
        ["office_object_foreign", "office_entries_unfit"],
        "{found}"
    );
    // In English each matter brings its sentences itself; other languages have theirs by the code.
    let (_, _, texts) = bed.page("/text/de.json", None);
    let texts: Value = serde_json::from_str(&texts).unwrap();
    for matter in today["matters"].as_array().unwrap() {
        for sentence in ["what", "next"] {
            let said = matter[sentence].as_str().unwrap();
            assert!(said.len() > 10, "{matter}");
        }
        let code = matter["code"].as_str().unwrap();
        assert!(texts["problem"][code]["next"].is_string(), "de {code}");
    }
    bed.stop();
}
