//! Named people sign in by OpenID Connect, at a certified provider (npm oidc-provider, of `tests/tools/oidc`).

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camdock::model::{EvidenceId, SessionId};
use serde_json::{Value, json};

use crate::bed::{Bed, private, station};
use crate::driver::Browser;
use crate::searches::{Made, at, publish};
use crate::support::tools_dir;

/// A running provider, which ends when this is dropped.
pub struct Provider(Child);

impl Provider {
    /// On `port`; the account's name says its groups.
    pub fn start(port: u16, office: &str) -> Self {
        let mut node = Command::new("node");
        node.arg(tools_dir().join("oidc/provider.mjs"))
            .arg(port.to_string())
            .arg(format!("{office}/sign-in/back"));
        let started = node.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let provider = Self(started.expect("node is missing; `make setup` installs it"));
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "the provider is missing; `make setup` installs it"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        provider
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A browser's cookies and how it asks.
struct Visitor<'a> {
    jar: &'a Path,
}

impl Visitor<'_> {
    /// The status, the address that it ended at, and what is there.
    fn visits(&self, address: &str, form: Option<&str>) -> (u16, String, String) {
        let mut curl = Command::new("curl");
        curl.args([
            "-s",
            "-L",
            "--max-time",
            "20",
            "-w",
            "\n%{http_code} %{url_effective}",
        ]);
        curl.arg("-c")
            .arg(self.jar)
            .arg("-b")
            .arg(self.jar)
            .arg(address);
        if let Some(form) = form {
            curl.args(["--data", form]);
        }
        let out = String::from_utf8(curl.output().unwrap().stdout).unwrap();
        let (body, end) = out.rsplit_once('\n').unwrap();
        let (status, at) = end.split_once(' ').unwrap();
        (status.parse().unwrap(), at.into(), body.into())
    }

    /// Goes through the provider's pages as this account; returns where that ends.
    fn signs_in(&self, office: &str, account: &str) -> (u16, String, String) {
        let (status, login, page) = self.visits(&format!("{office}/sign-in"), None);
        assert!(
            status == 200 && login.contains("/interaction/"),
            "{login} {page}"
        );
        let form = format!("prompt=login&login={account}&password=any");
        let (_, consent, page) = self.visits(&login, Some(&form));
        assert!(consent.contains("/interaction/"), "{consent} {page}");
        self.visits(&consent, Some("prompt=consent"))
    }
}

#[test]
fn people_sign_in_at_a_real_provider_and_have_the_role_and_unit_of_their_groups() {
    let dir = tempfile::tempdir().unwrap();
    let stations = ["one", "two"].map(|name| station(&dir, name));
    let mut bed = Bed::new("office-sign-in", &stations.each_ref(), dir);
    let made = |station: &'static str| Made {
        id: EvidenceId::new(),
        station,
        session: SessionId::new(),
        camera: "acme/X1",
        officer: "4711".into(),
        path: format!("DCIM/{station}.MP4"),
        kind: "video",
        flagged: false,
        recorded: Some(at("2026-01-09T10:00:00Z")),
        sealed: at("2026-01-10T12:00:00Z"),
        stored: true,
        quarantined: false,
    };
    let all = ["one", "two"].map(made);
    publish(&bed, &stations.each_ref(), &all);
    for made in &all {
        made.put(&bed);
    }
    let office = format!("http://127.0.0.1:{}", bed.pages);
    let port = with_people(&bed);
    bed.run();
    for name in ["one", "two"] {
        bed.until(name, |found| found["bucket"]["items"] == 1);
    }
    let jars = tempfile::tempdir().unwrap();
    let jar = |name: &str| jars.path().join(name);
    let (mary, paul, eve) = (jar("mary"), jar("paul"), jar("eve"));
    let [mary, paul, eve] = [&mary, &paul, &eve].map(|jar| Visitor { jar });

    let (status, _, said) = mary.visits(&format!("{office}/sign-in"), None);
    assert!(
        status == 502 && said.contains("cannot be reached"),
        "{said}"
    );
    let _provider = Provider::start(port, &office);

    assert_eq!(checked(&bed)["ok"], true);
    let secret = bed.path("people-client-secret");
    private(&secret, "of another client\n");
    let found = checked(&bed);
    let detail = found["detail"].as_str().unwrap();
    assert!(
        found["ok"] == false && detail.contains("401") && detail.contains("invalid_client"),
        "{found}"
    );
    private(&secret, "office:secret %\n");
    let configured = fs::read_to_string(bed.path("office.toml")).unwrap();
    for (authority, why) in [
        ("", "holds no certificate"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "cannot be used",
        ),
    ] {
        fs::write(bed.path("authority.pem"), authority).unwrap();
        let with = configured.replace("[people]\n", "[people]\nca_file = \"authority.pem\"\n");
        fs::write(bed.path("office.toml"), with).unwrap();
        let found = checked(&bed);
        let detail = found["detail"].as_str().unwrap();
        assert!(
            detail.contains(why) && detail.contains("authority.pem"),
            "{found}"
        );
        assert!(
            found["fix"].as_str().unwrap().contains("`ca_file`"),
            "{found}"
        );
    }
    fs::write(bed.path("office.toml"), configured).unwrap();

    let (status, back, page) = mary.signs_in(&office, "mary.managers.north");
    assert!(
        status == 200 && back.contains("/sign-in/back?code="),
        "{back} {page}"
    );
    let signed_in = bed.until_acts("operator.action", 1);
    let (by, why) = (
        &signed_in[0]["data"]["operator"],
        &signed_in[0]["data"]["reason"],
    );
    assert_eq!(by, "mary");
    assert!(
        why.as_str().unwrap().contains("mary.managers.north"),
        "{why}"
    );
    let (status, _, found) = mary.visits(&format!("{office}/api/find"), None);
    assert!(status == 200 && found.contains("DCIM/one.MP4"), "{found}");
    assert!(!found.contains("DCIM/two.MP4"), "{found}");
    let foreign = format!("{office}/api/recordings/two/{}", all[1].id);
    assert_eq!(mary.visits(&foreign, None).0, 404);
    // The same way back does not open it twice, and not in another browser.
    for visitor in [&mary, &eve] {
        let (status, _, said) = visitor.visits(&back, None);
        assert!(
            status == 403 && said.contains("no sign-in that was begun"),
            "{said}"
        );
    }

    let (status, _, _) = paul.signs_in(&office, "paul.audit.headquarters");
    assert_eq!(status, 200);
    let (_, _, found) = paul.visits(&format!("{office}/api/find"), None);
    assert!(
        found.contains("DCIM/one.MP4") && found.contains("DCIM/two.MP4"),
        "{found}"
    );
    let mut curl = Command::new("curl");
    curl.args([
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "-H",
        "content-type: application/json",
    ]);
    curl.arg("-b")
        .arg(paul.jar)
        .args(["--data", &json!({"reason": "look"}).to_string()]);
    let watched = curl
        .arg(format!("{office}/api/watch/one/{}", all[0].id))
        .output()
        .unwrap();
    assert_eq!(watched.stdout, b"403", "an auditor watches nothing");

    for (account, why) in [
        ("eve", "no group of eve"),
        ("eve.managers", "no group of eve"),
    ] {
        let (status, _, said) = eve.signs_in(&office, account);
        assert!(status == 403 && said.contains(why), "{said}");
        fs::remove_file(eve.jar).unwrap();
    }
    assert_eq!(eve.visits(&format!("{office}/api/find"), None).0, 401);

    // Their sessions are listed, and end at once when somebody says so.
    let sessions = bed.camdock(&["office", "people", "sessions", "--json"]);
    let lines = String::from_utf8(sessions.stdout).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let who: Vec<_> = lines
        .iter()
        .map(|line| (&line["person"], &line["roles"], &line["stations"]))
        .collect();
    let (manager, auditor) = (json!(["manager"]), json!(["auditor"]));
    assert_eq!(
        who,
        [
            (&json!("mary"), &manager, &json!(["one"])),
            (&json!("paul"), &auditor, &Value::Null)
        ]
    );
    let ended = bed.camdock(&[
        "office",
        "people",
        "sign-out",
        "mary",
        "--operator",
        "D. Ops",
    ]);
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(said.starts_with("1 sessions were ended"), "{said}");
    assert_eq!(mary.visits(&format!("{office}/api/find"), None).0, 401);
    assert_eq!(paul.visits(&format!("{office}/api/find"), None).0, 200);
    let acts = bed.acts();
    let ended = acts
        .iter()
        .find(|act| act["data"]["action"] == "person.signed_out");
    assert_eq!(ended.unwrap()["data"]["operator"], "D. Ops");

    paul.visits(&format!("{office}/logout"), Some(""));
    assert_eq!(paul.visits(&format!("{office}/api/find"), None).0, 401);
    // The provider still knows her.
    assert_eq!(mary.visits(&format!("{office}/sign-in"), None).0, 200);
    assert_eq!(mary.visits(&format!("{office}/api/find"), None).0, 200);
    bed.stop();
    bed.run_pages();
    assert_eq!(
        mary.visits(&format!("{office}/api/find"), None).0,
        401,
        "a restart ends all sessions"
    );

    // In a real browser, from the link on the page that everybody comes to.
    let browser = Browser::start(1200, 900);
    signs_in(&browser, &office, "mary.managers.north");
    browser.until(
        "the stations",
        "location.pathname === '/' && document.querySelectorAll('#stations tr').length === 1",
    );
    assert!(browser.text("#stations").contains("one"));
}

/// What `camdock office check` says of the provider.
fn checked(bed: &Bed) -> Value {
    let ran = bed.camdock(&["office", "check", "--json"]);
    let lines = String::from_utf8(ran.stdout).unwrap();
    let mut lines = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.find(|line| line["what"] == "people").unwrap()
}

/// Adds the provider to the office's configuration; returns the port that it is to listen on.
pub fn with_people(bed: &Bed) -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    private(&bed.path("people-client-secret"), "office:secret %\n");
    let text = fs::read_to_string(bed.path("office.toml")).unwrap();
    let people = format!(
        "[people]\nissuer = \"http://127.0.0.1:{port}\"\nclient_id = \"office\"\naddress = \"http://127.0.0.1:{}\"\n\
         roles = [{{ group = \"managers\", role = \"manager\" }}, {{ group = \"audit\", role = \"auditor\" }}, {{ group = \"viewers\", role = \"viewer\" }}]\n\
         units = [{{ group = \"north\", stations = [\"one\"] }}, {{ group = \"headquarters\" }}]\n",
        bed.pages
    );
    fs::write(bed.path("office.toml"), text + &people).unwrap();
    port
}

/// Goes the way of a person, from the link on the page that everybody comes to.
pub fn signs_in(browser: &Browser, office: &str, account: &str) {
    browser.open(&format!("{office}/"));
    browser.until("the login", "document.getElementById('token')");
    browser.click("a[href='/sign-in']");
    browser.until(
        "the provider's page",
        "document.querySelector('input[name=login]')",
    );
    browser.fill("input[name=login]", account);
    browser.fill("input[name=password]", "any");
    browser.click("button[type=submit]");
    browser.until(
        "the consent",
        "document.querySelector('input[value=consent]')",
    );
    browser.click("button[type=submit]");
    browser.until(
        "the office",
        "location.pathname === '/' && document.getElementById('matters')",
    );
}
