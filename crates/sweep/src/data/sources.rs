//! What one sweep file has named so far: its data and its weights, read and kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file;
use super::table::{self, LabelColumn, Table};
use super::weights;
use taugrid_escape::landscape::mlp::{Shape, Tensors};

use crate::error::{Problem, Problems};
use crate::spec::{DataSource, MlpSpec};
use crate::yaml::Node;

/// The content of the files that a sweep names.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    files: Files,
    pub(crate) table: Option<Arc<Table>>,
    pub(crate) weights: Option<Arc<Tensors>>,
}

/// Where the files that a sweep file names are.
#[derive(Debug, Clone)]
enum Files {
    /// On the disk: paths are relative to the folder of the sweep file.
    Beside(PathBuf),
    /// Given with it, by the names that it has for them.
    Given(Arc<BTreeMap<String, Vec<u8>>>),
}

/// A data file has at most this many bytes.
const MAX_BYTES: u64 = 4 << 30;
/// Of one data file, this many problems are told, and the others counted.
const MAX_PROBLEMS: usize = 10;

impl Sources {
    /// Nothing yet, for the sweep file `file`.
    pub(crate) fn beside(file: &Path) -> Self {
        Self::of(Files::Beside(file.parent().map(Path::to_owned).unwrap_or_default()))
    }

    /// Nothing yet, and nothing but `files` to read.
    pub(crate) fn given(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self::of(Files::Given(Arc::new(files)))
    }

    fn of(files: Files) -> Self {
        Self { files, table: None, weights: None }
    }

    /// The CSV `name`, which stands at `node`.
    pub(crate) fn read_table(
        &mut self,
        node: &Node,
        name: &str,
        label: &LabelColumn,
        problems: &mut Problems,
    ) -> Option<&Table> {
        let (path, bytes) = self.files.read(node, name, problems)?;
        match table::read(&bytes, label) {
            Ok(table) => Some(self.table.insert(Arc::new(table))),
            Err(faults) => {
                let count = faults.len();
                let problem =
                    |line, message| Problem { file: path.clone(), line, column: None, path: String::new(), message };
                problems
                    .elsewhere(faults.into_iter().take(MAX_PROBLEMS).map(|fault| problem(fault.line, fault.message)));
                if count > MAX_PROBLEMS {
                    problems.elsewhere([problem(None, format!("and {} more", count - MAX_PROBLEMS))]);
                }
                None
            }
        }
    }

    /// The safetensors file `name`, which stands at `node`, for a perceptron of `shape`. Its SHA-256.
    pub(crate) fn read_weights(
        &mut self,
        node: &Node,
        name: &str,
        shape: Shape,
        problems: &mut Problems,
    ) -> Option<String> {
        let (path, bytes) = self.files.read(node, name, problems)?;
        match weights::read(&bytes, shape) {
            Ok(weights) => {
                self.weights = Some(Arc::new(weights));
                Some(file::sha256(&bytes))
            }
            Err(messages) => {
                problems.elsewhere(messages.into_iter().map(|message| Problem {
                    file: path.clone(),
                    line: None,
                    column: None,
                    path: String::new(),
                    message,
                }));
                None
            }
        }
    }

    /// The widths of the input and of the output that `source` asks for.
    pub(crate) fn features_and_classes(&self, source: &DataSource) -> Option<[u64; 2]> {
        match *source {
            DataSource::File { .. } => self.table.as_ref().map(|t| [t.features as u64, t.classes.len() as u64]),
            DataSource::Synthetic { features, classes, .. } => Some([features, classes]),
        }
    }

    /// The names of the features, where the file has a header.
    pub(crate) fn feature_names(&self) -> Option<&[String]> {
        self.table.as_ref()?.names.as_deref()
    }

    /// d of a perceptron.
    pub(crate) fn parameters(&self, mlp: &MlpSpec) -> Option<u64> {
        let [features, classes] = self.features_and_classes(&mlp.data.source)?;
        Some((features + 1 + classes) * mlp.hidden + classes)
    }

    /// N of `source`.
    pub(crate) fn examples(&self, source: &DataSource) -> Option<u64> {
        match *source {
            DataSource::File { .. } => self.table.as_ref().map(|table| table.labels.len() as u64),
            DataSource::Synthetic { examples, .. } => Some(examples),
        }
    }
}

impl Files {
    /// The file `name`, which stands at `node`: where it is, and what it holds.
    fn read(&self, node: &Node, name: &str, problems: &mut Problems) -> Option<(PathBuf, Vec<u8>)> {
        let (path, read) = match self {
            Self::Beside(folder) => {
                let path = folder.join(name);
                let read = file::read(&path, MAX_BYTES);
                (path, read)
            }
            Self::Given(files) => (PathBuf::from(name), files.get(name).cloned().ok_or_else(|| "no such file".into())),
        };
        read.map_err(|reason| problems.node(node, format!("{}: {reason}", path.display())))
            .ok()
            .map(|read| (path, read))
    }
}
