//! A station and its witnesses: real offices that cosign over loopback, and strangers that answer as they like.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use camdock::audit::{LogKey, WitnessKey};
use camdock::model::Event;
use camdock::witnessing::read_kept;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::place::{Place, Settings, until};

const WAITS: &str = "waiting_for_witness";

/// An office that follows the station of a place, with a key of its own.
struct Office {
    dir: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
}

impl Office {
    fn new(place: &Place, follow: u32) -> Self {
        Self::named(place, "office-1", follow)
    }

    /// Each office in a bucket has a name of its own. `follow`: seconds between two looks into the bucket.
    fn named(place: &Place, name: &str, follow: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let office = Self {
            dir: tempfile::tempdir().unwrap(),
            port: listener.local_addr().unwrap().port(),
            child: None,
        };
        drop(listener);
        let log_key = fs::read_to_string(place.path("state/keys/log.pub")).unwrap();
        let text = format!(
            "[office]\nname = \"{name}\"\nstate_dir = \"state\"\nfollow_seconds = {follow}\n\
             [witness]\nlisten = \"127.0.0.1:{}\"\n[metrics]\nlisten = \"\"\n[pages]\nlisten = \"\"\n\
             [store]\nendpoint = \"{}\"\nbucket = \"evidence\"\nretention_days = 1\ncredentials_file = \"{}\"\n\
             [[stations]]\nname = \"test-1\"\nlog_key = \"{}\"\n",
            office.port,
            place.weed.endpoint(),
            place.path("store.toml").display(),
            log_key.trim(),
        );
        fs::write(office.path("office.toml"), text).unwrap();
        assert!(
            office
                .camdock(&["office", "keygen"])
                .status()
                .unwrap()
                .success()
        );
        office
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn camdock(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_camdock"));
        command.arg("--config").arg(self.path("office.toml"));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// As `camdock office check` shows it to who writes a policy.
    fn key(&self) -> WitnessKey {
        let checked = self
            .camdock(&["office", "check", "--json"])
            .output()
            .unwrap();
        let lines = String::from_utf8(checked.stdout).unwrap();
        let mut lines = lines
            .lines()
            .map(|l| serde_json::from_str::<Value>(l).unwrap());
        let line = lines.find(|line| line["what"] == "witness key").unwrap();
        line["detail"].as_str().unwrap().parse().unwrap()
    }

    /// Its line in a policy.
    fn line(&self, name: &str) -> String {
        line(name, &self.key(), self.port)
    }

    fn run(&mut self) {
        let log = fs::File::create(self.path("office.log")).unwrap();
        let mut run = self.camdock(&["office", "run"]);
        let run = run.stdout(Stdio::null()).stderr(log);
        self.child = Some(run.spawn().unwrap());
        // Before its first look it does not know what it had cosigned, and cosigns nothing.
        until("the office has looked into the bucket", || {
            let told = self.camdock(&["office", "status", "--json"]).output();
            let told = String::from_utf8(told.unwrap().stdout).unwrap();
            told.contains("\"looked_at\":\"")
        });
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.kill();
    }
}

fn line(name: &str, key: &WitnessKey, port: u16) -> String {
    format!("witness {name} {key} http://127.0.0.1:{port}\n")
}

/// Answers each request as `answer` likes; the thread lives as long as the test's process.
fn stranger(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let _ = stream.set_write_timeout(Some(Duration::from_secs(5)));
            if let Some(body) = request(&mut stream) {
                answer(&body, &mut stream);
            }
        }
    });
    port
}

/// The body of a request.
fn request(stream: &mut TcpStream) -> Option<String> {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&read).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut fields = head
                .lines()
                .filter_map(|l| l.strip_prefix("content-length: "));
            let length: usize = fields.next()?.trim().parse().ok()?;
            if body.len() >= length {
                let at = read.len() - length;
                return String::from_utf8(read.split_off(at)).ok();
            }
        }
        let more = stream.read(&mut buffer).ok().filter(|more| *more > 0)?;
        read.extend_from_slice(&buffer[..more]);
    }
}

fn reply(stream: &mut TcpStream, status: u16, body: &str) {
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status} Word\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
}

fn place(before_safe: &str) -> Place {
    let settings: Settings<'_> = &[
        ("witness", "policy_file = \"policy\""),
        ("witness", "every_seconds = 0.1"),
        ("witness", "answer_seconds = 2"),
        ("witness", before_safe),
    ];
    let place = Place::new(&[]);
    place.configure(settings);
    place
}

/// How many items are stored and need the station no more.
fn released(place: &Place) -> usize {
    let items = place.items();
    items
        .iter()
        .filter(|item| item["state"] == "released")
        .count()
}

fn state(place: &Place, serial: &str) -> String {
    let status = place.status();
    let bays = status.as_ref().and_then(|s| s["bays"].as_array());
    let bay = bays.and_then(|bays| bays.iter().find(|bay| bay["bay"] == serial));
    bay.map_or("", |bay| bay["state"].as_str().unwrap())
        .to_owned()
}

fn witnessing(place: &Place) -> Value {
    place
        .status()
        .map_or(Value::Null, |status| status["witnessing"].clone())
}

/// The problem that the station has with a witness.
fn problem(place: &Place, name: &str) -> Value {
    let view = witnessing(place);
    let witnesses = view["witnesses"].as_array().cloned().unwrap_or_default();
    let found = witnesses.into_iter().find(|w| w["name"] == name);
    found.map_or(Value::Null, |w| w["problem"].clone())
}

/// What the station has kept of a witness: the number of entries that it has cosigned.
fn kept(place: &Place, key: &WitnessKey) -> u64 {
    let log = fs::read_to_string(place.path("state/keys/log.pub")).unwrap();
    let log = log.trim().parse().unwrap();
    let kept = read_kept(&place.path("state/witnesses"), &log, key).unwrap();
    kept.map_or(0, |kept| kept.checkpoint.size)
}

#[test]
fn a_bay_waits_for_the_witness_while_the_store_goes_on_and_is_safe_then_also_after_a_restart() {
    let place = place("before_safe = true");
    let mut office = Office::new(&place, 3600);
    fs::write(
        place.path("policy"),
        format!("# who cosigns\n{}quorum office\n", office.line("office")),
    )
    .unwrap();
    place.film("X0000001", "A.MP4", 1, 300_000);
    let station = place.start(&["run"]);
    until("it waits", || state(&place, "X0000001") == WAITS);
    // The witness is away: the store goes on, and that makes nothing safe.
    until("the file is stored", || released(&place) == 1);
    until("the problem is told", || {
        problem(&place, "office")["code"] == "witness_unreachable"
    });
    assert_eq!(state(&place, "X0000001"), WAITS);
    assert_eq!(witnessing(&place)["quorum_entries"], 0);
    place
        .camdock(&["status"])
        .ends(0)
        .says("SECURED HERE - WAITING FOR WITNESS")
        .says("(witness_unreachable)");
    place
        .camdock(&["check"])
        .ends(3)
        .says("office: the witness cannot be reached");

    office.run();
    until("it is safe", || state(&place, "X0000001") == "all_stored");
    let key = office.key();
    let sealed = place.events();
    let sealed = sealed
        .iter()
        .position(|e| matches!(e, Event::ItemSealed(_)));
    assert!(kept(&place, &key) > sealed.unwrap() as u64);
    until("nothing is wrong any more", || {
        problem(&place, "office").is_null()
    });
    place.camdock(&["check"]).says("with the policy's key");

    // Its last entry is cosigned, too, and the next start knows what was.
    station.stop().ends(0);
    assert_eq!(kept(&place, &key), place.events().len() as u64);
    let before = kept(&place, &key);
    office.kill();
    let station = place.start(&["run"]);
    until("it is known", || {
        witnessing(&place)["quorum_entries"] == before
    });
    place.film("X0000001", "B.MP4", 2, 100_000);
    until("it waits again", || {
        state(&place, "X0000001") == WAITS && place.items().len() == 2
    });
    // Killed in between: the camera is docked and not safe, and becomes so.
    station.kill();
    office.run();
    let station = place.start(&["run"]);
    until("it is safe again", || {
        state(&place, "X0000001") == "all_stored" && place.items().len() == 2
    });
    assert!(kept(&place, &key) > before);
    station.stop().ends(0);
    let verified = place.verify_deep();
    let witness = &verified["witnesses"][0];
    assert_eq!(witness["witness"], "office");
    assert_eq!(witness["key"], key.to_string());
    assert_eq!(witness["entries"], kept(&place, &key));
    assert_eq!(verified["anchors"]["cosigned"], 1);
}

/// Makes `NAME.pem` and its key, signed by the authority of that name, which is made where there is none.
fn certificate(dir: &Path, authority: &str) {
    let openssl = |arguments: &str| {
        let arguments = arguments.split(' ');
        let made = Command::new("openssl")
            .args(arguments)
            .current_dir(dir)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!(
        "req -x509 {key} -days 2 -subj /CN={authority} -keyout {authority}.key -out {authority}.pem"
    ));
    openssl(&format!(
        "req -x509 {key} -days 2 -subj /CN=witness -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
         -CA {authority}.pem -CAkey {authority}.key -keyout {authority}-witness.key -out {authority}-witness.pem"
    ));
}

/// One HTTP message with all of its body; `None` at the end of the connection.
fn message(stream: &mut impl std::io::Read) -> Option<Vec<u8>> {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&read).to_lowercase();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            if read.len() >= head.len() + 4 + length {
                return Some(read);
            }
        }
        let more = stream.read(&mut buffer).ok().filter(|more| *more > 0)?;
        read.extend_from_slice(&buffer[..more]);
    }
}

/// Stands before an office with a certificate, as a proxy does; the thread lives as long as the test's process.
fn with_certificate(office: u16, dir: &Path, name: &str) -> u16 {
    let certificates = CertificateDer::pem_file_iter(dir.join(format!("{name}.pem"))).unwrap();
    let certificates = certificates.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(dir.join(format!("{name}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config
        .with_no_client_auth()
        .with_single_cert(certificates, key);
    let config = Arc::new(config.unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for station in listener.incoming().flatten() {
            let (config, office) = (
                Arc::clone(&config),
                TcpStream::connect(("127.0.0.1", office)),
            );
            std::thread::spawn(move || {
                let Ok(mut office) = office else { return };
                let mut station = StreamOwned::new(ServerConnection::new(config).unwrap(), station);
                while let Some(asked) = message(&mut station) {
                    if office.write_all(&asked).is_err() {
                        return;
                    }
                    let Some(answer) = message(&mut office) else {
                        return;
                    };
                    if station
                        .write_all(&answer)
                        .and_then(|()| station.flush())
                        .is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
    port
}

#[test]
fn a_witness_with_an_authority_of_its_own_is_trusted_by_that_alone_and_a_camera_that_left_before_is_told()
 {
    let place = Place::new(&[]);
    place.configure(&[
        ("witness", "policy_file = \"policy\""),
        ("witness", "every_seconds = 0.1"),
        ("witness", "before_safe = true"),
        ("witness", "ca_file = \"authority.pem\""),
    ]);
    let mut office = Office::new(&place, 3600);
    let key = office.key();
    let dir = tempfile::tempdir().unwrap();
    certificate(dir.path(), "own");
    certificate(dir.path(), "other");
    let port = with_certificate(office.port, dir.path(), "own-witness");
    let line = line("office", &key, port).replace("http://", "https://");
    fs::write(place.path("policy"), format!("{line}quorum office\n")).unwrap();
    let trusts = |name: &str| {
        let pem = fs::read(dir.path().join(format!("{name}.pem"))).unwrap();
        fs::write(place.path("authority.pem"), pem).unwrap();
    };

    fs::write(place.path("authority.pem"), "hello").unwrap();
    place
        .camdock(&["check"])
        .ends(3)
        .says("certificates of the witnesses' authority")
        .says("authority.pem");
    trusts("other");
    place.film("X0000001", "A.MP4", 1, 300_000);
    let station = place.start(&["run"]);
    until("it is told", || {
        problem(&place, "office")["code"] == "witness_unreachable"
    });
    until("the file is stored", || released(&place) == 1);
    office.run();
    place.camdock(&["check"]).ends(3).says("certificate");
    assert_eq!(state(&place, "X0000001"), WAITS);
    // The camera is taken away while its bay waits: nothing of it is lost, and the log says how it left.
    fs::rename(place.path("docked/X0000001"), place.path("away")).unwrap();
    until("it is told that it left", || {
        let left = |event: &Event| match event {
            Event::CameraUndocked(left) => Some(left.reason.clone()),
            _ => None,
        };
        let reasons: Vec<String> = place.events().iter().filter_map(left).collect();
        reasons
            .iter()
            .any(|reason| reason.contains("the witnesses had not cosigned its entries yet"))
    });
    assert_eq!(kept(&place, &key), 0);
    station.stop();

    trusts("own");
    place.camdock(&["check"]).says("with the policy's key");
    let station = place.start(&["run"]);
    until("all of it is cosigned", || {
        kept(&place, &key) == place.events().len() as u64
    });
    fs::rename(place.path("away"), place.path("docked/X0000001")).unwrap();
    until("it is safe", || state(&place, "X0000001") == "all_stored");
    assert_eq!(place.items().len(), 1, "it was not taken twice");
    station.stop().ends(0);
    office.kill();
}

#[test]
fn two_of_three_make_a_quorum_and_strangers_hurt_only_themselves() {
    let place = place("before_safe = true");
    // One of them looks into the bucket, too, and so is ahead of what the station knows of it.
    let mut offices = [
        Office::named(&place, "office-1", 1),
        Office::named(&place, "office-2", 3600),
        Office::named(&place, "office-3", 3600),
    ];
    let other = LogKey::generate().unwrap().0;
    let note = |body: &str| body.split_once("\n\n").unwrap().1.to_owned();
    let (made, pkcs8) = LogKey::generate().unwrap();
    let forged_for = LogKey::from_pkcs8(&pkcs8)
        .unwrap()
        .witness("stranger")
        .unwrap();
    let now = jiff::Timestamp::now();
    let strangers = [
        // Endless, in chunks of nothing.
        (
            "endless",
            "witness_answer",
            stranger(|_, stream| {
                let _ = write!(stream, "HTTP/1.1 200 OK\r\n\r\n");
                while stream.write_all(&vec![b'x'; 65_536]).is_ok() {}
            }),
        ),
        (
            "mute",
            "witness_unreachable",
            stranger(|_, _| std::thread::sleep(Duration::from_secs(4))),
        ),
        (
            "slow",
            "witness_unreachable",
            stranger(|_, stream| {
                let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
                while stream.write_all(b"x").is_ok() {
                    std::thread::sleep(Duration::from_millis(200));
                }
            }),
        ),
        (
            "own-size",
            "witness_contradicts",
            stranger(|_, stream| reply(stream, 409, "0\n")),
        ),
        (
            "ahead",
            "witness_contradicts",
            stranger(|_, stream| reply(stream, 409, "999999999\n")),
        ),
        (
            "never",
            "witness_contradicts",
            stranger(|_, stream| reply(stream, 422, "no\n")),
        ),
        (
            "away",
            "witness_answer",
            stranger(|_, stream| reply(stream, 302, "")),
        ),
        (
            "busy",
            "witness_unreachable",
            stranger(|_, stream| reply(stream, 503, "")),
        ),
        (
            "unknown",
            "witness_refused",
            stranger(|_, stream| reply(stream, 404, "\u{1b}[2Jwho?\n")),
        ),
        (
            "babble",
            "witness_answer",
            stranger(|_, stream| reply(stream, 200, "thank you\n")),
        ),
        (
            "empty",
            "witness_key",
            stranger(|_, stream| reply(stream, 200, "")),
        ),
        // Signed by somebody else, under the same name.
        (
            "other",
            "witness_key",
            stranger(move |body, stream| {
                reply(
                    stream,
                    200,
                    &other.cosign("stranger", &note(body), now).unwrap(),
                );
            }),
        ),
        // The right name and key, for a text that was changed.
        (
            "forged",
            "witness_key",
            stranger(move |body, stream| {
                let changed = note(body).replacen("camdock/test-1", "camdock/test-2", 1);
                reply(
                    stream,
                    200,
                    &made.cosign("stranger", &changed, now).unwrap(),
                );
            }),
        ),
    ];
    let mut policy = String::new();
    for (number, office) in offices.iter().enumerate() {
        policy.push_str(&office.line(&format!("office-{number}")));
    }
    for (name, _, port) in &strangers {
        let key = match *name {
            "forged" => forged_for.clone(),
            _ => made_key("stranger"),
        };
        policy.push_str(&line(name, &key, *port));
    }
    policy.push_str("group two 2 office-0 office-1 office-2\nquorum two\n");
    fs::write(place.path("policy"), policy).unwrap();
    offices[0].run();
    place.film("X0000001", "A.MP4", 1, 200_000);
    let station = place.start(&["run"]);
    until("one has cosigned", || kept(&place, &offices[0].key()) > 0);
    until("it is stored", || released(&place) == 1);
    // One of three is no quorum.
    assert_eq!(state(&place, "X0000001"), WAITS);
    assert_eq!(witnessing(&place)["quorum_entries"], 0);
    offices[2].run();
    until("two are", || state(&place, "X0000001") == "all_stored");
    for (name, code, _) in &strangers {
        until(&format!("{name} is told: {code}"), || {
            problem(&place, name)["code"] == *code
        });
    }
    let mut said = String::new();
    until("its reason is told", || {
        let told = problem(&place, "unknown");
        told["reason"].as_str().is_some_and(|reason| {
            reason.clone_into(&mut said);
            true
        })
    });
    assert!(said.contains("who?") && !said.contains('\u{1b}'), "{said}");
    // Another one takes the place of one that goes.
    offices[0].kill();
    offices[1].run();
    place.film("X0000002", "B.MP4", 2, 200_000);
    until("the other bay is safe", || {
        state(&place, "X0000002") == "all_stored"
    });
    assert_eq!(state(&place, "X0000001"), "all_stored");
    station.stop().ends(0);
}

fn made_key(name: &str) -> WitnessKey {
    LogKey::generate().unwrap().0.witness(name).unwrap()
}

#[test]
fn a_drain_waits_for_a_witness_that_is_away_and_ends_where_only_a_person_can_help() {
    let place = place("before_safe = true");
    let mut office = Office::new(&place, 3600);
    let policy = |key: &WitnessKey, port| {
        let text = line("office", key, port) + "quorum office\n";
        fs::write(place.path("policy"), text).unwrap();
    };
    place.film("X0000001", "A.MP4", 1, 100_000);
    // The key of somebody else at the office's address: nothing that it signs counts.
    office.run();
    policy(&made_key("camdock-office/office-1"), office.port);
    let ran = place
        .drain()
        .ends(3)
        .says("witness_key")
        .says("drain_unfinished");
    assert!(ran.err.contains("left to do"), "{}", ran.err);
    assert_eq!(released(&place), 1);
    place
        .camdock(&["check"])
        .ends(3)
        .says("no cosignature by the policy's key");
    assert!(!place.path("state/witnesses").exists());

    office.kill();
    policy(&office.key(), office.port);
    place.film("X0000001", "B.MP4", 2, 100_000);
    let mut drain = place.start(&["run", "--drain"]);
    until("it waits", || state(&place, "X0000001") == WAITS);
    until("all is stored", || released(&place) == 2);
    std::thread::sleep(Duration::from_secs(2));
    assert!(!drain.ended());
    office.run();
    drain.wait().ends(0);
    // Without `before_safe` nobody waits, and the log is cosigned all the same.
    let settings: Settings<'_> = &[("witness", "policy_file = \"policy\"")];
    place.configure(settings);
    let before = kept(&place, &office.key());
    place.film("X0000001", "C.MP4", 3, 100_000);
    place.drain().ends(0);
    assert!(kept(&place, &office.key()) > before);
    office.kill();
    place.film("X0000001", "D.MP4", 4, 100_000);
    place.drain().ends(0);
}

#[test]
fn a_policy_that_cannot_be_used_is_named_with_its_line_and_a_log_that_a_witness_outgrew_is_told() {
    let place = place("before_safe = true");
    place
        .camdock(&["run"])
        .ends(2)
        .says("policy_file")
        .says("which cannot be read");
    fs::write(
        place.path("policy"),
        "witness a nonsense http://127.0.0.1:1\nquorum a\n",
    )
    .unwrap();
    place.camdock(&["run"]).says("line 1 of the witness policy");
    place
        .camdock(&["check"])
        .ends(3)
        .says("line 1 of the witness policy");
    place.configure(&[("witness", "before_safe = true")]);
    place.camdock(&["run"]).ends(2).says("there are none");

    // The station is put back to an old copy of its log, and its bucket with it: the witness knows more.
    place.configure(&[
        ("witness", "policy_file = \"policy\""),
        ("witness", "every_seconds = 0.1"),
    ]);
    let mut office = Office::new(&place, 3600);
    let key = office.key();
    fs::write(
        place.path("policy"),
        office.line("office") + "quorum office\n",
    )
    .unwrap();
    let copy = |from: &str, to: &str| {
        let status = Command::new("cp")
            .arg("-a")
            .args([place.path(from), place.path(to)])
            .status();
        assert!(status.unwrap().success());
    };
    place.drain().ends(0);
    copy("state", "old");
    office.run();
    place.film("X0000001", "A.MP4", 1, 100_000);
    place.drain().ends(0);
    assert!(kept(&place, &key) > 0);
    let cosigned = kept(&place, &key);
    fs::rename(place.path("state"), place.path("newer")).unwrap();
    fs::rename(place.path("old"), place.path("state")).unwrap();
    place.configure(&[
        ("witness", "policy_file = \"policy\""),
        ("store", "prefix = \"empty/\""),
    ]);
    fs::remove_dir_all(place.path("docked/X0000001")).unwrap();
    let station = place.start(&["run"]);
    until("it is told", || {
        problem(&place, "office")["code"] == "witness_contradicts"
    });
    assert!(witnessing(&place)["quorum_entries"].as_u64().unwrap() < cosigned);
    place
        .camdock(&["status"])
        .ends(3)
        .says("(witness_contradicts)");
    station.stop().ends(0);
    // Where the cosigned checkpoint is still there, no witness has to be asked, and none can make it disappear.
    office.kill();
    copy("newer/witnesses", "state/witnesses");
    let station = place.start(&["run"]);
    until("it is told without a witness", || {
        problem(&place, "office")["reason"]
            .to_string()
            .contains("is known to have cosigned")
    });
    assert_eq!(witnessing(&place)["quorum_entries"], 0);
    station.stop().ends(0);
    assert_eq!(kept(&place, &key), cosigned);
}
