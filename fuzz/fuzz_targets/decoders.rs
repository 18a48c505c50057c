#![no_main]

use orderwire_fuzz::targets::decoders;

libfuzzer_sys::fuzz_target!(|data: &[u8]| decoders(data));
