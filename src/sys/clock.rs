#![allow(unsafe_code)]

use crate::model::ClockState;

/// The error that the kernel reports when it knows none: `NTP_PHASE_LIMIT`, 16 s in microseconds.
const UNKNOWN_ERROR_US: libc::c_long = 16_000_000;

/// The station clock's state (adjtimex(2), read only). Without an answer of the kernel, the clock counts as not synchronised.
pub fn clock_state() -> ClockState {
    // SAFETY: `timex` is plain integers, for which zero bytes are valid; `modes` 0 asks to change nothing.
    let mut answer: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live, exclusively borrowed `timex` that the call fills and does not keep.
    let state = unsafe { libc::adjtimex(&raw mut answer) };
    interpret(state, answer.status, answer.esterror)
}

fn interpret(state: libc::c_int, status: libc::c_int, estimated_error: libc::c_long) -> ClockState {
    let answered = state >= 0;
    let synchronised = answered && state != libc::TIME_ERROR && status & libc::STA_UNSYNC == 0;
    let known = answered && (synchronised || estimated_error != UNKNOWN_ERROR_US);
    ClockState {
        synchronised,
        estimated_error_us: known.then(|| u64::try_from(estimated_error).ok()).flatten(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_not_synchronised_or_gives_no_answer_is_reported_and_never_fatal() {
        let state = |synchronised, estimated_error_us| ClockState {
            synchronised,
            estimated_error_us,
        };
        assert_eq!(interpret(0, libc::STA_PLL, 250), state(true, Some(250)));
        // A leap second at hand does not matter.
        assert_eq!(interpret(libc::TIME_INS, 0, 250), state(true, Some(250)));
        assert_eq!(
            interpret(libc::TIME_ERROR, libc::STA_UNSYNC, UNKNOWN_ERROR_US),
            state(false, None)
        );
        assert_eq!(
            interpret(libc::TIME_ERROR, libc::STA_UNSYNC, 90_000),
            state(false, Some(90_000))
        );
        assert_eq!(interpret(-1, 0, 0), state(false, None));
        assert_eq!(interpret(0, 0, -5), state(true, None));
    }

    #[test]
    fn the_kernels_answer_is_within_bounds() {
        let state = clock_state();
        if state.synchronised {
            assert!(state.estimated_error_us.is_some());
        }
        assert!(state.estimated_error_us.is_none_or(|us| us < 1 << 40));
    }
}
