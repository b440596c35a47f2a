//! A day of shifts in fast motion: cameras come, leave too early, change bays and come back with more, the store fails and
//! the service is killed. `CAMDOCK_DAY_STEPS` says how long the day is, `CAMDOCK_DAY_SEED` which one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use camdock::model::Event;

use crate::bay_changes::carry;
use crate::gaps::gaps;
use crate::place::{Place, Running, age, until};
use crate::support::SeededSource;

const CAMERAS: usize = 10;
const BAYS: usize = 6;
/// So that the tests take little time; `make soak` has more.
const STEPS: u64 = 60;

fn number(name: &str, usual: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(usual, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text}"))
    })
}

/// SplitMix64: the same day again from the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let sides = of.len() as u64;
        (sides > 0).then(|| of[usize::try_from(self.roll(sides)).unwrap()])
    }
}

struct Day {
    place: Place,
    running: Option<Running>,
    store_down: bool,
    dice: Dice,
    /// The camera in each bay.
    bays: [Option<usize>; BAYS],
    /// Path and bytes of each camera's files.
    filmed: BTreeMap<usize, BTreeMap<String, u64>>,
    seeds: u64,
    counts: BTreeMap<&'static str, u64>,
}

fn serial(camera: usize) -> String {
    format!("X{camera:07}")
}

impl Day {
    fn new(seed: u64) -> Self {
        let place = Place::new(&[]);
        let serials: Vec<String> = (0..CAMERAS).map(serial).collect();
        place.roster(&serials.iter().map(String::as_str).collect::<Vec<_>>());
        let day = Self {
            place,
            running: None,
            store_down: false,
            dice: Dice(seed),
            bays: [None; BAYS],
            filmed: BTreeMap::new(),
            seeds: 0,
            counts: BTreeMap::new(),
        };
        for camera in 0..CAMERAS {
            day.place.camera(&serial(camera));
            carry(day.bay_of(&serial(camera)), day.pocket(camera));
        }
        day
    }

    fn bay_of(&self, name: &str) -> PathBuf {
        self.place.path("docked").join(name)
    }

    fn bay(&self, bay: usize) -> PathBuf {
        self.bay_of(&format!("bay-{bay}"))
    }

    fn pocket(&self, camera: usize) -> PathBuf {
        self.place.path(&format!("pocket-{camera}"))
    }

    fn start(&mut self) {
        self.running = Some(self.place.start(&["run"]));
    }

    fn which(&self, docked: bool) -> Vec<usize> {
        let bays = 0..BAYS;
        bays.filter(|bay| self.bays[*bay].is_some() == docked)
            .collect()
    }

    fn away(&self) -> Vec<usize> {
        let cameras = 0..CAMERAS;
        cameras
            .filter(|camera| !self.bays.contains(&Some(*camera)))
            .collect()
    }

    /// A shift's recordings: mostly short, seldom long.
    fn film(&mut self, camera: usize) {
        for _ in 0..=self.dice.roll(6) {
            self.seeds += 1;
            let len = match self.dice.roll(30) {
                0 => 9 << 20,
                1..4 => 600_000 + self.dice.roll(1 << 20),
                _ => 200 + self.dice.roll(30_000),
            };
            let recorded = self.filmed.get(&camera).map_or(0, BTreeMap::len);
            let name = format!("S{:05}.MP4", recorded + 1);
            let path = self.pocket(camera).join(&name);
            fs::write(&path, SeededSource::new(self.seeds, len).whole()).unwrap();
            age(&File::options().append(true).open(&path).unwrap());
            self.filmed.entry(camera).or_default().insert(name, len);
        }
    }

    fn dock(&mut self, camera: usize, bay: usize) {
        carry(self.pocket(camera), self.bay(bay));
        self.bays[bay] = Some(camera);
    }

    fn undock(&mut self, bay: usize) {
        if let Some(camera) = self.bays[bay].take() {
            carry(self.bay(bay), self.pocket(camera));
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn step(&mut self) {
        match self.dice.roll(20) {
            0..8 => {
                let (away, free) = (self.away(), self.which(false));
                if let (Some(camera), Some(bay)) =
                    (self.dice.one_of(&away), self.dice.one_of(&free))
                {
                    if self.dice.roll(3) > 0 {
                        self.film(camera);
                    }
                    self.dock(camera, bay);
                    self.count("docked");
                }
            }
            8..14 => {
                let docked = self.which(true);
                if let Some(bay) = self.dice.one_of(&docked) {
                    self.undock(bay);
                    self.count("pulled out");
                }
            }
            14..17 => {
                let docked = self.which(true);
                if let (Some(one), Some(two)) =
                    (self.dice.one_of(&docked), self.dice.one_of(&docked))
                    && one != two
                    && let (Some(first), Some(second)) = (self.bays[one], self.bays[two])
                {
                    self.undock(one);
                    self.undock(two);
                    self.dock(first, two);
                    self.dock(second, one);
                    self.count("swapped");
                }
            }
            17 if self.store_down => {
                self.place.weed.restart();
                self.store_down = false;
            }
            17 => {
                self.place.weed.kill();
                self.store_down = true;
                self.count("store outages");
            }
            18 if self.dice.roll(3) == 0 => {
                self.running.take().unwrap().kill();
                self.start();
                self.count("service killed");
            }
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(self.dice.roll(160)));
    }

    /// Everybody goes home: each camera is docked once more and emptied.
    fn closing(&mut self) {
        if self.store_down {
            self.place.weed.restart();
        }
        self.running.take().unwrap().stop().ends(0);
        for bay in 0..BAYS {
            self.undock(bay);
        }
        let cameras: Vec<usize> = (0..CAMERAS).collect();
        for shift in cameras.chunks(BAYS) {
            for (bay, camera) in shift.iter().enumerate() {
                self.dock(*camera, bay);
            }
            self.place.drain().ends(0);
            for bay in 0..BAYS {
                self.undock(bay);
            }
        }
    }

    /// Each file was sealed once, under its own camera, and is stored.
    fn check(&self) {
        let mut sealed = BTreeMap::new();
        let mut named = BTreeSet::new();
        for event in self.place.events() {
            match event {
                Event::ItemSealed(item) => {
                    let camera = item.camera.map(|c| c.to_string());
                    let key = (camera.unwrap_or_default(), item.path.to_string());
                    let before = sealed.insert(key.clone(), item.size);
                    assert!(before.is_none(), "sealed twice: {key:?}");
                }
                Event::ItemQuarantined(item) => panic!("in quarantine: {item:?}"),
                Event::ItemFailed(item) => panic!("failed: {item:?}"),
                Event::CameraUndocked(left) | Event::SessionEnded(left) => {
                    named.extend(left.camera.map(|c| c.to_string()));
                }
                _ => {}
            }
        }
        let filmed = self.filmed.iter().flat_map(|(camera, files)| {
            let id = format!("folder/{}", serial(*camera));
            let of = move |(name, len): (&String, &u64)| ((id.clone(), name.clone()), *len);
            files.iter().map(of)
        });
        let filmed: BTreeMap<_, _> = filmed.collect();
        assert_eq!(sealed, filmed);
        assert_eq!(named.len(), CAMERAS);
        let items = self.place.items();
        assert_eq!(items.len(), filmed.len());
        assert!(items.iter().all(|item| item["state"] == "released"));
        assert_eq!(self.place.verify_deep()["items_opened"], filmed.len());
        assert_eq!(gaps(&self.place, 0), []);
        let spool = fs::read_dir(self.place.path("state/spool")).unwrap();
        assert_eq!(spool.count(), 0, "left in the spool");
        println!("{} files; {:?}", filmed.len(), self.counts);
    }
}

#[test]
fn a_day_of_shifts_in_fast_motion_ends_with_each_file_stored_once() {
    let seed = number("CAMDOCK_DAY_SEED", 1);
    println!("CAMDOCK_DAY_SEED={seed}");
    let mut day = Day::new(seed);
    day.start();
    until("the station is ready", || day.place.status().is_some());
    for _ in 0..number("CAMDOCK_DAY_STEPS", STEPS) {
        day.step();
    }
    day.closing();
    day.check();
}
