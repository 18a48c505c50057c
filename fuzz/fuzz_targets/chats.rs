#![no_main]

use orderwire_fuzz::people::chats;

libfuzzer_sys::fuzz_target!(|data: &[u8]| chats(data));
