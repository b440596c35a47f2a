use std::cell::Cell;
use std::io::Read;

use super::*;

/// A camera that is pulled out of its bay after so many bytes.
struct Unplugged<'a>(&'a [u8]);

impl Read for Unplugged<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(&mut out[..1])? {
            0 => Err(std::io::Error::other("no such device")),
            n => Ok(n),
        }
    }
}

/// Cancels after so many looks.
struct Impatient(Cell<usize>);

impl PullWatch for Impatient {
    fn progress(&self, _: u64) {}
    fn cancelled(&self) -> bool {
        self.0.set(self.0.get().wrapping_sub(1));
        self.0.get() == 0
    }
}

fn finish(part: &[u8], plain: &[u8], buffers: &mut Buffers, side_by_side: bool) {
    let resumed = resume(
        &mut &part[..],
        &keys().item,
        keys().evidence,
        &mut |_, _| (),
    );
    let Resumed::Partial(start, _) = resumed.unwrap() else {
        panic!("an interrupted message is not whole");
    };
    assert!(start.torn.is_empty(), "only whole frames are written");
    let rest = usize::try_from(start.plaintext).unwrap();
    let mut sink = SealedBytes(part.to_vec());
    seal_stream(
        &mut &plain[rest..],
        &mut sink,
        *start,
        buffers,
        side_by_side,
        &NoWatch,
    )
    .unwrap();
    assert_eq!(open(&sink.0, &item()).unwrap(), plain);
}

#[test]
fn a_pull_that_lost_its_camera_is_an_error_and_can_go_on() {
    let plain = plaintext(300);
    for side_by_side in [false, true] {
        // The same buffers all along, as a camera's job keeps them.
        let mut buffers = Buffers::new(64, 4);
        for given in 0..=plain.len() {
            let sealer = Sealer::new(&spec(64)).unwrap();
            let mut sink = SealedBytes(sealer.header().to_vec());
            let outcome = seal_stream(
                &mut Unplugged(&plain[..given]),
                &mut sink,
                Start::fresh(sealer),
                &mut buffers,
                side_by_side,
                &NoWatch,
            );
            assert!(matches!(outcome, Err(PipelineError::Source(_))), "{given}");
            finish(&sink.0, &plain, &mut buffers, side_by_side);
        }
    }
}

#[test]
fn a_cancelled_pull_stops_and_can_go_on() {
    let plain = plaintext(64 * 6);
    for side_by_side in [false, true] {
        let mut buffers = Buffers::new(64, 4);
        for looks in 1..6 {
            let sealer = Sealer::new(&spec(64)).unwrap();
            let mut sink = SealedBytes(sealer.header().to_vec());
            let outcome = seal_stream(
                &mut &plain[..],
                &mut sink,
                Start::fresh(sealer),
                &mut buffers,
                side_by_side,
                &Impatient(Cell::new(looks)),
            );
            assert!(matches!(outcome, Err(PipelineError::Cancelled)), "{looks}");
            finish(&sink.0, &plain, &mut buffers, side_by_side);
        }
    }
}

#[test]
fn progress_only_grows_and_ends_at_the_file_s_size() {
    struct Steps(Cell<u64>);
    impl PullWatch for Steps {
        fn progress(&self, plaintext: u64) {
            assert!(plaintext >= self.0.get());
            self.0.set(plaintext);
        }
        fn cancelled(&self) -> bool {
            false
        }
    }
    for side_by_side in [false, true] {
        for count in [0, 2, 3, 9] {
            let plain = plaintext(64 * 7 + 1);
            let sealer = Sealer::new(&spec(64)).unwrap();
            let mut sink = SealedBytes(sealer.header().to_vec());
            let steps = Steps(Cell::new(0));
            let mut buffers = Buffers::new(64, count);
            let start = Start::fresh(sealer);
            seal_stream(
                &mut &plain[..],
                &mut sink,
                start,
                &mut buffers,
                side_by_side,
                &steps,
            )
            .unwrap();
            assert_eq!(steps.0.get(), plain.len() as u64);
            assert_eq!(open(&sink.0, &item()).unwrap(), plain);
        }
    }
}
