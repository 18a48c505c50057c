#![no_main]

use orderwire_fuzz::targets::words;

libfuzzer_sys::fuzz_target!(|data: &[u8]| words(data));
