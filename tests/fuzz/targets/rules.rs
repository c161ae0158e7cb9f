//! Holds [`fuzz::rules`] against whatever libFuzzer comes upon.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::rules(data));
