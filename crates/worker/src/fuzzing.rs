//! A worker without a network and a coordinator, that hears what the fuzzer says. Nothing is made for it but this: what
//! hears is the desk that every session has. No trial is ever run.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use taugrid_process::connect::Coordinator;
use taugrid_sweep::Physics;
use taugrid_wire::v1::{CoordinatorMessage, Welcome, coordinator_message::Kind};

use crate::desk::Desk;
use crate::error::WorkerError;
use crate::options::Options;
use crate::setup::Setup;
use crate::threads::RayonThreads;

/// Has a coordinator say `messages` to a new worker that serves the sweep of `physics`, which needs no artifact. Each
/// Welcome is the first word of another stream.
///
/// # Errors
/// If a message was wrong.
pub fn hear(physics: &Physics, messages: Vec<CoordinatorMessage>) -> Result<(), WorkerError> {
    let options = Options {
        name: String::new(),
        threads: NonZeroUsize::MIN,
        // Nothing is there, and nothing is written: no row ever comes.
        cache: PathBuf::from("/nonexistent/taugrid"),
        ..Options::new(Coordinator::by_access_file(PathBuf::new()))
    };
    let mut desk = Desk::new(&options, Arc::new(RayonThreads::new(options.threads)?));
    desk.run_nothing();
    desk.hello(&options);
    desk.settle_in(Setup::new(physics.sweep_id(), physics.clone(), None)?);
    desk.open()?;
    for message in messages {
        if let Some(Kind::Welcome(welcome)) = &message.kind {
            open_again(&mut desk, welcome, &options)?;
        } else if desk.hear(message)?.is_some() {
            break;
        }
        speak(&mut desk)?;
    }
    desk.begin_leaving();
    speak(&mut desk)
}

/// What a session does between two messages.
fn speak(desk: &mut Desk) -> Result<(), WorkerError> {
    while let Some(report) = desk.next_report() {
        desk.take_in(report)?;
    }
    desk.seal();
    while desk.next_message()?.is_some() {}
    Ok(())
}

/// The stream breaks, and the next one begins.
fn open_again(desk: &mut Desk, welcome: &Welcome, options: &Options) -> Result<(), WorkerError> {
    desk.close();
    desk.hello(options);
    if !desk.knows(welcome)? {
        let physics = Setup::physics(welcome)?;
        desk.settle_in(Setup::new(welcome.sweep.clone(), physics, None)?);
    }
    desk.open()
}
