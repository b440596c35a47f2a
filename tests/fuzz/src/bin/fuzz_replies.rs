#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| camdock_fuzz::replies(input));
