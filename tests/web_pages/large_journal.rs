//! What lists, metrics and completeness cost where a station has taken many items.

use std::path::Path;
use std::time::{Duration, Instant};

use camdock::journal::{ItemFilter, ItemRow, Journal, SealedFacts, SessionRow, StoreProgress};
use camdock::model::{
    BayName, CameraId, EvidenceId, FileFacts, ItemKind, ItemState, Officer, SessionId,
    Sha256Digest, SourcePath,
};

fn item(number: u64, session: SessionId, camera: &CameraId) -> ItemRow {
    let id = EvidenceId::new();
    ItemRow {
        id,
        session,
        camera: Some(camera.clone()),
        facts: FileFacts {
            path: SourcePath::new(format!("DCIM/{:03}MEDIA/A{number:07}.MP4", number / 1000))
                .unwrap(),
            size: 1000 + number,
            modified: Some(
                jiff::Timestamp::from_second(1_760_000_000 + number.cast_signed() * 60).unwrap(),
            ),
            flagged: false,
            kind: ItemKind::Video,
        },
        state: ItemState::Sealed,
        wrapped_key: Some(vec![1; 60]),
        sealed: Some(SealedFacts {
            sha256: Sha256Digest::of(id.as_bytes()),
            sealed_size: 2000 + number,
            item_key_message: vec![2; 900],
            manifest: vec![b'{'; 700],
        }),
        quarantine: number
            .is_multiple_of(5000)
            .then(|| "not in the roster".into()),
        log_index: None,
        storing: StoreProgress::Unconfirmed,
    }
}

/// A journal with `count` items of ten cameras.
fn journal(dir: &Path, count: u64) -> Journal {
    let journal = Journal::open(&dir.join("journal.db")).unwrap();
    let sessions: Vec<_> = (0..10)
        .map(|n| {
            let camera = CameraId::new("test", &format!("X{n:07}")).unwrap();
            let session = SessionRow {
                id: SessionId::new(),
                bay: BayName::new(&n.to_string()),
                camera: Some(camera.clone()),
                profile: "folder".into(),
                access: "folder".into(),
                officer: Some(Officer(format!("{}", 4711 + n))),
                quarantine: None,
                started: "2026-01-31T06:00:00Z".parse().unwrap(),
                ended: None,
                source: None,
            };
            journal.begin_session(&session, None).unwrap();
            (session.id, camera)
        })
        .collect();
    let numbers: Vec<u64> = (1..=count).collect();
    for chunk in numbers.chunks(2000) {
        let items: Vec<_> = chunk
            .iter()
            .map(|n| {
                let (session, camera) = &sessions[usize::try_from(n % 10).unwrap()];
                item(*n, *session, camera)
            })
            .collect();
        journal.mark_sealed(&items).unwrap();
    }
    journal
}

#[test]
fn a_hundred_thousand_items_are_listed_and_counted_quickly() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path(), 100_000);
    let quick = |what: &str, limit: u64, work: &mut dyn FnMut()| {
        let began = Instant::now();
        work();
        let took = began.elapsed();
        println!("{what}: {took:?}");
        assert!(took < Duration::from_millis(limit), "{what} took {took:?}");
    };
    // Every item comes once, in pages, to the very end; also of those that one filter selects.
    let listed = |filter: &ItemFilter| {
        let (mut after, mut count) = (None, 0);
        loop {
            let found = journal.list(filter, after, 1000).unwrap();
            let Some(last) = found.last() else {
                return count;
            };
            count += found.len();
            after = Some(last.id);
        }
    };
    let filter = |change: &dyn Fn(&mut ItemFilter)| {
        let mut filter = ItemFilter::default();
        change(&mut filter);
        filter
    };
    let filters = [
        ("everything", filter(&|_| ()), 100_000, 20_000),
        (
            "officer",
            filter(&|f| f.officer = Some("4713".into())),
            10_000,
            4000,
        ),
        (
            "serial",
            filter(&|f| f.camera = Some("X0000003".into())),
            10_000,
            4000,
        ),
        ("undecided", filter(&|f| f.undecided = true), 20, 500),
        (
            "a day",
            filter(&|f| {
                (f.from_day, f.to_day) = (Some("2025-10-20".into()), Some("2025-10-20".into()));
            }),
            1440,
            2000,
        ),
        (
            "nobody",
            filter(&|f| f.officer = Some("%_%".into())),
            0,
            500,
        ),
    ];
    for (what, filter, expected, limit) in &filters {
        quick(what, *limit, &mut || {
            assert_eq!(listed(filter), *expected, "{what}");
        });
    }
    quick("figures for the metrics", 20, &mut || {
        assert_eq!(journal.state_totals().unwrap()[0].items, 100_000);
        assert_eq!(
            journal.overview(jiff::Timestamp::now()).unwrap().undecided,
            20
        );
    });
    quick("completeness", 1000, &mut || {
        let days = journal
            .completeness("2026-01-01", "2026-12-31", 100)
            .unwrap();
        assert_eq!(days.iter().map(|d| d.sealed).sum::<u64>(), 100_000);
    });
}
