"""Run `taugrid bench core` and the peers in turn; print ratios ours/best peer.

Rates are in the units of common.UNIT. Exit codes: 0; 1 if a goal is missed
and --check was given; 2 if something cannot be run.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

import common

HERE = pathlib.Path(__file__).resolve().parent
PYTHON_PEERS = ("numba", "torch", "jax")
BY_HAND = ("numba-by-hand", "jax-by-hand")
W1_ONLY = ("mkl", *BY_HAND)
PEERS = (*PYTHON_PEERS, *W1_ONLY)
QUICK_W1 = (1, 10, 100)  # d

# Goals: the least ratio of our rate to the best of the peers named; None
# where the ratio is only shown.
GOALS = [
    *[("W1", d, PYTHON_PEERS, 13.0 if d == 1 else 9.0) for d in common.W1_BARRIER],
    *[("W1", d, ("mkl",), 1.3) for d in common.W1_BARRIER],
    *[("W1", d, (peer,), None) for peer in BY_HAND for d in common.W1_BARRIER],
    *[("W2", b, PYTHON_PEERS, 5.0 if b == 10 else 3.0) for b in common.BATCHES["W2"]],
    *[("W3", b, PYTHON_PEERS, 3.3) for b in common.BATCHES["W3"]],
    *[("W4", b, PYTHON_PEERS, 3.0 if b == 100 else 6.0) for b in common.BATCHES["W4"]],
]


class Failed(Exception):
    """Something could not be run; the text says what."""


def names(text, allowed):
    """A comma-separated list of some of `allowed`."""
    chosen = text.split(",")
    for name in chosen:
        if name not in allowed:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(allowed)}")
    return chosen


def arguments():
    parser = argparse.ArgumentParser(prog="benches/peers/run", description=__doc__)
    workloads, peers = list(common.UNIT), list(PEERS)
    parser.add_argument(
        "--workloads", type=lambda t: names(t, workloads), default=workloads, metavar="W1,W2"
    )
    parser.add_argument(
        "--peers", type=lambda t: names(t, peers), default=peers, metavar="numba,mkl"
    )
    parser.add_argument("--rounds", type=int, help="alternations of each (default 3)")
    parser.add_argument(
        "--quick", action="store_true", help="1 round, shorter, W1 without d = 1000"
    )
    parser.add_argument("--json", action="store_true", help="print one object, no table")
    parser.add_argument("--check", action="store_true", help="exit 1 if a goal is missed")
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 3)
    if args.rounds < 1:
        parser.error("--rounds must be at least 1")
    return args


def environment(threads):
    """For the peers: `threads` threads in all, so one in each process, and
    none of the settings that would hold OpenBLAS back."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    for name in ("OMP", "MKL", "OPENBLAS", "NUMEXPR"):
        env[f"{name}_NUM_THREADS"] = "1"
    env["NUMBA_NUM_THREADS"] = str(threads)
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    return env


def rates(command, env=None):
    """Run a benchmark; returns {(workload, size): median rate} of its JSON
    lines in f32. (Ours prints W1 in f64 too, and the machine's peaks.)"""
    shown = " ".join(str(part) for part in command)
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=env, check=False)
    except OSError as error:
        raise Failed(f"cannot run {shown}: {error.strerror}") from None
    if done.returncode:
        raise Failed(f"{shown}: exit code {done.returncode}")
    found = {}
    for line in filter(str.strip, done.stdout.splitlines()):
        try:
            row = json.loads(line)
            if row["workload"] == "peak" or row["dtype"] != "f32":
                continue
            size = row["d"] if row["workload"] == "W1" else row["B"]
            if row["unit"] != common.UNIT[row["workload"]]:
                raise Failed(f"{shown}: unit {row['unit']!r} of {row['workload']}")
            found[row["workload"], size] = float(row["median"])
        except (ValueError, KeyError, TypeError) as error:
            raise Failed(f"{shown}: not the expected JSON line ({error!r}): {line}") from None
    if not found:
        raise Failed(f"{shown}: printed no result")
    return found


def our_command(workload, threads, sizes, seconds):
    folder = os.environ.get("TAUGRID_BIN", HERE.parents[1] / "target" / "release")
    program = pathlib.Path(folder) / "taugrid"
    if not os.access(program, os.X_OK):
        raise Failed(
            f"{program} is missing; build it with `cargo build --release`,"
            " or name its folder in TAUGRID_BIN"
        )
    command = [program, "bench", "core", "--threads", str(threads), "--json"]
    command += ["--repetitions", "1", "--seconds", seconds]
    for selected in [f"{workload}/{size}" for size in sizes] or [workload]:
        command += ["--workload", selected]
    return command


def peer_command(peer, workload, threads, sizes, seconds):
    script = HERE / f"{peer.replace('-', '_')}_peer.py"
    command = [sys.executable, script, "--workload", workload, "--threads", str(threads)]
    command += ["--repeats", "1", "--seconds", seconds]
    for size in sizes:
        command += ["--d", str(size)]
    return command


def measure(args):
    """{who: {(workload, size): [a rate for each round]}}; ours is "taugrid"."""
    results = {}
    for workload in args.workloads:
        peers = [p for p in args.peers if p not in W1_ONLY or workload == "W1"]
        threads = 1 if workload == "W1" else 2
        # The same for both sides; W1 takes 10,000 trials whatever the seconds.
        sizes = QUICK_W1 if args.quick and workload == "W1" else ()
        same = (workload, threads, sizes, "1" if args.quick else "2")
        ours = our_command(*same)
        for turn in range(args.rounds):
            for peer in peers:
                theirs = peer_command(peer, *same)
                for who, command, env in (
                    ("taugrid", ours, None),
                    (peer, theirs, environment(threads)),
                ):
                    print(f"{workload} round {turn + 1}: {who}", file=sys.stderr)
                    for key, rate in rates(command, env).items():
                        results.setdefault(who, {}).setdefault(key, []).append(rate)
    return results


def judge(results):
    """A row for each of GOALS that was measured: the best of its peers by the
    median of the rounds, and the ratio of the medians with the lowest and
    the highest that the rounds allow."""
    rows = []
    ours = results.get("taugrid", {})
    for workload, size, peers, goal in GOALS:
        key = (workload, size)
        theirs = {p: results[p][key] for p in peers if key in results.get(p, {})}
        if key not in ours or not theirs:
            continue
        best = max(theirs, key=lambda p: statistics.median(theirs[p]))
        ratio = statistics.median(ours[key]) / statistics.median(theirs[best])
        rows.append(
            {
                "workload": workload,
                "d" if workload == "W1" else "B": size,
                "unit": common.UNIT[workload],
                "ours": statistics.median(ours[key]),
                "peers": {p: statistics.median(v) for p, v in theirs.items()},
                "best": best,
                "ratio": ratio,
                "ratio_min": min(ours[key]) / max(theirs[best]),
                "ratio_max": max(ours[key]) / min(theirs[best]),
                "goal": goal,
                "reached": None if goal is None else ratio >= goal,
            }
        )
    return rows


def table(rows):
    """Lines of text; rates to 4 digits, the ratio's spread in brackets."""
    head = ("workload", "size", "best peer", "its rate", "ours", "unit", "ratio", "goal", "")
    lines = [head]
    for row in rows:
        kind = "d" if "d" in row else "B"
        lines.append(
            (
                row["workload"],
                f"{kind}={row[kind]}",
                row["best"],
                f"{row['peers'][row['best']]:.4g}",
                f"{row['ours']:.4g}",
                row["unit"],
                f"{row['ratio']:.2f} [{row['ratio_min']:.2f}, {row['ratio_max']:.2f}]",
                "-" if row["goal"] is None else f"{row['goal']:g}",
                {True: "reached", False: "missed", None: "our algorithm by hand"}[row["reached"]],
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return ["  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in lines]


def main():
    args = arguments()
    try:
        results = measure(args)
    except Failed as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 2
    rows = judge(results)
    reached = sum(row["reached"] is True for row in rows)
    missed = sum(row["reached"] is False for row in rows)
    if args.json:
        print(json.dumps({"rounds": args.rounds, "quick": args.quick, "rows": rows}, indent=2))
    else:
        print("\n".join(table(rows)))
        print(f"{reached} goals reached, {missed} missed")
    return 1 if args.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
