//! The station's power: rebooting in order with cameras docked, and cuts at any moment on a disk that loses what was not
//! flushed.

use std::collections::BTreeSet;

use camdock::model::Event;

use crate::bed::{Footage, Guest};

#[test]
fn vm_reboot_with_a_folder_docked_goes_on_by_itself() {
    let mut guest = Guest::installed();
    // The watched folder is in memory; this one survives the reboot, like a camera that stays plugged in.
    guest
        .shell(
            "mkdir -p /srv/media; mount --bind /srv/media /run/camdock/media; \
        printf '/srv/media /run/camdock/media none bind 0 0\\n' >>/etc/fstab",
        )
        .ends(0);
    let footage = Footage::new(&[
        ("DCIM/A.MP4", 11, 40_000_000),
        ("DCIM/B.MP4", 12, 5_000_000),
    ]);
    guest.dock_folder("bay-1", "X81234567", &footage);
    guest.bay("bay-1", |view| view["state"] == "reading");
    guest.reboot();
    guest.all_stored("bay-1");
    guest.verify_against(&[("X81234567", &footage)]);
    let log = guest.log();
    let stopped = log
        .iter()
        .position(|e| matches!(e.event, Event::StationStopped(_)));
    let started = log
        .iter()
        .rposition(|e| matches!(e.event, Event::StationStarted(_)));
    assert!(stopped.unwrap() < started.unwrap(), "{log:?}");
}

/// A few cuts; `make soak` makes 100, `CAMDOCK_VM_CUTS` as many as it says, `CAMDOCK_VM_SEED` repeats a run.
#[test]
fn vm_power_cuts_lose_nothing_that_was_shown_as_safe() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().unwrap())
    };
    let cuts = number("CAMDOCK_VM_CUTS").unwrap_or(3);
    let mut random = Random(number("CAMDOCK_VM_SEED").unwrap_or(20_261_125));
    let mut guest = Guest::on_lossy_disk();
    let serials: Vec<_> = (0..cuts).map(|round| format!("acme/P{round:07}")).collect();
    guest.roster(&serials.iter().map(String::as_str).collect::<Vec<_>>());
    let mut docked: Vec<(String, Footage)> = Vec::new();
    for round in 0..cuts {
        let serial = format!("P{round:07}");
        let footage = footage(round, &mut random);
        guest.dock_folder("bay-1", &serial, &footage);
        docked.push((serial.clone(), footage.clone()));
        // The station's display is read until a random moment of the work, then the power is cut.
        let pause = std::time::Duration::from_millis(random.below(2_500));
        let cut_at = std::time::Instant::now() + pause;
        let mut shown_safe = false;
        while std::time::Instant::now() < cut_at {
            if let (_, Some(view)) = guest.agent.status() {
                // The camera of the previous round is still in bay-2.
                let mut bays = view["bays"].as_array().unwrap().iter();
                shown_safe |= bays.any(|bay| {
                    bay["bay"] == "bay-1"
                        && (bay["state"] == "safe_to_remove" || bay["state"] == "all_stored")
                });
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let cut = guest.cut_power(|| random.below(2) == 0);
        let held: BTreeSet<_> = secured(&mut guest, &serial);
        if shown_safe {
            assert_eq!(
                held.len(),
                footage.files.len(),
                "round {round}: shown as safe, and lost"
            );
        }
        for (path, (seed, len)) in &footage.files {
            let needle = Footage::new(&[("x", *seed, *len)]).bytes("x");
            assert!(
                !guest.lossy().holds(&needle[..64]),
                "round {round}: {path} stands on the disk unsealed"
            );
        }
        println!(
            "cut {round}: after {pause:?}, {cut}; shown as safe: {shown_safe}, held after it: {} of {}",
            held.len(),
            footage.files.len()
        );
        // The same camera is docked again: only what is missing is taken.
        guest.dock_folder("bay-2", &serial, &footage);
        guest.all_stored("bay-2");
        let items = docked.iter().map(|(_, footage)| footage.files.len()).sum();
        guest.verify(items);
    }
    let cameras: Vec<_> = docked
        .iter()
        .map(|(serial, footage)| (serial.as_str(), footage))
        .collect();
    guest.verify_against(&cameras);
}

/// The paths of a camera that the station has sealed and logged.
fn secured(guest: &mut Guest, serial: &str) -> BTreeSet<String> {
    let log = guest.log();
    let sealed = log.iter().filter_map(|entry| match &entry.event {
        Event::ItemSealed(item) => Some(item),
        _ => None,
    });
    sealed
        .filter(|item| {
            item.camera
                .as_ref()
                .is_some_and(|camera| camera.to_string().ends_with(serial))
        })
        .map(|item| item.path.to_string())
        .collect()
}

fn footage(round: u64, random: &mut Random) -> Footage {
    let mut footage = Footage::default();
    for file in 0..12 {
        let magnitude = random.below(11);
        let len = 64 + random.below(1 << (10 + magnitude));
        footage.files.insert(
            format!("DCIM/100MEDIA/A{file:04}.MP4"),
            (1000 * (round + 1) + file, len),
        );
    }
    footage
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}
