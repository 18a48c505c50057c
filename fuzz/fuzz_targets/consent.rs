#![no_main]

use orderwire_fuzz::people::consent;

libfuzzer_sys::fuzz_target!(|data: &[u8]| consent(data));
