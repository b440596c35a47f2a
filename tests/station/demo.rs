//! `camdock demo` on a real pseudo-terminal: it stays up with its pages, and Ctrl-C ends it with everything it started.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::support::tool;

/// Two cameras with a recording each.
fn footage(dir: &Path) {
    for (camera, byte) in [("bay-1", 1), ("bay-2", 2)] {
        let folder = dir.join(camera).join("DCIM");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("A0001.MP4"), vec![byte; 300_000]).unwrap();
        let serial = format!("serial=X000000{byte}\r\n");
        fs::write(dir.join(camera).join("CAMERA.TXT"), serial).unwrap();
    }
}

/// Ends with the test, however that ends: the demo in it hangs up.
struct Terminal(Child);

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Processes that were started with a path below `dir`, or for it.
fn processes_of(dir: &Path) -> Vec<String> {
    let needle = dir.to_str().unwrap();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|entry| {
            let working = fs::read_link(entry.path().join("cwd"));
            working.is_ok_and(|path| path.starts_with(needle))
        })
        .map(|entry| fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default())
        .collect()
}

fn get(address: &str, path: &str, token: Option<&str>) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let token = token.map_or(String::new(), |t| format!("Authorization: Bearer {t}\r\n"));
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\n{token}Connection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The word after `mark` in the demo's output.
fn after<'a>(output: &'a str, mark: &str) -> &'a str {
    let rest = output.split(mark).nth(1);
    let word = rest.and_then(|rest| rest.split_whitespace().next());
    word.unwrap_or_else(|| panic!("no {mark:?} in {output}"))
}

#[test]
fn a_demo_in_a_terminal_stays_up_until_ctrl_c_and_leaves_nothing_running() {
    let dir = tempfile::tempdir().unwrap();
    let (cameras, home) = (dir.path().join("footage"), dir.path().join("demo"));
    footage(&cameras);
    // `script` runs the demo on a pseudo-terminal and passes on what it is given as typed. Without `exec` some shells stay
    // between the two and end as interrupted.
    let demo = format!(
        "exec {} demo --footage {} --dir {}",
        env!("CARGO_BIN_EXE_camdock"),
        cameras.display(),
        home.display()
    );
    let weed = tool("weed");
    let path = std::env::join_paths(
        [weed.parent().unwrap().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let terminal = Command::new("script")
        .args(["-qefc", &demo, "/dev/null"])
        .env("PATH", path.unwrap())
        .env_remove("CAMDOCK_TOOLS")
        .env_remove("CI")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut terminal = Terminal(terminal);
    let mut typed = terminal.0.stdin.take().unwrap();
    let mut lines = BufReader::new(terminal.0.stdout.take().unwrap()).lines();
    let mut output = String::new();
    for line in lines.by_ref() {
        let line = line.unwrap();
        output.push_str(&line);
        output.push('\n');
        if line.contains("Ctrl-C ends the demo") {
            break;
        }
    }
    assert!(output.contains("verified: the log is whole"), "{output}");
    // The addresses come before the first step.
    let (before, _) = output.split_once("\n1. ").unwrap();
    let page = after(before, "officers' page").trim_start_matches("http://");
    let address = page.trim_end_matches('/');
    assert!(get(address, "/", None).starts_with("HTTP/1.1 200"));
    // The office has seen the whole log and every object, and shows its pages to its token alone.
    let token = after(&output, "their token");
    assert!(output.contains("found by the office"), "{output}");
    // The key desk runs, with a key that it could open and the log of this office.
    let desk = output.split("\n8. starts a key desk").nth(1).unwrap();
    assert!(
        desk.contains("recipient key") && desk.contains("p384:"),
        "{desk}"
    );
    let runs = processes_of(&home);
    let runs = |verb: &str| runs.iter().any(|line| line.contains(verb));
    assert!(runs("keydesk\0run"), "{output}");
    let office = after(&output, "office's pages").trim_start_matches("http://");
    let office = office.trim_end_matches('/');
    assert!(!get(office, "/api/today", None).starts_with("HTTP/1.1 200"));
    let today = get(office, "/api/today", Some(token));
    assert!(today.contains("\"matters\":[]"), "{today}");
    assert!(today.contains("\"items\":4"), "{today}");
    let started = processes_of(&home);
    assert!(started.iter().any(|p| p.contains("weed")), "{started:?}");
    for words in ["camdock.toml\0run", "office.toml\0office\0run"] {
        assert!(started.iter().any(|p| p.contains(words)), "{started:?}");
    }

    typed.write_all(b"\x03").unwrap();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(terminal.0.wait().unwrap().success(), "{rest:?}");
    let began = Instant::now();
    while !processes_of(&home).is_empty() {
        let left = processes_of(&home);
        assert!(began.elapsed() < Duration::from_secs(5), "{left:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(
        rest.iter().any(|line| line.contains("custody log")),
        "{rest:?}"
    );
    assert!(home.join("state/log/checkpoint").exists());
}
