//! Shares through the office's own program and a real key desk: what leaves is for one key, and nothing else leaves.

use std::fs;
use std::process::Command;
use std::time::Duration;

use camdock::model::{Sha256Digest, ShareManifest, fingerprint_words};
use camdock::seal::{Curve, KeySource, Opener, Recipient, RecipientKey, keygen_recipient};
use serde_json::{Value, json};

use crate::bed::{Bed, TOKEN, private, station, store_endpoint};
use crate::keydesk::{Desk, PICTURE, enter, entered, opened, picture, until_shared};
use crate::searches::{Made, publish};

/// Sends an outsider's key by a link; its status and code.
pub fn enrol(bed: &Bed, path: &str, key: &str) -> (u16, String) {
    let secret = path.strip_prefix("/enrol#").unwrap();
    let body = json!({"secret": secret, "name": "A. Clerk", "organisation": "CPS", "key": key});
    let (status, head, _) = bed.post("/enrol", "", &body);
    let code = head.split_once("camdock-code: ").map_or("", |it| it.1);
    (status, code.lines().next().unwrap_or("").to_owned())
}

fn invite(bed: &Bed) -> (String, String) {
    let invited = bed.camdock(&[
        "office",
        "people",
        "invite",
        "A. Clerk",
        "--operator",
        "M. Shah",
    ]);
    assert!(invited.status.success(), "{invited:?}");
    let said = String::from_utf8(invited.stdout).unwrap();
    let number = said.split([' ', ',']).nth(1).unwrap().to_owned();
    (number, said.lines().last().unwrap().to_owned())
}

/// Somebody outside who may be shared with; their private key in PEM and its fingerprint.
pub fn outsider(bed: &Bed) -> (zeroize::Zeroizing<String>, String) {
    let (secret, public) = keygen_recipient(Curve::P384).unwrap();
    let (number, link) = invite(bed);
    assert_eq!(enrol(bed, &link, &public).0, 200);
    let fingerprint = Recipient::from_pem(&public).unwrap().fingerprint();
    let words = fingerprint_words(&fingerprint).unwrap();
    let admit = [
        "people",
        "admit",
        &number,
        "--until",
        "2999-12-31",
        "--words",
        &words,
    ];
    let (code, said) = bed.decide(&admit);
    assert_eq!(code, Some(0), "{said}");
    (secret, fingerprint)
}

/// Shares and returns what the command printed as JSON.
fn shared(bed: &Bed, made: &Made, to: &str, more: &[&str]) -> Value {
    let id = made.id.to_string();
    let order = ["share", &id, "--to", to, "--json"];
    let by = ["--operator", "M. Shah", "--reason", "R v Jones"];
    let until = if more.contains(&"--until") {
        &[][..]
    } else {
        &["--until", "2999-01-31"]
    };
    let ran = bed.camdock(&[&["office"], &order[..], until, more, &by].concat());
    assert!(ran.status.success(), "{ran:?}\n{}", bed.said());
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// Items sealed to the desk's recipient, published and known to a running office.
fn begin(bed: &mut Bed, desk: &Desk, stations: &[&crate::bed::Station]) -> Vec<(Made, Vec<u8>)> {
    let made = [(); 3].map(|()| {
        let (made, key) = picture(bed, desk, "one");
        (made, key.into_bytes().to_vec())
    });
    let mut made: Vec<_> = made.into();
    made[2].0.quarantined = true;
    made[2].0.path = "DCIM/OTHER.PNG".into();
    let all: Vec<Made> = made.iter().map(|(made, _)| made.clone()).collect();
    publish(bed, stations, &all);
    bed.run_pages();
    bed.until("one", |found| {
        found["bucket"]["items"] == 3 && found["cosigned_entries"].is_u64()
    });
    made
}

#[test]
fn a_share_opens_named_items_for_one_key_until_it_ends_and_the_office_never_sees_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-shares", &[&one], dir);
    let mut desk = Desk::of(&bed, &store_endpoint(), ("keydesk-shares", "office-shares"));
    let items = begin(&mut bed, &desk, &[&one]);
    let [(made, item_key), (other, other_key), (doubtful, _)] = &items[..] else {
        panic!()
    };
    desk.run();

    // A key comes by an invitation, once, and counts when somebody has typed its words.
    let (number, link) = invite(&bed);
    let (secret, public) = keygen_recipient(Curve::P384).unwrap();
    let fingerprint = Recipient::from_pem(&public).unwrap().fingerprint();
    let words = fingerprint_words(&fingerprint).unwrap();
    let look = |secret: &str| bed.post("/enrol/invitation", "", &json!({"secret": secret}));
    let (status, _, facts) = look(link.strip_prefix("/enrol#").unwrap());
    assert!(
        status == 200 && facts.contains("M. Shah") && facts.contains("office-1"),
        "{facts}"
    );
    assert_eq!(look(&"A".repeat(43)).0, 404);
    assert_eq!(
        enrol(&bed, &format!("/enrol#{number}"), &public),
        (404, "invitation_ended".into())
    );
    assert_eq!(
        enrol(&bed, &link, &secret),
        (409, "person_key_unfit".into())
    );
    assert_eq!(enrol(&bed, &link, &public).0, 200);
    assert_eq!(
        enrol(&bed, &link, &public),
        (404, "invitation_ended".into())
    );
    assert_eq!(look(link.strip_prefix("/enrol#").unwrap()).0, 404);
    let kept = fs::read_to_string(bed.path("state/invitations.json")).unwrap();
    assert!(
        !kept.contains(link.strip_prefix("/enrol#").unwrap()),
        "the link is not kept"
    );
    let id = made.id.to_string();
    let to = ["share", &id, "--until", "2999-01-31", "--to"];
    let (code, said) = bed.decide(&[&to[..], &["A. Clerk"]].concat());
    assert!(
        code != Some(0) && said.contains("no key in the address book"),
        "{said}"
    );
    let admit = [
        "people",
        "admit",
        &number,
        "--until",
        "2999-12-31",
        "--words",
    ];
    let (code, said) = bed.decide(&[&admit[..], &["lusab babad"]].concat());
    assert!(
        code != Some(0) && said.contains("not the eight words"),
        "{said}"
    );
    assert!(bed.acts().iter().all(|act| act["event"] != "person.added"));
    let (code, said) = bed.decide(&[&admit[..], &[&words]].concat());
    assert_eq!(code, Some(0), "{said}");
    let added = &bed.until_acts("person.added", 1)[0]["data"];
    assert_eq!(added["outside"]["organisation"], "CPS");
    assert_eq!(
        (&added["roles"], &added["fingerprint"]),
        (&json!([]), &json!(fingerprint))
    );
    let listed = bed.camdock(&["office", "people", "list", "--json"]);
    assert!(
        !String::from_utf8(listed.stdout).unwrap().contains("Clerk"),
        "no person who signs in"
    );

    // What cannot be shared is refused, each with its reason, before anything is in the log.
    let (unknown, in_doubt) = (
        camdock::model::EvidenceId::new().to_string(),
        doubtful.id.to_string(),
    );
    for (item, to, until, why) in [
        (&id, "nobody", "2999-01-31", "no key in the address book"),
        (
            &id,
            "A. Clerk",
            "2020-01-31",
            "the date until which it is shared is over",
        ),
        (&id, "A. Clerk", "3000-01-31", "for a shorter time"),
        (&unknown, "A. Clerk", "2999-01-31", "has logged an item"),
        (&in_doubt, "A. Clerk", "2999-01-31", "in quarantine"),
    ] {
        let (code, said) = bed.decide(&["share", item, "--to", to, "--until", until]);
        assert!(code != Some(0) && said.contains(why), "{why}: {said}");
    }
    let path = format!("/api/decisions/one/{in_doubt}");
    let rejected = bed.post(
        &path,
        TOKEN,
        &json!({"decision": "reject", "reason": "not ours"}),
    );
    assert_eq!(rejected.0, 200, "{rejected:?}");
    let (_, said) = bed.decide(&[
        "share",
        &in_doubt,
        "--to",
        "A. Clerk",
        "--until",
        "2999-01-31",
    ]);
    assert!(said.contains("rejected as evidence"), "{said}");
    let restrict = |restricted: bool| {
        let path = format!("/api/decisions/one/{}", other.id);
        let tag = json!({"decision": {"tag": {"restricted": restricted}}, "reason": "a child"});
        assert_eq!(bed.post(&path, TOKEN, &tag).0, 200);
    };
    restrict(true);
    let narrow = other.id.to_string();
    let (_, said) = bed.decide(&[
        "share",
        &narrow,
        "--to",
        "A. Clerk",
        "--until",
        "2999-01-31",
    ]);
    assert!(said.contains("it is restricted"), "{said}");
    restrict(false);
    assert!(bed.acts().iter().all(|act| act["event"] != "item.shared"));
    assert_eq!(bed.keys("shares/"), Vec::<String>::new());

    // The recipient's key opens it, and nobody else's; what they are told names no officer, no camera and no other item.
    let answer = shared(&bed, made, &fingerprint, &[]);
    let share = answer["share"].as_str().unwrap();
    assert_eq!(
        (&answer["published"], &answer["sealed"]),
        (&json!(true), &json!(1))
    );
    // Nobody told this office the share reader's address.
    assert_eq!(answer["link"], format!("/s/{share}"));
    let act = bed.until_acts("item.shared", 1)[0].clone();
    assert_eq!(
        (&act["data"]["share"], &act["data"]["to"]),
        (&json!(share), &json!(fingerprint))
    );
    assert_eq!(act["reason"], "\"R v Jones\"");
    assert!(!act["data"].to_string().contains("Jones"), "{act}");
    let key = format!("shares/{share}/{id}/item-key");
    let message = until_shared(&bed, &desk, &key);
    let theirs = RecipientKey::from_pem(&secret).unwrap();
    assert_eq!(&opened(&message, &theirs), item_key);
    assert!(Opener::open(&message[..], &KeySource::Recipient(&desk.key)).is_err());
    let opener = Opener::open(&message[..], &KeySource::Recipient(&theirs)).unwrap();
    let context = &opener.message().header.context;
    assert_eq!(context.get("camdock:share"), Some(share));
    assert_eq!(context.get("camdock:recipient"), Some(&*fingerprint));
    assert_eq!(context.get("camdock:camera"), None);
    let told = String::from_utf8(bed.bytes(&format!("shares/{share}/manifest.json"))).unwrap();
    let digest = Sha256Digest::of(told.as_bytes());
    assert_eq!(act["data"]["manifest_sha256"], json!(digest));
    for hidden in ["4711", "acme", &other.id.to_string()] {
        assert!(!told.contains(hidden), "{hidden}: {told}");
    }
    let told: ShareManifest = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (&*told.by, &*told.reason, &*told.to.name),
        ("M. Shah", "R v Jones", "A. Clerk")
    );
    // So much of it is random that the log's digest gives the reason to nobody who guesses.
    assert_eq!(told.salt.len(), 43);
    let base64 = told.to.public_key.as_bytes().chunks(64);
    let lines: Vec<_> = base64.map(String::from_utf8_lossy).collect();
    let lines = lines.join("\n");
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n");
    assert_eq!(
        Recipient::from_pem(&pem).unwrap().fingerprint(),
        fingerprint
    );
    let [item] = &told.items[..] else {
        panic!("{told:?}")
    };
    assert_eq!(
        (item.id, &*item.name, &*item.media_type),
        (made.id, "POINT.PNG", "image/png")
    );
    assert_eq!((&item.item_key, &item.original.size), (&key, &101));
    assert_eq!(item.original.key, format!("evidence/one/{id}/original"));
    // By our own program, as a stranger would: first the item key, then the footage.
    let file = |name: &str| desk.path(name);
    private(&file("clerk.key.pem"), &secret);
    fs::write(file("item-key"), &message).unwrap();
    fs::write(file("original"), bed.bytes(&item.original.key)).unwrap();
    for (sealed, key, out, more) in [
        ("item-key", "clerk.key.pem", "opened.key", None),
        ("original", "opened.key", "point.png", Some("--item-key")),
    ] {
        let mut open = Command::new(env!("CARGO_BIN_EXE_camdock"));
        open.arg("open")
            .arg(file(sealed))
            .arg("--key")
            .arg(file(key))
            .arg("-o")
            .arg(file(out));
        let ran = open.args(more).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }
    assert_eq!(fs::read(file("point.png")).unwrap(), PICTURE);
    let (memory, _) = bed.memory();
    assert!(
        !memory.windows(32).any(|some| some == item_key),
        "the office saw the key"
    );

    // It ends by hand, once, and by its date.
    let (code, said) = bed.decide(&["end-share", share]);
    assert!(
        code == Some(0) && said.contains("cannot be taken back"),
        "{said}"
    );
    let ended = bed.until_acts("share.ended", 1)[0].clone();
    assert_eq!(
        (&ended["data"]["evidence"], &ended["data"]["operator"]),
        (&json!(id), &json!("M. Shah"))
    );
    let (code, said) = bed.decide(&["end-share", share]);
    assert!(
        code == Some(0) && said.contains(&format!("entry {}", ended["entry"])),
        "{said}"
    );
    let (code, said) = bed.decide(&["end-share", &"0".repeat(32)]);
    assert!(code != Some(0) && said.contains("no share"), "{said}");
    let soon = (jiff::Timestamp::now() + Duration::from_secs(4)).to_string();
    let short = shared(&bed, other, "A. Clerk", &["--until", &soon]);
    let by_date = &bed.until_acts("share.ended", 2)[1]["data"];
    assert_eq!(
        (&by_date["share"], &by_date["operator"]),
        (&short["share"], &Value::Null)
    );
    let (status, _, rows) = bed.page("/api/shares", Some(TOKEN));
    let rows: Value = serde_json::from_str(&rows).unwrap();
    assert!(
        status == 200 && rows[0]["ended"].is_string() && rows[1]["ended"].is_string(),
        "{rows}"
    );
    for refused in [
        "camdock_viewer_token",
        "camdock_auditor_token",
        "camdock_operations_token",
    ] {
        assert_eq!(bed.page("/api/shares", Some(refused)).0, 403);
        assert_eq!(bed.page("/api/outsiders", Some(refused)).0, 403);
    }

    // The key desk seals what the published log grants, and nothing else.
    let before = bed.keys("shares/");
    bed.stop();
    let (_, stranger) = keygen_recipient(Curve::P384).unwrap();
    let stranger = Recipient::from_pem(&stranger).unwrap().fingerprint();
    let act = |share: char, to: &str, until: &str, made: &Made| {
        entered(
            "item.shared",
            json!({"share": share.to_string().repeat(32), "log": made.station, "evidence": made.id, "to": to, "until": until,
                "operator": "M. Shah", "peer": "uid 0 (root)", "reason_sha256": "0".repeat(64)}),
        )
    };
    let far = "2999-01-31T00:00:00Z";
    let end = |share: char, made: &Made| {
        entered(
            "share.ended",
            json!({"share": share.to_string().repeat(32), "log": made.station, "evidence": made.id}),
        )
    };
    let swapped = Made {
        id: doubtful.id,
        ..other.clone()
    };
    bed.put(
        &format!("evidence/one/{}/item-key", swapped.id),
        bed.bytes(&format!("evidence/one/{}/item-key", other.id)),
    );
    let acts = [
        act('1', &stranger, far, other),
        act('2', &fingerprint, far, other),
        end('2', other),
        act('3', &fingerprint, "2026-01-02T03:04:05Z", other),
        act('4', &fingerprint, far, &swapped),
        act('5', &fingerprint, far, other),
    ];
    let first = enter(&bed, &acts);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(bed.keys("shares/"), before, "it is not published");
    bed.run_pages();
    let granted = format!("shares/{}/{}/item-key", "5".repeat(32), other.id);
    assert_eq!(
        &opened(&until_shared(&bed, &desk, &granted), &theirs),
        other_key
    );
    for (index, why) in [
        (0, "not in the address book"),
        (1, "has ended"),
        (3, "has ended"),
    ] {
        desk.until_said(&format!("entry {} of the office's log", first + index));
        desk.until_said(why);
    }
    desk.until_said("as the item key of");
    let keys = bed.keys("shares/").into_iter();
    let new: Vec<_> = keys
        .filter(|key| key.ends_with("item-key") && !before.contains(key))
        .collect();
    assert_eq!(new, [granted]);

    // A recipient who was removed gets nothing more. Where there is no key desk, the sharer's own key seals.
    desk.stop();
    let (code, said) = bed.decide(&["people", "dismiss", &fingerprint]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = bed.decide(&[&to[..], &[&fingerprint]].concat());
    assert!(
        code != Some(0) && said.contains("no key in the address book"),
        "{said}"
    );
    let (secret, fingerprint) = outsider(&bed);
    let own = desk.path("recipient.key.pem").display().to_string();
    let answer = shared(&bed, other, &fingerprint, &["--key", &own]);
    assert_eq!(answer["sealed"], 1);
    let key = format!(
        "shares/{}/{}/item-key",
        answer["share"].as_str().unwrap(),
        other.id
    );
    let theirs = RecipientKey::from_pem(&secret).unwrap();
    assert_eq!(&opened(&bed.bytes(&key), &theirs), other_key);
    // The shares' recipients are told after a restart, too.
    bed.kill();
    bed.run_pages();
    let listed = bed.camdock(&["office", "shares", "--json"]);
    let lines = String::from_utf8(listed.stdout).unwrap().lines().count();
    assert_eq!(lines, 8);
}
