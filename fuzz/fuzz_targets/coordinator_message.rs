#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hostile::coordinator_message::coordinator_message(bytes);
});
