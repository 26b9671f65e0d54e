#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hostile::access_file::access_file(bytes);
});
