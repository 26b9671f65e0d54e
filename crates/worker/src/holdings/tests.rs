use proptest::prelude::*;
use taugrid_wire::v1::{AdoptedLease, Trials};

use super::*;

const CELL: CellKey = CellKey(7);

fn grant(name: &str) -> Bytes {
    Bytes::from(name.to_owned())
}

fn begin(holdings: &mut Holdings, lease: u64, trials: Range<u64>) -> TenureId {
    holdings.begin(lease, CELL, trials, grant(&format!("grant {lease}"))).expect("a sound lease").id
}

fn ranges(ranges: &[Range<u64>]) -> Ranges {
    ranges.iter().cloned().collect()
}

fn adopted(leases: &[(u32, u64, Ranges)]) -> Adopted {
    let leases =
        leases.iter().map(|(held, lease, trials)| AdoptedLease { held: *held, lease: *lease, trials: to_wire(trials) });
    Adopted { leases: leases.collect() }
}

fn set(trials: impl IntoIterator<Item = u64>) -> Ranges {
    runs(trials).collect()
}

#[test]
fn a_lease_is_done_when_its_last_trial_has_ended() {
    let mut holdings = Holdings::default();
    let id = begin(&mut holdings, 5, 10..14);
    assert_eq!(holdings.ended(id, &set([12, 10]), Duration::from_nanos(3)), None);
    assert!(holdings.is_left(CELL, 11) && !holdings.is_left(CELL, 12) && !holdings.is_left(CellKey(8), 11));
    let done = holdings.ended(id, &set([13, 11]), Duration::from_nanos(4));
    assert_eq!(done, Some(LeaseDone { lease: 5, busy_nanos: 7 }));
    assert!(holdings.is_empty());
    assert_eq!(holdings.ended(id, &set([13]), Duration::ZERO), None, "a row that slipped through");
}

#[test]
fn leases_that_cannot_be_are_refused() {
    let mut holdings = Holdings::default();
    begin(&mut holdings, 1, 0..10);
    let mut refused = |lease, trials| holdings.begin(lease, CELL, trials, grant("g")).expect_err("refused");
    assert!(refused(1, 20..30).contains("twice"));
    assert!(refused(2, 9..12).contains("held already"));
    for lease in 2..=MOST_LEASES as u64 {
        begin(&mut holdings, lease, 10 * lease..10 * lease + 1);
    }
    let error = holdings.begin(1000, CellKey(8), 0..1, grant("g")).expect_err("one too many");
    assert!(error.contains("256"), "{error}");
}

#[test]
fn leases_outlive_the_stream_under_new_numbers() {
    let mut holdings = Holdings::default();
    let [first, second, third] = [(1, 0..10), (2, 10..20), (3, 20..30)].map(|(n, r)| begin(&mut holdings, n, r));
    holdings.ended(first, &set(0..4), Duration::from_nanos(40));
    holdings.unnumber();
    assert!(holdings.numbered(1).is_none() && holdings.number(first).is_none());
    // One is done while there is no stream: nobody is told.
    assert_eq!(holdings.ended(third, &set(20..30), Duration::ZERO), None);
    let held = holdings.offer();
    let expected = [("grant 1", Ranges::from(4..10)), ("grant 2", Ranges::from(10..20))]
        .map(|(name, left)| Held { grant: grant(name), left: to_wire(&left) });
    assert_eq!(held, expected);
    assert!(holdings.awaits_adoption());
    // Some trials end before the answer comes; one lease was given away, half of the other.
    holdings.ended(first, &set([4, 9]), Duration::from_nanos(20));
    let adoption = holdings.adopt(&adopted(&[(0, 77, ranges(&[4..6, 8..10]))])).expect("as it was offered");
    let given_up: Vec<_> = adoption.given_up.iter().map(|(tenure, lost)| (tenure.id, lost.clone())).collect();
    assert_eq!(given_up, [(first, Ranges::from(6..8)), (second, Ranges::from(10..20))]);
    assert!(adoption.done.is_empty() && adoption.failed.is_empty() && !holdings.awaits_adoption());
    assert_eq!((holdings.number(first), holdings.number(second)), (Some(77), None));
    assert_eq!(holdings.numbered(77).map(|held| held.left.clone()), Some(ranges(&[5..6, 8..9])));
    let done = holdings.ended(first, &set([5, 8]), Duration::from_nanos(40));
    assert_eq!(done, Some(LeaseDone { lease: 77, busy_nanos: 100 }));
}

#[test]
fn what_ended_or_failed_before_the_answer_is_said_after_it() {
    let mut holdings = Holdings::default();
    let [done, failed] = [(1, 0..2), (2, 2..4)].map(|(n, r)| begin(&mut holdings, n, r));
    holdings.unnumber();
    assert_eq!(holdings.offer().len(), 2);
    assert_eq!(holdings.ended(done, &set(0..2), Duration::from_nanos(5)), None, "it has no number yet");
    let (_, left, word) = holdings.fail(failed, "boom").expect("held");
    assert_eq!((left, word), (Ranges::from(2..4), None));
    let adoption =
        holdings.adopt(&adopted(&[(1, 9, Ranges::from(2..4)), (0, 8, Ranges::from(0..2))])).expect("as it was offered");
    assert_eq!(adoption.done, [LeaseDone { lease: 8, busy_nanos: 5 }]);
    assert_eq!(adoption.failed, [Failed { lease: 9, detail: "boom".to_owned() }]);
    assert!(adoption.given_up.is_empty() && holdings.is_empty());
}

#[test]
fn an_adoption_that_cannot_be_is_refused() {
    let offer = || {
        let mut holdings = Holdings::default();
        begin(&mut holdings, 1, 0..10);
        begin(&mut holdings, 2, 10..20);
        holdings.unnumber();
        holdings.offer();
        begin(&mut holdings, 3, 30..40);
        holdings
    };
    let everything = || Ranges::from(0..10);
    for (bad, word) in [
        (adopted(&[(2, 5, Ranges::new())]), "2 of 2"),
        (adopted(&[(0, 5, everything()), (0, 6, everything())]), "twice"),
        (adopted(&[(0, 5, everything()), (1, 5, Ranges::new())]), "twice"),
        (adopted(&[(0, 3, everything())]), "held already"),
        (adopted(&[(1, 5, everything())]), "not said to be held"),
        (adopted(&[(0, 5, Ranges::from(8..11))]), "not said to be held"),
    ] {
        let error = offer().adopt(&bad).expect_err(word);
        assert!(error.contains(word), "{error}");
    }
    let beyond = AdoptedLease { held: 0, lease: 5, trials: vec![Trials { first: 2, count: u64::MAX }] };
    assert!(offer().adopt(&Adopted { leases: vec![beyond] }).is_err(), "a range beyond all trials");
    let mut unasked = Holdings::default();
    assert!(unasked.adopt(&Adopted::default()).is_err(), "nothing was offered");
}

#[test]
fn a_lease_that_fails_is_held_no_more() {
    let mut holdings = Holdings::default();
    let id = begin(&mut holdings, 4, 0..10);
    holdings.ended(id, &set(0..3), Duration::ZERO);
    let (tenure, left, word) = holdings.fail(id, "boom").expect("held");
    assert_eq!((tenure.id, left), (id, Ranges::from(3..10)));
    assert_eq!(word, Some(Failed { lease: 4, detail: "boom".to_owned() }));
    assert!(holdings.is_empty() && holdings.numbered(4).is_none() && holdings.fail(id, "again").is_none());
}

#[test]
fn a_lease_is_inherited_once() {
    let mut holdings = Holdings::default();
    for _ in 0..2 {
        holdings.inherit(CELL, grant("old"), Ranges::from(3..5));
    }
    holdings.inherit(CELL, grant("empty"), Ranges::new());
    assert_eq!(holdings.all().map(|held| held.inherited).collect::<Vec<_>>(), [true]);
}

proptest! {
    #[test]
    fn runs_hold_every_trial_once(trials in proptest::collection::vec(0u64..60, 0..80)) {
        let mut expected = trials.clone();
        expected.sort_unstable();
        expected.dedup();
        let found: Vec<u64> = runs(trials).flatten().collect();
        prop_assert_eq!(found, expected);
    }
}
