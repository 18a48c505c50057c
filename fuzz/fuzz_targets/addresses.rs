#![no_main]

use orderwire_fuzz::targets::addresses;

libfuzzer_sys::fuzz_target!(|data: &[u8]| addresses(data));
