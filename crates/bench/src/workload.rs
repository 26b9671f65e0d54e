//! The names of the workloads, and which of them were asked for.

use std::fmt;
use std::str::FromStr;

/// One of the four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Workload {
    /// Gaussian SGD with C = H on a quadratic, to the exit.
    W1,
    /// Minibatch SGD on the MLP of the paper.
    W2,
    /// Gaussian SGD with the exact sample covariance on the same MLP.
    W3,
    /// Minibatch SGD on a small MLP, many chains.
    W4,
}

impl Workload {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::W1, Self::W2, Self::W3, Self::W4];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::W1 => "W1",
            Self::W2 => "W2",
            Self::W3 => "W3",
            Self::W4 => "W4",
        }
    }

    /// What its rows differ in, and what it is called: d for W1, B for the others.
    pub fn sizes(self) -> (&'static str, &'static [u64]) {
        match self {
            Self::W1 => ("d", &[1, 10, 100, 1000]),
            Self::W2 => ("B", &[10, 50, 100, 500]),
            Self::W3 => ("B", &[10]),
            Self::W4 => ("B", &[1, 10, 100]),
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A workload, or one size of it: `W1`, `W1/100`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    workload: Workload,
    size: Option<u64>,
}

impl Selection {
    /// All sizes of a workload.
    pub fn all_of(workload: Workload) -> Self {
        Self { workload, size: None }
    }

    /// Whether it asks for this size of this workload.
    pub fn asks_for(self, workload: Workload, size: u64) -> bool {
        self.workload == workload && self.size.is_none_or(|asked| asked == size)
    }
}

/// A name of no workload, or a size it does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// No workload is called so.
    #[error("there is no workload {0:?}: write W1, W2, W3 or W4")]
    Workload(String),
    /// The workload has no such size.
    #[error("{workload} is not run for {size:?}: write {}", sizes(*.workload))]
    Size {
        /// Which.
        workload: Workload,
        /// What was asked for.
        size: String,
    },
}

/// All that may be written for a workload.
fn sizes(workload: Workload) -> String {
    let (name, sizes) = workload.sizes();
    let list: Vec<String> = sizes.iter().map(|size| format!("{workload}/{size}")).collect();
    format!("{workload}, or {} for one {name} alone", list.join(", "))
}

impl FromStr for Selection {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, SelectionError> {
        let (name, size) = text.split_once('/').map_or((text, None), |(name, size)| (name, Some(size)));
        let workload = Workload::ALL
            .into_iter()
            .find(|workload| workload.as_str() == name)
            .ok_or_else(|| SelectionError::Workload(name.to_owned()))?;
        let Some(size) = size else { return Ok(Self::all_of(workload)) };
        let known = size.parse().ok().filter(|size| workload.sizes().1.contains(size));
        match known {
            Some(size) => Ok(Self { workload, size: Some(size) }),
            None => Err(SelectionError::Size { workload, size: size.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_or_one_size_of_it() {
        let all: Selection = "W1".parse().expect("it is one");
        assert!(all.asks_for(Workload::W1, 1) && all.asks_for(Workload::W1, 1000) && !all.asks_for(Workload::W2, 10));
        let one: Selection = "W1/10".parse().expect("it is one");
        assert!(one.asks_for(Workload::W1, 10) && !one.asks_for(Workload::W1, 100));
    }

    #[test]
    fn what_is_none_is_refused_with_what_would_do() {
        let refused = |text: &str| text.parse::<Selection>().expect_err("must be refused").to_string();
        assert_eq!(refused("W9"), "there is no workload \"W9\": write W1, W2, W3 or W4");
        assert_eq!(refused("w1"), "there is no workload \"w1\": write W1, W2, W3 or W4");
        assert_eq!(refused("W4/7"), "W4 is not run for \"7\": write W4, or W4/1, W4/10, W4/100 for one B alone");
        assert!(refused("W1/").contains("W1/1000"));
    }
}
