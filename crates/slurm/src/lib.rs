//! Slurm, as far as a sweep needs it: the scripts of its jobs, what Slurm says of them, how many workers are wanted.
//!
//! Slurm places the workers, taugrid feeds them. A sweep is one coordinator and arrays of workers, one worker a task. What
//! ties them together is the folder of the results, on a file system that all nodes share.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`order`] | what was asked for |
//! | [`names`] | the names of a sweep's jobs: by them its jobs are found again, whatever else is forgotten |
//! | [`place`] | where the record, the logs, the access file and the mark of the end are, under the folder of the results |
//! | [`script`], [`quote`] | the job scripts |
//! | [`time`], [`state`], [`queue`], [`refusal`] | what Slurm says: times, states, the queue, why not |
//! | [`commands`] | runs sbatch, squeue, scancel, scontrol and sacct, none of them for ever |
//! | `lock` | one at a time |
//! | [`record`] | what was submitted, durably |
//! | [`submission`] | submits what is missing, and nothing twice |
//! | [`policy`] | how many workers are wanted: a pure state machine |
//! | [`scaler`] | the loop around it |
//!
//! Nothing here knows of coordinators and workers but how they are started.

pub mod commands;
mod lock;
pub mod names;
pub mod order;
pub mod place;
pub mod policy;
pub mod queue;
pub mod quote;
pub mod record;
pub mod refusal;
pub mod scaler;
pub mod script;
pub mod state;
pub mod submission;
pub mod time;
