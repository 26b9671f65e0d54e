//! What is wrong with a sweep file: every problem, each with its place, all at once.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::yaml::Node;

/// Everything that is wrong with a sweep file and the files it names.
///
/// Displayed as one headline and one line a problem, ready to be shown as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepError {
    /// The sweep file, as the user named it.
    pub file: PathBuf,
    /// At least one; in the order of the file.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file it is in: the sweep file, or the data or weights it names.
    pub file: PathBuf,
    /// The line, from 1, where one can be named.
    pub line: Option<usize>,
    /// The column, from 1, where one can be named.
    pub column: Option<usize>,
    /// Where in the file, like `grid.eta[1]`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        let gap = if self.line.is_some() { "  " } else { ": " };
        match self.path.as_str() {
            "" => write!(f, "{gap}{}", self.message),
            path => write!(f, "{gap}{path}: {}", self.message),
        }
    }
}

impl fmt::Display for SweepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.problems.as_slice()
            && only.line.is_none()
            && only.file == self.file
        {
            return write!(f, "{only}");
        }
        let count = self.problems.len();
        write!(f, "{}: {count} {}", self.file.display(), if count == 1 { "error" } else { "errors" })?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SweepError {}

/// Nobody reads more problems than this: the others are counted.
const MAX_PROBLEMS: usize = 1000;

/// Collects problems while a sweep file is read.
#[derive(Debug)]
pub(crate) struct Problems {
    file: PathBuf,
    list: Vec<Problem>,
    /// Those that are not in the list.
    more: usize,
}

impl Problems {
    pub(crate) fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), list: Vec::new(), more: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// A problem of the sweep file as a whole.
    pub(crate) fn whole_file(&mut self, message: impl Into<String>) {
        self.at(None, "", message);
    }

    /// A problem of one node of the sweep file.
    pub(crate) fn node(&mut self, node: &Node, message: impl Into<String>) {
        self.at(node.at, &node.path, message);
    }

    /// A problem at a (line, column) of the sweep file.
    pub(crate) fn at(&mut self, at: Option<(usize, usize)>, path: &str, message: impl Into<String>) {
        if self.list.len() >= MAX_PROBLEMS {
            self.more += 1;
            return;
        }
        self.list.push(Problem {
            file: self.file.clone(),
            line: at.map(|(line, _)| line),
            column: at.map(|(_, column)| column),
            path: path.to_owned(),
            message: message.into(),
        });
    }

    /// Problems of a file that the sweep file names.
    pub(crate) fn elsewhere(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.list.extend(problems);
    }

    /// The error made of what was collected; its problems stand in the order of the file, those of other files last.
    pub(crate) fn into_error(mut self) -> SweepError {
        let file = self.file.clone();
        self.list.sort_by_key(|p| if p.file == file { (false, p.line, p.column) } else { (true, None, None) });
        if self.more > 0 {
            let message = format!("and {} more", self.more);
            self.list.push(Problem { file, line: None, column: None, path: String::new(), message });
        }
        SweepError { file: self.file, problems: self.list }
    }
}
