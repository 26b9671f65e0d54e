#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hostile::worker_message::worker_message(bytes);
});
