#![no_main]

use orderwire_fuzz::steps::steps;

libfuzzer_sys::fuzz_target!(|data: &[u8]| steps(data));
