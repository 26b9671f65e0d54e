//! One kernel for so many units of work, for counting instructions: `hot KERNEL UNITS` prints how many units were done.
//! `hot` alone lists the kernels, each with a number of units to count by and what a unit is. See `tests/instructions/check`.

mod kernels;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        kernels::PARTS.iter().for_each(|part| println!("{}\t{}\t{}", part.name, part.units, part.unit));
        return ExitCode::SUCCESS;
    };
    let part = kernels::PARTS.iter().find(|part| part.name == name);
    let units = arguments.next().and_then(|units| units.parse().ok());
    let (Some(part), Some(units)) = (part, units) else {
        eprintln!("usage: hot [KERNEL UNITS]; `hot` alone lists the kernels");
        return ExitCode::from(2);
    };
    println!("{}", (part.kernel)()(units));
    ExitCode::SUCCESS
}
