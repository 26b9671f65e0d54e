//! Events, in any order: of workers that are not there, of leases that nobody holds, of trials beyond all numbers. The shell
//! lets none of most of these through; the machine is to stand them all the same.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use taugrid_coordinator::machine::{
    Effect, Event, Held, Identity, LeaseId, Machine, Moment, Muster, Plan, Receipt, Tuning, WorkerId,
};
use taugrid_results::{CellKey, Coverage, Ranges};

/// Few, so that they meet.
const CELLS: u64 = 3;
/// In a sweep, and in a thread.
const MOST_TRIALS: u64 = 1_000_000_000_000;
const MOST_LANES: u64 = 16;
/// Of a worker, as the service has it.
const MOST_THREADS: u32 = 1 << 16;
const MOST_SECONDS: u64 = 1 << 40;
const MOST_EVENTS: usize = 200;
const MOST_RANGES: usize = 6;

/// See the module: taken are events that end the sweep.
///
/// # Panics
/// If something is wrong with the machine.
pub fn machine(bytes: &[u8]) -> bool {
    play(&mut Unstructured::new(bytes)).unwrap_or(false)
}

fn play(from: &mut Unstructured<'_>) -> arbitrary::Result<bool> {
    let plans = (0..CELLS).map(|cell| {
        // What a sweep asks for is bounded; what workers say is not.
        let (trials, lanes) = (number(from)?.min(MOST_TRIALS), number(from)?.min(MOST_LANES));
        Ok((CellKey(cell), Plan { trials, open_ended: bool::arbitrary(from)?, lanes }))
    });
    let plans: Vec<_> = plans.collect::<arbitrary::Result<_>>()?;
    let done = if bool::arbitrary(from)? { coverage(from)? } else { Coverage::new() };
    let muster = if bool::arbitrary(from)? { Some(muster(from)?) } else { None };
    let tuning = if bool::arbitrary(from)? { tuning(from)? } else { Tuning::default() };
    let mut machine = Machine::new(plans, &done, muster, tuning);
    let mut finished = false;
    for _ in 0..MOST_EVENTS {
        if from.is_empty() {
            break;
        }
        let event = event(from)?;
        for effect in machine.step(event) {
            match effect {
                Effect::Lease { trials, .. } => assert!(!trials.is_empty()),
                Effect::Finish => finished = true,
                _ => {}
            }
        }
        assert_eq!(machine.audit(), Ok(()));
        let standing = machine.standing();
        assert!(standing.received + standing.quarantined <= standing.trials, "{standing:?}");
        assert!(machine.workers().count() == standing.workers);
        assert!(machine.quarantine().all(|aside| !aside.trials.is_empty()));
    }
    Ok(finished)
}

/// Mostly small, so that ranges meet; now and then near an end of what there is.
fn number(from: &mut Unstructured<'_>) -> arbitrary::Result<u64> {
    Ok(match u8::arbitrary(from)? {
        small @ 0..=239 => small.into(),
        240..=245 => u64::MAX - u64::from(u8::arbitrary(from)?),
        246..=250 => 1 << (u8::arbitrary(from)? % 64),
        _ => u64::arbitrary(from)?,
    })
}

fn few(from: &mut Unstructured<'_>) -> arbitrary::Result<u64> {
    Ok(match u8::arbitrary(from)? {
        few @ 0..=250 => u64::from(few % 5),
        _ => number(from)?,
    })
}

/// The shell's own clock says when; it may stand still or go back, but not beyond all ages.
fn moment(from: &mut Unstructured<'_>) -> arbitrary::Result<Moment> {
    Ok(match u8::arbitrary(from)? {
        seconds @ 0..=239 => Duration::from_secs(seconds.into()),
        240..=247 => Duration::from_nanos(number(from)?),
        _ => Duration::from_secs(number(from)? % MOST_SECONDS),
    })
}

fn ranges(from: &mut Unstructured<'_>) -> arbitrary::Result<Ranges> {
    let mut ranges = Ranges::new();
    for _ in 0..from.int_in_range(0..=MOST_RANGES)? {
        let start = number(from)?;
        let end = start.saturating_add(number(from)?);
        if start < end {
            ranges.insert(start..end);
        }
    }
    Ok(ranges)
}

fn coverage(from: &mut Unstructured<'_>) -> arbitrary::Result<Coverage> {
    let cells = from.int_in_range(0..=2)?;
    (0..cells).map(|_| Ok((CellKey(few(from)?), ranges(from)?))).collect()
}

fn limit(from: &mut Unstructured<'_>) -> arbitrary::Result<Option<u64>> {
    Ok(if bool::arbitrary(from)? { Some(number(from)?.min(MOST_TRIALS)) } else { None })
}

fn muster(from: &mut Unstructured<'_>) -> arbitrary::Result<Muster> {
    let expected = (0..from.int_in_range(0..=2)?).map(|_| few(from).map(Identity)).collect::<arbitrary::Result<_>>()?;
    Ok(Muster { expected, least: moment(from)?, most: moment(from)? })
}

fn tuning(from: &mut Unstructured<'_>) -> arbitrary::Result<Tuning> {
    Ok(Tuning {
        most_leases: from.int_in_range(0..=8)?,
        most_unwritten: number(from)?,
        silence: moment(from)?,
        ..Tuning::default()
    })
}

fn held(from: &mut Unstructured<'_>) -> arbitrary::Result<Vec<Held>> {
    (0..from.int_in_range(0..=3)?).map(|_| Ok(Held { cell: CellKey(few(from)?), left: ranges(from)? })).collect()
}

fn receipt(from: &mut Unstructured<'_>) -> arbitrary::Result<Receipt> {
    Ok(Receipt { worker: WorkerId(few(from)?), sequence: few(from)? })
}

fn event(from: &mut Unstructured<'_>) -> arbitrary::Result<Event> {
    let kind = from.int_in_range(0..=13)?;
    let worker = WorkerId(few(from)?);
    Ok(match kind {
        0 | 1 => {
            let threads = if bool::arbitrary(from)? { u32::arbitrary(from)?.clamp(1, MOST_THREADS) } else { 1 };
            Event::Joined { worker, identity: Identity(few(from)?), threads, held: held(from)?, at: moment(from)? }
        }
        2 => Event::Left { worker, orderly: bool::arbitrary(from)?, at: moment(from)? },
        3 => Event::Heard { worker, at: moment(from)? },
        4 | 5 => {
            let trials = coverage(from)?;
            // As often as not it proves that it was given them.
            let granted = if bool::arbitrary(from)? { trials.clone() } else { coverage(from)? };
            let rows = number(from)? & u64::from(u32::MAX);
            Event::Received { receipt: receipt(from)?, trials, rows, granted }
        }
        6 => Event::LeasesDone { worker, leases: vec![(LeaseId(few(from)?), Duration::from_nanos(number(from)?))] },
        7 => Event::Returned { worker, lease: LeaseId(few(from)?), trials: ranges(from)?, at: moment(from)? },
        8 => Event::Failed { worker, lease: LeaseId(few(from)?), at: moment(from)? },
        9 => Event::Checkpointed { trials: coverage(from)? },
        10 => {
            let receipts = (0..from.int_in_range(0..=3)?).map(|_| receipt(from)).collect::<arbitrary::Result<_>>()?;
            Event::Durable { receipts }
        }
        11 => Event::Decided { cell: CellKey(few(from)?), limit: limit(from)? },
        12 => {
            if bool::arbitrary(from)? {
                Event::Pause
            } else {
                Event::Resume
            }
        }
        _ => Event::Clock { at: moment(from)? },
    })
}
