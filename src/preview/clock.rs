//! Corrects the clock of a recording, packet by packet, before anything is decoded.
//!
//! Cameras join recordings whose clocks start anew, and some set their clock while they record. The container's duration comes
//! from the same clock, so it must never decide what is a jump.

use std::collections::BTreeMap;

use ffmpeg_next::{Packet, Rational};

use super::stream::rescale;

const SECOND: i64 = 90_000;
const TIME_BASE: Rational = Rational(1, 90_000);
/// A longer gap is left out. It is also far below the gaps at which ffmpeg's MP4 muxer aborts.
pub const GAP_MAX_SECONDS: i64 = 120;
const GAP_MAX: i64 = GAP_MAX_SECONDS * SECOND;
/// Streams that jump by nearly the same, in ticks, jump together and stay in sync.
const ALIKE: i64 = 5 * SECOND;

pub struct PacketClock {
    /// The container's clock may start anew: what seems to be a gap is none.
    may_restart: bool,
    streams: BTreeMap<usize, StreamClock>,
    /// The correction after the last jump of any stream.
    shift: i64,
    /// The end of the latest packet, corrected.
    latest: Option<i64>,
    jumps: ClockJumps,
}

/// Jumps that were corrected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockJumps {
    pub count: u64,
    /// The length of gaps that were left out.
    pub left_out_ms: u64,
}

#[derive(Clone, Copy)]
struct StreamClock {
    shift: i64,
    /// The end of the last packet, corrected.
    end: i64,
}

impl PacketClock {
    pub const fn new(may_restart: bool) -> Self {
        Self {
            may_restart,
            streams: BTreeMap::new(),
            shift: 0,
            latest: None,
            jumps: ClockJumps {
                count: 0,
                left_out_ms: 0,
            },
        }
    }

    /// Corrects the times of a packet of a stream with this time base.
    pub fn correct(&mut self, packet: &mut Packet, time_base: Rational) {
        let Some(time) = packet.dts().or_else(|| packet.pts()) else {
            return;
        };
        let duration = rescale(packet.duration(), time_base, TIME_BASE);
        let shift = self.place(
            packet.stream(),
            rescale(time, time_base, TIME_BASE),
            duration,
        );
        if shift != 0 {
            let shift = rescale(shift, TIME_BASE, time_base);
            packet.set_pts(packet.pts().map(|pts| pts.saturating_add(shift)));
            packet.set_dts(packet.dts().map(|dts| dts.saturating_add(shift)));
        }
    }

    /// Returns the correction of a packet, in ticks.
    fn place(&mut self, stream: usize, time: i64, duration: i64) -> i64 {
        let time = time.clamp(-(1 << 50), 1 << 50);
        let known = self.streams.get(&stream).copied();
        let mut shift = known.map_or(self.shift, |known| known.shift);
        // A stream may begin long before or after the others, but its own packets never go back by more than a second.
        let expected = known.map(|known| known.end).or(self.latest);
        let back = if known.is_some() { SECOND } else { GAP_MAX };
        if let Some(expected) = expected {
            let off = time + shift - expected;
            if !(-back..=GAP_MAX).contains(&off) {
                if (time + self.shift - expected).abs() <= ALIKE {
                    shift = self.shift;
                } else {
                    shift -= off;
                    self.shift = shift;
                    self.jumps.count += 1;
                    if !self.may_restart {
                        self.jumps.left_out_ms += u64::try_from(off / 90).unwrap_or(0);
                    }
                }
            }
        }
        // In an MP4, the packet before a gap lasts as long as the gap.
        let duration = if (0..=GAP_MAX).contains(&duration) {
            duration
        } else {
            SECOND / 25
        };
        let end = time + shift + duration;
        self.streams.insert(stream, StreamClock { shift, end });
        self.latest = Some(self.latest.map_or(end, |latest| latest.max(end)));
        shift
    }

    /// The corrected end of the packets until now, in milliseconds of the recording's own clock.
    pub fn end_ms(&self) -> Option<i64> {
        self.latest.map(|end| end / 90)
    }

    pub const fn jumps(&self) -> ClockJumps {
        self.jumps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Corrected times in seconds of packets that last one second, given as stream and second.
    fn corrected(packets: &[(usize, i64)]) -> (Vec<i64>, ClockJumps) {
        let mut clock = PacketClock::new(false);
        let mut place = |&(stream, second): &(usize, i64)| {
            let time = second * SECOND;
            (time + clock.place(stream, time, SECOND)) / SECOND
        };
        let times = packets.iter().map(&mut place).collect();
        (times, clock.jumps())
    }

    #[test]
    fn a_clock_that_starts_anew_goes_on() {
        let jumps = |count: u64, seconds: u64| ClockJumps {
            count,
            left_out_ms: seconds * 1000,
        };
        let back = corrected(&[(0, 1000), (0, 1001), (0, 3), (0, 4)]);
        assert_eq!(back, (vec![1000, 1001, 1002, 1003], jumps(1, 0)));
        let forth = corrected(&[(0, 0), (0, 1), (0, 25_202), (0, 25_203)]);
        assert_eq!(forth, (vec![0, 1, 2, 3], jumps(1, 25_200)));
    }

    #[test]
    fn streams_that_jump_together_stay_in_sync() {
        let mixed = [
            (0, 1000),
            (1, 1000),
            (0, 1001),
            (0, 3),
            (1, 1001),
            (1, 3),
            (0, 4),
            (1, 4),
        ];
        let (times, jumps) = corrected(&mixed);
        assert_eq!(times, [1000, 1000, 1001, 1002, 1001, 1002, 1003, 1003]);
        assert_eq!(jumps.count, 1);
    }

    #[test]
    fn pauses_and_late_streams_are_no_jumps() {
        let packets = [(0, 0), (0, 90), (1, 10), (0, 91), (1, 11)];
        let (times, jumps) = corrected(&packets);
        assert_eq!(times, [0, 90, 10, 91, 11]);
        assert_eq!(jumps, ClockJumps::default());
    }

    #[test]
    fn extreme_times_never_overflow() {
        let (_, jumps) = corrected(&[(0, 0), (0, i64::MAX / SECOND), (0, i64::MIN / SECOND)]);
        assert_eq!(jumps.count, 2);
    }
}
