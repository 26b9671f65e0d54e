# The daily commands. `just` alone lists them; each is one line that works as well without just.

_list:
    @just --list --unsorted

# All tests of the workspace.
test *ARGS:
    cargo test --workspace {{ ARGS }}

# Format, clippy, dependencies, shell scripts: what a change must be clean of.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo deny --offline check bans licenses sources
    shellcheck .ci/run fuzz/check tests/venv tests/*/check tests/slurm/up tests/slurm/down crates/slurm/tests/mock/slurm deploy/slurm/*.sbatch

# Everything that must pass, as CI runs it.
ci:
    .ci/run

# The quickstart sweep, from the sweep file to the figure.
quickstart *ARGS:
    cargo run --release -- run configs/quickstart.yaml {{ ARGS }}

# Two minutes of chaos: a coordinator and four workers, one of them killed, ended or stopped every second or so.
chaos SECONDS="120" SEED="20211107":
    TAUGRID_CHAOS_SECONDS={{ SECONDS }} TAUGRID_CHAOS_SEED={{ SEED }} cargo test -p taugrid-tests chaos -- --nocapture

# The real coordinator and workers in simulated network and time, under the faults of so many seeds.
simulation SEEDS="5000":
    TAUGRID_SEEDS={{ SEEDS }} cargo test -p taugrid-simulation -- --nocapture

# Random histories of the coordinator's machine, others than CI's: as many, from another seed.
histories CASES="100000":
    PROPTEST_RNG_SEED=$RANDOM PROPTEST_CASES={{ CASES }} cargo test -p taugrid-coordinator --lib histories

# Benchmarks of the parts. What the machine is worth: `taugrid bench core`.
bench *ARGS:
    cargo bench --workspace {{ ARGS }}

# Instructions of the core's kernels, against the baseline; `--accept` makes a new one.
instructions *ARGS:
    tests/instructions/check {{ ARGS }}

# The programs, as the end-to-end checks use them.
build:
    cargo build --workspace --bins

# The random numbers in TestU01's SmallCrush, and the normals against N(0, 1). `just random --install` fetches TestU01.
random *ARGS:
    cargo build --workspace --examples
    tests/random/check {{ ARGS }}

# What comes from outside, fuzzed: SECONDS for each target, or for those named. Needs nightly and cargo-fuzz.
fuzz SECONDS="60" *TARGETS:
    fuzz/check {{ SECONDS }} {{ TARGETS }}

# The fuzzer's sound inputs, made anew after a change of a format. The others stay as they are.
fuzz-seeds:
    cargo run -p taugrid-hostile --example seeds

# A dataset in DuckDB, Polars and pandas.
readers: build
    tests/readers/check

# Sweeps into a bucket of moto.
objectstore: build
    tests/objectstore/check

# A sweep on a real Slurm cluster on this machine, and all that happens to jobs there. Needs Debian or Ubuntu.
slurm: build
    tests/slurm/check

# A sweep in containers, with a worker killed and one cut off. Needs root and Debian or Ubuntu.
containers: build
    tests/containers/check

# Manifests, chart, alerts and dashboard, without a cluster. `just kubernetes --install` fetches promtool.
kubernetes *ARGS: build
    tests/kubernetes/check {{ ARGS }}

# The API documentation of the workspace.
docs *ARGS:
    RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps {{ ARGS }}

# A hundred thousand workers in virtual time, and a real coordinator under load.
scaling:
    cargo test -p taugrid-coordinator virtual_time -- --ignored --nocapture --test-threads 1
    cargo build --release --workspace
    target/release/taugrid bench orchestrator
