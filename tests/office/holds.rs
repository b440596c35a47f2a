//! Holds: the store's legal hold on every object of an item, before the act that says so.

use serde_json::json;
use tempfile::tempdir;

use crate::bed::{Bed, identity};
use crate::place::{Place, until};
use crate::searches::get;

/// Whether the store says that each object of an item is under legal hold.
fn legal_holds(bed: &Bed, id: &str) -> Vec<(String, bool)> {
    let keys = bed.keys(&format!("evidence/test-1/{id}/"));
    let held = keys.iter().map(|key| bed.is_under_legal_hold(key));
    let held: Vec<bool> = held.collect();
    keys.into_iter().zip(held).collect()
}

fn all_held(bed: &Bed, id: &str) -> bool {
    legal_holds(bed, id).iter().all(|(_, held)| *held)
}

fn none_held(bed: &Bed, id: &str) -> bool {
    legal_holds(bed, id).iter().all(|(_, held)| !*held)
}

/// The recordings that the page Find has as held.
fn found(bed: &Bed) -> Vec<String> {
    let page = get(bed, "/api/find?held=1");
    let recordings = page["recordings"].as_array().unwrap().iter();
    let ids = recordings.map(|r| r["evidence"].as_str().unwrap().to_owned());
    ids.collect()
}

#[test]
fn a_hold_sets_legal_hold_on_every_object_before_its_act_and_only_the_last_lifting_takes_it_off() {
    // One office's keys may not hold originals.
    let mut meek = identity("meek", "evidence", "office-1");
    let denied = json!({"Effect": "Deny", "Action": ["s3:PutObjectLegalHold"],
        "Resource": ["arn:aws:s3:::evidence/evidence/test-1/*/original"]});
    let allowed = meek.policy["Statement"].as_array_mut().unwrap();
    allowed.push(denied);
    let place = Place::with_stations(&[identity("office", "evidence", "office-1"), meek]);
    // The station itself has all rights.
    place.configure(&[]);
    place.film("X0000001", "A.MP4", 1, 70_000);
    place.film("X0000001", "A.GPS", 3, 1_000);
    place.film("X0000001", "B.MP4", 2, 70_000);
    place.drain().ends(0);
    let id = |name: &str| place.item(name)["evidence"].as_str().unwrap().to_owned();
    let (a, sidecar, b) = (id("A.MP4"), id("A.GPS"), id("B.MP4"));
    let mut bed = Bed::beside(&place, "office", tempdir().unwrap());
    bed.run();
    bed.until("test-1", |s| s["bucket"]["items"] == 3);

    let (code, said) = bed.decide(&["hold", &a]);
    assert_eq!(code, Some(0), "{said}");
    let objects = legal_holds(&bed, &a);
    assert_eq!(objects.len(), 4, "{objects:?}");
    assert!(objects.iter().all(|(_, held)| *held), "{objects:?}");
    // A sidecar shares its recording's fate, by an act of its own.
    assert!(all_held(&bed, &sidecar) && none_held(&bed, &b));
    let placed = bed.until_acts("hold.placed", 2);
    let [first, of_sidecar] = placed.as_slice() else {
        unreachable!()
    };
    assert_eq!(first["data"]["evidence"], a.as_str());
    assert_eq!(of_sidecar["data"]["evidence"], sidecar.as_str());
    let named = first["data"]["objects"].as_array().unwrap();
    assert_eq!(named.len(), 4, "{first}");
    assert!(named.iter().all(|object| object["version_id"].is_string()));
    assert_eq!(first["data"].get("not_held"), None);
    assert_eq!(found(&bed), std::slice::from_ref(&a));

    // A second hold: lifting has to say which, and one keeps the objects.
    let (code, said) = bed.decide(&["hold", &b]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = bed.decide(&["hold", &b]);
    assert_eq!(code, Some(0), "{said}");
    let placed = bed.until_acts("hold.placed", 4);
    let [earlier, later] = [2, 3].map(|at: usize| placed[at]["entry"].to_string());
    let (code, said) = bed.decide(&["lift-hold", &b]);
    assert!(code == Some(3) && said.contains("several holds"), "{said}");
    let of_a = first["entry"].to_string();
    let (code, said) = bed.decide(&["lift-hold", "--hold", &of_a, &b]);
    assert!(code == Some(3) && said.contains("this entry"), "{said}");
    let (code, said) = bed.decide(&["lift-hold", "--hold", &later, &b]);
    assert_eq!(code, Some(0), "{said}");
    assert!(found(&bed).contains(&b) && all_held(&bed, &b));
    let (code, said) = bed.decide(&["lift-hold", &b]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(found(&bed), std::slice::from_ref(&a));
    let lifted = bed.until_acts("hold.lifted", 2);
    assert_eq!(lifted[1]["data"]["hold"]["index"].to_string(), earlier);
    until("the lifting", || none_held(&bed, &b));
    assert!(bed.is_locked(&format!("evidence/test-1/{b}/original")));
    assert!(all_held(&bed, &a));
    let (code, said) = bed.decide(&["lift-hold", &b]);
    assert!(code == Some(3) && said.contains("no hold"), "{said}");

    // Keys that may not hold everything: what the store said is in the act, and it is tried again until it is so.
    bed.stop();
    let keys = |bed: &Bed, who: &str| {
        let text = format!("access_key_id = \"{who}key\"\nsecret_access_key = \"{who}secret\"\n");
        std::fs::write(bed.path("credentials.toml"), text).unwrap();
    };
    keys(&bed, "meek");
    bed.run();
    until("the socket", || bed.path("state/commands").exists());
    let (code, said) = bed.decide(&["hold", &b]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("under legal hold: original"), "{said}");
    let act = &bed.until_acts("hold.placed", 5)[4]["data"];
    assert_eq!(act["not_held"], json!(["original"]));
    assert_eq!(act["objects"].as_array().unwrap().len(), 3, "{act}");
    assert!(!bed.is_under_legal_hold(&format!("evidence/test-1/{b}/original")));
    bed.until("test-1", |s| s["bucket"]["not_held"] == 1);
    assert_eq!(bed.standing("test-1").1, Some(3));
    bed.stop();
    keys(&bed, "office");
    // An index that was made anew knows the holds from the acts, and looks at each.
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(bed.path("state").join(format!("index.db{end}")));
    }
    bed.run();
    until("the hold", || all_held(&bed, &b));
    bed.until("test-1", |s| s["bucket"]["not_held"] == 0);
    assert_eq!(found(&bed).len(), 2);
    bed.stop();
}
