//! The docked-folder watch against real folders: notify for speed, the slow scan for truth.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use camdock::config::DockFolder;
use camdock::dock::{DockEvent, DockWatch, LeftReason, Target, WatchSettings};
use camdock::model::BayName;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

const SLOW: Duration = Duration::from_mins(1);
const LONG: Duration = Duration::from_secs(20);

struct Dock {
    watch: DockWatch,
    events: Receiver<DockEvent>,
}

impl Dock {
    /// With a scan so slow that only notify can be quick.
    fn start(roots: &[&Path]) -> Self {
        Self::scanning_every(SLOW, roots)
    }

    fn scanning_every(interval: Duration, roots: &[&Path]) -> Self {
        let folder = |path: &&Path| DockFolder {
            path: path.to_path_buf(),
            profile: "folder".into(),
        };
        let watched = WatchSettings {
            folders: roots.iter().map(folder).collect(),
            scan_interval: interval,
            usb: None,
        };
        let (watch, events) = DockWatch::start(watched).unwrap();
        Self { watch, events }
    }

    /// The next event that is no hint.
    async fn next(&mut self) -> DockEvent {
        loop {
            match timeout(LONG, self.events.recv()).await.unwrap().unwrap() {
                DockEvent::Touched { .. } => {}
                event => return event,
            }
        }
    }

    async fn expect(&mut self, expected: &[DockEvent]) {
        for expected in expected {
            assert_eq!(&self.next().await, expected);
        }
    }
}

fn arrived(root: &Path, bay: &str) -> DockEvent {
    DockEvent::Arrived {
        bay: BayName::new(bay),
        target: Target::Folder {
            root: root.join(bay),
        },
        profile: "folder".into(),
    }
}

fn left(bay: &str, reason: LeftReason) -> DockEvent {
    DockEvent::Left {
        bay: BayName::new(bay),
        reason,
    }
}

#[tokio::test]
async fn what_is_docked_before_the_start_arrives_first_and_later_changes_are_quick() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir(root.join("bay-1")).unwrap();
    let mut dock = Dock::start(&[root]);
    dock.expect(&[arrived(root, "bay-1"), DockEvent::FirstLookDone])
        .await;
    let start = Instant::now();
    fs::create_dir(root.join("bay-2")).unwrap();
    dock.expect(&[arrived(root, "bay-2")]).await;
    fs::rename(root.join("bay-2"), root.join("bay-3")).unwrap();
    dock.expect(&[left("bay-2", LeftReason::Removed), arrived(root, "bay-3")])
        .await;
    fs::remove_dir(root.join("bay-1")).unwrap();
    dock.expect(&[left("bay-1", LeftReason::Removed)]).await;
    // Far below the scan's interval: notify did it.
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    dock.watch.stop().await;
    assert_eq!(dock.events.recv().await, None);
}

#[tokio::test]
async fn hidden_folders_and_files_are_no_cameras_and_linked_folders_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir(root.join(".hidden")).unwrap();
    fs::write(root.join("file"), "x").unwrap();
    fs::write(root.join("bay-1.camera"), "{}").unwrap();
    symlink("/etc", root.join("linked")).unwrap();
    let mut dock = Dock::scanning_every(Duration::from_millis(100), &[root]);
    let refused = dock.next().await;
    assert!(
        matches!(&refused, DockEvent::Refused { bay, reason } if bay.as_str() == "linked" && reason.contains("link")),
        "{refused:?}"
    );
    dock.expect(&[DockEvent::FirstLookDone]).await;
    // Said once, not at each look.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(dock.events.try_recv().is_err());
    dock.watch.stop().await;
}

#[tokio::test]
async fn a_root_that_is_missing_at_first_or_goes_and_comes_back_is_never_fatal() {
    let dir = tempfile::tempdir().unwrap();
    let (late, other) = (dir.path().join("late"), dir.path().join("other"));
    fs::create_dir_all(other.join("bay-9")).unwrap();
    let mut dock = Dock::scanning_every(Duration::from_millis(100), &[&late, &other]);
    let mut first = Vec::new();
    while first.last() != Some(&DockEvent::FirstLookDone) {
        first.push(dock.next().await);
    }
    assert!(first.contains(&arrived(&other, "bay-9")), "{first:?}");
    let missing = |event: &DockEvent| matches!(event, DockEvent::RootMissing { root, reason } if *root == late && !reason.is_empty());
    assert!(first.iter().any(missing), "{first:?}");
    let back = DockEvent::RootBack { root: late.clone() };
    for _ in 0..2 {
        fs::create_dir(&late).unwrap();
        dock.expect(std::slice::from_ref(&back)).await;
        // It is watched again, not only scanned.
        fs::create_dir(late.join("bay-1")).unwrap();
        dock.expect(&[arrived(&late, "bay-1")]).await;
        fs::rename(&late, dir.path().join("away")).unwrap();
        dock.expect(&[left("bay-1", LeftReason::RootGone)]).await;
        assert!(missing(&dock.next().await));
        fs::remove_dir_all(dir.path().join("away")).unwrap();
    }
    fs::write(&late, "a file in its place").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(dock.events.try_recv().is_err());
    dock.watch.stop().await;
}

#[tokio::test]
async fn a_folder_replaced_at_once_is_another_camera() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir(root.join("bay-1")).unwrap();
    let mut dock = Dock::start(&[root]);
    dock.expect(&[arrived(root, "bay-1"), DockEvent::FirstLookDone])
        .await;
    for _ in 0..5 {
        fs::remove_dir(root.join("bay-1")).unwrap();
        fs::create_dir(root.join("bay-1")).unwrap();
        // Noticed by one scan or by two.
        let gone = dock.next().await;
        let either = [
            left("bay-1", LeftReason::Replaced),
            left("bay-1", LeftReason::Removed),
        ];
        assert!(either.contains(&gone), "{gone:?}");
        dock.expect(&[arrived(root, "bay-1")]).await;
    }
    dock.watch.stop().await;
}

#[tokio::test]
async fn twenty_cameras_at_once_each_arrive_and_leave_once() {
    let dir = tempfile::tempdir().unwrap();
    let roots = [dir.path().join("a"), dir.path().join("b")];
    for root in &roots {
        fs::create_dir(root).unwrap();
    }
    let mut dock = Dock::start(&[&roots[0], &roots[1]]);
    dock.expect(&[DockEvent::FirstLookDone]).await;
    let folders: Vec<PathBuf> = (0..20)
        .map(|n| roots[n % 2].join(format!("bay-{n}")))
        .collect();
    for folder in &folders {
        fs::create_dir(folder).unwrap();
    }
    let (mut bays, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..20 {
        let DockEvent::Arrived {
            bay,
            target: Target::Folder { root },
            ..
        } = dock.next().await
        else {
            panic!("not an arrival")
        };
        assert!(bays.insert(bay) && seen.insert(root));
    }
    assert_eq!(seen, folders.iter().cloned().collect());
    for folder in &folders {
        fs::remove_dir(folder).unwrap();
    }
    for _ in 0..20 {
        let DockEvent::Left { bay, .. } = dock.next().await else {
            panic!("not a departure")
        };
        assert!(bays.remove(&bay));
    }
    dock.watch.stop().await;
}

#[tokio::test]
async fn changes_inside_a_docked_folder_are_hinted_at_even_in_folders_that_are_new() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir_all(root.join("bay-1/DCIM")).unwrap();
    fs::create_dir_all(root.join("bay-2")).unwrap();
    let mut dock = Dock::start(&[root]);
    dock.expect(&[
        arrived(root, "bay-1"),
        arrived(root, "bay-2"),
        DockEvent::FirstLookDone,
    ])
    .await;
    let touched = DockEvent::Touched {
        bay: BayName::new("bay-1"),
    };
    let hint = async |dock: &mut Dock| timeout(LONG, dock.events.recv()).await.unwrap().unwrap();
    // A scan may still have to set its watches.
    tokio::time::sleep(Duration::from_millis(300)).await;
    fs::write(root.join("bay-1/DCIM/a.mp4"), "x").unwrap();
    assert_eq!(hint(&mut dock).await, touched);
    fs::create_dir(root.join("bay-1/DCIM/101MEDIA")).unwrap();
    assert_eq!(hint(&mut dock).await, touched);
    tokio::time::sleep(Duration::from_millis(300)).await;
    fs::write(root.join("bay-1/DCIM/101MEDIA/b.mp4"), "x").unwrap();
    assert_eq!(hint(&mut dock).await, touched);
    // Reading changes nothing.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    while dock.events.try_recv().is_ok() {}
    fs::read(root.join("bay-1/DCIM/a.mp4")).unwrap();
    fs::read_dir(root.join("bay-1/DCIM"))
        .unwrap()
        .for_each(drop);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(dock.events.try_recv().is_err());
    dock.watch.stop().await;
}

#[tokio::test]
async fn a_camera_that_writes_without_end_gives_about_one_hint_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::create_dir(root.join("bay-1")).unwrap();
    let mut dock = Dock::start(&[root]);
    dock.expect(&[arrived(root, "bay-1"), DockEvent::FirstLookDone])
        .await;
    let end = Instant::now() + Duration::from_secs(3);
    let writing = std::thread::spawn({
        let file = root.join("bay-1/a.mp4");
        move || {
            let mut writes = 0;
            while Instant::now() < end {
                fs::write(&file, "x").unwrap();
                writes += 1;
            }
            writes
        }
    });
    let mut hints = 0;
    while let Ok(event) = tokio::time::timeout_at(end.into(), dock.events.recv()).await {
        assert!(
            matches!(event, Some(DockEvent::Touched { .. })),
            "{event:?}"
        );
        hints += 1;
    }
    let writes = writing.join().unwrap();
    assert!((1..=5).contains(&hints), "{hints} hints of {writes} writes");
    dock.watch.stop().await;
}

#[tokio::test]
async fn a_stop_is_quick_even_when_nobody_takes_the_events() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..200 {
        fs::create_dir(dir.path().join(format!("bay-{n}"))).unwrap();
    }
    let dock = Dock::start(&[dir.path()]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let start = Instant::now();
    dock.watch.stop().await;
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    let mut events = dock.events;
    let mut waiting = 0;
    while events.recv().await.is_some() {
        waiting += 1;
    }
    assert!(waiting < 200, "{waiting}");
}

#[tokio::test]
async fn more_folders_than_bays_are_bounded_and_said_so_once() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..300 {
        fs::create_dir(dir.path().join(format!("bay-{n:03}"))).unwrap();
    }
    let mut dock = Dock::scanning_every(Duration::from_millis(100), &[dir.path()]);
    let (mut arrivals, mut refusals) = (0, 0);
    loop {
        match dock.next().await {
            DockEvent::Arrived { .. } => arrivals += 1,
            DockEvent::Refused { reason, .. } => {
                assert!(reason.contains("256"), "{reason}");
                refusals += 1;
            }
            DockEvent::FirstLookDone => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((arrivals, refusals), (256, 1));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(dock.events.try_recv().is_err());
    dock.watch.stop().await;
}
