#![no_main]

use orderwire_fuzz::targets::answers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| answers(data));
