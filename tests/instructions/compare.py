"""Instructions for a unit of work, held against the baseline; see `check`.

    compare.py COUNTS BASELINE RUSTC [--accept]

COUNTS has a line a kernel, separated by tabs: its name, its unit of work, then units and instructions of a short run and
of a long one. Ends with "N passed, N failed", and with 1 if any failed.
"""

import json
import sys
from pathlib import Path

TOLERANCE = 0.03


def measured(path):
    """{kernel: (instructions for a unit, unit)}"""
    counts = {}
    for line in path.read_text().splitlines():
        kernel, unit, *numbers = line.split("\t")
        units, instructions, more_units, more_instructions = map(int, numbers)
        counts[kernel] = (more_instructions - instructions) / (more_units - units), unit
    return counts


def main(counts, path, rustc, accept):
    counts = measured(counts)
    known = json.loads(path.read_text()) if path.exists() else {"rustc": None, "instructions": {}}
    baseline, same = known["instructions"], known["rustc"] == rustc
    failed = []
    print(f"{'kernel':16} {'instructions':>14} {'baseline':>14} {'change':>8}  for each")
    for kernel, (now, unit) in counts.items():
        before = baseline.get(kernel)
        change = now / before - 1 if before else None
        print(
            f"{kernel:16} {now:14,.3f} {before or float('nan'):14,.3f} "
            + (f"{change:+8.2%}" if before else f"{'new':>8}")
            + f"  {unit}"
        )
        if change is None or (same and change > TOLERANCE):
            failed.append(kernel)
        elif same and change < -TOLERANCE:
            print(f"{'':16} less than before: --accept keeps it so")
    gone = [kernel for kernel in baseline if kernel not in counts]
    for kernel in gone:
        print(f"{kernel:16} is in the baseline, but no kernel any more")
    if accept:
        instructions = {kernel: float(f"{now:.6g}") for kernel, (now, _) in counts.items()}
        path.write_text(json.dumps({"rustc": rustc, "isa": "avx2", "instructions": instructions}, indent=2) + "\n")
        print(f"accepted: {path} is the new baseline")
        return 0
    if not same:
        print(f"the baseline is of {known['rustc']}, and this is {rustc}: a change may be the compiler's, and is no failure")
    failed += gone
    print(f"{len(counts) + len(gone) - len(failed)} passed, {len(failed)} failed")
    if failed:
        print(
            f"{', '.join(failed)}: not within {TOLERANCE:.0%} of the baseline. If that is meant, "
            "tests/instructions/check --accept makes it the new one, to be committed with the change."
        )
    return 1 if failed else 0


if __name__ == "__main__":
    counts, path, rustc, *rest = sys.argv[1:]
    sys.exit(main(Path(counts), Path(path), rustc, "--accept" in rest))
