//! Fuzzes `countersign_fuzz::sql::cut`, which says what must hold.
#![no_main]

// A panic of the parser on its own thread is an answer (the file is refused); libFuzzer's hook would abort on it.
// Panics on the fuzzing thread are findings all the same.
libfuzzer_sys::fuzz_target!(
    init: drop(std::panic::take_hook()),
    |bytes: &[u8]| countersign_fuzz::sql::cut(bytes)
);
