"""Opens the dataset of sweep.yaml in DuckDB, Polars and pandas, and checks names, types and values in each.

    check.py OUT

Each reader is asked in its own words, as a notebook would; what they say is compared with the tables below, and with
each other. Prints a line per claim, and last "N passed, N failed"; exits 1 if one failed.
"""

import math
import sys
from collections import defaultdict
from pathlib import Path

import duckdb
import pandas
import polars

from claims import claim, conclude

# --- the columns, in order (docs: crates/results/src/schema.rs and cells.rs). "word": text, dictionary-encoded.
CELL = {
    "cell": "word",
    "dynamics": "word",
    "covariance": "word",
    "alpha": "float",
    "beta": "float",
    "eta": "float",
    "batch_size": "int",
}
TRIALS = CELL | {
    "trial": "int",
    "outcome": "word",
    "exit_step": "int?",
    "exit_time": "float",
    "steps": "int",
    "exit_loss": "float",
    "exit_radius": "float",
}
CELLS = CELL | {
    "lambda_max": "float",
    "lambda_min": "float",
    "trace": "float",
    "depth": "float",
    "estimator": "word",
    "trials": "int",
    "exits": "int",
    "censored": "int",
    "diverged": "int",
    "mean_exit_steps": "float",
    "mean_exit_time": "float",
    "lower": "float",
    "upper": "float",
    "std": "float",
    "median": "float",
    "total_steps": "int",
    "gradient_norm": "float",
    "drift": "bool",
    "unstable": "bool",
    "ks_p": "float",
    "exponent_freidlin_wentzell": "float",
    "exponent_paper": "float",
    "substeps": "int",
    "stability": "float",
    "depth_method": "word",
    "noise_trace": "float",
    "noise_alignment": "float",
    "noise_distance": "float",
    "clipped_weight": "float",
    "quasipotential": "float",
    "quasipotential_method": "word",
    "exact_mean_exit_time": "float",
    "exact_method": "word",
    "precision_reached": "bool?",
}

# --- what each reader makes of them. "int?" has nulls: plain pandas has no integer for that, and makes it a float.
DUCKDB = {"word": "VARCHAR", "float": "DOUBLE", "int": "BIGINT", "int?": "BIGINT", "bool": "BOOLEAN", "bool?": "BOOLEAN"}
POLARS = {
    "word": polars.Categorical,
    "float": polars.Float64,
    "int": polars.Int64,
    "int?": polars.Int64,
    "bool": polars.Boolean,
    "bool?": polars.Boolean,
}
PANDAS = {"word": "category", "float": "float64", "int": "int64", "int?": "float64", "bool": "bool", "bool?": "object"}
ARROW = {
    "word": "dictionary<values=string, indices=int32, ordered=0>[pyarrow]",
    "float": "double[pyarrow]",
    "int": "int64[pyarrow]",
    "int?": "int64[pyarrow]",
    "bool": "bool[pyarrow]",
    "bool?": "bool[pyarrow]",
}

# --- sweep.yaml
GRID = {
    (covariance, alpha, eta, batch_size)
    for covariance in ("hessian", "identity")
    for alpha in (1.0, 2.0)
    for eta in (0.02, 0.2, 1.5e308)
    for batch_size in (1, 2)
}
TRIALS_PER_CELL = 200
MAX_STEPS = 100


def typed(reader, table, found, kinds, expected):
    """The reader sees the columns of `expected`, in order, with its own types for their `kinds`."""
    wanted = [(name, kinds[kind]) for name, kind in expected.items()]
    wrong = [f"{have} where {want} is expected" for have, want in zip(found, wanted) if have != want]
    if len(found) != len(wanted):
        wrong.append(f"{len(found)} columns where {len(wanted)} are expected")
    claim(f"{reader}: {table} has the {len(wanted)} columns of the schema, in order, with their types", not wrong, wrong[:3])


def records(columns, rows):
    return [dict(zip(columns, row, strict=True)) for row in rows]


def same(a, b):
    """Equal values, to the last bit; a NaN equals a NaN, a null equals only a null."""
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b):
        return True
    return type(a) is type(b) and a == b


def check_trials(reader, rows):
    claim(f"{reader}: {len(GRID)} cells × {TRIALS_PER_CELL} trials", len(rows) == len(GRID) * TRIALS_PER_CELL, len(rows))
    by_cell = defaultdict(list)
    for row in rows:
        by_cell[row["cell"]].append(row)
    points = {(r["covariance"], r["alpha"], r["eta"], r["batch_size"]) for r in rows}
    claim(f"{reader}: the cells are the grid's", points == GRID, points ^ GRID)
    claim(
        f"{reader}: a cell's key is 16 hex digits, and stands for one point of the grid",
        len(by_cell) == len(GRID)
        and all(len(key) == 16 and set(key) <= set("0123456789abcdef") for key in by_cell)
        and all(len({tuple(r[name] for name in CELL) for r in cell}) == 1 for cell in by_cell.values()),
    )
    claim(f"{reader}: dynamics and β are the sweep's", all(r["dynamics"] == "gaussian-sgd" and r["beta"] == 1.0 for r in rows))
    claim(
        f"{reader}: each cell has the trials 0 to {TRIALS_PER_CELL - 1}",
        all([r["trial"] for r in cell] == list(range(TRIALS_PER_CELL)) for cell in by_cell.values()),
    )
    order = [(r["cell"], r["trial"]) for r in rows]
    claim(f"{reader}: the rows come sorted by (cell, trial)", order == sorted(order))
    outcomes = {r["outcome"] for r in rows}
    claim(f"{reader}: there are exited, diverged and censored trials", outcomes == {"exited", "diverged", "censored"}, outcomes)
    censored = [r for r in rows if r["outcome"] == "censored"]
    left = [r for r in rows if r["outcome"] != "censored"]
    claim(
        f"{reader}: censored trials have null exit_step and exit_time, and ran {MAX_STEPS} steps",
        all(r["exit_step"] is None and r["exit_time"] is None and r["steps"] == MAX_STEPS for r in censored),
    )
    claim(
        f"{reader}: the others left at exit_step = steps, in time exit_step·η",
        all(
            1 <= r["exit_step"] == r["steps"] <= MAX_STEPS and r["exit_time"] == float(r["exit_step"]) * r["eta"]
            for r in left
        ),
    )
    # D is the sublevel set of depth β/2.
    claim(f"{reader}: censored trials are inside D", all(r["exit_loss"] < 0.5 * r["beta"] for r in censored))
    claim(
        f"{reader}: exited trials are outside D, and diverged ones at no finite place",
        all(0.5 * r["beta"] <= r["exit_loss"] for r in left if r["outcome"] == "exited")
        and all(not math.isfinite(r["exit_radius"]) for r in left if r["outcome"] == "diverged"),
    )
    return by_cell


def check_cells(reader, rows, by_cell):
    claim(f"{reader}: cells.parquet has the cells of trials/, in order", [r["cell"] for r in rows] == list(by_cell))
    wrong = []
    for row in rows:
        trials = by_cell[row["cell"]]
        exits = [r for r in trials if r["outcome"] != "censored"]
        total = sum(r["steps"] for r in trials)
        mean = total / len(exits) if exits else None
        expected = {name: trials[0][name] for name in CELL} | {
            "estimator": "direct",
            "trials": len(trials),
            "exits": len(exits),
            "censored": len(trials) - len(exits),
            "diverged": sum(r["outcome"] == "diverged" for r in trials),
            "total_steps": total,
            "mean_exit_steps": mean,
            "mean_exit_time": None if mean is None else mean * row["eta"],
            "unstable": row["eta"] * row["lambda_max"] > 2,
        }
        wrong += [f"{row['cell']}.{k}: {row[k]!r}, not {v!r}" for k, v in expected.items() if not same(row[k], v)]
    claim(f"{reader}: its counts, steps and means are those of the trials", not wrong, wrong[:3])
    claim(
        f"{reader}: there are cells without an exit, whose mean is null, and cells with and without censored trials",
        any(r["mean_exit_steps"] is None for r in rows)
        and any(r["exits"] and r["censored"] for r in rows)
        and any(not r["censored"] for r in rows),
    )
    claim(
        f"{reader}: a mean lies within its interval",
        all(r["lower"] <= r["mean_exit_time"] <= r["upper"] for r in rows if r["mean_exit_time"] is not None),
    )
    # H = diag(1, 1/4), D = {L < 1/2}: λmax = αβ, λmin = αβ/4, tr = 5αβ/4, ΔL = β/2, and θ* is a minimum.
    wrong = []
    for row in rows:
        sharpness = row["alpha"] * row["beta"]
        expected = {
            "lambda_max": sharpness,
            "lambda_min": 0.25 * sharpness,
            "trace": 1.25 * sharpness,
            "depth": 0.5 * row["beta"],
            "gradient_norm": 0.0,
        }
        wrong += [
            f"{row['cell']}.{k}: {row[k]!r}, not {v!r}"
            for k, v in expected.items()
            if row[k] is None or not math.isclose(row[k], v, rel_tol=1e-12)
        ]
    claim(f"{reader}: the effective sharpness and depth are the quadratic's", not wrong, wrong[:3])


def plain(value):
    """pandas has one missing value for null and NaN in float columns; its Arrow types keep them apart."""
    return None if value is None or value is pandas.NA else value


def main(out):
    trials, cells = f"{out}/trials/*.parquet", f"{out}/cells.parquet"
    read = {}

    # DuckDB
    db = duckdb.connect()
    tables = []
    for name, path, expected in (("trials", trials, TRIALS), ("cells", cells, CELLS)):
        described = db.sql(f"describe select * from '{path}'").fetchall()
        typed("DuckDB", name, [(row[0], row[1]) for row in described], DUCKDB, expected)
        relation = db.sql(f"select * from '{path}'")
        tables.append(records(relation.columns, relation.fetchall()))
    read["DuckDB"] = tables

    # Polars, eager and lazy
    tables = []
    for name, path, expected in (("trials", trials, TRIALS), ("cells", cells, CELLS)):
        frame = polars.read_parquet(path)
        typed("Polars", name, list(frame.schema.items()), POLARS, expected)
        claim(f"Polars: {name} scans lazily to the same", polars.scan_parquet(path).collect().equals(frame))
        tables.append(frame.to_dicts())
    read["Polars"] = tables

    # pandas, as it comes and with Arrow's types
    tables = []
    for name, path, expected in (("trials", f"{out}/trials", TRIALS), ("cells", cells, CELLS)):
        frame = pandas.read_parquet(path)
        typed("pandas", name, [(column, str(dtype)) for column, dtype in frame.dtypes.items()], PANDAS, expected)
        frame = pandas.read_parquet(path, dtype_backend="pyarrow")
        typed("pandas/Arrow", name, [(c, str(dtype)) for c, dtype in frame.dtypes.items()], ARROW, expected)
        columns = [[plain(value) for value in frame[column].array.__arrow_array__().to_pylist()] for column in frame]
        tables.append(records(frame.columns, zip(*columns)))
    read["pandas"] = tables

    # Values, in each
    for reader, (trial_rows, cell_rows) in read.items():
        by_cell = check_trials(reader, trial_rows)
        check_cells(reader, cell_rows, by_cell)
    for reader in ("Polars", "pandas"):
        for which, name in ((0, "trials"), (1, "cells")):
            ours, theirs = read["DuckDB"][which], read[reader][which]
            equal = len(ours) == len(theirs) and all(
                a.keys() == b.keys() and all(same(a[k], b[k]) for k in a) for a, b in zip(ours, theirs)
            )
            claim(f"{reader}: {name} has the values that DuckDB has", equal)

    return conclude()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
