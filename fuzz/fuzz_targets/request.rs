//! Fuzzes `countersign_fuzz::tree::request`, which says what must hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| countersign_fuzz::tree::request(bytes));
