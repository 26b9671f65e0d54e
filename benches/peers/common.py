"""What all peers share: the four workloads, the command line, the clock.

Units: a rate is particle-steps/s (W1), steps/s of all chains together (W2,
W3) or chain-steps/s (W4); times are seconds.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import time

import numpy as np

# W1: Gaussian SGD on L = 0.5 * sum h theta^2 with noise covariance C = H.
W1_ETA = 0.1
W1_BATCH = 10
W1_BARRIER = {1: 0.031, 10: 0.0427, 100: 0.167, 1000: 1.186}
W1_TRIALS = 10_000

# W2, W3, W4: SGD on an MLP with one hidden layer, MSE on one-hot labels.
EXAMPLES = 10_430
INPUTS = 10
CLASSES = 12
MLP_ETA = 0.05
RADIUS = 1e6  # never reached, but compared with at every step
HIDDEN = {"W2": 5000, "W3": 5000, "W4": 50}
BATCHES = {"W2": (10, 50, 100, 500), "W3": (10,), "W4": (1, 10, 100)}
W4_CHAINS = 256

UNIT = {
    "W1": "particle-steps/s",
    "W2": "steps/s",
    "W3": "steps/s",
    "W4": "chain-steps/s",
}


def arguments(peer, workloads=("W1", "W2", "W3", "W4")):
    """Parse a peer's command line; `sizes` is the list of d (W1) or B."""
    parser = argparse.ArgumentParser(prog=f"{peer.replace('-', '_')}_peer.py")
    parser.add_argument("--workload", required=True, choices=workloads)
    parser.add_argument("--threads", type=int, help="default: 1 for W1, else 2")
    parser.add_argument(
        "--d", type=int, action="append", choices=sorted(W1_BARRIER), help="may be repeated"
    )
    parser.add_argument("--B", type=int)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="length of one repeat of W2, W3, W4"
    )
    parser.add_argument(
        "--trials", type=int, default=W1_TRIALS, help="of W1; fewer make for a lower rate"
    )
    args = parser.parse_args()
    if args.workload == "W1":
        args.threads = 1
        args.sizes = args.d or sorted(W1_BARRIER)
    else:
        args.threads = args.threads or 2
        args.sizes = [args.B] if args.B else list(BATCHES[args.workload])
    return args


def report(peer, workload, size, threads, chains, rates, **more):
    """Print one JSON line; `rates` are the repeats' rates in the workload's unit."""
    line = {
        "peer": peer,
        "workload": workload,
        "d" if workload == "W1" else "B": size,
        "dtype": "f32",
        "threads": threads,
        "chains": chains,
        "unit": UNIT[workload],
        "median": statistics.median(rates),
        "min": min(rates),
        "max": max(rates),
        **more,
    }
    print(json.dumps(line), flush=True)


def pin(core):
    """Keep this process on one of the cores that it may use."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[core % len(cores)]})


def quadratic(d):
    """W1 in dimension d: decay a and noise scale s of theta <- a*theta + s*z,
    the curvatures h (all float32 arrays of length d), and the barrier."""
    h = np.ones(1) if d == 1 else 10.0 ** (-np.arange(d) / (d - 1))
    a = 1.0 - W1_ETA * h
    s = W1_ETA * np.sqrt(h / W1_BATCH)
    return a.astype("f4"), s.astype("f4"), h.astype("f4"), np.float32(W1_BARRIER[d])


def measure_w1(peer, args, make):
    """Time W1. `make(d, trials)` compiles, warms up and returns a function
    `run(seed)` that runs all trials to their exit and returns the sum of
    their exit steps."""
    pin(0)
    for d in args.sizes:
        run = make(d, args.trials)
        rates, exits = [], []
        for repeat in range(args.repeats):
            start = time.perf_counter()
            steps = int(run(repeat + 1))
            rates.append(steps / (time.perf_counter() - start))
            exits.append(steps / args.trials)
        mean = statistics.mean(exits)
        report(peer, "W1", d, 1, args.trials, rates, mean_exit_step=round(mean, 1))


def data():
    """The synthetic set: inputs with a last column of ones (N x 11) and
    one-hot labels (N x 12), float32."""
    rng = np.random.default_rng(1)
    x = np.ones((EXAMPLES, INPUTS + 1), dtype="f4")
    x[:, :INPUTS] = rng.standard_normal((EXAMPLES, INPUTS))
    y = np.eye(CLASSES, dtype="f4")[rng.integers(0, CLASSES, EXAMPLES)]
    return x, y


def start_weights(hidden, chains=None):
    """Start of one chain (or of each of several, stacked in front), float32:
    first layer (11 x hidden) and second (hidden + 1 x 12); each has its bias
    as its last row. The first layer is small enough that eta = 0.05 is stable."""
    rng = np.random.default_rng(2)
    front = () if chains is None else (chains,)
    w1 = rng.standard_normal((*front, INPUTS + 1, hidden)).astype("f4")
    w2 = rng.standard_normal((*front, hidden + 1, CLASSES)).astype("f4")
    return w1 * np.float32(1.4 / np.sqrt(hidden)), w2 / np.float32(np.sqrt(hidden))


def draw(rng, rows, batch):
    """Minibatches: (rows x batch) uint16 indices of examples, each row drawn
    uniformly without replacement (only repeated ones are drawn again, which
    by symmetry keeps every set equally likely)."""
    index = rng.integers(0, EXAMPLES, (rows, batch), dtype=np.uint16)
    left = np.arange(rows) if batch > 1 else ()
    while len(left):
        part = np.sort(index[left], axis=1)
        again = np.zeros(part.shape, dtype=bool)
        again[:, 1:] = part[:, 1:] == part[:, :-1]
        part[again] = rng.integers(0, EXAMPLES, again.sum(), dtype=np.uint16)
        index[left] = part
        left = left[again.any(axis=1)]
    return index


def weights(rng, batch):
    """W3's weights of the examples' gradients: N float32."""
    xi = rng.standard_normal(EXAMPLES, dtype="f4")
    return (xi - xi.mean()) / np.float32(np.sqrt(EXAMPLES * batch)) + np.float32(
        1.0 / EXAMPLES
    )


def run_for(advance, seconds):
    """Call `advance()`, which returns the steps it did, until the time is up;
    returns steps/s."""
    start = now = time.perf_counter()
    steps = 0
    while now - start < seconds:
        steps += advance()
        now = time.perf_counter()
    return steps / (now - start)


def _worker(core, make, make_args, repeats, seconds, barrier, queue):
    """One process on one core: warm up, then `repeats` timed windows, each
    begun together with the other processes."""
    pin(core)
    advance = make(core, *make_args)
    run_for(advance, min(0.3, seconds))
    rates = []
    for _ in range(repeats):
        barrier.wait()
        rates.append(run_for(advance, seconds))
    queue.put(rates)


def processes(make, make_args, args):
    """Rates (one per repeat, summed over processes) of `args.threads`
    processes, each on its own core, where `make(core, *make_args)` returns
    `advance` as in `run_for`."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(args.threads)
    queue = context.Queue()
    workers = [
        context.Process(
            target=_worker,
            args=(core, make, make_args, args.repeats, args.seconds, barrier, queue),
        )
        for core in range(args.threads)
    ]
    for worker in workers:
        worker.start()
    rates = []
    while len(rates) < len(workers):
        try:
            rates.append(queue.get(timeout=1.0))
        except Exception:  # queue.Empty
            if any(worker.exitcode for worker in workers):
                for worker in workers:
                    worker.terminate()
                raise SystemExit("a worker process failed") from None
    for worker in workers:
        worker.join()
    return [sum(both) for both in zip(*rates)]
