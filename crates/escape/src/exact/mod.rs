//! What is known exactly: mean exit times that are computed, not measured.
//!
//! | what | where | formula |
//! | --- | --- | --- |
//! | a quadratic cell, by the method that fits it | [`mean_exit`] | as below |
//! | a chain: 1-D, isotropic, 2-D | [`mean_exit`] | u = 1 + K u, on quadrature nodes |
//! | a chain on a line with any smooth drift | [`mean_exit_steps_of_map`] | the same |
//! | a diffusion, isotropic, in a ball | [`mean_exit`] | Andronov–Vitt–Pontryagin |
//! | a diffusion on a line in any smooth potential | [`mean_exit_time_in_potential`] | Andronov–Vitt–Pontryagin |
//! | a diffusion over a saddle, small noise | [`eyring_kramers`] | Eyring–Kramers |
//! | a stable process without drift, in a ball | [`levy_mean_exit_time`] | Getoor |
//!
//! Everything is a pure function in f64, the same on every machine whose exp, ln and sine are; nothing of the rest of
//! the crate is used. Means of 10²² steps keep their relative accuracy, because nothing is ever subtracted
//! (`elimination`).

mod bessel;
mod cell;
mod chain_disc;
mod chain_line;
mod chain_radial;
mod diffusion;
mod elimination;
mod eyring_kramers;
mod gamma;
mod legendre;
mod levy;
mod normal;
#[cfg(test)]
mod tests;

pub use cell::{Exact, Motion, mean_exit};
pub use chain_line::mean_exit_steps_of_map;
pub use diffusion::mean_exit_time_in_potential;
pub use eyring_kramers::eyring_kramers;
pub use levy::levy_mean_exit_time;
