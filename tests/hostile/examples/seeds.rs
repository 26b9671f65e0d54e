//! Writes the seeds of the fuzz targets: `cargo run -p taugrid-hostile --example seeds`, at the top of the repository.

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    for seed in hostile::seeds::all() {
        let folder = Path::new("fuzz/seeds").join(seed.target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("sound-{}", seed.name)), &seed.bytes)?;
        println!("{}/sound-{}: {} bytes", seed.target, seed.name, seed.bytes.len());
    }
    Ok(())
}
