"""Tasks of no work through several orchestrators, on two slots of this machine, one after another.

    compare.py TASKS

A task is a Python call for Dask and Ray, a process for HyperQueue, and for taugrid a trial that leaves at its first step: run,
sent, made durable in Parquet and compacted. Beside it stand taugrid's shards (`taugrid bench orchestrator`), each a lease,
its rows and its end: what taugrid schedules, where the others schedule tasks.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SLOTS = 2
programs = Path(os.environ["TAUGRID_BIN"])


def noop(task):
    return task


def dask(tasks):
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=SLOTS, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        client.gather(client.map(noop, range(100)))
        began = time.perf_counter()
        client.gather(client.map(noop, range(1000, 1000 + tasks)))
        return (time.perf_counter() - began) / tasks


def ray(tasks):
    import ray

    ray.init(num_cpus=SLOTS, include_dashboard=False, logging_level="ERROR")
    remote = ray.remote(noop)
    ray.get([remote.remote(task) for task in range(100)])
    began = time.perf_counter()
    ray.get([remote.remote(task) for task in range(tasks)])
    taken = (time.perf_counter() - began) / tasks
    ray.shutdown()
    return taken


def hyperqueue(tasks):
    with tempfile.TemporaryDirectory() as folder:
        hq = ["hq", "--server-dir", folder]
        server = subprocess.Popen([*hq, "server", "start"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run([*hq, "server", "wait", "--timeout", "30s"], check=True, stdout=subprocess.DEVNULL)
        worker = subprocess.Popen([*hq, "worker", "start", "--cpus", str(SLOTS)], stdout=subprocess.DEVNULL)
        quiet = ["--stdout", "none", "--stderr", "none"]
        subprocess.run([*hq, "submit", "--wait", *quiet, "true"], check=True, stdout=subprocess.DEVNULL)
        began = time.perf_counter()
        subprocess.run([*hq, "submit", "--wait", *quiet, "--array", f"1-{tasks}", "true"], check=True, stdout=subprocess.DEVNULL)
        taken = (time.perf_counter() - began) / tasks
        subprocess.run([*hq, "server", "stop"], check=True, stdout=subprocess.DEVNULL)
        worker.wait()
        server.wait()
        return taken


def trials(tasks):
    """The time of `tasks` trials less that of one: what a start and an end take is not the tasks'."""

    def run(count):
        with tempfile.TemporaryDirectory() as folder:
            sweep = Path(folder) / "sweep.yaml"
            sweep.write_text(
                "name: noop\nseed: 1\nlandscape: {kind: quadratic, eigenvalues: [1.0]}\ndomain: {kind: ball, radius: 1e-9}\n"
                "dynamics: {kind: gaussian-sgd, covariance: identity}\ngrid: {alpha: [1], eta: [1], batch_size: [1]}\n"
                f"trials: {count}\nmax_steps: 1000\n"
            )
            words = [programs / "taugrid", "run", sweep, "--out", Path(folder) / "out", "--threads", str(SLOTS)]
            began = time.perf_counter()
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return time.perf_counter() - began

    return max(run(tasks) - run(1), 0.0) / tasks


def shards(_):
    words = [programs / "taugrid", "bench", "orchestrator", "--workers", "16", "--seconds", "3", "--json"]
    lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    figures = [json.loads(line) for line in lines]
    return 1 / next(figure["value"] for figure in figures if figure["name"] == "shards")


def main():
    tasks = int(sys.argv[1])
    contenders = {
        "Dask, Python calls": dask,
        "Ray, Python calls": ray,
        "HyperQueue, processes": hyperqueue if shutil.which("hq") else None,
        "taugrid, shards": shards,
        "taugrid, trials (a million)": lambda _: trials(1_000_000),
    }
    taken = {}
    for name, run in contenders.items():
        if run is None:
            print(f"{name}: not on the PATH, left out", file=sys.stderr)
            continue
        print(name, file=sys.stderr)
        taken[name] = run(tasks)
    own = taken["taugrid, shards"]
    print(f"{'':<30}{'µs a task':>12}{'against a shard of taugrid':>30}")
    for name, seconds in taken.items():
        print(f"{name:<30}{seconds * 1e6:>12.2f}{seconds / own:>29.1f}×")


# Dask starts its workers by importing this file.
if __name__ == "__main__":
    main()
