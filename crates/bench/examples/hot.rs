//! One kernel for so many units of work, for counting instructions: `hot KERNEL UNITS` prints how many units were done.
//! `hot` alone lists the kernels. See `tests/instructions/check`.

mod kernels;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        kernels::KERNELS.iter().for_each(|(name, unit, _)| println!("{name}\tinstructions per {unit}"));
        return ExitCode::SUCCESS;
    };
    let kernel = kernels::KERNELS.iter().find(|(known, ..)| *known == name);
    let units = arguments.next().and_then(|units| units.parse().ok());
    let (Some((_, _, kernel)), Some(units)) = (kernel, units) else {
        eprintln!("usage: hot [KERNEL UNITS]; `hot` alone lists the kernels");
        return ExitCode::from(2);
    };
    println!("{}", kernel()(units));
    ExitCode::SUCCESS
}
