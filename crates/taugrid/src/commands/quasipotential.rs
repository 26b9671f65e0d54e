//! `taugrid quasipotential`: V0 of every cell, printed and stored. Simulates nothing.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;

use serde_json::json;
use taugrid_analysis::effective::Facts;
use taugrid_analysis::quasipotential::{Easiest, scale};
use taugrid_analysis::subspace::Subspace;
use taugrid_analysis::table::quasipotential_table;
use taugrid_coordinator::directory;
use taugrid_escape::action::metric::Metric;
use taugrid_process::exit::{Exit, Failure};
use taugrid_results::quasipotential::{QUASIPOTENTIAL, QuasipotentialRow, write_quasipotential};
use taugrid_results::{Location, Store};
use taugrid_sweep::{BuiltLandscape, Cell, Covariance, DynamicsSpec, PrepareError, Sweep};
use taugrid_worker::life;
use tokio_util::sync::CancellationToken;

use super::print;
use crate::progress;

pub(crate) struct Options {
    pub(crate) sweep: PathBuf,
    pub(crate) out: Option<Location>,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) subspace: usize,
    pub(crate) json: bool,
}

pub(crate) fn run(options: &Options) -> Result<Exit, Failure> {
    let sweep = Sweep::load(&options.sweep).map_err(Failure::usage)?;
    let out = options.out.clone().unwrap_or_else(|| directory::default_location(&sweep));
    let runtime = tokio::runtime::Runtime::new().map_err(Failure::internal)?;
    let stop = runtime.block_on(async { taugrid_process::signals::stop_token() }).map_err(Failure::internal)?;
    let (_lock, store) = directory::lock(&out)?;
    let threads = options.threads.unwrap_or_else(life::default_threads).get();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(Failure::internal)?;
    let rows = pool.install(|| {
        let landscape = landscape(&sweep, &out, store.as_ref(), &stop)?;
        find(&sweep, &landscape, options.subspace, &stop)
    })?;
    write_quasipotential(store.as_ref(), &sweep.physics().sweep_id(), &rows)
        .map_err(|error| directory::explain(&out, &error))?;
    if options.json {
        rows.iter().try_for_each(|row| print(as_json(row)))?;
    } else {
        print(quasipotential_table(&rows))?;
        print(out.file(QUASIPOTENTIAL))?;
    }
    Ok(Exit::Done)
}

/// The landscape of the results in `out` if there are some, and else prepared anew.
fn landscape(
    sweep: &Sweep,
    out: &Location,
    store: &dyn Store,
    stop: &CancellationToken,
) -> Result<BuiltLandscape, Failure> {
    if let Some(landscape) = directory::landscape_of(out, store, &sweep.physics())? {
        return Ok(landscape);
    }
    let bar = progress::preparation();
    let prepared = sweep.prepare(&mut |step| {
        bar.set_message(step.to_string());
        if stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    let artifact = prepared.map_err(|error| match error {
        PrepareError::Stopped => Failure::interrupted(format!("{error}; the same command begins again")),
        _ => Failure::usage(error),
    })?;
    sweep.physics().landscape(artifact.as_ref()).map_err(Failure::usage)
}

/// V0 of every cell. What cells share is found once.
fn find(
    sweep: &Sweep,
    landscape: &BuiltLandscape,
    dimensions: usize,
    stop: &CancellationToken,
) -> Result<Vec<QuasipotentialRow>, Failure> {
    let facts = Facts::new(&sweep.physics(), landscape);
    let subspace = match landscape {
        BuiltLandscape::Mlp(mlp) if dimensions > 0 => {
            Some(Subspace::leading(mlp, dimensions).map_err(Failure::internal)?)
        }
        _ => None,
    };
    let mut found: BTreeMap<(&str, u64, bool), Result<Easiest, String>> = BTreeMap::new();
    let mut rows = Vec::new();
    for cell in sweep.cells() {
        let [value, paper] = [Metric::FreidlinWentzell, Metric::Paper].map(|metric| {
            let (covariance, factor) = noise(&cell, landscape, metric)?;
            let (boundary, size) = facts.boundary(&cell);
            let key = (covariance.as_str(), size.to_bits(), metric == Metric::Paper);
            let of_base = found.entry(key).or_insert_with(|| {
                let easiest = taugrid_analysis::quasipotential::easiest(landscape, covariance, metric, boundary);
                match (easiest, &subspace) {
                    (Some(easiest), _) => Ok(easiest),
                    (None, Some(subspace)) => {
                        subspace.easiest(covariance, metric, boundary).map_err(|error| error.to_string())
                    }
                    (None, None) => Err("no method in so many dimensions; try --subspace 2".to_owned()),
                }
            });
            let scale = factor * scale(metric, covariance, cell.alpha, cell.beta);
            of_base.clone().map(|v| Easiest { value: scale * v.value, ..v })
        });
        if stop.is_cancelled() {
            return Err(Failure::interrupted("stopped; the same command begins again"));
        }
        let method = match &value {
            // There C changes with θ.
            Ok(easiest) if varies(cell.dynamics) => format!("{}, C as at θ*", easiest.method),
            Ok(easiest) => easiest.method.clone(),
            Err(reason) => reason.clone(),
        };
        let number = |found: Result<Easiest, String>| found.ok().map(|easiest| easiest.value);
        rows.push(QuasipotentialRow { cell, value: number(value), paper: number(paper), method: Some(method) });
    }
    Ok(rows)
}

/// The covariance that a cell's noise has, or has at θ*, and what multiplies V0 for it.
fn noise(cell: &Cell, landscape: &BuiltLandscape, metric: Metric) -> Result<(Covariance, f64), String> {
    if cell.dynamics.stability().is_some_and(|stability| stability < 2.0) {
        return Err("heavy tails have no quasi-potential".to_owned());
    }
    match (cell.dynamics, cell.dynamics.noise()) {
        // Without replacement a minibatch of B has (N − B)/(N − 1) of the covariance C/B.
        (DynamicsSpec::Sgd, _) => {
            let examples = landscape.examples().unwrap_or(0) as f64;
            let share = (examples - cell.batch_size as f64) / (examples - 1.0);
            if share > 0.0 { Ok((Covariance::Frozen, metric.weight(share))) } else { Err("no noise".to_owned()) }
        }
        (_, Some(Covariance::Sample | Covariance::Frozen)) => Ok((Covariance::Frozen, 1.0)),
        (_, Some(covariance)) => Ok((covariance, 1.0)),
        (_, None) => Err("no noise".to_owned()),
    }
}

/// Whether the covariance of the noise is another one elsewhere than at θ*.
fn varies(dynamics: DynamicsSpec) -> bool {
    matches!(dynamics.noise(), None | Some(Covariance::Sample))
}

fn as_json(row: &QuasipotentialRow) -> String {
    let cell = &row.cell;
    json!({
        "cell": cell.key.to_string(),
        "dynamics": cell.dynamics.kind(),
        "covariance": cell.dynamics.covariance(),
        "alpha": cell.alpha,
        "beta": cell.beta,
        "eta": cell.eta,
        "batch_size": cell.batch_size,
        "quasipotential": row.value,
        "exponent": row.exponent(),
        "quasipotential_paper": row.paper,
        "exponent_paper": row.exponent_paper(),
        "method": row.method,
    })
    .to_string()
}
