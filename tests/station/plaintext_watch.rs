//! A look at everything on the disk while previews are made.

use std::fs;

use crate::footage::clip;
use crate::place::Place;
use crate::previews::{ON, VIDEO, dock, previewed};

/// Looks at everything below some folders again and again, for as long as it lives.
struct Watcher {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: std::thread::JoinHandle<(u64, Vec<String>)>,
}

impl Watcher {
    fn start(folders: Vec<std::path::PathBuf>, secrets: Vec<Vec<u8>>) -> Self {
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stopped = std::sync::Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut looks, mut found) = (0, Vec::new());
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                for folder in &folders {
                    scan(folder, &secrets, &mut found);
                }
                looks += 1;
            }
            (looks, found)
        });
        Self { stop, thread }
    }

    fn finish(self) -> (u64, Vec<String>) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Names every file that holds one of the secrets, or a stretch that only a JPEG or an MP4 begins with.
fn scan(folder: &std::path::Path, secrets: &[Vec<u8>], found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            scan(&path, secrets, found);
        } else if path.is_file()
            && let Ok(bytes) = fs::read(&path)
        {
            for (number, secret) in secrets.iter().enumerate() {
                if bytes.windows(secret.len()).any(|window| window == secret) {
                    found.push(format!("secret {number} in {}", path.display()));
                }
            }
        }
    }
}

#[test]
fn no_plaintext_of_footage_or_previews_ever_reaches_a_disk() {
    let place = Place::new(&[ON, VIDEO]);
    let clip = clip("bigbuckbunny.mp4");
    let temporary = place.path("tmp");
    let secrets = vec![
        clip[clip.len() / 2..clip.len() / 2 + 32].to_vec(),
        clip[4000..4032].to_vec(),
        // The beginnings of our storyboards and previews, and the mark that ffmpeg writes into them.
        b"\xff\xd8\xff\xe0\0\x10JFIF".to_vec(),
        b"\xff\xd8\xff\xfe\0\x10Lavc".to_vec(),
        b"ftypiso5".to_vec(),
        "PREVIEW \u{2013} not the original".as_bytes()[..20].to_vec(),
    ];
    dock(&place, "X0000001", "A0001.MP4", &clip);
    // The mark stands in the log's entries, which are public within the force: they are looked at without it.
    let folders = vec![
        place.path("state/spool"),
        place.path("run"),
        temporary.clone(),
        place.weed.folder(),
    ];
    let watcher = Watcher::start(folders, secrets[..5].to_vec());
    place.drain().ends(0);
    let (looks, found) = watcher.finish();
    assert!(looks > 3, "only {looks} looks");
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(previewed(&place).len(), 2);
    let (mut found, all) = (
        Vec::new(),
        [place.path("state"), place.path("run"), temporary],
    );
    for folder in &all {
        scan(folder, &secrets[..5], &mut found);
    }
    assert!(found.is_empty(), "{found:?}");
    // The search itself finds what there is to find.
    fs::write(place.path("tmp/leak"), &clip).unwrap();
    scan(&place.path("tmp"), &secrets, &mut found);
    assert_eq!(found.len(), 2, "{found:?}");
}
