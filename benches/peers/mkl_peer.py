"""W1 in C++ (mkl_w1.cpp) on MKL's vector generators: compiles it and runs it.
See README.md; rates as in common.py."""

import os
import pathlib
import statistics
import subprocess
import sys

import common

# Particles side by side: best of 16 ... 256. One call draws 64 normals for each.
LANES = {1: 64, 10: 64, 100: 64, 1000: 32}


def build(lanes):
    """Compile into the virtual environment's folder; returns the program's path."""
    here = pathlib.Path(__file__).resolve().parent
    prefix = pathlib.Path(sys.prefix)
    program = prefix / f"mkl_w1_{lanes}"
    libraries = [
        str(prefix / "lib" / f"libmkl_{name}.so.3")
        for name in ("intel_lp64", "sequential", "core")
    ]
    command = ["g++", "-std=c++17", "-O3", "-march=native", "-ffast-math"]
    command += ["-fno-finite-math-only", f"-DLANES={lanes}", f"-DNORMALS={64 * lanes}"]
    command += [f"-I{prefix}/include", str(here / "mkl_w1.cpp"), "-o", str(program)]
    command += [*libraries, f"-Wl,-rpath,{prefix}/lib", "-lpthread", "-lm", "-ldl"]
    try:
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"mkl_peer.py: cannot compile mkl_w1.cpp with g++: {error}") from None
    return program


def main():
    args = common.arguments("mkl", workloads=("W1",))
    common.pin(0)
    for d in args.sizes:
        program = build(LANES[d])
        a, s, h, barrier = common.quadratic(d)
        numbers = " ".join(f"{v:.9g}" for v in (*a, *s, *h, barrier))
        lines = subprocess.run(
            [program, str(d), str(args.trials), str(args.repeats), "1"],
            input=numbers,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "MKL_NUM_THREADS": "1"},
        ).stdout.split("\n")
        runs = [tuple(map(float, line.split())) for line in lines if line]
        mean = statistics.mean(steps for steps, _ in runs) / args.trials
        rates = [steps / seconds for steps, seconds in runs]
        common.report("mkl", "W1", d, 1, args.trials, rates, mean_exit_step=round(mean, 1))


if __name__ == "__main__":
    main()
