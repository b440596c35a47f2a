//! Sealed footage plays in a real browser, and whatever is wrong with it is told in words; the office hands out ciphertext alone.

use std::collections::HashSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use camdock::model::{EvidenceId, Part};
use camdock::seal::{ItemKey, Recipient, SealSpec, seal_small};
use camdock::upload::{S3Store, Store as _};
use serde_json::{Value, json};

use crate::bed::{Bed, KIOSK, Station, TOKEN, identity, station};
use crate::browser::sign_in;
use crate::driver::Browser;
use crate::footage::ffmpeg;
use crate::link::Link;
use crate::place::{Place, age};

/// Stands before the office: keeps every byte of both directions, and tells when the first sealed byte was asked for.
struct Ear {
    port: u16,
    sent: Arc<Mutex<Vec<u8>>>,
    asked: Arc<Mutex<Vec<u8>>>,
    /// The office's checkpoint in the bucket at that time.
    published: Arc<Mutex<Option<String>>>,
}

impl Ear {
    fn before(office: u16, place: &Place) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ear = Self {
            port: listener.local_addr().unwrap().port(),
            sent: Arc::default(),
            asked: Arc::default(),
            published: Arc::default(),
        };
        let (sent, asked) = (Arc::clone(&ear.sent), Arc::clone(&ear.asked));
        let published = Arc::clone(&ear.published);
        let config = place.weed.config("evidence");
        let look = Arc::new(move |bytes: &[u8]| {
            let mut published = published.lock().unwrap();
            let asks = bytes.windows(12).any(|seen| seen == b"GET /sealed/");
            if asks && published.is_none() {
                let store = S3Store::new(&config).unwrap();
                let found = Place::block_on(store.get("log/office-1/checkpoint", 1 << 16));
                *published = Some(String::from_utf8(found.unwrap().unwrap().to_vec()).unwrap());
            }
        });
        thread::spawn(move || {
            for browser in listener.incoming().flatten() {
                // An office that has gone takes no connection.
                let Ok(office) = TcpStream::connect(("127.0.0.1", office)) else {
                    continue;
                };
                let look = Arc::clone(&look);
                pass(&browser, &office, &asked, move |bytes| look(bytes));
                pass(&office, &browser, &sent, |_| ());
            }
        });
        ear
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn pass(
    from: &TcpStream,
    to: &TcpStream,
    kept: &Arc<Mutex<Vec<u8>>>,
    look: impl Fn(&[u8]) + Send + 'static,
) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    let kept = Arc::clone(kept);
    thread::spawn(move || {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            look(&bytes[..count]);
            kept.lock().unwrap().extend_from_slice(&bytes[..count]);
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// Whether 16 bytes of `secret` at a multiple of 16 are anywhere in `seen`; stretches of few different bytes do not count.
fn holds_any_of(seen: &[u8], secret: &[u8]) -> bool {
    let windows = secret.as_chunks::<16>().0.iter();
    let telling = windows.filter(|w| w.iter().collect::<HashSet<_>>().len() > 8);
    let telling: HashSet<[u8; 16]> = telling.copied().collect();
    assert!(!telling.is_empty());
    // Most places are ruled out by three bytes.
    let begins = |bytes: &[u8]| {
        usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2])
    };
    let mut likely = vec![false; 1 << 24];
    for window in &telling {
        likely[begins(window)] = true;
    }
    seen.windows(16)
        .any(|at| likely[begins(at)] && telling.contains::<[u8; 16]>(at.try_into().unwrap()))
}

/// What is secret of an MP4 file: all but its first box, whose brands are among the tags that the log tells.
fn footage(film: &[u8]) -> &[u8] {
    assert_eq!(film[4..8], *b"ftyp");
    &film[32..]
}

/// Footage of a docked camera: `how` are ffmpeg's options for the file.
fn film(place: &Place, name: &str, how: &str) -> Vec<u8> {
    let made = place.path(name);
    ffmpeg(&format!(
        "-f lavfi -i testsrc2=s=640x360:r=25:d=20 -f lavfi -i sine=r=48000:d=20 -c:v libx264 -preset ultrafast \
         -b:v 2M -minrate 2M -maxrate 2M -bufsize 1M -x264-params nal-hrd=cbr -g 50 -c:a aac {how} {}",
        made.display()
    ));
    age(&fs::File::options().write(true).open(&made).unwrap());
    let bytes = fs::read(&made).unwrap();
    fs::rename(&made, place.camera("X0000001").join(name)).unwrap();
    bytes
}

fn recipients(place: &Place) -> [Recipient; 2] {
    ["one", "two"].map(|name| {
        let pem = fs::read_to_string(place.path(&format!("keys/{name}.pub.pem"))).unwrap();
        Recipient::from_pem(&pem).unwrap()
    })
}

/// An item of a made-up station as its log and the bucket have it; its original is what `spoilt` makes of the sealed one.
fn made_up(
    (place, bed, two): (&Place, &Bed, &Station),
    path: &str,
    plain: &[u8],
    spoilt: impl Fn(Vec<u8>) -> Vec<u8>,
) -> (String, Vec<Vec<u8>>) {
    let (id, key, to) = (
        EvidenceId::new(),
        ItemKey::generate().unwrap(),
        recipients(place),
    );
    let spec = SealSpec {
        recipients: &to,
        item_key: Some(&key),
        evidence: id,
        station: two.name,
        camera: "acme/X1",
        part: Part::Original,
        frame_length: 65536,
    };
    let sealed = spoilt(seal_small(&spec, plain).unwrap());
    let object = |name: &str| format!("evidence/{}/{id}/{name}", two.name);
    let item_key = key.seal_to(&to, id, two.name, "acme/X1").unwrap();
    let entries = vec![
        two.entry("item.sealed", &json!({"evidence": id, "path": path, "size": plain.len(), "kind": "video",
            "flagged": false, "sha256": "0".repeat(64), "sealed_size": sealed.len(), "frame_length": 65536,
            "message_id": "0".repeat(64), "camera": "acme/X1", "officer": "4711", "bay": "1"})),
        two.entry("item.stored", &json!({"evidence": id, "bucket": "evidence", "key": object("original"),
            "size": sealed.len(), "checksum": "c"})),
    ];
    bed.put(&object("original"), sealed);
    bed.put(&object("item-key"), item_key);
    (id.to_string(), entries)
}

/// The key file of a recipient, locked with a password as OpenSSL does it.
fn with_password(key: &Path, password: &str) -> std::path::PathBuf {
    let locked = key.with_extension("locked.pem");
    let done = Command::new("openssl")
        .args(["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in"])
        .arg(key)
        .arg("-out")
        .arg(&locked)
        .arg("-passout")
        .arg(format!("pass:{password}"))
        .status();
    assert!(done.unwrap().success());
    locked
}

/// Opens an item's page, and gives reason and key.
fn open(browser: &Browser, url: &str, key: &Path, password: Option<&str>) {
    browser.open(url);
    browser.until(
        "the page asks",
        "document.getElementById('closed').getClientRects().length && document.getElementById('reason-row').innerText",
    );
    give(browser, key, password);
}

fn give(browser: &Browser, key: &Path, password: Option<&str>) {
    browser.fill("#reason", "preparing interview, incident 24-0815");
    browser.choose("#key", key);
    if let Some(password) = password {
        browser.until(
            "it asks for a password",
            "!document.getElementById('password-row').hidden",
        );
        browser.fill("#password", password);
    }
    browser.click("#open");
}

fn number(browser: &Browser, what: &str) -> f64 {
    let told = browser.js(&format!("return document.getElementById('player').{what}"));
    told.as_f64().unwrap_or_else(|| panic!("{what}: {told}"))
}

#[track_caller]
fn plays_and_seeks(browser: &Browser, (width, height): (f64, f64)) {
    let player = "document.getElementById('player')";
    browser.until(
        "the first picture, or words",
        &format!("({player}.readyState >= 2 && !{player}.hidden) || !document.getElementById('failed').hidden"),
    );
    assert_eq!(browser.text("#failed"), "");
    assert_eq!(
        (
            number(browser, "videoWidth"),
            number(browser, "videoHeight")
        ),
        (width, height)
    );
    assert!((number(browser, "duration") - 20.0).abs() < 0.5);
    browser.js(&format!("{player}.muted = true; {player}.play()"));
    browser.until("it plays", &format!("{player}.currentTime > 0.5"));
    for second in [17, 3, 12] {
        browser.js(&format!("{player}.currentTime = {second}"));
        browser.until(
            "it has sought",
            &format!(
                "!{player}.seeking && {player}.readyState >= 2 && {player}.currentTime >= {second}"
            ),
        );
    }
    assert_eq!(browser.js(&format!("return {player}.error")), Value::Null);
}

/// A picture of the storyboard leads to its time, by mouse and by keyboard.
#[track_caller]
fn jumps_by_the_storyboard(browser: &Browser) {
    browser.until(
        "its pictures",
        "document.querySelectorAll('#cues button').length > 3",
    );
    let label = |n: usize| {
        let label = browser.js(&format!(
            "return document.querySelectorAll('#cues button')[{n}].ariaLabel"
        ));
        let told = label
            .as_str()
            .unwrap()
            .rsplit(' ')
            .next()
            .unwrap()
            .to_owned();
        let seconds = told.rsplit(':').next().unwrap().parse::<f64>().unwrap();
        assert_eq!(format!("Go to 00:00:{seconds:02}"), label.as_str().unwrap());
        seconds
    };
    let there = |seconds: f64| {
        let player = "document.getElementById('player')";
        browser.until(
            "its time",
            &format!("!{player}.seeking && {player}.readyState >= 2 && Math.floor({player}.currentTime) === {seconds}"),
        );
    };
    browser.js("document.getElementById('player').pause()");
    // What is drawn there is the picture of that time: the button lies on it.
    let lies = "const b = document.querySelectorAll('#cues button')[2].getBoundingClientRect(); \
                return document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2)?.ariaLabel ?? ''";
    browser.js("document.getElementById('cues').scrollIntoView({ block: 'center' })");
    assert!(
        browser.js(lies).as_str().unwrap().starts_with("Go to"),
        "{}",
        browser.js(lies)
    );
    browser.click("#cues button:nth-child(3)");
    there(label(2));
    assert!(label(2) > 0.0 && label(1) < label(2));
    // Right, Enter: the first picture is in the page's order, the second next to it.
    browser.types("#cues button:first-child", "\u{e014}");
    assert_eq!(
        browser
            .js("return document.activeElement === document.querySelectorAll('#cues button')[1]"),
        true
    );
    browser.types("#cues button:nth-child(2)", "\u{e007}");
    there(label(1));
}

#[track_caller]
fn says(browser: &Browser, wanted: &str) {
    browser.until("words", "!document.getElementById('failed').hidden");
    let said = browser.text("#failed");
    assert!(said.contains(wanted), "{said}");
    let shown = "return [...document.querySelectorAll('video, img')].some((shown) => shown.getClientRects().length > 0)";
    assert_eq!(browser.js(shown), false, "something is shown");
}

#[test]
fn browser_sealed_recordings_play_here_and_the_office_hands_out_ciphertext_after_the_act_alone() {
    let place = Place::with_stations(&[identity("office", "evidence", "office-1")]);
    place.configure(&[
        ("preview", "enabled = true"),
        ("preview", "video = \"always\""),
    ]);
    let end = film(&place, "END.MP4", "");
    let start = film(&place, "START.MP4", "-movflags +faststart");
    film(&place, "STREAM.TS", "-f mpegts");
    place.drain().ends(0);
    let dir = tempfile::tempdir().unwrap();
    let two = station(&dir, "two");
    let link = Link::to(place.weed.s3_port());
    let mut bed = Bed::beside_with(&place, "office", &link.endpoint(), &[&two], dir);
    let parts = (&place, &bed, &two);
    let (tampered, mut entries) = made_up(parts, "DCIM/T.MP4", &start, |mut sealed| {
        let middle = sealed.len() / 2;
        sealed[middle] ^= 1;
        sealed
    });
    let (cut, more) = made_up(parts, "DCIM/T.MP4", &start, |mut sealed| {
        sealed.truncate(sealed.len() - 100_000);
        sealed
    });
    entries.extend(more);
    let (swapped, more) = made_up(parts, "DCIM/T.MP4", &start, |sealed| sealed);
    entries.extend(more);
    let (away, more) = made_up(parts, "DCIM/T.REC", &start, |sealed| sealed);
    entries.extend(more);
    let other = bed.bytes(&format!("evidence/two/{tampered}/original"));
    bed.put(&format!("evidence/two/{swapped}/original"), other);
    let note = two.append_bytes(&entries);
    bed.publish(&two, &note);
    bed.run();
    bed.until("test-1", |found| found["bucket"]["items"] == 3);
    bed.until("two", |found| found["bucket"]["items"] == 4);

    // Whoever asks without an act, or as somebody else, gets nothing.
    let id = |name: &str| place.item(name)["evidence"].as_str().unwrap().to_owned();
    let (end_id, start_id, stream_id) = (id("END.MP4"), id("START.MP4"), id("STREAM.TS"));
    let sealed = format!("/sealed/test-1/{end_id}/original");
    let (status, head, _) = bed.page(&sealed, Some(TOKEN));
    assert_eq!(status, 403);
    assert!(head.contains("camdock-code: watch_not_granted"), "{head}");
    assert_eq!(bed.page(&sealed, Some(KIOSK)).0, 403);
    assert_eq!(bed.page(&sealed, None).0, 401);
    assert_eq!(bed.page("/watch/test-1/..%2f..%2fx", Some(TOKEN)).0, 404);

    let ear = Ear::before(bed.pages, &place);
    let page = |station: &str, id: &str| format!("{}/watch/{station}/{id}", ear.url());
    let browser = Browser::start(1280, 1000);
    sign_in(&browser, &ear.url());
    browser.until("the stations", "document.getElementById('stations')");

    let one = place.path("keys/one.key.pem");
    // The index at the end, with a P-384 key.
    browser.open(&page("test-1", &end_id));
    browser.until(
        "the page asks",
        "document.getElementById('reason-row').innerText",
    );
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.shot("watch-closed");
    assert_eq!(
        browser.js("return document.getElementById('recording').pathname"),
        format!("/recordings/test-1/{end_id}")
    );
    give(&browser, &one, None);
    plays_and_seeks(&browser, (640.0, 360.0));
    assert!(browser.text("#playing").contains("The original plays"));
    browser.until(
        "the storyboard",
        "document.getElementById('sheet').naturalWidth > 200",
    );
    jumps_by_the_storyboard(&browser);
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.shot("watch-plays");
    let viewed = &bed.until_acts("item.viewed", 1)[0];
    assert_eq!(viewed["data"]["evidence"], end_id.as_str());
    assert_eq!(viewed["data"]["log"], "test-1");
    assert_eq!(viewed["data"]["operator"], "M. Shah");
    assert_eq!(viewed["data"]["peer"], "web 127.0.0.1");
    assert!(
        viewed["reason"]
            .as_str()
            .unwrap()
            .contains("incident 24-0815")
    );
    let published = ear.published.lock().unwrap().clone().unwrap();
    let published = bed.log_key().open(&published).unwrap().size;
    assert!(published > viewed["entry"].as_u64().unwrap(), "{published}");

    // The wall of a search: a reason once, and an act for each storyboard that opens; a link to it means the same.
    let wall = format!("{}/find?station=test-1&kind=video", ear.url());
    browser.open(&wall);
    browser.until(
        "the list",
        "document.querySelectorAll('#rows tr').length === 3",
    );
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.click("#wall");
    browser.until(
        "its cards",
        "document.querySelectorAll('#wall li a').length === 3 && document.getElementById('reason')",
    );
    assert_eq!(
        browser.js("return location.pathname + location.search"),
        "/find/wall?station=test-1&kind=video"
    );
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.fill("#reason", "incident 24-0815, who was there");
    browser.choose("#key", &one);
    browser.click("#open");
    let opened = "[...document.querySelectorAll('#wall img')].filter((sheet) => sheet.naturalWidth > 200).length";
    browser.until("its storyboards", &format!("{opened} === 3"));
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.shot("wall");
    // One was being watched already; the others are views of the storyboard alone.
    let acts = bed.until_acts("item.viewed", 3);
    for act in &acts[1..] {
        assert_eq!(act["data"]["part"], "storyboard");
        assert!(
            act["reason"].as_str().unwrap().contains("who was there"),
            "{act}"
        );
    }
    let original =
        format!("fetch('/sealed/test-1/{start_id}/original').then((answer) => answer.status)");
    assert_eq!(browser.awaited(&original), 403);
    browser.click("#lock");
    browser.until(
        "nothing",
        "document.querySelectorAll('#wall img').length === 0",
    );

    // What somebody laid over the original is not shown as the original: the log names its version.
    bed.put(
        &format!("evidence/test-1/{start_id}/original"),
        b"laid over it".to_vec(),
    );

    // Loaded again it knows that the reason was given. The index at the start, with a P-256 key and its password.
    browser.open(&page("test-1", &end_id));
    browser.until(
        "no reason is asked for",
        "document.getElementById('reason-row').hidden && document.getElementById('open').innerText",
    );
    let locked = with_password(&place.path("keys/two.key.pem"), "correct horse");
    open(&browser, &page("test-1", &start_id), &locked, Some("wrong"));
    says(&browser, "The password does not open the key file.");
    give(&browser, &locked, Some("correct horse"));
    plays_and_seeks(&browser, (640.0, 360.0));
    browser.click("#languages button[lang=de]");
    browser.until("German", "document.documentElement.lang === 'de'");
    assert!(browser.text("#playing").contains("Es läuft das Original"));
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.click("#lock");
    assert!(browser.text("#closed").contains("Aufnahme öffnen"));
    assert_eq!(
        browser.js("return document.getElementById('player').getAttribute('src')"),
        Value::Null
    );
    browser.click("#languages button[lang=en]");
    browser.until("English", "document.documentElement.lang === 'en'");

    // What the browser cannot play is played by its preview.
    open(&browser, &page("test-1", &stream_id), &one, None);
    plays_and_seeks(&browser, (640.0, 360.0));
    let said = browser.text("#playing");
    assert!(said.contains("The preview plays"), "{said}");

    // Everything wrong is told in words, and nothing is shown.
    let keys = place.path("keys/stranger");
    place
        .camdock(&["keygen", "recipient", "--out", keys.to_str().unwrap()])
        .ends(0);
    open(
        &browser,
        &page("two", &tampered),
        &place.path("keys/stranger.key.pem"),
        None,
    );
    says(&browser, "This recording was not sealed to this key.");
    give(&browser, &one, None);
    says(&browser, "was altered or damaged after sealing");
    browser.shot("watch-tampered");
    open(&browser, &page("two", &cut), &one, None);
    says(&browser, "after sealing. Nothing of it is shown.");
    open(&browser, &page("two", &swapped), &one, None);
    says(
        &browser,
        &format!("another object in its place (original {tampered})"),
    );

    // Neither footage nor keys are in the office's memory.
    let (memory, most) = bed.memory();
    assert!(memory.windows(8).any(|seen| seen == b"START.MP"));
    assert!(!holds_any_of(&memory, footage(&end)) && !holds_any_of(&memory, footage(&start)));
    assert!(most < 300 << 10, "{most} KiB");

    // A store that is away: no act is entered, and nothing is handed out.
    let acts = bed.until_acts("item.viewed", 8);
    link.cut();
    open(&browser, &page("two", &away), &one, None);
    says(&browser, "Check the network and the store's endpoint");
    link.mend();
    assert_eq!(bed.until_acts("item.viewed", 8), acts);

    // A name that says nothing of what is in the file, and no preview: the original is tried, and plays.
    open(&browser, &page("two", &away), &one, None);
    plays_and_seeks(&browser, (640.0, 360.0));

    // An office that has gone.
    browser.open(&page("test-1", &end_id));
    browser.until(
        "no reason is asked for",
        "document.getElementById('reason-row').hidden && document.getElementById('open').innerText",
    );
    give(&browser, &one, None);
    plays_and_seeks(&browser, (640.0, 360.0));
    bed.stop();
    browser.click("#choice button:last-child");
    browser.until("words", "!document.getElementById('failed').hidden");
    let said = browser.text("#failed");
    assert!(
        said.contains("The connection to the office was lost"),
        "{said}"
    );
    assert_eq!(
        browser.js("return document.getElementById('player').hidden"),
        true
    );

    let sent = ear.sent.lock().unwrap();
    assert!(sent.len() > 3 * end.len(), "{}", sent.len());
    for plain in [&end, &start] {
        assert!(
            !holds_any_of(&sent, footage(plain)),
            "footage left the office in clear"
        );
    }
    let asked = ear.asked.lock().unwrap();
    for key in ["one", "two"] {
        let pem = fs::read(place.path(&format!("keys/{key}.key.pem"))).unwrap();
        assert!(!holds_any_of(&asked, &pem), "a key left the browser");
    }
    assert!(holds_any_of(&end, &end) && !holds_any_of(&end[8..], b"0123456789abcdef"));
}

#[test]
fn nothing_is_handed_out_for_an_act_that_cannot_be_published() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-mute", &[&one], dir);
    let id = EvidenceId::new();
    let object = format!("evidence/one/{id}/original");
    let sealed = json!({"evidence": id, "path": "A.MP4", "size": 1, "kind": "video", "flagged": false, "sha256": "0".repeat(64),
        "sealed_size": 6, "frame_length": 65536, "message_id": "0".repeat(64), "bay": "1"});
    let stored = json!({"evidence": id, "bucket": "b", "key": object, "size": 6, "checksum": "c"});
    let entries = [
        one.entry("item.sealed", &sealed),
        one.entry("item.stored", &stored),
    ];
    bed.put(&object, b"sealed".to_vec());
    let note = one.append_bytes(&entries);
    bed.publish(&one, &note);
    bed.run();
    bed.until("one", |found| found["bucket"]["items"] == 1);

    let api = format!("/api/watch/one/{id}");
    let (status, head, said) = bed.post(&api, TOKEN, &json!({"reason": "interview"}));
    assert_eq!(status, 503, "{said}");
    assert!(head.contains("camdock-code: watch_unpublished"), "{head}");
    assert!(said.contains("then give the reason again"), "{said}");
    let sealed = format!("/sealed/one/{id}/original");
    for path in [&api, &sealed] {
        assert_eq!(bed.page(path, Some(TOKEN)).0, 403);
    }
    // What is no request, or about no item, is refused before it becomes an act.
    for (path, wrong, wanted) in [
        (api.as_str(), json!({"reason": " "}), 400),
        (&api, json!({"reason": "a\nb"}), 400),
        (&api, json!({"reason": "x".repeat(501)}), 400),
        (&api, json!({"why": "interview"}), 422),
        (
            &api,
            json!({"reason": "interview", "part": "manifest.json"}),
            422,
        ),
        ("/api/watch/one/x", json!({"reason": "interview"}), 404),
        (
            &format!("/api/watch/one/{}", EvidenceId::new()),
            json!({"reason": "interview"}),
            404,
        ),
        (
            &format!("/api/watch/none/{id}"),
            json!({"reason": "interview"}),
            404,
        ),
    ] {
        let (status, _, said) = bed.post(path, TOKEN, &wrong);
        assert_eq!(status, wanted, "{path} {wrong}: {said}");
    }
    let (status, _, said) = bed.post(&api, KIOSK, &json!({"reason": "interview"}));
    assert_eq!(status, 403, "{said}");
    bed.until_acts("item.viewed", 1);

    // Nor is anything opened for a court pack.
    let keys = bed.path("recipient");
    let keys = keys.to_str().unwrap();
    bed.camdock(&["keygen", "recipient", "--out", keys]);
    let (key, out) = (format!("{keys}.key.pem"), bed.path("pack"));
    let pack = [
        "pack",
        &id.to_string(),
        "--key",
        &key,
        "-o",
        out.to_str().unwrap(),
    ];
    let (code, said) = bed.decide(&pack);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("nothing was opened"), "{said}");
    assert!(!out.exists() && !bed.path("pack.unfinished").exists());
    bed.until_acts("pack.made", 1);
}
