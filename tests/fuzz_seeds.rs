//! Runs the fuzz targets for a second or two: on every kept input, and on seeded mutations of them.

#[path = "fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::path::Path;

/// For each target.
const MUTATIONS: usize = 1500;

/// xorshift64*, so that every run has the same inputs.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}

fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(input.len() + 1);
        match random.below(6) {
            0 if !input.is_empty() => {
                let at = at.min(input.len() - 1);
                input[at] = [0, 0xff, 0x80, 1, random.byte(), random.byte()][random.below(6)];
            }
            1 => input.truncate(at),
            2 => input.insert(at, random.byte()),
            3 if !input.is_empty() => {
                let end = (at + random.below(16)).min(input.len());
                input.drain(at.min(end)..end);
            }
            4 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                input.splice(at..at, other[from..].iter().copied().take(64));
            }
            _ => input.extend((0..random.below(24)).map(|_| random.byte())),
        }
        input.truncate(8192);
    }
    input
}

fn run(target: &str, function: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(target);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let seeds: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(!seeds.is_empty(), "{} is empty", folder.display());
    for seed in &seeds {
        function(seed);
    }
    let mut random = Random(0x5eed_0000_0000_0001 ^ target.len() as u64);
    for _ in 0..MUTATIONS {
        let input = mutated(&seeds, &mut random);
        let shown = input.clone();
        let done = std::panic::catch_unwind(|| function(&input));
        assert!(done.is_ok(), "{target} fails on {shown:02x?}");
    }
}

#[test]
fn parsers_hold_on_kept_and_mutated_inputs() {
    run("parsers", fuzz::parsers);
}

#[test]
fn a_session_holds_on_kept_and_mutated_replies() {
    run("replies", fuzz::replies);
}

#[test]
fn a_session_holds_on_a_device_whose_transfers_are_mangled() {
    run("device", fuzz::device);
}

#[test]
fn unlocking_holds_on_kept_and_mutated_replies() {
    run("unlock", fuzz::unlock);
}
