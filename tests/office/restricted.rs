//! Items that are restricted: managers alone find and see them, and whoever else asks is answered as if they did not exist.

use std::time::Instant;

use camdock::model::{EvidenceId, SessionId};
use serde_json::{Value, json};

use crate::bed::{Bed, station};
use crate::browser::sign_in;
use crate::driver::Browser;
use crate::searches::{Made, at, publish};

/// Those who find recordings, and may not see what is restricted.
const OTHERS: [&str; 3] = ["viewer", "disposer", "auditor"];

fn asked(bed: &Bed, path: &str, role: &str) -> (u16, String) {
    let (status, _, body) = bed.page(path, Some(&format!("camdock_{role}_token")));
    (status, body)
}

/// Status and body, with the id that was asked for taken out.
fn watched(bed: &Bed, id: EvidenceId, role: &str) -> (u16, String) {
    let reason = json!({"reason": "complaint 12"});
    let path = format!("/api/watch/one/{id}");
    let (status, _, body) = bed.post(&path, &format!("camdock_{role}_token"), &reason);
    (status, body.replace(&id.to_string(), "ID"))
}

#[test]
fn browser_what_is_restricted_is_found_and_seen_by_managers_alone_and_by_nobody_else_on_any_way_out()
 {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-restricted", &[&one], dir);
    let session = SessionId::new();
    let made = |path: &str, hour: u8| Made {
        id: EvidenceId::new(),
        station: "one",
        session,
        camera: "acme/X1",
        officer: "4711".into(),
        path: format!("DCIM/{path}"),
        kind: if path.ends_with("MP4") {
            "video"
        } else {
            "sidecar"
        },
        flagged: false,
        recorded: Some(at(&format!("2026-01-09T{hour:02}:00:00Z"))),
        sealed: at("2026-01-10T12:00:00Z"),
        stored: true,
        quarantined: false,
    };
    let (plain, secret) = (made("PLAIN.MP4", 10), made("SECRET.MP4", 11));
    let (sidecar, later) = (made("SECRET.GPS", 11), made("LATER.MP4", 12));
    let all = [plain.clone(), secret.clone(), sidecar.clone(), later];
    // The sidecar's objects are missing, so that *Today* has them as examples.
    for made in all.iter().filter(|made| made.id != sidecar.id) {
        made.put(&bed);
    }
    publish(&bed, &[&one], &all);
    let files = [(&plain, "A"), (&secret, "B")]
        .map(|(made, _)| json!({"evidence": made.id, "path": made.path}));
    let held = json!({"files": files, "count": 2});
    let note = one.append_bytes(&[one.entry("item.held", &held)]);
    bed.publish(&one, &note);
    bed.run_pages();
    bed.until("one", |s| {
        s["bucket"]["items"] == 4 && s["bucket"]["missing"] == 4
    });

    let nothing = EvidenceId::new();
    let names = [
        secret.id.to_string(),
        sidecar.id.to_string(),
        "SECRET".into(),
    ];
    let recording = |id: EvidenceId| format!("/api/recordings/one/{id}");
    let sealed = |id: EvidenceId| format!("/sealed/one/{id}/original");
    let lists = [
        "/api/today".to_owned(),
        "/api/find".into(),
        "/api/find?text=secret".into(),
        format!("/api/find?text={}", secret.id),
        format!("/api/find?text={}", sidecar.id),
        "/api/find?restricted=1".into(),
        "/api/find?incident=CAD+0412".into(),
        "/api/find?state=missing".into(),
        "/export/find?format=csv".into(),
        "/export/find?format=json".into(),
        recording(plain.id),
    ];
    let told = |bed: &Bed, role: &str| {
        let told = lists.iter().map(|path| (path, asked(bed, path, role)));
        let told =
            told.filter(|(_, (_, body))| names.iter().any(|name| body.contains(name.as_str())));
        told.map(|(path, _)| path.clone()).collect::<Vec<_>>()
    };
    // Before that, everybody sees it; what somebody watches already is no way out, either.
    let (ended, said) = bed.decide(&["tag", &secret.id.to_string(), "--incident", "CAD 0412"]);
    assert_eq!(ended, Some(0), "{said}");
    let everywhere: Vec<_> = lists
        .iter()
        .filter(|path| !path.contains("restricted"))
        .cloned()
        .collect();
    assert_eq!(told(&bed, "viewer"), everywhere);
    assert_eq!(watched(&bed, secret.id, "viewer").0, 200);
    assert_eq!(asked(&bed, &sealed(secret.id), "viewer").0, 200);

    let browser = Browser::start(1200, 900);
    let office = format!("http://127.0.0.1:{}", bed.pages);
    sign_in(&browser, &office);
    browser.until("today", "document.getElementById('matters')");
    browser.open(&format!("{office}/recordings/one/{}", secret.id));
    browser.until("the form", "!document.getElementById('deciding')?.hidden && document.getElementById('facts').innerText");
    browser.js("const list = document.getElementById('decision'); list.value = 'restrict'; list.dispatchEvent(new Event('change'))");
    browser.fill("#reason", "the officer is a witness");
    browser.js("document.getElementById('decide').requestSubmit()");
    browser.until(
        "the restriction",
        "document.getElementById('facts').innerText.includes('Only managers')",
    );
    assert!(
        browser.text("#acts").contains("Restricted"),
        "{}",
        browser.text("#acts")
    );
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    let acts = bed.until_acts("item.tagged", 3);
    let data: Vec<&Value> = acts[1..].iter().map(|act| &act["data"]).collect();
    let of = |data: &Value| {
        (
            data["evidence"].clone(),
            data["restricted"].clone(),
            data["incident"].clone(),
        )
    };
    assert_eq!(
        of(data[0]),
        (json!(secret.id), json!(true), json!("CAD 0412"))
    );
    assert_eq!(of(data[1]), (json!(sidecar.id), json!(true), Value::Null));

    let hidden = |bed: &Bed| {
        for role in OTHERS {
            for path in &lists {
                let (status, body) = asked(bed, path, role);
                assert_eq!(status, 200, "{path} {role}");
                for name in &names {
                    assert!(
                        !body.contains(name.as_str()),
                        "{role} {path} {name}: {body}"
                    );
                }
            }
            for id in [secret.id, sidecar.id] {
                assert_eq!(
                    asked(bed, &recording(id), role),
                    asked(bed, &recording(nothing), role)
                );
                assert_eq!(asked(bed, &recording(id), role).0, 404);
            }
        }
        assert_eq!(
            watched(bed, secret.id, "viewer"),
            watched(bed, nothing, "viewer")
        );
        for of in [
            "/api/watch/one/ID",
            "/api/watch/one/ID/key",
            "/sealed/one/ID/original",
            "/sealed/one/ID/item-key",
        ] {
            let [theirs, none] = [secret.id, nothing]
                .map(|id| asked(bed, &of.replace("ID", &id.to_string()), "viewer"));
            assert_eq!((theirs.0, &theirs), (403, &none), "{of}");
        }
        let proposal =
            json!({"decision": {"propose_disposal": {"reviewed": false}}, "reason": "it is due"});
        let proposed = |id: EvidenceId| {
            let path = format!("/api/disposals/one/{id}");
            let (status, _, body) = bed.post(&path, "camdock_disposer_token", &proposal);
            (status, body)
        };
        assert_eq!(proposed(secret.id), proposed(nothing));
        assert_eq!(proposed(secret.id).0, 404);
        let (_, today) = asked(bed, "/api/today", "operations");
        assert!(
            names.iter().all(|name| !today.contains(name.as_str())),
            "{today}"
        );
    };
    hidden(&bed);
    // The others' pages say that something was recorded around it, and nothing of it.
    let view: Value = serde_json::from_str(&asked(&bed, &recording(plain.id), "viewer").1).unwrap();
    assert_eq!(view["after"]["path"], "DCIM/LATER.MP4", "{view}");
    let told_of = |view: &Value| {
        let all = view["custody"].as_array().unwrap().clone();
        let held = all
            .into_iter()
            .find(|told| told["content"]["event"] == "item.held");
        held.unwrap()["content"]["data"]["files"].clone()
    };
    assert_eq!(told_of(&view), json!([files[0]]));
    let view: Value =
        serde_json::from_str(&asked(&bed, &recording(plain.id), "manager").1).unwrap();
    assert_eq!(
        (&view["after"]["path"], told_of(&view)),
        (&json!("DCIM/SECRET.MP4"), json!(files))
    );
    assert_eq!(told(&bed, "manager"), lists);
    assert_eq!(watched(&bed, secret.id, "manager").0, 200);
    assert_eq!(asked(&bed, &sealed(secret.id), "manager").0, 200);

    // Who saw what, and why: of all of it to managers, and to auditors of what they may know of.
    let month = jiff::Timestamp::now().strftime("%Y-%m").to_string();
    let seen = |role: &str| {
        let (status, body) = asked(&bed, &format!("/api/looks?month={month}"), role);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body).unwrap()["looks"].clone()
    };
    let all = seen("manager");
    let looks: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|look| (&look["operator"], &look["path"], &look["reason"]))
        .collect();
    let secret_path = json!("DCIM/SECRET.MP4");
    let complaint = json!("complaint 12");
    assert_eq!(
        looks,
        [
            (&json!("viewer"), &secret_path, &complaint),
            (&json!("manager"), &secret_path, &complaint)
        ]
    );
    assert_eq!(seen("auditor"), json!([]));
    assert_eq!(watched(&bed, plain.id, "viewer").0, 200);
    assert_eq!(seen("auditor").as_array().unwrap().len(), 1);
    let file = asked(
        &bed,
        &format!("/export/looks?month={month}&format=csv"),
        "auditor",
    )
    .1;
    assert!(
        file.lines().count() == 2
            && file.contains(",complaint 12,")
            && file.contains("DCIM/PLAIN.MP4"),
        "{file}"
    );
    assert_eq!(
        asked(&bed, "/api/looks?month=2020-01", "manager").1,
        "{\"looks\":[],\"next\":null}"
    );
    for role in ["viewer", "disposer", "operations"] {
        assert_eq!(asked(&bed, "/api/looks", role).0, 403, "{role}");
    }
    browser.open(&format!("{office}/looks?month={month}"));
    browser.until(
        "the looks",
        "document.querySelectorAll('#rows tr').length === 3",
    );
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    assert_eq!(browser.printed_pages(), 1);
    browser.shot("looks");

    // A pack takes it only where that is said.
    let key = bed.path("key.pem");
    let (secret_key, _) = camdock::seal::keygen_recipient(camdock::seal::Curve::P384).unwrap();
    crate::bed::private(&key, &secret_key);
    let packed = |id: EvidenceId, more: &[&str]| {
        let out = bed.path(&format!("pack-{}", EvidenceId::new()));
        let id = id.to_string();
        let pack = [
            "pack",
            &id,
            "--key",
            key.to_str().unwrap(),
            "-o",
            out.to_str().unwrap(),
        ];
        let (ended, said) = bed.decide(&[&pack, more].concat());
        (ended, said.replace(&id, "ID"))
    };
    assert_eq!(packed(secret.id, &[]), packed(nothing, &[]));
    assert_ne!(
        packed(secret.id, &["--restricted"]),
        packed(nothing, &["--restricted"])
    );

    // An index that is made anew shows nothing that it has not read to be free.
    bed.stop();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(bed.path("state").join(format!("index.db{end}")));
    }
    bed.run_pages();
    let began = Instant::now();
    loop {
        let (status, body) = asked(&bed, "/api/find", "viewer");
        assert!(
            names.iter().all(|name| !body.contains(name.as_str())),
            "{status} {body}"
        );
        if body.contains("LATER") {
            break;
        }
        assert!(
            began.elapsed().as_secs() < 30,
            "{status} {body} {}",
            bed.said()
        );
    }
    bed.until("one", |s| {
        s["bucket"]["items"] == 4 && s["bucket"]["missing"] == 4
    });
    hidden(&bed);

    let (ended, said) = bed.decide(&["tag", &secret.id.to_string(), "--unrestrict"]);
    assert_eq!(ended, Some(0), "{said}");
    assert_eq!(told(&bed, "auditor"), everywhere);
    assert_eq!(watched(&bed, secret.id, "viewer").0, 200);
    let acts = String::from_utf8(bed.camdock(&["office", "acts"]).stdout).unwrap();
    assert!(
        acts.contains("incident \"CAD 0412\", restricted to managers"),
        "{acts}"
    );
}
