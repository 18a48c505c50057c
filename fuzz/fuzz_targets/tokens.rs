#![no_main]

use orderwire_fuzz::people::tokens;

libfuzzer_sys::fuzz_target!(|data: &[u8]| tokens(data));
