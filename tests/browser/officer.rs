use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;

use crate::driver::Browser;
use crate::{place, tile, until, url};

#[test]
fn browser_an_officer_sees_reading_then_safe_and_is_told_of_an_early_removal() {
    let place = place(&[
        ("dock", "settle_seconds = 4.0"),
        ("store", "endpoint = \"http://127.0.0.1:9\""),
    ]);
    let running = place.start(&["run"]);
    let browser = Browser::start(1280, 800);
    browser.open(&url(&running));
    browser.until(
        "an empty station says so",
        "document.querySelector('.none')",
    );
    browser.shot("officer-none");
    assert_eq!(browser.accessibility(), Vec::<String>::new());

    // Written just now: it may still be growing, so the bay reads on for the settling time.
    fs::write(place.camera("X0000001").join("A.MP4"), vec![7; 3_000_000]).unwrap();
    browser.until("the bay reads", &tile("X0000001", "reading"));
    let text = browser.text("[data-bay=X0000001]");
    assert!(
        text.contains("Reading – leave docked") && text.contains("4711"),
        "{text}"
    );
    assert!(
        browser
            .js("return !!document.querySelector('progress')")
            .as_bool()
            .unwrap()
    );
    browser.shot("officer-reading");
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.until("it is safe", &tile("X0000001", "safe_to_remove"));
    let text = browser.text("[data-bay=X0000001]");
    assert!(
        text.contains("Safe to remove") && text.contains("Files: 1"),
        "{text}"
    );
    let spoken = browser.text("#announcements");
    assert!(spoken.contains("X0000001: Safe to remove"), "{spoken}");

    let early = place.camera("X0000002");
    fs::write(early.join("B.MP4"), vec![8; 2_000_000]).unwrap();
    browser.until("the second bay reads", &tile("X0000002", "reading"));
    browser.until(
        "its file was seen",
        "document.querySelector('[data-bay=X0000002]').innerText.includes('of 1')",
    );
    let away = place.path("away");
    fs::rename(&early, &away).unwrap();
    browser.until("it was removed early", &tile("X0000002", "needs_attention"));
    let text = browser.text("[data-bay=X0000002]");
    assert!(
        text.contains("Dock this camera again") && text.contains("removed_early"),
        "{text}"
    );
    // A camera without a serial is taken all the same.
    fs::write(place.nameless("unknown").join("C.MP4"), b"nobody's").unwrap();
    browser.until("it is in quarantine", &tile("unknown", "needs_attention"));
    browser.shot("officer-four-states");
    assert_eq!(browser.accessibility(), Vec::<String>::new());

    fs::rename(&away, &early).unwrap();
    browser.until("back again it is safe", &tile("X0000002", "safe_to_remove"));
    running.stop().ends(0);
    place.camdock(&["quarantine", "list"]).ends(3).says("C.MP4");
}

#[test]
fn browser_a_page_that_lost_its_station_shows_no_state_at_all() {
    // A port of its own, so that the station comes back where it was.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let listen = format!("listen = \"127.0.0.1:{port}\"");
    let place = place(&[("web", listen.as_str())]);
    place.film("X0000001", "A.MP4", 1, 1_000_000);
    let running = place.start(&["run"]);
    let browser = Browser::start(1280, 800);
    browser.open(&url(&running));
    browser.until("all is stored", &tile("X0000001", "all_stored"));

    // It hangs: the connection stays open, nothing is said.
    running.signal(Signal::STOP);
    browser.until("silence is a lost connection", &tile("X0000001", "unknown"));
    let text = browser.text("body");
    assert!(text.contains("No connection to the station"), "{text}");
    assert!(
        !text.contains("All stored") && !text.contains("Safe"),
        "{text}"
    );
    browser.shot("officer-lost");
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    running.signal(Signal::CONT);
    browser.until("it is heard again", &tile("X0000001", "all_stored"));
    assert_eq!(
        browser.js("return document.getElementById('lost').hidden"),
        true
    );

    // It dies.
    running.kill();
    browser.until("a dead station shows nothing", &tile("X0000001", "unknown"));
    let _again = place.start(&["run"]);
    browser.until("it is back by itself", &tile("X0000001", "all_stored"));
}

/// A proxy between browser and station, one request a connection; while it is deaf, the feed gets no response.
fn passing_on(station: SocketAddr, deaf: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for asked in listener.incoming() {
            let (mut asked, deaf) = (asked.unwrap(), Arc::clone(&deaf));
            std::thread::spawn(move || -> std::io::Result<()> {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    asked.read_exact(&mut byte)?;
                    head.push(byte[0]);
                }
                while head.starts_with(b"GET /events ") && deaf.load(Ordering::Relaxed) {
                    std::thread::sleep(std::time::Duration::from_millis(50));
                }
                let head = String::from_utf8_lossy(&head).replace("keep-alive", "close");
                let mut to = TcpStream::connect(station)?;
                to.write_all(head.as_bytes())?;
                std::io::copy(&mut to, &mut asked).map(drop)
            });
        }
    });
    address
}

#[test]
fn browser_a_page_that_never_heard_its_station_says_so_and_not_that_nothing_is_docked() {
    let place = place(&[]);
    place.film("X0000001", "A.MP4", 1, 1_000_000);
    let running = place.start(&["run"]);
    let url = url(&running);
    let station = url.trim_start_matches("http://").trim_end_matches('/');
    let deaf = Arc::new(AtomicBool::new(true));
    let between = passing_on(station.parse().unwrap(), Arc::clone(&deaf));
    let browser = Browser::start(1280, 800);
    browser.open(&format!("http://{between}/"));
    browser.until(
        "it says that it hears nothing",
        "!document.getElementById('lost').hidden",
    );
    let text = browser.text("body");
    assert!(text.contains("No connection to the station"), "{text}");
    let none = browser.js("return document.querySelectorAll('.tile, .none').length");
    assert_eq!(none, 0, "{text}");
    browser.shot("officer-never-heard");
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    deaf.store(false, Ordering::Relaxed);
    browser.until("it is heard", &tile("X0000001", "all_stored"));
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    let hidden = browser.js("return document.getElementById('lost').hidden");
    assert_eq!(hidden, true);
}

#[test]
fn browser_a_bay_that_waits_for_its_witness_says_so_and_is_not_called_safe() {
    let place = place(&[
        ("witness", "policy_file = \"policy\""),
        ("witness", "before_safe = true"),
    ]);
    // Nobody answers there.
    let key = camdock::audit::LogKey::generate().unwrap().0;
    let key = key.witness("office").unwrap();
    let policy = format!("witness office {key} http://127.0.0.1:9\nquorum office\n");
    fs::write(place.path("policy"), policy).unwrap();
    place.film("X0000001", "A.MP4", 1, 1_000_000);
    let running = place.start(&["run"]);
    let browser = Browser::start(1280, 800);
    browser.open(&url(&running));
    browser.until("it waits", &tile("X0000001", "waiting_for_witness"));
    let text = browser.text("[data-bay=X0000001]");
    assert!(
        text.contains("Secured here – waiting for witness") && text.contains("Leave the camera"),
        "{text}"
    );
    assert!(!text.contains("You may take"), "{text}");
    browser.shot("officer-waiting-for-witness");
    assert_eq!(browser.accessibility(), Vec::<String>::new());
    browser.click("button[lang=de]");
    browser.until(
        "German",
        "document.querySelector('main').innerText.includes('Hier gesichert – wartet auf Zeugen')",
    );
}

#[test]
fn browser_the_page_speaks_two_languages_and_loads_nothing_from_elsewhere() {
    let place = place(&[("web", "language = \"de\"")]);
    place.film("X0000001", "A.MP4", 1, 1_000_000);
    let running = place.start(&["run"]);
    let browser = Browser::start(1280, 800);
    let url = url(&running);
    browser.open(&url);
    browser.until("all is stored", &tile("X0000001", "all_stored"));
    assert!(browser.text("main").contains("Alles gespeichert"));
    assert_eq!(browser.js("return document.documentElement.lang"), "de");
    browser.shot("officer-german");
    browser.click("button[lang=en]");
    browser.until(
        "English",
        "document.querySelector('main').innerText.includes('All stored')",
    );
    browser.open(&url);
    browser.until(
        "the choice stays",
        "document.querySelector('main').innerText.includes('All stored')",
    );
    let loaded = browser.js("return performance.getEntriesByType('resource').map((r) => r.name)");
    let loaded = loaded.as_array().unwrap();
    assert!(loaded.len() >= 4, "{loaded:?}");
    assert!(
        loaded
            .iter()
            .all(|name| name.as_str().unwrap().starts_with(&url)),
        "{loaded:?}"
    );
    let bytes = browser.js(
        "return performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))\
         .reduce((sum, r) => sum + r.decodedBodySize, 0)",
    );
    assert!(
        bytes.as_u64().unwrap() < 100_000,
        "first paint takes {bytes} bytes"
    );
}

#[test]
fn browser_sixty_four_bays_are_all_in_sight() {
    let place = place(&[]);
    let serials: Vec<String> = (1..=64).map(|bay| format!("Y{bay:07}")).collect();
    place.roster(&serials.iter().map(String::as_str).collect::<Vec<_>>());
    for bay in 1..=64 {
        place.camera_in(&bay.to_string(), &format!("Y{bay:07}"));
    }
    let running = place.start(&["run"]);
    let browser = Browser::start(1920, 1080);
    browser.open(&url(&running));
    browser.until(
        "all bays",
        "document.querySelectorAll('.tile').length === 64",
    );
    browser.shot("officer-64");
    let order = browser
        .js("return [...document.querySelectorAll('.tile')].map((t) => Number(t.dataset.bay))");
    let order: Vec<u64> = serde_json::from_value(order).unwrap();
    assert_eq!(order, (1..=64).collect::<Vec<_>>());
    let hidden = browser.js(
        "return [...document.querySelectorAll('.tile')].filter((t) => t.getBoundingClientRect().bottom > innerHeight).length",
    );
    assert_eq!(hidden, 0, "some bays are below the screen");
    until("one left", || {
        fs::remove_dir_all(place.path("docked/64")).is_ok()
    });
    browser.until(
        "it leaves the page",
        "document.querySelectorAll('.tile').length === 63",
    );
}

/// The longest tiles, at the screen sizes of stations.
#[test]
fn browser_tiles_with_much_to_say_are_whole_on_the_screen() {
    for (bays, (width, height), least) in [
        (3, (1280, 800), 30),
        (16, (1280, 800), 15),
        (20, (1920, 1080), 25),
        (64, (1920, 1080), 18),
    ] {
        let place = place(&[]);
        for bay in 1..=bays {
            let camera = place.nameless(&format!("no name {bay}"));
            fs::write(camera.join("A.MP4"), vec![3; 1000]).unwrap();
        }
        let running = place.start(&["run"]);
        let browser = Browser::start(width, height);
        browser.open(&url(&running));
        browser.until(
            "all bays need attention",
            &format!(
                "document.querySelectorAll('.tile[data-state=needs_attention]').length === {bays}"
            ),
        );
        browser.shot(&format!("officer-attention-{bays}"));
        let scrolls =
            "const m = document.querySelector('main'); return m.scrollHeight - m.clientHeight";
        assert_eq!(browser.js(scrolls), 0, "{bays} bays: one has to scroll");
        let clipped = "return [...document.querySelectorAll('.tile')].filter((t) => t.scrollHeight > t.clientHeight).length";
        assert_eq!(browser.js(clipped), 0, "{bays} bays: tiles are cut");
        let names = "return [...document.querySelectorAll('.tile .bay')].filter((n) => n.scrollWidth > n.clientWidth || n.getBoundingClientRect().right > n.closest('.tile').getBoundingClientRect().right).length";
        assert_eq!(browser.js(names), 0, "{bays} bays: names are cut");
        let free = "return [...document.querySelectorAll('.tile[data-free] .state')].filter((s) => s.textContent === 'May be removed').length";
        assert_eq!(
            browser.js(free),
            bays,
            "one look must tell that it may be taken"
        );
        let state =
            "return parseFloat(getComputedStyle(document.querySelector('.tile .state')).fontSize)";
        let size = browser.js(state).as_f64().unwrap();
        assert!(size >= f64::from(least), "{bays} bays: {size} px");
    }
}
