//! Single faults, one a test.

use std::ops::Range;
use std::time::Duration;

use taugrid_results::{CellKey, Coverage, Ranges};

use super::{
    Dismissal, Effect, Event, Held, Identity, LeaseId, Machine, Moment, Muster, Plan, Receipt, Tuning, WorkerId,
};

const CELL: CellKey = CellKey(7);

fn machine(trials: u64, muster: Option<Muster>) -> Machine {
    let plan = Plan { trials, open_ended: false, lanes: 4 };
    Machine::new([(CELL, plan)], &Coverage::new(), muster, Tuning::default())
}

fn second(n: u64) -> Moment {
    Duration::from_secs(n)
}

fn ranges(trials: Range<u64>) -> Ranges {
    Ranges::from_iter([trials])
}

fn join(machine: &mut Machine, number: u64, held: Vec<Held>, at: Moment) -> Vec<Effect> {
    machine.step(Event::Joined { worker: WorkerId(number), identity: Identity(number), threads: 1, held, at })
}

/// The leases among the effects.
fn leases(effects: &[Effect]) -> Vec<(WorkerId, LeaseId, Range<u64>)> {
    let lease = |effect: &Effect| match effect {
        Effect::Lease { worker, lease, trials, .. } => Some((*worker, *lease, trials.clone())),
        _ => None,
    };
    effects.iter().filter_map(lease).collect()
}

fn receive(machine: &mut Machine, worker: u64, sequence: u64, trials: Range<u64>) -> Vec<Effect> {
    let receipt = Receipt { worker: WorkerId(worker), sequence };
    let (rows, trials) = (trials.end - trials.start, Coverage::from([(CELL, ranges(trials))]));
    machine.step(Event::Received { receipt, trials, rows, granted: Coverage::new() })
}

#[test]
fn what_a_dead_worker_held_goes_to_the_others_at_once() {
    let mut machine = machine(4, None);
    let (_, _, trials) = leases(&join(&mut machine, 1, Vec::new(), second(0))).remove(0);
    assert_eq!(trials, 0..4);
    assert_eq!(leases(&join(&mut machine, 2, Vec::new(), second(0))), []);
    let effects = machine.step(Event::Left { worker: WorkerId(1), orderly: false, at: second(1) });
    assert_eq!(leases(&effects)[0].2, 0..4);
}

#[test]
fn a_worker_that_comes_back_keeps_what_nobody_else_was_given() {
    let mut machine = machine(400, None);
    join(&mut machine, 1, Vec::new(), second(0));
    machine.step(Event::Left { worker: WorkerId(1), orderly: false, at: second(1) });
    // Another is given the first trials before it is back.
    let (_, _, taken) = leases(&join(&mut machine, 2, Vec::new(), second(1))).remove(0);
    assert_eq!(taken.start, 0);
    let held = [0..2, 390..394].map(|trials| Held { cell: CELL, left: ranges(trials) });
    let effects = join(&mut machine, 1, held.to_vec(), second(2));
    let Effect::Adopted { leases: adopted, .. } = &effects[0] else { panic!("{effects:?}") };
    assert!(matches!(&adopted[..], [(1, _, kept)] if *kept == ranges(390..394)), "{adopted:?}");
}

#[test]
fn a_coordinator_that_was_started_again_leases_nothing_before_its_workers_are_back() {
    let muster = Muster { expected: [Identity(1), Identity(2)].into(), least: second(0), most: second(3) };
    let mut machine = machine(1000, Some(muster));
    // One comes back, and goes on with what it holds; but nothing new is leased.
    let effects = join(&mut machine, 1, vec![Held { cell: CELL, left: ranges(5..6) }], second(1));
    assert!(matches!(effects[..], [Effect::Adopted { .. }]), "{effects:?}");
    // The other one comes back.
    let effects = join(&mut machine, 2, vec![Held { cell: CELL, left: ranges(0..4) }], second(2));
    let new: Ranges = leases(&effects).into_iter().map(|(_, _, trials)| trials).collect();
    assert!(!new.is_empty() && !new.overlaps(&(0..4)) && !new.contains(5), "{new:?}");
}

#[test]
fn a_worker_that_died_with_its_coordinator_is_not_waited_for_longer_than_that() {
    let muster = Muster { expected: [Identity(1), Identity(2)].into(), least: second(0), most: second(3) };
    let mut machine = machine(1000, Some(muster));
    assert_eq!(join(&mut machine, 1, Vec::new(), second(1)), []);
    assert_eq!(machine.step(Event::Clock { at: second(2) }), []);
    assert!(!leases(&machine.step(Event::Clock { at: second(3) })).is_empty());
}

#[test]
fn rows_without_a_lease_are_not_taken() {
    let mut machine = machine(400, None);
    join(&mut machine, 1, Vec::new(), second(0));
    let theirs = leases(&join(&mut machine, 2, Vec::new(), second(0))).remove(0).2;
    let rows = Coverage::from([(CELL, ranges(theirs.clone()))]);
    assert!(machine.may_send(WorkerId(2), &rows, &Coverage::new()));
    assert!(!machine.may_send(WorkerId(1), &rows, &Coverage::new()));
    assert!(machine.may_send(WorkerId(1), &rows, &rows), "it can prove that it was given them");
    assert!(!machine.may_send(WorkerId(3), &rows, &Coverage::new()), "a stranger");
    let effects = receive(&mut machine, 1, 1, theirs);
    assert_eq!(effects[0], Effect::Dismiss { worker: WorkerId(1), reason: Dismissal::NotLeased });
}

#[test]
fn a_lease_said_to_be_done_without_its_rows_is_leased_anew() {
    let mut machine = machine(4, None);
    let (worker, lease, trials) = leases(&join(&mut machine, 1, Vec::new(), second(0))).remove(0);
    let effects = machine.step(Event::LeasesDone { worker, leases: vec![(lease, Duration::ZERO)] });
    assert_eq!(effects, vec![Effect::Dismiss { worker, reason: Dismissal::RowsMissing }]);
    assert_eq!(leases(&join(&mut machine, 2, Vec::new(), second(0)))[0].2, trials);
}

#[test]
fn a_lease_of_another_worker_can_neither_be_closed_nor_given_back() {
    let mut machine = machine(400, None);
    let (_, theirs, trials) = leases(&join(&mut machine, 1, Vec::new(), second(0))).remove(0);
    let me = WorkerId(2);
    join(&mut machine, 2, Vec::new(), second(0));
    let effects = machine.step(Event::LeasesDone { worker: me, leases: vec![(theirs, Duration::ZERO)] });
    assert!(effects.contains(&Effect::Dismiss { worker: me, reason: Dismissal::UnknownLease }));
    join(&mut machine, 2, Vec::new(), second(0));
    let effects = machine.step(Event::Returned { worker: me, lease: theirs, trials: ranges(trials), at: second(1) });
    assert!(effects.contains(&Effect::Dismiss { worker: me, reason: Dismissal::NotItsTrials }));
}

#[test]
fn a_worker_that_gives_back_more_than_it_holds_costs_no_trial() {
    let mut machine = machine(400, None);
    let (worker, lease, trials) = leases(&join(&mut machine, 1, Vec::new(), second(0))).remove(0);
    let more = ranges(trials.start..trials.end + 1);
    let effects = machine.step(Event::Returned { worker, lease, trials: more, at: second(1) });
    assert_eq!(effects[0], Effect::Dismiss { worker, reason: Dismissal::NotItsTrials });
    assert_eq!(machine.audit(), Ok(()));
    assert_eq!(leases(&join(&mut machine, 2, Vec::new(), second(2)))[0].2.start, trials.start);
}

#[test]
fn nothing_is_leased_while_the_disk_is_behind() {
    let plan = Plan { trials: 1 << 20, open_ended: false, lanes: 4 };
    let tuning = Tuning { most_unwritten: 10, ..Tuning::default() };
    let mut machine = Machine::new([(CELL, plan)], &Coverage::new(), None, tuning);
    let (worker, lease, trials) = leases(&join(&mut machine, 1, Vec::new(), second(0))).remove(0);
    let rows = Coverage::from([(CELL, ranges(trials.clone()))]);
    let receipt = Receipt { worker, sequence: 1 };
    machine.step(Event::Received { receipt, trials: rows, rows: 11, granted: Coverage::new() });
    assert_eq!(machine.step(Event::LeasesDone { worker, leases: vec![(lease, Duration::from_nanos(4))] }), []);
    let effects = machine.step(Event::Durable { receipts: vec![receipt] });
    assert!(!leases(&effects).is_empty(), "{effects:?}");
}

#[test]
fn what_is_not_begun_is_shared_with_those_who_idle() {
    let mut machine = machine(64, None);
    let first = leases(&join(&mut machine, 1, Vec::new(), second(0)));
    let mut given: u64 = first.iter().map(|(_, _, trials)| trials.end - trials.start).sum();
    // Its first lease takes ten seconds a trial, and it has all the others.
    let (_, lease, trials) = first[0].clone();
    receive(&mut machine, 1, 1, trials.clone());
    let busy = second(10 * (trials.end - trials.start));
    given += leases(&machine.step(Event::LeasesDone { worker: WorkerId(1), leases: vec![(lease, busy)] }))
        .iter()
        .map(|(_, _, trials)| trials.end - trials.start)
        .sum::<u64>();
    let effects = join(&mut machine, 2, Vec::new(), second(50));
    if given < 64 {
        assert!(!leases(&effects).is_empty());
        return;
    }
    let Some(Effect::Recall { worker, begun: false, .. }) = effects.first() else { panic!("{effects:?}") };
    assert_eq!(*worker, WorkerId(1));
}

#[test]
fn a_paused_sweep_calls_everything_back_and_leases_nothing() {
    let mut machine = machine(400, None);
    let given = leases(&join(&mut machine, 1, Vec::new(), second(0)));
    let effects = machine.step(Event::Pause);
    assert_eq!(effects.len(), given.len());
    for (worker, lease, trials) in given {
        assert!(effects.contains(&Effect::Recall { worker, lease, most: u64::MAX, begun: true }));
        let effects = machine.step(Event::Returned { worker, lease, trials: ranges(trials), at: second(1) });
        assert_eq!(effects, []);
        // It may say that the lease is done: there was nothing left of it.
        assert_eq!(machine.step(Event::LeasesDone { worker, leases: vec![(lease, Duration::ZERO)] }), []);
    }
    assert!(machine.standing().paused);
    assert!(!leases(&machine.step(Event::Resume)).is_empty());
}

#[test]
fn a_worker_that_is_asked_twice_and_answers_twice_stays() {
    let mut machine = machine(8, None);
    let given = leases(&join(&mut machine, 1, Vec::new(), second(0)));
    // An idle one is to have some of it, and then everything is called back.
    let effects = join(&mut machine, 2, Vec::new(), second(0));
    let [Effect::Recall { worker, lease, begun: false, .. }] = effects[..] else { panic!("{effects:?}") };
    machine.step(Event::Left { worker: WorkerId(2), orderly: true, at: second(1) });
    machine.step(Event::Pause);
    for (_, id, trials) in given {
        let middle = if id == lease { trials.end - 1 } else { trials.end };
        for part in [middle..trials.end, trials.start..middle].map(|part| Some(part).filter(|part| !part.is_empty())) {
            let Some(trials) = part.map(ranges) else { continue };
            machine.step(Event::Returned { worker, lease: id, trials, at: second(1) });
        }
    }
    assert_eq!(leases(&machine.step(Event::Resume))[0].0, worker);
}

/// It had some in hand when they went to another worker, and they came back to it before they ended.
#[test]
fn a_worker_may_give_back_trials_whose_rows_it_sent_for_an_older_lease() {
    let mut machine = machine(4, None);
    join(&mut machine, 1, Vec::new(), second(0));
    machine.step(Event::Left { worker: WorkerId(1), orderly: true, at: second(1) });
    join(&mut machine, 2, Vec::new(), second(1));
    let effects = join(&mut machine, 3, vec![Held { cell: CELL, left: ranges(0..4) }], second(2));
    assert!(matches!(&effects[0], Effect::Adopted { leases, .. } if leases.is_empty()), "{effects:?}");
    let again = leases(&machine.step(Event::Left { worker: WorkerId(2), orderly: true, at: second(3) }));
    let [(worker, lease, trials)] = &again[..] else { panic!("{again:?}") };
    assert_eq!((*worker, trials), (WorkerId(3), &(0..4)));
    receive(&mut machine, 3, 1, 3..4);
    let effects = machine.step(Event::Returned { worker: *worker, lease: *lease, trials: ranges(2..4), at: second(4) });
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Dismiss { .. })), "{effects:?}");
    machine.audit().expect("each trial is in one place");
    receive(&mut machine, 3, 2, 0..2);
    let effects = machine.step(Event::LeasesDone { worker: *worker, leases: vec![(*lease, second(1))] });
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Dismiss { .. })), "{effects:?}");
}

#[test]
fn a_poisoned_shard_is_set_aside_and_the_sweep_goes_on() {
    // Workers die whenever they hold trial 13; each comes with another number, one after the other.
    let mut machine = machine(64, None);
    let mut aside = Vec::new();
    let mut at = second(0);
    let mut sequence = 0;
    for number in 1..20 {
        let mut waiting = leases(&join(&mut machine, number, Vec::new(), at));
        let mut is_dead = false;
        while let Some((worker, lease, trials)) = waiting.pop().filter(|_| !is_dead) {
            at += Duration::from_millis(100);
            let effects = if trials.contains(&13) {
                is_dead = true;
                machine.step(Event::Left { worker, orderly: false, at })
            } else {
                sequence += 1;
                let mut effects = receive(&mut machine, number, sequence, trials);
                let receipt = Receipt { worker, sequence };
                effects.extend(
                    machine.step(Event::LeasesDone { worker, leases: vec![(lease, Duration::from_millis(10))] }),
                );
                effects.extend(machine.step(Event::Durable { receipts: vec![receipt] }));
                effects
            };
            waiting.extend(leases(&effects));
            for effect in effects {
                match effect {
                    Effect::Quarantine(quarantined) => aside.push((number, quarantined)),
                    Effect::Finish => {
                        let (number, quarantined) = &aside[0];
                        assert_eq!((aside.len(), *number, quarantined.workers), (1, 3, 3));
                        assert!(quarantined.trials.contains(&13), "{quarantined:?}");
                        let standing = machine.standing();
                        assert_eq!(standing.received + standing.quarantined, 64);
                        assert!(standing.quarantined <= 2, "{standing:?}");
                        return;
                    }
                    _ => {}
                }
            }
        }
    }
    panic!("the sweep does not end: {aside:?}");
}
