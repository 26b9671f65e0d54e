//! Labelled examples: what the network is trained on. Read from elsewhere (the core does no I/O) or drawn here.

use std::fmt;

/// N examples of `features` numbers each, every one with the class it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Examples {
    /// Row-major, `[examples × features]`; all finite.
    inputs: Vec<f64>,
    /// `[examples]`; all below `classes`.
    labels: Vec<u32>,
    features: usize,
    classes: usize,
}

/// How many synthetic examples, and of what kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SyntheticShape {
    /// N.
    pub examples: usize,
    /// Numbers in an example.
    pub features: usize,
    /// Clusters.
    pub classes: usize,
}

/// The distance from the origin at which a synthetic cluster's centre typically lies, in standard deviations of the
/// cluster. Two centres are then about 3√2 apart whatever the dimension, and a few examples in a hundred lie nearer to
/// another centre than to their own.
const SPREAD: f64 = 3.0;

impl Examples {
    /// Checks and takes over the examples: `inputs` row-major, `[examples × features]`; `labels` below `classes`.
    ///
    /// # Errors
    /// If there are no examples, features or classes, or more than 2³² − 1 examples, the lengths do not fit, an input
    /// is not finite or a label not below `classes`.
    pub fn new(inputs: Vec<f64>, labels: Vec<u32>, features: usize, classes: usize) -> Result<Self, DataError> {
        if labels.is_empty() || features == 0 || classes == 0 {
            return Err(DataError::Empty);
        }
        if u32::try_from(labels.len()).is_err() {
            return Err(DataError::TooMany { examples: labels.len() });
        }
        if labels.len().checked_mul(features) != Some(inputs.len()) {
            return Err(DataError::Lengths { inputs: inputs.len(), examples: labels.len(), features });
        }
        if let Some(at) = inputs.iter().position(|x| !x.is_finite()) {
            return Err(DataError::NotFinite { example: at / features, feature: at % features, value: inputs[at] });
        }
        if let Some(example) = labels.iter().position(|&label| label as usize >= classes) {
            return Err(DataError::Label { example, label: labels[example], classes });
        }
        Ok(Self { inputs, labels, features, classes })
    }

    /// Gaussian clusters, one for each class, of unit variance around centres that are drawn as well: learnable, but the
    /// clusters overlap. Example i is of class i mod `classes`.
    ///
    /// `normal` gives standard normals; first the centres are drawn, class by class, then the examples, in order.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn synthetic(shape: SyntheticShape, mut normal: impl FnMut() -> f64) -> Result<Self, DataError> {
        let SyntheticShape { examples, features, classes } = shape;
        if examples == 0 || features == 0 || classes == 0 {
            return Err(DataError::Empty);
        }
        let (Ok(count), Ok(_)) = (u32::try_from(examples), u32::try_from(classes)) else {
            return Err(DataError::TooMany { examples: examples.max(classes) });
        };
        let scale = SPREAD / (features as f64).sqrt();
        let centres: Vec<f64> = (0..classes * features).map(|_| scale * normal()).collect();
        let labels: Vec<u32> = (0..count).map(|i| i % classes as u32).collect();
        let mut inputs = Vec::with_capacity(examples * features);
        for label in &labels {
            let centre = &centres[*label as usize * features..][..features];
            inputs.extend(centre.iter().map(|c| c + normal()));
        }
        Self::new(inputs, labels, features, classes)
    }

    /// Every feature shifted and scaled to mean 0 and (population) variance 1; a constant feature becomes 0.
    ///
    /// # Errors
    /// [`DataError::Variance`] if a feature's numbers are so large or so close together that its variance leaves the
    /// range of f64.
    pub fn standardized(mut self) -> Result<Self, DataError> {
        let (features, count) = (self.features, self.labels.len() as f64);
        for feature in 0..features {
            let first = self.inputs[feature];
            let mut column = self.inputs.iter_mut().skip(feature).step_by(features);
            if column.all(|x| *x == first) {
                self.inputs.iter_mut().skip(feature).step_by(features).for_each(|x| *x = 0.0);
                continue;
            }
            let column = || self.inputs.iter().skip(feature).step_by(features);
            let mean = column().fold(0.0, |sum, x| sum + x) / count;
            let variance = column().fold(0.0, |sum, x| sum + (x - mean) * (x - mean)) / count;
            let deviation = variance.sqrt();
            if !(deviation.is_finite() && deviation > 0.0) {
                return Err(DataError::Variance { feature });
            }
            self.inputs.iter_mut().skip(feature).step_by(features).for_each(|x| *x = (*x - mean) / deviation);
        }
        Ok(self)
    }

    /// Every input brought into [−limit, limit]; meant to follow [`standardized`](Self::standardized).
    ///
    /// # Errors
    /// [`DataError::Clip`] unless the limit is positive and finite.
    pub fn clipped(mut self, limit: f64) -> Result<Self, DataError> {
        if !(limit.is_finite() && limit > 0.0) {
            return Err(DataError::Clip(limit));
        }
        self.inputs.iter_mut().for_each(|x| *x = x.clamp(-limit, limit));
        Ok(self)
    }

    /// N.
    #[expect(clippy::len_without_is_empty, reason = "there is always an example")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Numbers in an example.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Classes, whether or not there are examples of each.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// All inputs, row-major, `[examples × features]`.
    pub fn inputs(&self) -> &[f64] {
        &self.inputs
    }

    /// All labels, `[examples]`.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The inputs of one example, `[features]`. Panics if there is no such example.
    #[inline]
    pub fn features_of(&self, example: usize) -> &[f64] {
        &self.inputs[example * self.features..][..self.features]
    }

    /// The class of one example. Panics if there is no such example.
    #[inline]
    pub fn label_of(&self, example: usize) -> u32 {
        self.labels[example]
    }
}

/// Why examples were refused. Fragments that read on after "failed to use the data: ". Examples and features are
/// counted from 0.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum DataError {
    /// No examples, no features or no classes.
    Empty,
    /// More examples (or classes) than a u32 can count.
    TooMany {
        /// How many.
        examples: usize,
    },
    /// The number of inputs is not examples × features.
    Lengths {
        /// Numbers given.
        inputs: usize,
        /// Labels given.
        examples: usize,
        /// Features said to be in an example.
        features: usize,
    },
    /// An input that is NaN or infinite.
    NotFinite {
        /// Which example.
        example: usize,
        /// Which of its features.
        feature: usize,
        /// What stands there.
        value: f64,
    },
    /// A label that is none of the classes.
    Label {
        /// Which example.
        example: usize,
        /// Its label.
        label: u32,
        /// The classes there are.
        classes: usize,
    },
    /// A feature whose variance overflows or underflows.
    Variance {
        /// Which feature.
        feature: usize,
    },
    /// A limit to clip at that is not positive and finite.
    Clip(f64),
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "there must be at least one example, one feature and one class"),
            Self::TooMany { examples } => write!(f, "{examples} are too many to be counted in 32 bits"),
            Self::Lengths { inputs, examples, features } => {
                write!(f, "{examples} examples of {features} features each cannot be made of {inputs} numbers")
            }
            Self::NotFinite { example, feature, value } => {
                write!(f, "example {example} has {value} as feature {feature}, which is not finite")
            }
            Self::Label { example, label, classes } => {
                write!(f, "example {example} is labelled {label}, but there are {classes} classes, counted from 0")
            }
            Self::Variance { feature } => {
                write!(f, "feature {feature} cannot be standardised: its variance overflows or underflows")
            }
            Self::Clip(limit) => write!(f, "the limit to clip at must be positive and finite, not {limit}"),
        }
    }
}

impl std::error::Error for DataError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crude but deterministic stand-in for normals: twelve uniforms.
    fn normals(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed;
        let mut uniform = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        move || (0..12).map(|_| uniform()).sum::<f64>() - 6.0
    }

    #[test]
    fn standardising_gives_mean_0_and_variance_1_and_leaves_constants_at_0() {
        let inputs = vec![1.0, 0.1, 5.0, 3.0, 0.1, -1.0, 2.0, 0.1, 7.0];
        let data = Examples::new(inputs, vec![0, 1, 0], 3, 2).expect("valid").standardized().expect("finite");
        let d = (1.5_f64).sqrt();
        for (x, expected) in data.inputs().iter().zip([-d, 0.0, 0.392, d, 0.0, -1.373, 0.0, 0.0, 0.981]) {
            assert!((x - expected).abs() < 1e-3, "{x} against {expected}");
        }
        for feature in [0, 2] {
            let column = || data.inputs().iter().skip(feature).step_by(3);
            assert!(column().sum::<f64>().abs() < 1e-15);
            assert!((column().map(|x| x * x).sum::<f64>() - 3.0).abs() < 1e-14);
        }
        assert_eq!(data.clipped(1.0).expect("positive").features_of(1), [1.0, 0.0, -1.0]);
    }

    #[test]
    fn bad_data_is_refused() {
        let refused = |inputs: &[f64], labels: &[u32], features, classes| {
            Examples::new(inputs.to_vec(), labels.to_vec(), features, classes).expect_err("must be refused")
        };
        assert_eq!(refused(&[], &[], 1, 1), DataError::Empty);
        assert_eq!(refused(&[1.0], &[0], 0, 1), DataError::Empty);
        assert_eq!(refused(&[1.0], &[0], 1, 0), DataError::Empty);
        assert_eq!(refused(&[1.0; 3], &[0, 0], 2, 1), DataError::Lengths { inputs: 3, examples: 2, features: 2 });
        assert_eq!(refused(&[1.0; 4], &[0, 2], 2, 2), DataError::Label { example: 1, label: 2, classes: 2 });
        let error = refused(&[1.0, 1.0, 1.0, f64::INFINITY], &[0, 1], 2, 2);
        assert_eq!(error.to_string(), "example 1 has inf as feature 1, which is not finite");
        let fine = Examples::new(vec![1e300, -1e300], vec![0, 0], 1, 1).expect("finite");
        assert_eq!(fine.clone().standardized().expect_err("overflows"), DataError::Variance { feature: 0 });
        for limit in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(fine.clone().clipped(limit).is_err());
        }
    }

    #[test]
    fn synthetic_examples_are_learnable_but_overlap() {
        for (features, classes) in [(10, 12), (2, 3), (200, 5)] {
            let shape = SyntheticShape { examples: 6000, features, classes };
            let data = Examples::synthetic(shape, normals(7)).expect("valid");
            assert_eq!(data, Examples::synthetic(shape, normals(7)).expect("valid"));
            assert_ne!(data, Examples::synthetic(shape, normals(8)).expect("valid"));
            // Classify by the nearest class mean.
            let mut means = vec![vec![0.0; features]; classes];
            for i in 0..data.len() {
                let mean = &mut means[data.label_of(i) as usize];
                mean.iter_mut().zip(data.features_of(i)).for_each(|(m, x)| *m += x * classes as f64 / 6000.0);
            }
            let distance = |i: usize, c: usize| -> f64 {
                data.features_of(i).iter().zip(&means[c]).map(|(x, m)| (x - m) * (x - m)).sum()
            };
            let nearest = |i| (0..classes).min_by(|&a, &b| distance(i, a).total_cmp(&distance(i, b)));
            let wrong = (0..data.len()).filter(|&i| nearest(i) != Some(data.label_of(i) as usize)).count();
            let rate = wrong as f64 / 6000.0;
            println!("{features} features, {classes} classes: {rate} wrong");
            assert!((0.005..0.4).contains(&rate), "{features} features, {classes} classes: {rate} wrong");
        }
    }
}
