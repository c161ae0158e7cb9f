//! Holds [`fuzz::wait`] against whatever libFuzzer comes upon.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::wait(data));
