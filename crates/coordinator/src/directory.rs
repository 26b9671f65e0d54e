//! A sweep's output, a folder or a place in an object store: the lock on it, its dataset, the artifact, and the summary at
//! the end.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::{OsStringValueParser, TypedValueParser};
use taugrid_analysis::effective::Facts;
use taugrid_process::exit::Failure;
use taugrid_results::{
    CellSummary, CellTallies, Checkpoints, Dataset, DatasetError, Decision, Location, LockError, Row, Store,
    StoreError, StoreErrorKind, WriterLock,
};
use taugrid_sweep::{Artifact, BuiltLandscape, Cell, Demand, Physics, Preparation, PrepareError, Sweep};

use crate::serve::ServeError;

/// The artifact's name in the folder.
const ARTIFACT: &str = "artifact.safetensors";

/// An artifact as it goes over the wire.
#[derive(Debug, Clone)]
pub(crate) struct ArtifactBytes {
    /// SHA-256 of the bytes, in hex.
    pub(crate) sha256: String,
    /// The file.
    pub(crate) bytes: tonic::codegen::Bytes,
}

/// An output that this process alone writes to.
pub struct SweepDirectory {
    location: Location,
    store: Arc<dyn Store>,
    sweep: Sweep,
    physics: Physics,
    sweep_id: String,
    cells: Vec<Cell>,
    artifact: Option<ArtifactBytes>,
    landscape: BuiltLandscape,
    _lock: WriterLock,
}

impl SweepDirectory {
    /// Takes the place for `sweep`: makes a dataset there, or resumes what is there. Trains or loads θ* if the landscape
    /// needs it and it is not there yet; `progress` hears of that, for it can take long.
    pub fn open(
        sweep: Sweep,
        location: &Location,
        progress: &mut dyn FnMut(Preparation) -> ControlFlow<()>,
    ) -> Result<(Self, Dataset), Failure> {
        let (lock, store) = lock(location)?;
        let physics = sweep.physics();
        let cells = sweep.cells();
        let demand = sweep.demand;
        let dataset = Dataset::create_or_resume_in(store.clone(), sweep.text(), &sweep.name, &physics, &cells, demand)
            .map_err(|error| explain(location, &error))?;
        let (artifact, decoded) = stored_artifact(&physics, &dataset, location, &sweep, progress)?.unzip();
        let landscape = physics.landscape(decoded.as_ref()).map_err(Failure::internal)?;
        let sweep_id = physics.sweep_id();
        let location = location.clone();
        let directory = Self { location, store, sweep, physics, sweep_id, cells, artifact, landscape, _lock: lock };
        Ok((directory, dataset))
    }

    /// Puts a complete dataset into its canonical form and writes `cells.parquet`.
    pub fn finish(&self, mut dataset: Dataset) -> Result<Vec<CellSummary>, Failure> {
        let explain = |error| explain(&self.location, &error);
        dataset.compact().map_err(explain)?;
        let summaries = summarize_all(&dataset, &self.landscape).map_err(explain)?;
        dataset.write_cells(&summaries).map_err(explain)?;
        dataset.update_completeness().map_err(explain)?;
        // All trials have rows.
        Checkpoints::open(dataset.store().clone()).map_err(explain)?.clear();
        Ok(summaries)
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Its files; they can be written as long as this process holds the lock.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The sweep's cells.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// How many trials the sweep asks for of each cell.
    pub fn demand(&self) -> Demand {
        self.sweep.demand
    }

    /// The sweep's name.
    pub fn name(&self) -> &str {
        &self.sweep.name
    }

    /// What all cells share.
    pub fn physics(&self) -> &Physics {
        &self.physics
    }

    /// The hash of the physics.
    pub fn sweep_id(&self) -> &str {
        &self.sweep_id
    }

    /// Trials of `cell` that one thread of a worker runs side by side.
    pub(crate) fn lanes(&self, cell: &Cell) -> u64 {
        self.physics.problem(cell, &self.landscape).lanes() as u64
    }

    pub(crate) fn artifact_bytes(&self) -> Option<ArtifactBytes> {
        self.artifact.clone()
    }
}

/// The sweep's name and the summary of every cell of the dataset at `location` as it is now. Changes nothing there.
pub fn survey(location: &Location) -> Result<(String, Vec<CellSummary>), Failure> {
    let explain = |error| explain(location, &error);
    let dataset = Dataset::open_in(store(location)?).map_err(explain)?;
    let landscape = stored_landscape(&dataset, location)?;
    let summaries = summarize_all(&dataset, &landscape).map_err(explain)?;
    Ok((dataset.manifest().name.clone(), summaries))
}

fn summarize_all(dataset: &Dataset, landscape: &BuiltLandscape) -> Result<Vec<CellSummary>, DatasetError> {
    let (manifest, facts) = (dataset.manifest(), Facts::new(dataset.physics(), landscape));
    let cells: Vec<_> = dataset.cells().iter().filter(|cell| manifest.has_in_sweep(cell.key)).copied().collect();
    facts.find_exact(&cells);
    let mut summaries = Vec::new();
    dataset.for_each_cell(|cell, rows| {
        // The sweep as it is now: one that shrank keeps the rows that it had.
        if manifest.has_in_sweep(cell.key) {
            let (needed, precision_reached) = match manifest.precision {
                None => (manifest.trials, None),
                Some(precision) => {
                    let (needed, reached) = decided(CellTallies::new(precision), rows);
                    (needed, Some(reached))
                }
            };
            let rows = rows.iter().filter(|row| row.record.trial < needed);
            summaries.push(CellSummary { precision_reached, ..facts.summarize(*cell, rows) });
        }
    })?;
    Ok(summaries)
}

/// How many trials a cell needs by its rows, and whether its precision is reached.
fn decided(mut tallies: CellTallies, rows: &[Row]) -> (u64, bool) {
    for row in rows {
        tallies.add(&row.record);
    }
    let reached = tallies.decide() == Decision::Done { reached: true };
    (tallies.limit(), reached)
}

/// The landscape of a dataset that is there, from its artifact if it needs one. Checks that artifact: it belongs to the
/// sweep's landscape, and gives the very loss at θ* that it says.
pub fn stored_landscape(dataset: &Dataset, location: &Location) -> Result<BuiltLandscape, Failure> {
    let physics = dataset.physics();
    let file = location.file(ARTIFACT);
    let artifact = if physics.needs_artifact() {
        let bytes = dataset
            .store()
            .read(ARTIFACT)
            .map_err(|error| Failure::dataset(format!("{file}: {error}; run the sweep again, and it is made again")))?;
        Some(Artifact::decode(&bytes).map_err(|error| Failure::dataset(format!("{file}: {error}")))?)
    } else {
        None
    };
    physics.landscape(artifact.as_ref()).map_err(|error| Failure::dataset(format!("{file}: {error}")))
}

/// The artifact of `sweep`, from the folder or made now, as it goes over the wire and decoded; `None` if it needs none.
fn stored_artifact(
    physics: &Physics,
    dataset: &Dataset,
    location: &Location,
    sweep: &Sweep,
    progress: &mut dyn FnMut(Preparation) -> ControlFlow<()>,
) -> Result<Option<(ArtifactBytes, Artifact)>, Failure> {
    if !physics.needs_artifact() {
        return Ok(None);
    }
    let store = dataset.store();
    let stored = match store.read(ARTIFACT) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(explain_store(location, &error)),
    };
    // One that is damaged, or that a sweep left which never came to a row, is made again: it comes out the same.
    let usable = stored.and_then(|bytes| {
        let artifact = Artifact::decode(&bytes).ok()?;
        (artifact.landscape_id == physics.landscape_id()).then_some((bytes, artifact))
    });
    let (bytes, artifact) = match usable {
        Some(usable) => usable,
        None => {
            tracing::info!("preparing the landscape");
            let artifact = sweep.prepare(progress).map_err(|error| match error {
                PrepareError::Stopped => Failure::interrupted(format!("{error}; the same command begins again")),
                _ => Failure::usage(error),
            })?;
            let Some(artifact) = artifact else {
                return Err(Failure::internal("a landscape that needs an artifact made none"));
            };
            let bytes = artifact.encode();
            store.replace(ARTIFACT, &bytes).map_err(|error| explain_store(location, &error))?;
            (bytes, artifact)
        }
    };
    Ok(Some((ArtifactBytes { sha256: Artifact::sha256(&bytes), bytes: bytes.into() }, artifact)))
}

/// The landscape of `physics` from the artifact in `store`, if there is one of that landscape, or none is needed.
///
/// # Errors
/// If the artifact gives another loss at θ* than it says.
pub fn landscape_of(
    location: &Location,
    store: &dyn Store,
    physics: &Physics,
) -> Result<Option<BuiltLandscape>, Failure> {
    let artifact = match store.read(ARTIFACT) {
        Ok(bytes) => Artifact::decode(&bytes).ok().filter(|artifact| artifact.landscape_id == physics.landscape_id()),
        Err(_) => None,
    };
    if physics.needs_artifact() && artifact.is_none() {
        return Ok(None);
    }
    physics.landscape(artifact.as_ref()).map(Some).map_err(|error| Failure::dataset(format!("{location}: {error}")))
}

/// What the command line says of a place, as a place.
pub fn location() -> impl TypedValueParser<Value = Location> {
    OsStringValueParser::new().try_map(Location::parse)
}

/// Where results go if nothing else is said: a folder.
pub fn default_location(sweep: &Sweep) -> Location {
    Location::Folder(PathBuf::from("results").join(&sweep.name))
}

/// The files at `location`, to be read.
pub fn store(location: &Location) -> Result<Arc<dyn Store>, Failure> {
    location.store().map_err(|error| explain_store(location, &error))
}

/// Whether results could go there, as far as can be seen without a look: no file is in the way, and the environment says what it takes
/// to reach a bucket.
pub fn check(location: &Location) -> Result<(), Failure> {
    if location.folder().is_some_and(|folder| folder.is_file()) {
        return Err(Failure::usage(format!("--out {location}: this is a file; name a folder")));
    }
    store(location).map(|_| ())
}

/// Takes the place for this process alone; also its files, which can be written as long as the lock is held.
pub fn lock(location: &Location) -> Result<(WriterLock, Arc<dyn Store>), Failure> {
    let lock = location.lock().map_err(|error| match error {
        LockError::Held { .. } | LockError::Unconditional => Failure::usage(format!("{location}: {error}")),
        LockError::Store(error) => explain_store(location, &error),
    })?;
    let store = lock.guard(store(location)?);
    Ok((lock, store))
}

/// A failure of the dataset, with the exit code that fits it.
pub fn explain(location: &Location, error: &DatasetError) -> Failure {
    match error {
        DatasetError::Store(error) => explain_store(location, error),
        DatasetError::SetAside { .. } => Failure::interrupted(format!("{location}: {error}")),
        DatasetError::NotADataset => Failure::usage(format!("{location}: {error}")),
        _ if error.is_damaged_or_mismatched() => Failure::dataset(format!("{location}: {error}")),
        _ => Failure::internal(format!("{location}: {error}")),
    }
}

/// A failure of the files, with the exit code that fits it.
pub fn explain_store(location: &Location, error: &StoreError) -> Failure {
    let message = format!("{location}: {error}");
    match error.kind {
        _ if location.folder().is_some_and(|folder| folder.is_file()) => {
            Failure::usage(format!("{location}: this is a file; name a folder for results"))
        }
        StoreErrorKind::Full => {
            Failure::interrupted(format!("{message}\nnothing is lost: make room and run the same command again"))
        }
        StoreErrorKind::Permission | StoreErrorKind::Unusable(_) => Failure::usage(message),
        StoreErrorKind::Fenced(_) => {
            Failure::interrupted(format!("{message}\nnothing is lost: what was acknowledged is in the dataset"))
        }
        // A network, which comes back.
        StoreErrorKind::Io(_) if location.folder().is_none() => {
            Failure::interrupted(format!("{message}\nnothing is lost: the same command goes on from here"))
        }
        _ => Failure::internal(message),
    }
}

/// A failure of serving, with the exit code that fits it.
pub fn explain_serving(location: &Location, error: &ServeError) -> Failure {
    match error {
        ServeError::Dataset(error) => explain(location, error),
        ServeError::Transport(_) | ServeError::Writer(_) => Failure::internal(error),
    }
}
