//! The committed inputs, through the functions that the fuzzer calls: what it has found once stays found, without nightly.

use std::fs;
use std::io;
use std::path::Path;

use hostile::TARGETS;

/// The inputs of a target, with their names.
fn inputs(target: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut inputs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        inputs.push((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?));
    }
    inputs.sort();
    Ok(inputs)
}

#[test]
fn every_input_is_taken_or_refused_and_those_that_are_sound_are_taken() -> io::Result<()> {
    for (target, run) in TARGETS {
        let inputs = inputs(target)?;
        assert!(inputs.iter().any(|(name, _)| name.starts_with("sound-")), "{target} has no sound seed");
        for (name, bytes) in inputs {
            // Shown if it panics.
            println!("{target}/{name}");
            let taken = run(&bytes);
            assert!(
                taken || !name.starts_with("sound-"),
                "{target}/{name} is refused; has a format changed? `just fuzz-seeds`"
            );
        }
    }
    Ok(())
}
