#![no_main]

use orderwire_fuzz::targets::spool;

libfuzzer_sys::fuzz_target!(|data: &[u8]| spool(data));
