//! What was imported at a station, as the office shows and packs it: from what source, and whether it is a copy of an original.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bed::{Bed, identity};
use crate::browser::sign_in;
use crate::driver::Browser;
use crate::place::{Place, age, until};
use crate::searches::get;

const HOSTILE: &str = "<b>redacted</b> \u{202e}copy";

fn import(place: &Place, path: &Path, words: &[&str]) -> String {
    let words = [&["import", path.to_str().unwrap(), "--json"][..], words].concat();
    let done = place.camdock(&words).ends(0).lines().remove(0);
    done["items"][0]["evidence"].as_str().unwrap().to_owned()
}

#[test]
fn browser_an_import_and_a_copy_are_called_so_on_every_page_and_in_the_pack() {
    let place = Place::with_stations(&[identity("office", "evidence", "office-1")]);
    // The station has keys of its own, not the office's.
    place.configure(&[]);
    let work = place.path("work");
    fs::create_dir(&work).unwrap();
    for name in ["till.avi", "till-redacted.avi"] {
        fs::write(work.join(name), name).unwrap();
        age(&fs::File::options()
            .append(true)
            .open(work.join(name))
            .unwrap());
    }
    let station = place.start(&["run"]);
    until("the station answers", || place.status().is_some());
    let disc = [
        "--source",
        "DVD-R of the Red Lion",
        "--received-from",
        "the landlord",
        "--exhibit",
        "RL/1",
    ];
    let original = import(&place, &work.join("till.avi"), &disc);
    let made = [
        "--source",
        HOSTILE,
        "--received-from",
        "video unit",
        "--derived-from",
        &original,
        "--tool",
        "Blur 3.1",
    ];
    let copy = import(&place, &work.join("till-redacted.avi"), &made);
    until("both are stored", || {
        place.items().iter().all(|item| item["state"] == "released")
    });
    station.stop().ends(0);

    let dir = tempfile::tempdir().unwrap();
    let mut bed = Bed::beside(&place, "office", dir);
    bed.run();
    bed.until("test-1", |found| found["bucket"]["items"] == 2);
    let page = |id: &str| get(&bed, &format!("/api/recordings/test-1/{id}"));
    let view = page(&original);
    assert_eq!(
        view["recording"]["source"], "DVD-R of the Red Lion",
        "{view}"
    );
    assert_eq!(view["recording"]["derived_from"], Value::Null);
    assert_eq!(view["copies"][0]["evidence"], *copy);
    assert_eq!(view["originals"].as_array().unwrap().len(), 0);
    let events: Vec<&str> = (view["custody"].as_array().unwrap().iter())
        .map(|told| told["content"]["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        events,
        [
            "import.declared",
            "item.sealed",
            "import.ended",
            "item.stored"
        ]
    );
    let view = page(&copy);
    assert_eq!(view["recording"]["derived_from"], *original, "{view}");
    assert_eq!(view["originals"][0]["evidence"], *original);
    assert_eq!(view["originals"][0]["path"], "till.avi");

    let browser = Browser::start(1200, 1400);
    let office = format!("http://127.0.0.1:{}", bed.pages);
    sign_in(&browser, &office);
    browser.until(
        "the first page",
        "document.querySelector('main') && !document.getElementById('token')",
    );
    browser.open(&format!("{office}/recordings/test-1/{copy}"));
    browser.until(
        "the facts",
        "document.querySelectorAll('#facts dd').length > 3",
    );
    let facts = browser.text("#facts");
    assert!(facts.contains("Copy, not an original"), "{facts}");
    assert!(facts.contains("<b>redacted</b>"), "{facts}");
    browser.until(
        "its custody",
        "document.querySelectorAll('#custody li').length == 4",
    );
    let told = browser.text("#custody");
    assert!(
        told.contains(&format!(
            "a copy made from item {original}, not an original"
        )),
        "{told}"
    );
    browser.click(&format!("#facts a[href='/recordings/test-1/{original}']"));
    browser.until(
        "the original",
        "document.getElementById('facts-title')?.textContent == 'till.avi'",
    );
    let facts = browser.text("#facts");
    assert!(
        facts.contains("DVD-R of the Red Lion") && facts.contains("till-redacted.avi"),
        "{facts}"
    );

    // The page of a search has the command for all that it found, and a recording's for itself, which is given as it stands.
    browser.open(&format!("{office}/find?text=till"));
    browser.until("both", "!document.getElementById('packing').hidden");
    let both = browser.js("return document.getElementById('order').textContent");
    for id in [&original, &copy] {
        assert!(both.as_str().unwrap().contains(&**id), "{both}");
    }
    browser.open(&format!("{office}/recordings/test-1/{copy}"));
    browser.until("the command", "document.querySelector('#facts pre')");
    let order = browser.js("return document.querySelector('#facts pre').textContent");
    let order = order.as_str().unwrap().to_owned();
    assert!(order.starts_with(&format!("camdock office pack {copy} --key ")));
    let out = place.path("pack");
    let given = order
        .replace("KEY.pem", place.path("keys/one.key.pem").to_str().unwrap())
        .replace("FOLDER", out.to_str().unwrap())
        .replace("'NAME'", "P.Maker")
        .replace("'WHY'", "disclosure");
    let words: Vec<&str> = given.split(' ').skip(1).collect();
    let packed = bed.camdock(&words);
    assert!(packed.status.success(), "{given}: {packed:?}");
    assert!(place.path("pack.zip").exists());
    bed.stop();
    assert_eq!(
        fs::read_to_string(out.join(format!("data/items/{copy}/original/till-redacted.avi")))
            .unwrap(),
        "till-redacted.avi"
    );
    for paper in ["england-and-wales", "us-fre-902"] {
        let told = fs::read_to_string(out.join(format!("data/statements/{paper}.html"))).unwrap();
        let made = format!("a copy made from item {original}, not an original, with Blur 3.1");
        for wanted in [
            &*made,
            "Imported, as it was declared",
            "&lt;b&gt;redacted",
            "video unit",
        ] {
            assert!(told.contains(wanted), "{wanted}: {told}");
        }
        // Nothing of the other import.
        assert!(!told.contains("landlord") && !told.contains("Red Lion"));
    }
    let case = fs::read_to_string(out.join("data/case.jsonld")).unwrap();
    assert!(case.contains("imported and sealed") && case.contains(&original));
    browser.open(&format!("file://{}", out.join("check.html").display()));
    browser.choose("#folder", &out);
    browser.until("files", "!document.getElementById('check').disabled");
    let log = fs::read_to_string(place.path("state/keys/log.pub")).unwrap();
    browser.fill("#fingerprints", log.trim());
    browser.click("#check");
    browser.until("a report", "!document.getElementById('report').hidden");
    let report = browser.text("#report");
    assert_eq!(browser.text("#verdict strong"), "MATCHES", "{report}");
    assert!(
        report.contains(&format!(
            "a copy made from item {original}, not an original"
        )),
        "{report}"
    );
}
