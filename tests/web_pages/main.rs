//! The pages' listeners against a station made for the test: who may see what, limits, speed with 64 bays and many items.

mod large_journal;
mod limits;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use camdock::config::{Config, Loaded, Secrets};
use camdock::model::{
    BayName, BayStatus, BayView, CameraId, ClockState, Officer, OperatorAction, OutboundView,
    SessionId, StatusView,
};
use camdock::web::{
    Backend, DockRefusal, DockTags, DockedRecordings, Health, OfficerAtBay, Pages, hash_of,
    new_token,
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::runtime::Runtime;
use tokio::sync::watch;

const P384: &str = "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEQcyLPN8ZIKmlPyqgw3uFamQnQnsHzGo0
MmNjuJq1VRjjotlkhx3zHj5TWyd/jARyd2y+zE9NJwvTWD0GxiFqWLpdPsM0YR86
tx79eSE++zzlz7CW+nh9Ze0jVlzhlETX
-----END PUBLIC KEY-----
";

/// Stands in for the station, behind the pages' own trait.
struct Stage {
    bays: Mutex<Vec<BayView>>,
    changes: watch::Sender<u64>,
    alive: bool,
    /// The accesses that were entered.
    recorded: Mutex<Vec<OperatorAction>>,
}

impl Backend for Stage {
    fn bays(&self) -> Vec<BayView> {
        self.bays.lock().unwrap().clone()
    }
    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
    fn status(&self) -> Result<StatusView, String> {
        Ok(StatusView {
            station: "test-1".parse().unwrap(),
            version: String::new(),
            time: jiff::Timestamp::now(),
            bays: self.bays(),
            outbound: OutboundView::default(),
            items: Vec::new(),
            log_entries: 0,
            spool_free_bytes: None,
            clock: ClockState {
                synchronised: true,
                estimated_error_us: None,
            },
            wiping: std::collections::BTreeMap::new(),
            witnessing: None,
        })
    }
    fn alive(&self) -> bool {
        self.alive
    }
    fn health(&self) -> Health {
        Health {
            alive: self.alive,
            needs: Vec::new(),
        }
    }
    fn record(&self, action: OperatorAction) -> Result<(), String> {
        self.recorded.lock().unwrap().push(action);
        Ok(())
    }
    fn tag_categories(&self) -> Option<&[String]> {
        None
    }
    fn docked_recordings(&self, _: &OfficerAtBay) -> Result<DockedRecordings, DockRefusal> {
        Err(DockRefusal::Gone)
    }
    fn tag_docked(&self, _: &DockTags) -> Result<usize, DockRefusal> {
        Err(DockRefusal::Gone)
    }
    fn sample(&self) {}
}

struct Site {
    stage: Arc<Stage>,
    web: SocketAddr,
    metrics: SocketAddr,
    runtime: Runtime,
    pages: Option<Pages>,
    dir: tempfile::TempDir,
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(pages) = self.pages.take() {
            self.runtime.block_on(pages.stop());
        }
    }
}

fn bay(number: u32, files: u64) -> BayView {
    BayView {
        bay: BayName::new(&number.to_string()),
        camera: CameraId::new("test", &format!("X{number:07}")),
        officer: Some(Officer("4711".into())),
        session: Some(SessionId::new()),
        file: None,
        status: BayStatus::SafeToRemove {
            files,
            bytes: 1_000_000,
            waiting_for_store: 1,
            disposed: 0,
        },
    }
}

/// `web` is the section's text; files of the folder can be named in it.
fn site(dir: tempfile::TempDir, alive: bool, web: &str, metrics: &str) -> Site {
    fs::write(dir.path().join("one.pem"), P384).unwrap();
    let text = format!(
        "[station]\nname = \"test-1\"\nstate_dir = \"{}\"\n[dock]\nfolders = [{{ path = \"d\" }}]\n[seal]\nrecipients = [\"one.pem\"]\n\
         [store]\nbucket = \"evidence\"\nretention_days = 1\n[web]\n{web}\n[metrics]\n{metrics}\n",
        dir.path().display()
    );
    fs::write(dir.path().join("camdock.toml"), text).unwrap();
    let Loaded { config, .. } = Config::load(&dir.path().join("camdock.toml")).unwrap();
    let stage = Arc::new(Stage {
        bays: Mutex::new((1..=64).map(|n| bay(n, 1)).collect()),
        changes: watch::Sender::new(0),
        alive,
        recorded: Mutex::default(),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let entered = runtime.enter();
    let station: Arc<dyn Backend> = Arc::clone(&stage) as Arc<dyn Backend>;
    // Those of the first recorder are the process's own; a later one's would stay empty.
    static FIGURES: LazyLock<PrometheusHandle> =
        LazyLock::new(|| camdock::metrics::install().unwrap());
    let figures = FIGURES.clone();
    let pages = Pages::start(&config, &Secrets::from_environment(), station, figures).unwrap();
    let mut bound = pages.bound.clone();
    drop(entered);
    let both = runtime.block_on(bound.wait_for(|b| b.web.is_some() && b.metrics.is_some()));
    let both = *both.unwrap();
    Site {
        stage,
        web: both.web.unwrap(),
        metrics: both.metrics.unwrap(),
        runtime,
        pages: Some(pages),
        dir,
    }
}

fn plain(alive: bool) -> Site {
    let listen = "listen = \"127.0.0.1:0\"";
    site(tempfile::tempdir().unwrap(), alive, listen, listen)
}

/// Status line, headers and body of one request over plain HTTP.
fn request(address: SocketAddr, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let text = format!(
        "{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(text.as_bytes()).unwrap();
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(address: SocketAddr, path: &str) -> String {
    request(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: {address}"),
        b"",
    )
}

#[test]
fn a_change_of_one_of_64_bays_is_told_within_half_a_second() {
    let site = plain(true);
    let mut stream = TcpStream::connect(site.web).unwrap();
    stream
        .write_all(format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", site.web).as_bytes())
        .unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let hello = lines.find(|l| l.starts_with("data: ")).unwrap();
    assert_eq!(hello.matches("\"state\":\"safe_to_remove\"").count(), 64);
    let mut worst = Duration::ZERO;
    for round in 2..12 {
        let changed = Instant::now();
        site.stage.bays.lock().unwrap()[40] = bay(41, round);
        site.stage.changes.send_modify(|n| *n += 1);
        let wanted = format!("\"files\":{round}");
        let told = lines.find(|l| l.contains(&wanted)).unwrap();
        worst = worst.max(changed.elapsed());
        assert_eq!(
            told.matches("\"state\"").count(),
            1,
            "only what changed is sent"
        );
    }
    println!("worst {worst:?}");
    assert!(worst < Duration::from_millis(500), "{worst:?}");
}

#[test]
fn health_and_readiness_mean_what_they_say_and_promtool_accepts_the_metrics() {
    let site = plain(true);
    assert!(get(site.metrics, "/healthz").starts_with("HTTP/1.1 200"));
    assert!(get(site.metrics, "/readyz").contains("\"ready\":true"));
    let answer = get(site.metrics, "/metrics");
    let text = answer.split_once("\r\n\r\n").unwrap().1;
    assert!(text.contains("camdock_build_info{version="), "{text}");
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is missing; `make setup` installs it");
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let checked = promtool.wait_with_output().unwrap();
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stderr)
    );
    // The pages' listener has no metrics, and the metrics' listener no pages.
    assert!(get(site.web, "/metrics").starts_with("HTTP/1.1 404"));
    assert!(get(site.metrics, "/events").starts_with("HTTP/1.1 404"));
    let still = plain(false);
    assert!(get(still.metrics, "/healthz").starts_with("HTTP/1.1 503"));
    assert!(get(still.metrics, "/readyz").starts_with("HTTP/1.1 503"));
}

#[test]
fn foreign_pages_large_requests_and_floods_are_refused() {
    let site = plain(true);
    let page = get(site.web, "/");
    for header in [
        "content-security-policy: default-src 'none'",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
    ] {
        assert!(page.contains(header), "{header} is missing in {page}");
    }
    let foreign = request(site.web, "GET /events HTTP/1.1\r\nHost: evil.example", b"");
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
    let cross = format!(
        "POST /login HTTP/1.1\r\nHost: {}\r\nOrigin: https://evil.example\r\nContent-Type: application/x-www-form-urlencoded",
        site.web
    );
    assert!(request(site.web, &cross, b"token=x").starts_with("HTTP/1.1 403"));
    let large = format!(
        "POST /login HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded",
        site.web
    );
    let answer = request(site.web, &large, &vec![b'x'; 100_000]);
    assert!(
        answer.starts_with("HTTP/1.1 413") || answer.is_empty(),
        "{answer}"
    );
    let long = format!("GET /{} HTTP/1.1\r\nHost: {}", "x".repeat(60_000), site.web);
    let answer = request(site.web, &long, b"");
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    // The status names evidence: it needs a token even here. Escapes of the assets' folder find nothing.
    assert!(get(site.web, "/api/status").starts_with("HTTP/1.1 401"));
    assert!(get(site.web, "/static/..%2f..%2fetc%2fpasswd").starts_with("HTTP/1.1 404"));

    let held: Vec<_> = (0..80)
        .map(|_| TcpStream::connect(site.web).unwrap())
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    let open = held
        .iter()
        .filter(|stream| {
            stream
                .set_read_timeout(Some(Duration::from_millis(5)))
                .unwrap();
            // A refused one reads its end; an open one nothing yet.
            (&mut &**stream).read(&mut [0]).is_err()
        })
        .count();
    assert!(
        (1..=48).contains(&open),
        "{open} connections of one address are open"
    );
    drop(held);
    std::thread::sleep(Duration::from_millis(200));
    let refused = (0..600)
        .filter(|_| get(site.web, "/text/en.json").starts_with("HTTP/1.1 429"))
        .count();
    assert!(refused > 0, "600 requests in a row were all answered");
}

#[test]
fn another_address_speaks_tls_only_and_wants_a_token_of_the_right_role() {
    let dir = tempfile::tempdir().unwrap();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            "/CN=station",
            "-addext",
            "subjectAltName=DNS:station,IP:127.0.0.1",
        ])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let key = dir.path().join("key.pem");
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let [kiosk, operations] = ["kiosk", "operations"].map(|role| (role, new_token().unwrap()));
    let lines = [&kiosk, &operations].map(|(role, token)| {
        format!(
            "{{ name = \"{role}\", role = \"{role}\", sha256 = \"{}\" }}",
            hash_of(token)
        )
    });
    let web = format!(
        "listen = \"0.0.0.0:0\"\ntls_certificate = \"cert.pem\"\ntls_key = \"key.pem\"\ntokens = [{}]",
        lines.join(",")
    );
    let site = site(dir, true, &web, "listen = \"0.0.0.0:0\"");
    let folder = site.dir.path();
    let curl = |port: u16, path: &str, token: Option<&str>| -> String {
        let mut command = Command::new("curl");
        command.args([
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--max-time",
            "3",
            "--noproxy",
            "*",
            "--cacert",
        ]);
        command
            .arg(Path::new(folder).join("cert.pem"))
            .args(["-I", "-X", "GET"]);
        if let Some(token) = token {
            command.args(["-H", &format!("Authorization: Bearer {token}")]);
        }
        let done = command
            .arg(format!("https://127.0.0.1:{port}{path}"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&done.stdout).into_owned()
    };
    let (pages, figures) = (site.web.port(), site.metrics.port());
    let plain = get(SocketAddr::from(([127, 0, 0, 1], pages)), "/");
    assert!(!plain.starts_with("HTTP/1.1 200"), "{plain}");
    assert_eq!(curl(pages, "/login", None), "200");
    assert_eq!(curl(pages, "/", None), "401");
    assert_eq!(curl(pages, "/", Some(&kiosk.1)), "200");
    assert_eq!(curl(pages, "/events", Some(&kiosk.1)), "200");
    assert_eq!(curl(pages, "/api/status", None), "401");
    assert_eq!(curl(pages, "/api/status", Some(&kiosk.1)), "403");
    assert_eq!(curl(pages, "/api/status", Some(&operations.1)), "200");
    // Whoever reads it is on record, by name; whoever is refused is not.
    let recorded = site.stage.recorded.lock().unwrap().clone();
    let who: Vec<_> = recorded.iter().map(|it| &*it.operator).collect();
    assert_eq!(who, ["operations"], "{recorded:?}");
    assert_eq!(recorded[0].action, "evidence.listed");
    // Evidence is shown by the office alone.
    for path in [
        "/evidence",
        "/api/evidence",
        "/api/find",
        "/export/evidence",
    ] {
        assert_eq!(curl(pages, path, Some(&operations.1)), "404", "{path}");
    }
    assert_eq!(curl(figures, "/metrics", None), "401");
    assert_eq!(curl(figures, "/metrics", Some(&kiosk.1)), "403");
    assert_eq!(curl(figures, "/metrics", Some(&operations.1)), "200");
    let tries: Vec<String> = (0..14)
        .map(|_| curl(pages, "/", Some("camdock_wrong")))
        .collect();
    assert!(tries[..8].iter().all(|code| code == "401"), "{tries:?}");
    assert_eq!(tries.last().unwrap(), "429", "{tries:?}");
    // Whoever guesses shuts out nobody beside them: a right one cannot be guessed.
    assert_eq!(curl(pages, "/", Some(&kiosk.1)), "200");
    assert_eq!(curl(pages, "/", Some("camdock_wrong")), "429");
}
