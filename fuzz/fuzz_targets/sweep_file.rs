#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hostile::sweep_file::sweep_file(bytes);
});
