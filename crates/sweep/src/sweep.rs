//! A sweep: the file as a whole, and what its parts must be to one another.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cell::Cell;
use crate::compatible;
use crate::data::{Sources, read_file};
use crate::error::{Problems, SweepError};
use crate::physics::Physics;
use crate::spec::{
    Axes, Demand, DomainSpec, Dtype, DynamicsSpec, Grid, LandscapeSpec, MAX_CELLS, MAX_TRIALS, SEED, TrainingSpec,
    read_demand, read_domain, read_dtype, read_dynamics, read_grid, read_landscape, read_training,
};
use crate::yaml::{self, Fields, Node, Whole};

/// How mean exit times are estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Estimator {
    /// Every trial is simulated from θ* to its exit.
    Direct,
}

/// A valid sweep.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// Safe as the name of a folder.
    pub name: String,
    /// The seed of all streams.
    pub seed: u64,
    /// L, as its identity: the files it names are known by their content.
    pub landscape: LandscapeSpec,
    /// D.
    pub domain: DomainSpec,
    /// The stepping rules: a fifth axis of the grid. All different.
    pub dynamics: Vec<DynamicsSpec>,
    /// The axes α, β, η, B.
    pub grid: Grid,
    /// How many trials of each cell.
    pub demand: Demand,
    /// Steps after which a trial that is still inside is censored.
    pub max_steps: u64,
    /// What the states of trials are kept in.
    pub dtype: Dtype,
    /// How mean exit times are estimated.
    pub estimator: Estimator,
    /// The runs of [`Sweep::train`]; no part of the sweep's identity.
    pub training: TrainingSpec,
    /// The file, verbatim.
    text: String,
    /// What the files it names hold.
    pub(crate) sources: Sources,
}

/// A sweep file has at most this many bytes.
const MAX_FILE: u64 = 4 << 20;
/// Steps are counted without gaps in an f64 up to here.
pub(crate) const MAX_STEPS: Whole =
    Whole { rule: "max_steps is a whole number, 1 to 9007199254740992 (2^53)", min: 1, max: 1 << 53 };
const NAME: &str = "a name has letters, digits, . _ - and begins with a letter or digit; at most 100";
const EXAMPLE: &str = "{name: quickstart, seed: 1, landscape: {…}, domain: {…}, dynamics: […], grid: {…}, trials: 1000, \
                       max_steps: 10_000_000}";

impl Sweep {
    /// Reads the sweep file at `path` and the files it names (relative to its folder).
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(path: &Path) -> Result<Self, SweepError> {
        let failed = |message: String| {
            let mut problems = Problems::new(path);
            problems.whole_file(message);
            problems.into_error()
        };
        let bytes = read_file(path, MAX_FILE).map_err(failed)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let line =
                error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            failed(format!("not UTF-8 text: a stray byte in line {}", line + 1))
        })?;
        Self::parse(&text, path)
    }

    /// Reads `text` as the sweep file `file`, and the files it names (relative to the folder of `file`).
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn parse(text: &str, file: &Path) -> Result<Self, SweepError> {
        Self::parse_with(text, file, Sources::beside(file))
    }

    /// [`Sweep::parse`] without a disk: of the files that `text` names there are those in `files`, by the names that it has for
    /// them.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn parse_given(text: &str, files: BTreeMap<String, Vec<u8>>) -> Result<Self, SweepError> {
        Self::parse_with(text, Path::new("sweep.yaml"), Sources::given(files))
    }

    fn parse_with(text: &str, file: &Path, sources: Sources) -> Result<Self, SweepError> {
        let mut problems = Problems::new(file);
        match read(text, sources, &mut problems) {
            Some(sweep) if problems.is_empty() => Ok(sweep),
            _ => Err(problems.into_error()),
        }
    }

    /// The sweep file, verbatim.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The most trials that a cell can come to have.
    pub fn most_trials(&self) -> u64 {
        self.demand.most()
    }

    /// What all cells share.
    pub fn physics(&self) -> Physics {
        Physics::new(self.seed, self.max_steps, self.dtype, self.landscape.clone(), self.domain)
    }

    /// How many cells there are; computed without listing them.
    pub fn cell_count(&self) -> u64 {
        u64::try_from(self.grid.points_count()).unwrap_or(u64::MAX).saturating_mul(self.dynamics.len() as u64)
    }

    /// The cells, sorted by dynamics as listed, then as [`Grid::points`].
    pub fn cells(&self) -> Vec<Cell> {
        let physics = self.physics();
        let points = self.grid.points();
        let cell = |dynamics| points.iter().map(move |p| (dynamics, p));
        let cells = self.dynamics.iter().flat_map(|dynamics| cell(*dynamics));
        cells.map(|(dynamics, p)| physics.cell(dynamics, p.alpha, p.beta, p.eta, p.batch_size)).collect()
    }
}

fn read(text: &str, mut sources: Sources, problems: &mut Problems) -> Option<Sweep> {
    if text.lines().map(str::trim_start).all(|line| line.is_empty() || line.starts_with('#')) {
        problems.whole_file(format!("the file is empty; a sweep is expected, like {EXAMPLE}"));
        return None;
    }
    let root = yaml::parse(text, problems)?;
    let known = [
        "name",
        "seed",
        "landscape",
        "domain",
        "dynamics",
        "grid",
        "trials",
        "precision",
        "max_steps",
        "dtype",
        "estimator",
        "training",
    ];
    let fields = Fields::of(&root, &known, &[], EXAMPLE, problems)?;

    let name = fields.required("name", NAME, problems).and_then(|node| name(node, problems));
    let seed = fields.required("seed", SEED.rule, problems).and_then(|node| SEED.read(node, problems));
    let landscape = fields
        .required("landscape", "like {kind: quadratic, eigenvalues: [1.0, 0.25]}", problems)
        .and_then(|node| read_landscape(node, &mut sources, problems));
    let domain = fields
        .required("domain", "like {kind: sublevel, depth: 0.5}", problems)
        .and_then(|node| read_domain(node, problems));
    let dynamics = fields
        .required("dynamics", "like {kind: gaussian-sgd, covariance: hessian}, or a list of such", problems)
        .and_then(|node| read_dynamics(node, problems));
    let grid = fields
        .required("grid", "like {alpha: [1, 2, 4], eta: [0.1, 0.2], batch_size: 1}", problems)
        .and_then(|node| read_grid(node, problems).map(|axes| (axes, node)));
    let demand = read_demand(&fields, problems);
    let max_steps =
        fields.required("max_steps", MAX_STEPS.rule, problems).and_then(|node| MAX_STEPS.read(node, problems));
    let dtype = match fields.optional("dtype") {
        None => Some(Dtype::default()),
        Some(node) => read_dtype(node, problems),
    };
    let estimator = match fields.optional("estimator") {
        None => Some(Estimator::Direct),
        Some(node) => node.word("estimator", &["direct"], &["splitting", "auto"], problems).map(|_| Estimator::Direct),
    };
    let examples = landscape.as_ref().and_then(|l| l.data()).and_then(|data| sources.examples(&data.source));
    let training = match fields.optional("training") {
        None => Some(TrainingSpec::on(examples)),
        Some(node) => read_training(node, examples, problems),
    };

    if let Some(landscape) = &landscape {
        if let Some(node) = fields.optional("training") {
            compatible::check_training(landscape, node, problems);
        }
        if let (Some(domain), Some(node)) = (&domain, fields.optional("domain")) {
            compatible::check_domain(landscape, domain, node, problems);
        }
        if let Some(dynamics) = &dynamics {
            compatible::check_dynamics(landscape, &sources, dynamics, dtype.unwrap_or_default(), problems);
        }
        if let (Some(dynamics), Some((axes, _))) = (&dynamics, &grid) {
            compatible::check_batch_sizes(landscape, &sources, dynamics, axes, problems);
        }
    }
    if let (Some((axes, node)), Some(dynamics)) = (&grid, &dynamics) {
        check_size(axes, node, dynamics.len(), demand, problems);
    }
    Some(Sweep {
        name: name?,
        seed: seed?,
        landscape: landscape?,
        domain: domain?,
        dynamics: dynamics?.into_iter().map(|(dynamics, _)| dynamics).collect(),
        grid: grid?.0.grid,
        demand: demand?.0,
        max_steps: max_steps?,
        dtype: dtype?,
        estimator: estimator?,
        training: training?,
        text: text.to_owned(),
        sources,
    })
}

fn name(node: &Node, problems: &mut Problems) -> Option<String> {
    let fine = |text: &str| {
        text.len() <= 100
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    let found = node.text().filter(|text| fine(text));
    if found.is_none() {
        let quotes = if node.text().is_none() { "; put quotes around it if it is to be text" } else { "" };
        problems.node(node, format!("{} is no name for a folder; {NAME}{quotes}", node.shown()));
    }
    found.map(str::to_owned)
}

/// More cells or trials than a sweep may have; computed without listing them.
fn check_size(axes: &Axes<'_>, grid: &Node, dynamics: usize, demand: Option<(Demand, &Node)>, problems: &mut Problems) {
    let cells = axes.grid.points_count() * dynamics as u128;
    if cells > MAX_CELLS.into() {
        let shape = format!("{dynamics} dynamics on {}", axes.grid.shape());
        problems.node(grid, format!("{cells} cells ({shape}); a sweep has at most {MAX_CELLS}"));
    } else if let Some((demand, node)) = demand {
        let trials = demand.most();
        let all = cells * u128::from(trials);
        if all > MAX_TRIALS.into() {
            let message =
                format!("{trials} trials in each of {cells} cells are {all}; a sweep has at most {MAX_TRIALS}");
            problems.node(node, message);
        }
    }
}
