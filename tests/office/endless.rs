//! A station with a log without end, in a bucket that has every file of it: more than anybody can read.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use camdock::audit::Checkpoint;
use camdock::model::Sha256Digest;

use crate::bed::{Bed, Station, station, store_port};

/// Levels of full tiles: 256 to the fifth entries.
const LEVELS: usize = 5;
const SIZE: u64 = 1 << (8 * LEVELS);

/// All entries are one and the same, and so are all files of a level.
struct Endless {
    entry: Vec<u8>,
    /// The hash that a tile of each level is full of; the last is the root.
    hashes: Vec<[u8; 32]>,
}

impl Endless {
    fn of(entry: Vec<u8>) -> Self {
        let hash = |parts: &[&[u8]]| Sha256Digest::of(&parts.concat()).0;
        let mut hashes = vec![hash(&[&[0], &entry])];
        for _ in 0..LEVELS {
            let mut row = *hashes.last().unwrap();
            for _ in 0..8 {
                row = hash(&[&[1], &row, &row]);
            }
            hashes.push(row);
        }
        Self { entry, hashes }
    }

    fn root(&self) -> Sha256Digest {
        Sha256Digest(self.hashes[LEVELS])
    }

    /// Any file of the log below `tile/`.
    fn file(&self, name: &str) -> Vec<u8> {
        let (level, _) = name.split_once('/').unwrap_or((name, ""));
        if let Ok(level) = level.parse::<usize>() {
            let hash = self.hashes.get(level);
            return hash.map_or_else(Vec::new, |hash| hash.repeat(256));
        }
        let length = u16::try_from(self.entry.len()).unwrap().to_be_bytes();
        [&length[..], &self.entry].concat().repeat(256)
    }
}

/// A store before the real one that has the endless log's files besides. Counts those that were fetched.
fn store(log: Endless, fetched: &Arc<AtomicU64>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (log, fetched) = (Arc::new(log), Arc::clone(fetched));
    thread::spawn(move || {
        for from in listener.incoming().flatten() {
            let (log, fetched) = (Arc::clone(&log), Arc::clone(&fetched));
            thread::spawn(move || answer(from, &log, &fetched));
        }
    });
    endpoint
}

/// One request a connection.
fn answer(mut from: TcpStream, log: &Endless, fetched: &AtomicU64) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let line = head.lines().next().unwrap_or_default();
    let path = line.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    if let (true, Some((_, name))) = (
        line.starts_with("GET "),
        path.split_once("/log/endless/tile/"),
    ) {
        fetched.fetch_add(1, Ordering::SeqCst);
        let body = log.file(name);
        let length = body.len();
        write!(
            from,
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nETag: \"e\"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: close\r\n\r\n"
        )?;
        return from.write_all(&body);
    }
    let mut to = TcpStream::connect(("127.0.0.1", store_port()))?;
    let header = |name: &str| {
        let found = head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        });
        found.unwrap_or_default()
    };
    let length: u64 = header("content-length").parse().unwrap_or(0);
    let passed = head.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1);
    to.write_all(passed.as_bytes())?;
    if header("expect").is_empty() {
        io::copy(&mut (&from).take(length), &mut to)?;
        io::copy(&mut to, &mut from)?;
        return Ok(());
    }
    // The store says when it wants the body.
    let mut back = (to.try_clone()?, from.try_clone()?);
    let answers = thread::spawn(move || io::copy(&mut back.0, &mut back.1));
    io::copy(&mut (&from).take(length), &mut to)?;
    answers.join().unwrap().map(drop)
}

/// A checkpoint that the station's key signs, whatever it claims.
fn claimed(station: &Station, size: u64, root: Sha256Digest) -> Vec<u8> {
    let checkpoint = Checkpoint {
        origin: station.origin(),
        size,
        root,
    };
    station.key().sign(&checkpoint).unwrap().into_bytes()
}

#[test]
fn logs_without_end_and_of_absurd_sizes_cost_their_own_row_alone() {
    let dir = tempfile::tempdir().unwrap();
    let stations = ["endless", "huge", "well"].map(|name| station(&dir, name));
    let [endless, huge, well] = &stations;
    let log = Endless::of(endless.entry("test.a", &serde_json::json!({})));
    let root = log.root();
    let fetched = Arc::new(AtomicU64::new(0));
    let endpoint = store(log, &fetched);
    let mut bed = Bed::at(&endpoint, "office-endless", &stations.each_ref(), dir);
    bed.put("log/endless/checkpoint", claimed(endless, SIZE, root));
    let nothing = Sha256Digest::of(b"nothing");
    bed.put("log/huge/checkpoint", claimed(huge, u64::MAX, nothing));
    bed.publish(well, &well.append(&["a"]));
    bed.run();

    // The honest station is followed as ever, while the endless one is read on and on.
    bed.cosigns("well", 1);
    bed.until("well", |found| found["bucket"]["indexed_entries"] == 1);
    let read = |least: u64| {
        let row = bed.until("endless", |found| {
            let read = found["bucket"]["indexed_entries"].as_u64();
            read.is_some_and(|read| read >= least)
        });
        row["bucket"]["indexed_entries"].as_u64().unwrap()
    };
    let before = read(50_000);
    bed.publish(well, &well.append(&["b"]));
    bed.cosigns("well", 2);
    bed.until("well", |found| found["bucket"]["indexed_entries"] == 2);
    bed.until("well", |found| found["bucket"]["listed"].is_string());
    bed.until("well", |found| found["bucket"]["gaps_at"].is_string());
    let after = read(before + 1);
    assert!(after > before && after < SIZE, "{after}");
    // One that claims more than there can be is told as what it is: its files do not exist.
    let row = bed.until("huge", |found| found["bucket"]["index_code"].is_string());
    assert!(
        row["bucket"]["items"] == 0 && row["bucket"]["gaps_at"].is_null(),
        "{row}"
    );
    let ran = bed.camdock(&["office", "gaps", "endless"]);
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(said.contains("has more than 2000000 entries"), "{said}");
    assert!(fetched.load(Ordering::SeqCst) > 200);
    let (_, most) = bed.memory();
    assert!(most < 200 << 10, "the office needs {most} KiB");
    // It stops at once, in the middle of it.
    let began = std::time::Instant::now();
    bed.stop();
    let took = began.elapsed();
    assert!(took < std::time::Duration::from_secs(10), "{took:?}");
}
