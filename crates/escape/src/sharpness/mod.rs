//! How sharp a loss is around a θ that need not be a minimum: what is recorded along a training run (the paper's Figure 1).
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`keskar`] | Metric 2.1 of Keskar et al.: how far the loss rises in a small box |
//! | [`mod@profile`] | both measures of sharpness, λmax and Metric 2.1, with loss, gradient and accuracy |

pub mod keskar;
pub mod profile;

pub use keskar::{Keskar, Search, maximum_in_box};
pub use profile::{Profile, ProfileError, profile};
