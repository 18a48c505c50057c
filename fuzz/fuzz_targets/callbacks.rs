#![no_main]

use orderwire_fuzz::targets::callbacks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| callbacks(data));
