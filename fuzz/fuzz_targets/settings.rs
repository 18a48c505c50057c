#![no_main]

use orderwire_fuzz::targets::settings;

libfuzzer_sys::fuzz_target!(|data: &[u8]| settings(data));
