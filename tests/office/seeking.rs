//! Seeking in a large recording: wherever it leads, a picture is there after little was fetched. `make bench` runs it with a recording
//! of 6 GiB, and states the figures.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{Bed, identity};
use crate::browser::sign_in;
use crate::driver::Browser;
use crate::footage::ffmpeg;
use crate::place::{Place, age};

/// As docs/operations.md says.
const ONE_SEEK: u64 = 24 << 20;
const TWO_WILD_SECONDS: u64 = 100 << 20;
const LARGE: u64 = 500_000_000;

/// The recording's size. A bench asks for more than a test has room and time for.
fn size() -> u64 {
    let asked = std::env::var("CAMDOCK_SEEK_BYTES").ok();
    asked.map_or(LARGE, |bytes| bytes.parse().unwrap())
}

/// Stands before the office and counts what it sends.
struct Meter {
    port: u16,
    sent: Arc<AtomicU64>,
}

impl Meter {
    fn before(office: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, sent) = (
            listener.local_addr().unwrap().port(),
            Arc::<AtomicU64>::default(),
        );
        let counted = Arc::clone(&sent);
        thread::spawn(move || {
            for browser in listener.incoming().flatten() {
                let Ok(office) = TcpStream::connect(("127.0.0.1", office)) else {
                    continue;
                };
                pass(&browser, &office, None);
                pass(&office, &browser, Some(Arc::clone(&counted)));
            }
        });
        Self { port, sent }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Waits until the player has read ahead as far as it likes.
    fn settles(&self) {
        let mut before = u64::MAX;
        while self.sent() != before {
            before = self.sent();
            thread::sleep(Duration::from_millis(500));
        }
    }
}

fn pass(from: &TcpStream, to: &TcpStream, counted: Option<Arc<AtomicU64>>) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if let Some(counted) = &counted {
                counted.fetch_add(count as u64, Ordering::Relaxed);
            }
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// Ten seconds of noise, one after the other until they are a large file, with its index at the end.
fn large_film(place: &Place) {
    let (clip, film) = (place.path("clip.mp4"), place.path("LARGE.MP4"));
    ffmpeg(&format!(
        "-f lavfi -i testsrc2=s=1280x720:r=25:d=10,noise=alls=60:allf=t -c:v libx264 -preset ultrafast -pix_fmt yuv420p \
         -b:v 60M -minrate 60M -maxrate 60M -bufsize 30M -g 50 {}",
        clip.display()
    ));
    let length = fs::metadata(&clip).unwrap().len();
    let more = size() / length;
    ffmpeg(&format!(
        "-stream_loop {more} -i {} -c copy {}",
        clip.display(),
        film.display()
    ));
    assert!(
        fs::metadata(&film).unwrap().len() >= size(),
        "{length} × {more}"
    );
    fs::remove_file(clip).unwrap();
    age(&fs::File::options().write(true).open(&film).unwrap());
    fs::rename(&film, place.camera("X0000001").join("LARGE.MP4")).unwrap();
}

const PLAYER: &str = "document.getElementById('player')";

/// Whether the player shows something else than one colour.
fn shows_a_picture(browser: &Browser) -> bool {
    let script = format!(
        "const canvas = document.createElement('canvas'); canvas.width = canvas.height = 32; \
         const context = canvas.getContext('2d'); context.drawImage({PLAYER}, 0, 0, 32, 32); \
         const {{ data }} = context.getImageData(0, 0, 32, 32); return new Set(data).size > 16"
    );
    browser.js(&script) == Value::Bool(true)
}

#[track_caller]
fn until_there(browser: &Browser, seconds: f64) {
    browser.until(
        "its picture",
        &format!("!{PLAYER}.seeking && {PLAYER}.readyState >= 2 && Math.abs({PLAYER}.currentTime - {seconds}) < 0.5"),
    );
    assert!(shows_a_picture(browser));
}

/// Removes the recording as soon as the station's log says that it is sealed.
fn taken_out_when_secured(place: &Place) -> thread::JoinHandle<()> {
    let (film, log) = (
        place.camera("X0000001").join("LARGE.MP4"),
        place.path("state/log"),
    );
    thread::spawn(move || {
        while !sealed_in(&log) {
            thread::sleep(Duration::from_millis(200));
        }
        fs::remove_file(film).unwrap();
    })
}

/// An entry stands in a bundle or in what is written before it.
fn sealed_in(log: &std::path::Path) -> bool {
    let bundles = log.join("tile/entries");
    let partial = fs::read_dir(bundles.join("000.p"));
    let mut files: Vec<_> = partial
        .into_iter()
        .flatten()
        .flatten()
        .map(|file| file.path())
        .collect();
    files.push(log.join("pending.wal"));
    files.into_iter().any(|file| {
        let bytes = fs::read(file).unwrap_or_default();
        bytes.windows(13).any(|part| part == b"\"item.sealed\"")
    })
}

#[test]
fn browser_seeking_anywhere_in_a_large_recording_shows_a_picture_and_fetches_little() {
    let place = Place::with_stations(&[identity("office", "evidence", "office-1")]);
    place.configure(&[]);
    large_film(&place);
    // Three copies of what a bench asks for would need too much room: the camera is taken out once its recording is secured.
    let out = (size() > LARGE).then(|| taken_out_when_secured(&place));
    place.drain().ends(0);
    if let Some(out) = out {
        out.join().unwrap();
    }
    let id = place.item("LARGE.MP4")["evidence"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut bed = Bed::beside(&place, "office", tempfile::tempdir().unwrap());
    bed.run_pages();
    bed.until("test-1", |found| found["bucket"]["items"] == 1);
    let meter = Meter::before(bed.pages);
    let office = format!("http://127.0.0.1:{}", meter.port);
    let browser = Browser::start(1280, 1000);
    sign_in(&browser, &office);
    browser.until("the stations", "document.getElementById('stations')");
    browser.open(&format!("{office}/watch/test-1/{id}"));
    browser.until(
        "the page",
        "document.getElementById('reason-row').innerText",
    );
    browser.fill("#reason", "preparing interview");
    browser.choose("#key", &place.path("keys/one.key.pem"));
    browser.click("#open");
    browser.until(
        "the first picture, or words",
        &format!("({PLAYER}.readyState >= 2 && !{PLAYER}.hidden) || !document.getElementById('failed').hidden"),
    );
    assert_eq!(browser.text("#failed"), "");
    assert!(
        meter.sent() < ONE_SEEK,
        "{} bytes for the first picture",
        meter.sent()
    );
    let duration = browser
        .js(&format!("return {PLAYER}.duration"))
        .as_f64()
        .unwrap();

    println!("a recording of {} bytes, {duration} s", size());
    for part in [0.93, 0.08, 0.51, 0.74, 0.0, 0.999] {
        meter.settles();
        let (before, began) = (meter.sent(), Instant::now());
        let to = (duration * part).floor();
        browser.js(&format!("{PLAYER}.currentTime = {to}"));
        until_there(&browser, to);
        let (fetched, took) = (meter.sent() - before, began.elapsed());
        println!("to {to} s: {fetched} bytes, {} ms", took.as_millis());
        assert!(
            fetched < ONE_SEEK,
            "{fetched} bytes for the picture at {to} s"
        );
    }

    // Two seconds of somebody who drags the pointer about.
    meter.settles();
    let before = meter.sent();
    let wild = format!(
        "new Promise((done) => {{ let n = 0; const drag = setInterval(() => {{ \
         {PLAYER}.currentTime = {duration} * ((n * 0.37) % 1); n += 1; if (n === 40) {{ clearInterval(drag); done(n); }} }}, 50); }})"
    );
    assert_eq!(browser.awaited(&wild), 40);
    let fetched = meter.sent() - before;
    println!("two wild seconds: {fetched} bytes");
    assert!(fetched < TWO_WILD_SECONDS, "{fetched} bytes");
    let to = (duration * 0.3).floor();
    browser.js(&format!("{PLAYER}.currentTime = {to}"));
    until_there(&browser, to);
    bed.stop();
}
