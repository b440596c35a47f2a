//! The service's duties towards systemd and operations while it runs: notifications, reloading, an end within the unit's deadline.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camdock::model::Event;
use camdock::web::{hash_of, new_token};
use rustix::process::Signal;

use crate::people::pages;
use crate::place::{Place, Running, until};

/// The service's notifications to systemd, in order.
struct Notifications(UnixDatagram);

impl Notifications {
    fn new(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        Self(socket)
    }

    fn next(&self) -> Option<String> {
        let mut message = [0; 4096];
        let length = self.0.recv(&mut message).ok()?;
        Some(
            String::from_utf8_lossy(&message[..length])
                .trim()
                .to_owned(),
        )
    }

    /// The notifications within this time.
    fn within(&self, time: Duration) -> Vec<String> {
        let (until, mut notifications) = (Instant::now() + time, Vec::new());
        while Instant::now() < until {
            notifications.extend(self.next());
        }
        notifications
    }

    /// Waits for a message that begins so; what comes before it is forgotten.
    #[track_caller]
    fn wait_for(&self, begin: &str) {
        until(begin, || {
            std::iter::from_fn(|| self.next()).any(|message| message.starts_with(begin))
        });
    }
}

fn start_notified(place: &Place) -> (Running, Notifications) {
    let socket = place.path("notify");
    let notifications = Notifications::new(&socket);
    let running = place.start_with(&["run"], &[("NOTIFY_SOCKET", socket.to_str().unwrap())]);
    (running, notifications)
}

fn certificate(folder: &Path, name: &str) {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=station"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-keyout", "key.pem", "-out", name])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let owner_only = fs::Permissions::from_mode(0o600);
    fs::set_permissions(folder.join("key.pem"), owner_only).unwrap();
}

/// The status of a page over TLS, believing this certificate alone; "000" where it is not the one that is shown.
fn asked(address: &str, trusted: &Path, path: &str, token: &str) -> String {
    let done = Command::new("curl")
        .args([
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--max-time",
            "20",
        ])
        .args(["--noproxy", "*", "--cacert"])
        .arg(trusted)
        .args(["-H", &format!("Authorization: Bearer {token}")])
        .arg(format!("https://{address}{path}"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn tls_address(running: &Running) -> String {
    let mark = "pages can be reached url=\"https://";
    until("the pages can be reached", || running.said().contains(mark));
    let said = running.said();
    let rest = said.split_once(mark).unwrap().1;
    format!(
        "127.0.0.1:{}",
        rest.split_once(':').unwrap().1.split('/').next().unwrap()
    )
}

#[test]
fn a_hangup_takes_over_tokens_and_a_renewed_certificate_but_no_broken_one() {
    let place = Place::new(&[]);
    let folder = place.path("");
    let web = |tokens: &[&String]| {
        let one = |token: &&String| {
            let (role, hash) = ("kiosk", hash_of(token).to_string());
            format!(
                "{{ name = \"{}\", role = \"{role}\", sha256 = \"{hash}\" }}",
                &hash[..8]
            )
        };
        let tokens: Vec<_> = tokens.iter().map(one).collect();
        format!(
            "listen = \"0.0.0.0:0\"\ntls_certificate = \"cert.pem\"\ntls_key = \"key.pem\"\ntokens = [{}]",
            tokens.join(",")
        )
    };
    let (first, second) = (new_token().unwrap(), new_token().unwrap());
    certificate(&folder, "cert.pem");
    fs::copy(folder.join("cert.pem"), folder.join("old.pem")).unwrap();
    place.configure(&[("web", &web(&[&first]))]);
    let (running, notifications) = start_notified(&place);
    notifications.wait_for("READY=1");
    let address = tls_address(&running);
    let (old, new) = (folder.join("old.pem"), folder.join("cert.pem"));
    assert_eq!(asked(&address, &old, "/", &first), "200");
    assert_eq!(asked(&address, &old, "/", &second), "401");

    // A key that is not this certificate's: refused by name, the pages stay reachable with what they had.
    certificate(&folder, "elsewhere.pem");
    running.signal(Signal::HUP);
    notifications.wait_for("RELOADING=1\nMONOTONIC_USEC=");
    notifications.wait_for("READY=1");
    let said = running.said();
    assert!(said.contains("web_certificate"), "{said}");
    assert!(said.contains("Correct `tls_certificate`"), "{said}");
    assert_eq!(asked(&address, &old, "/", &first), "200");

    // Renewed, with another token instead of the first.
    certificate(&folder, "cert.pem");
    place.configure(&[("web", &web(&[&second]))]);
    running.signal(Signal::HUP);
    until("the new certificate is shown", || {
        asked(&address, &new, "/", &second) == "200"
    });
    assert_eq!(asked(&address, &new, "/", &first), "401");
    assert_eq!(asked(&address, &old, "/", &second), "000");
    running.stop().ends(0);
    let entered = place.events().into_iter().any(
        |event| matches!(event, Event::ConfigChanged(c) if c.file == "camdock.toml" && c.accepted),
    );
    assert!(entered, "the change is in no log entry");
}

#[test]
fn only_a_main_loop_that_goes_round_feeds_the_watchdog() {
    let place = Place::new(&[]);
    place.configure(&[("metrics", "listen = \"127.0.0.1:0\"")]);
    let (running, notifications) = start_notified(&place);
    notifications.wait_for("READY=1");
    let address = pages(&running, "metrics");
    let fed =
        |notifications: Vec<String>| notifications.iter().filter(|m| *m == "WATCHDOG=1").count();
    notifications.wait_for("WATCHDOG=1");
    notifications.wait_for("WATCHDOG=1");

    // The roster lies on a share that hangs: reading it never ends.
    let roster = place.path("roster.toml");
    fs::remove_file(&roster).unwrap();
    let piped = Command::new("mkfifo").arg(&roster).status().unwrap();
    assert!(piped.success());
    running.signal(Signal::HUP);
    notifications.wait_for("RELOADING=1");
    assert_eq!(fed(notifications.within(Duration::from_secs(5))), 0);
    until("/healthz says that it is stuck", || {
        let done = Command::new("curl")
            .args([
                "-s",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                "--noproxy",
                "*",
            ])
            .arg(format!("http://{address}/healthz"))
            .output()
            .unwrap();
        done.stdout == b"503"
    });
    running.kill();
}

/// A store that takes connections and never says a word, and a camera that is read slowly: the stop waits for neither.
#[test]
fn a_stop_ends_within_the_units_deadline_though_the_store_is_silent() {
    let place = Place::new(&[]);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("endpoint = \"http://{}\"", silent.local_addr().unwrap());
    place.configure(&[("store", &endpoint)]);
    place.film("X0000001", "A.MP4", 1, 3_000_000);
    let (running, notifications) = start_notified(&place);
    until("it is safe to remove", || {
        place
            .status()
            .is_some_and(|s| s["bays"][0]["state"] == "safe_to_remove")
    });
    notifications.wait_for("WATCHDOG=1");
    let unit = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/systemd/camdock.service"
    ))
    .unwrap();
    let deadline = unit
        .lines()
        .find_map(|line| line.strip_prefix("TimeoutStopSec="))
        .unwrap();
    let began = Instant::now();
    running.signal(Signal::TERM);
    notifications.wait_for("STOPPING=1");
    running.wait().ends(0);
    let (took, deadline) = (
        began.elapsed(),
        Duration::from_secs(deadline.parse().unwrap()),
    );
    assert!(
        took < deadline,
        "it took {took:?}, systemd kills it after {deadline:?}"
    );
    // Nothing was lost: with a store that answers the rest is done.
    place.configure(&[]);
    place.drain().ends(0);
    place.verify_deep();
}

/// The names and reasons of the entries that say how a camera came and went.
fn comings_and_goings(place: &Place) -> Vec<String> {
    let events = place.events().into_iter();
    let lines = events.filter_map(|event| match event {
        Event::CameraDocked(docked) if docked.at_start => Some("found at the start".into()),
        Event::CameraDocked(_) => Some("docked".into()),
        Event::CameraUndocked(end) => Some(format!("left: {}", end.reason)),
        Event::SessionEnded(end) => Some(format!("unwatched: {} {}", end.reason, end.complete)),
        _ => None,
    });
    lines.collect()
}

#[test]
fn no_camera_is_said_to_leave_that_nobody_saw_leave() {
    let place = Place::new(&[]);
    let running = place.start(&["run"]);
    // A camera that comes sooner counts as found at the start.
    until("the first look is done", || {
        running
            .said()
            .contains("every camera that was there at the start has been seen")
    });
    place.film("X0000001", "A.MP4", 1, 1000);
    let stored = |place: &Place| {
        let bays = place.status().unwrap_or_default();
        bays["bays"][0]["state"] == "all_stored"
    };
    until("the camera's file is stored", || stored(&place));
    running.stop().ends(0);
    let mut expected = vec!["docked", "unwatched: the station stops true"];
    assert_eq!(comings_and_goings(&place), expected);

    // A drained station stops, too, with the camera in its bay.
    place.drain().ends(0);
    expected.extend(["found at the start", "unwatched: the station stops true"]);
    assert_eq!(comings_and_goings(&place), expected);

    let running = place.start(&["run"]);
    until("the camera is known again", || stored(&place));
    running.kill();
    let running = place.start(&["run"]);
    until("the camera is known again", || stored(&place));
    std::fs::remove_dir_all(place.path("docked/X0000001")).unwrap();
    until("it has left", || running.said().contains("camera left"));
    running.stop().ends(0);
    expected.extend([
        "found at the start",
        "unwatched: the station stopped without notice false",
        "found at the start",
        "left: the camera was removed",
    ]);
    assert_eq!(comings_and_goings(&place), expected);
    place.camdock(&["verify"]).ends(0);
    let id = place.item("A.MP4")["evidence"].as_str().unwrap().to_owned();
    let shown = place.camdock(&["show", &id]).ends(0);
    shown.says("The camera was not seen to leave.");
}
