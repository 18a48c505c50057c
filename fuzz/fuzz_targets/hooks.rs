#![no_main]

use orderwire_fuzz::targets::hooks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| hooks(data));
