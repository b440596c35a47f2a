//! Debian's headless Chromium, driven over W3C WebDriver: plain HTTP on loopback.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--lang=en-GB",
];
const LIMIT: Duration = Duration::from_secs(40);

/// One browser with one window; both end when it is dropped.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// The driver's process, its output and its port.
    fn driver() -> Option<(Child, BufReader<ChildStdout>, u16)> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is missing; `make setup` installs it");
        let mut said = BufReader::new(driver.stdout.take().unwrap());
        let mut port = None;
        let mut line = String::new();
        while port.is_none() && said.read_line(&mut line).unwrap() > 0 {
            port = line
                .split_once("started successfully on port ")
                .map(|(_, port)| port.trim().trim_end_matches('.').parse().unwrap());
            line.clear();
        }
        if let Some(port) = port {
            return Some((driver, said, port));
        }
        let _ = driver.kill();
        let _ = driver.wait();
        None
    }

    pub fn start(width: u32, height: u32) -> Self {
        // It looks for a free port itself, and gives up where another one took it meanwhile.
        let (driver, mut said, port) = (0..5)
            .find_map(|_| Self::driver())
            .expect("chromedriver did not start");
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let profile = tempfile::tempdir().unwrap();
        let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--window-size={width},{height}"));
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let mut browser = Self {
            driver,
            port,
            session: String::new(),
            _profile: profile,
        };
        let options = json!({ "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": options } } });
        let begun = browser.call("POST", "/session", Some(&wanted));
        browser.session = begun["sessionId"].as_str().unwrap().into();
        browser
    }

    /// Sends one request of the protocol; panics with the driver's message when it is refused.
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_mins(1)))
            .unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            self.port,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        let mut status = String::new();
        reader.read_line(&mut status).unwrap();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some(given) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = given.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert!(status.contains(" 200 "), "{method} {path}: {answer}");
        answer["value"].clone()
    }

    fn at(&self, path: &str) -> String {
        format!("/session/{}{path}", self.session)
    }

    pub fn open(&self, url: &str) {
        self.call("POST", &self.at("/url"), Some(&json!({ "url": url })));
    }

    /// The return value of a function body run on the page.
    pub fn js(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.call("POST", &self.at("/execute/sync"), Some(&body))
    }

    /// The value that the promise of an expression resolves to.
    pub fn awaited(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1]; Promise.resolve({expression}).then(done, (e) => done('failed: ' + e));"
        );
        let body = json!({ "script": script, "args": [] });
        self.call("POST", &self.at("/execute/async"), Some(&body))
    }

    /// The visible text of the first element that matches; empty when there is none.
    pub fn text(&self, selector: &str) -> String {
        let script = format!(
            "return document.querySelector({})?.innerText ?? ''",
            json!(selector)
        );
        self.js(&script).as_str().unwrap_or_default().to_owned()
    }

    pub fn click(&self, selector: &str) {
        self.js(&format!(
            "document.querySelector({}).click()",
            json!(selector)
        ));
    }

    #[allow(dead_code, reason = "only the office's pages have forms")]
    pub fn fill(&self, selector: &str, value: &str) {
        self.js(&format!(
            "document.querySelector({}).value = {}",
            json!(selector),
            json!(value)
        ));
    }

    /// Presses keys, as a person or a scanner does: `\u{e004}` is Tab, `\u{e007}` Enter.
    #[allow(
        dead_code,
        reason = "only the officers' page is used by keyboard alone"
    )]
    pub fn keys(&self, typed: &str) {
        let presses = typed.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
        });
        let presses: Vec<Value> = presses.collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": presses });
        let actions = json!({ "actions": [keyboard] });
        self.call("POST", &self.at("/actions"), Some(&actions));
    }

    /// Chooses a file as a person does in the dialog of `<input type="file">`.
    #[allow(dead_code, reason = "only the office's tests choose files")]
    pub fn choose(&self, selector: &str, file: &Path) {
        let found = json!({ "using": "css selector", "value": selector });
        let found = self.call("POST", &self.at("/element"), Some(&found));
        let element = found.as_object().unwrap().values().next().unwrap();
        let path = format!("/element/{}/value", element.as_str().unwrap());
        let typed = json!({ "text": file.to_str().unwrap() });
        self.call("POST", &self.at(&path), Some(&typed));
    }

    /// Types keys as a person does, into an element that has the focus then.
    #[allow(dead_code, reason = "only the office's tests type into an element")]
    pub fn types(&self, selector: &str, keys: &str) {
        let found = json!({ "using": "css selector", "value": selector });
        let found = self.call("POST", &self.at("/element"), Some(&found));
        let element = found.as_object().unwrap().values().next().unwrap();
        let path = format!("/element/{}/value", element.as_str().unwrap());
        self.call("POST", &self.at(&path), Some(&json!({ "text": keys })));
    }

    /// Lets pages save files into this folder.
    #[allow(dead_code, reason = "only the office's pages save files")]
    pub fn saves_into(&self, folder: &Path) {
        let allowed = json!({ "behavior": "allow", "downloadPath": folder });
        let command = json!({ "cmd": "Browser.setDownloadBehavior", "params": allowed });
        self.call("POST", &self.at("/goog/cdp/execute"), Some(&command));
    }

    #[track_caller]
    pub fn until(&self, what: &str, condition: &str) {
        let end = Instant::now() + LIMIT;
        while self.js(&format!("return !!({condition})")) != json!(true) {
            if Instant::now() > end {
                self.shot(&format!("failed-{}", what.replace(' ', "-")));
                panic!("this never came: {what}\n{}", self.text("body"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Writes a picture of the page to `screenshots/` in the build folder.
    pub fn shot(&self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .parent()
            .unwrap()
            .join("screenshots");
        fs::create_dir_all(&folder).unwrap();
        let picture = self.call("GET", &self.at("/screenshot"), None);
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap());
        fs::write(folder.join(format!("{name}.png")), bytes.unwrap()).unwrap();
    }

    /// How many A4 pages the page prints on.
    #[allow(dead_code, reason = "only court packs are printed")]
    pub fn printed_pages(&self) -> usize {
        let a4 = json!({ "page": { "width": 21.0, "height": 29.7 } });
        let printed = self.call("POST", &self.at("/print"), Some(&a4));
        let pdf = base64::engine::general_purpose::STANDARD.decode(printed.as_str().unwrap());
        let pdf = pdf.unwrap();
        let pages = pdf
            .windows(12)
            .filter(|seen| seen.starts_with(b"/Type /Page"));
        pages.filter(|seen| seen[11] != b's').count()
    }

    /// axe-core's findings about the current page: rule, impact, the first element.
    pub fn accessibility(&self) -> Vec<String> {
        self.js(&fs::read_to_string(axe()).unwrap());
        let found = self.awaited(
            "axe.run(document, {resultTypes: ['violations']}).then((r) => r.violations.map((v) => \
             `${v.id} (${v.impact}): ${v.nodes[0].html} ${v.nodes[0].failureSummary}`))",
        );
        let found = found
            .as_array()
            .unwrap_or_else(|| panic!("axe-core did not run: {found}"));
        found
            .iter()
            .map(|v| v.as_str().unwrap().to_owned())
            .collect()
    }
}

/// axe-core from the test tools' Python environment.
fn axe() -> PathBuf {
    let tools = std::env::var_os("CAMDOCK_TOOLS").map_or_else(
        || {
            Path::new(env!("CARGO_TARGET_TMPDIR"))
                .parent()
                .unwrap()
                .join("tools")
        },
        PathBuf::from,
    );
    let versions = fs::read_dir(tools.join("venv/lib")).expect("run `make setup` first");
    versions
        .map(|v| {
            v.unwrap()
                .path()
                .join("site-packages/axe_playwright_python/axe.min.js")
        })
        .find(|path| path.exists())
        .expect("axe-core is missing; `make setup` installs it")
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.call("DELETE", &self.at(""), None);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
