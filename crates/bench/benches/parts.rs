//! The parts of the core, one by one: words, normals, seeds, steps of trials in lanes, minibatch steps of the MLP.
//!
//! `cargo bench -p taugrid-bench --bench parts -- lanes`; `TAUGRID_ISA` as everywhere. Throughput is in units of the
//! kernels' work: a step of *one* trial, though sixteen go on side by side.

#[path = "../examples/kernels/mod.rs"]
mod kernels;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn parts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parts");
    for part in kernels::PARTS {
        // A millisecond or less. A walker goes on for one, whatever is asked for.
        let kernel = (part.kernel)();
        let units = kernel((part.units / 100).max(1));
        group.throughput(Throughput::Elements(units));
        group.bench_function(BenchmarkId::new(part.name, part.unit), |bencher| bencher.iter(|| kernel(units)));
    }
    group.finish();
}

criterion_group!(benches, parts);
criterion_main!(benches);
