//! `taugrid status|watch|pause|resume|cancel`: asking a running coordinator.

use std::future::Future;
use std::time::Duration;

use indicatif::{HumanCount, HumanDuration};
use serde_json::{Value, json};
use taugrid_process::connect::{ConnectArguments, Coordinator};
use taugrid_process::exit::{Exit, Failure};
use taugrid_wire::v1::control_client::ControlClient;
use taugrid_wire::v1::status_reply::State;
use taugrid_wire::v1::{
    CancelRequest, PauseRequest, Quarantine, ResumeRequest, StatusReply, StatusRequest, WorkerStatus,
};
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use super::print;

/// How often `watch` asks.
const PERIOD: Duration = Duration::from_secs(1);
/// A coordinator that lives answers sooner than this.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which coordinator is asked.
#[derive(clap::Args)]
pub(crate) struct Ask {
    #[command(flatten)]
    connect: ConnectArguments,
}

/// Which coordinator is asked, and how the answer is shown.
#[derive(clap::Args)]
pub(crate) struct Show {
    #[command(flatten)]
    connect: ConnectArguments,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// How far the sweep is, now.
pub(crate) fn status(show: Show) -> Result<Exit, Failure> {
    in_runtime(async {
        let coordinator = show.connect.coordinator()?;
        let mut client = dial(&coordinator).await?;
        let reply = answer(client.status(StatusRequest {})).await?;
        print_status(&reply, show.json)?;
        Ok(Exit::Done)
    })
}

/// How far the sweep is, every second until it ends.
pub(crate) fn watch(show: Show) -> Result<Exit, Failure> {
    in_runtime(async {
        let coordinator = show.connect.coordinator()?;
        let mut client = dial(&coordinator).await?;
        let mut ticks = tokio::time::interval(PERIOD);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                interrupted = tokio::signal::ctrl_c() => {
                    interrupted.map_err(Failure::internal)?;
                    return Ok(Exit::Done);
                }
            }
            match tokio::time::timeout(PATIENCE, client.status(StatusRequest {})).await {
                Ok(Ok(reply)) => print_line(&reply.into_inner(), show.json)?,
                // It was there, and is there no more: the sweep has ended, or the coordinator has.
                Ok(Err(error)) if error.code() == Code::Unavailable => return Ok(Exit::Done),
                Ok(Err(error)) => return Err(refused(&error)),
                Err(_) => return Err(silent()),
            }
        }
    })
}

/// Leases no more, and calls back what is out.
pub(crate) fn pause(ask: Ask) -> Result<Exit, Failure> {
    in_runtime(async {
        let coordinator = ask.connect.coordinator()?;
        answer(dial(&coordinator).await?.pause(PauseRequest {})).await?;
        eprintln!("paused; `taugrid resume` goes on");
        Ok(Exit::Done)
    })
}

/// Leases again.
pub(crate) fn resume(ask: Ask) -> Result<Exit, Failure> {
    in_runtime(async {
        let coordinator = ask.connect.coordinator()?;
        answer(dial(&coordinator).await?.resume(ResumeRequest {})).await?;
        eprintln!("resumed");
        Ok(Exit::Done)
    })
}

/// Ends the sweep as it is.
pub(crate) fn cancel(ask: Ask) -> Result<Exit, Failure> {
    in_runtime(async {
        let coordinator = ask.connect.coordinator()?;
        answer(dial(&coordinator).await?.cancel(CancelRequest {})).await?;
        eprintln!(
            "cancelled: what has come is in the dataset, workers and coordinator end, and the sweep can be resumed"
        );
        Ok(Exit::Done)
    })
}

pub(super) fn in_runtime(task: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::internal)?.block_on(task)
}

pub(super) async fn dial(coordinator: &Coordinator) -> Result<ControlClient<Channel>, Failure> {
    let target = coordinator.find()?;
    let channel = tokio::time::timeout(PATIENCE, target.dial()).await.map_err(|_| silent())??;
    Ok(ControlClient::new(channel))
}

pub(super) async fn answer<T>(asked: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Failure> {
    let answered = tokio::time::timeout(PATIENCE, asked).await.map_err(|_| silent())?;
    answered.map(Response::into_inner).map_err(|error| refused(&error))
}

fn silent() -> Failure {
    Failure::interrupted(format!("the coordinator does not answer within {} s: is it stopped?", PATIENCE.as_secs()))
}

fn refused(error: &Status) -> Failure {
    match error.code() {
        Code::Unavailable => {
            Failure::interrupted(format!("the coordinator has ended, or is about to: {}", error.message()))
        }
        Code::Unimplemented => Failure::usage("what listens there is no coordinator of this release"),
        _ => Failure::internal(format!("the coordinator: {}", error.message())),
    }
}

fn print_status(reply: &StatusReply, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return print(to_json(reply));
    }
    print(headline(reply))?;
    for worker in &reply.workers {
        let WorkerStatus { name, threads, leases, trials, silent_seconds } = worker;
        print(format_args!(
            "  {name}  {threads} threads  {leases} leases  {} trials  heard of {silent_seconds:.1} s ago",
            HumanCount(*trials)
        ))?;
    }
    for Quarantine { cell, first_trial, trials, workers, detail } in &reply.quarantine {
        let last = first_trial + trials - 1;
        print(format_args!(
            "  set aside: trials {first_trial}-{last} of cell {cell:016x} ({workers} workers: {detail})"
        ))?;
    }
    Ok(())
}

fn print_line(reply: &StatusReply, as_json: bool) -> Result<(), Failure> {
    if as_json { print(to_json(reply)) } else { print(headline(reply)) }
}

pub(super) fn headline(reply: &StatusReply) -> String {
    let threads: u32 = reply.workers.iter().map(|worker| worker.threads).sum();
    let left = reply.remaining_seconds.filter(|_| threads > 0).map(|seconds| seconds / f64::from(threads));
    let left = left.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let left = left.map_or_else(|| "?".to_owned(), |left| format!("{:#}", HumanDuration(left)));
    format!(
        "{}: {}  {} of {} trials, {} leased  {} of {} cells  {} workers, {threads} threads  ETA {left}",
        reply.name,
        word(reply.state()),
        HumanCount(reply.received),
        HumanCount(reply.trials),
        HumanCount(reply.leased),
        reply.cells_done,
        reply.cells,
        reply.workers.len(),
    )
}

fn word(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::Paused => "paused",
        State::Finishing => "finishing",
        State::Cancelling => "cancelling",
        State::Unspecified => "unknown",
    }
}

/// A status as scripts read it.
pub(super) fn to_json(reply: &StatusReply) -> Value {
    let workers = reply.workers.iter().map(|worker| {
        json!({
            "name": worker.name,
            "threads": worker.threads,
            "leases": worker.leases,
            "trials": worker.trials,
            "silent_seconds": worker.silent_seconds,
        })
    });
    let quarantine = reply.quarantine.iter().map(|aside| {
        json!({
            "cell": format!("{:016x}", aside.cell),
            "first_trial": aside.first_trial,
            "trials": aside.trials,
            "workers": aside.workers,
            "detail": aside.detail,
        })
    });
    json!({
        "name": reply.name,
        "sweep": reply.sweep,
        "state": word(reply.state()),
        "trials": reply.trials,
        "received": reply.received,
        "leased": reply.leased,
        "quarantined": reply.quarantined,
        "exits": reply.exits,
        "cells": reply.cells,
        "cells_done": reply.cells_done,
        "remaining_seconds": reply.remaining_seconds,
        "uptime_seconds": reply.uptime_seconds,
        "workers": workers.collect::<Vec<_>>(),
        "quarantine": quarantine.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_as_scripts_and_as_people_read_it() {
        let worker = WorkerStatus { name: "n1:7".into(), threads: 4, leases: 2, trials: 60, silent_seconds: 0.5 };
        let reply = StatusReply {
            name: "quickstart".into(),
            state: State::Paused.into(),
            trials: 2000,
            received: 500,
            leased: 60,
            cells: 2,
            remaining_seconds: Some(480.0),
            workers: vec![worker],
            ..StatusReply::default()
        };
        let json = to_json(&reply);
        assert_eq!(
            (&json["state"], &json["received"], &json["workers"][0]["threads"]),
            (&json!("paused"), &json!(500), &json!(4))
        );
        let line = "quickstart: paused  500 of 2,000 trials, 60 leased  0 of 2 cells  1 workers, 4 threads  ETA 2m";
        assert_eq!(headline(&reply), line);
    }
}
