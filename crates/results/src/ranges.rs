//! A set of trials of one cell.

use std::fmt;
use std::iter;
use std::ops::Range;

use rangemap::RangeSet;

/// A set of trials, as ranges that neither overlap nor touch, in their order.
///
/// Nearly all such sets are one range, which is held in place: a million cells, or a lease, take no memory besides.
#[derive(Clone, PartialEq, Eq)]
pub struct Ranges(Held);

#[derive(Clone, PartialEq, Eq)]
enum Held {
    /// None or one; if none, 0..0.
    One(Range<u64>),
    /// At least two.
    Many(Box<RangeSet<u64>>),
}

const NONE: Range<u64> = 0..0;

impl Ranges {
    /// The empty set.
    pub const fn new() -> Self {
        Self(Held::One(NONE))
    }

    /// Whether there is no trial in it.
    pub fn is_empty(&self) -> bool {
        self.0 == Held::One(NONE)
    }

    /// How many trials there are in it.
    pub fn count(&self) -> u64 {
        self.iter().map(|range| range.end - range.start).sum()
    }

    /// How many trials of `range` are in it.
    pub fn count_within(&self, range: &Range<u64>) -> u64 {
        self.within(range).map(|range| range.end - range.start).sum()
    }

    /// Whether `trial` is in it.
    pub fn contains(&self, trial: u64) -> bool {
        self.around(trial).is_some()
    }

    /// The one of its ranges that has `trial`.
    pub fn around(&self, trial: u64) -> Option<Range<u64>> {
        match &self.0 {
            Held::One(one) => one.contains(&trial).then(|| one.clone()),
            Held::Many(set) => set.get(&trial).cloned(),
        }
    }

    /// Its ranges.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Range<u64>> + '_ {
        let (one, many) = self.parts();
        one.cloned().into_iter().chain(many.into_iter().flat_map(|set| set.iter().cloned()))
    }

    /// The first of its ranges.
    pub fn first(&self) -> Option<Range<u64>> {
        self.iter().next()
    }

    /// The last of its ranges.
    pub fn last(&self) -> Option<Range<u64>> {
        self.iter().next_back()
    }

    /// What of `range` is in it.
    pub fn within<'a>(&'a self, range: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<'a> {
        let (start, end) = (range.start, range.end);
        let (one, many) = self.parts();
        let many = many.filter(|_| start < end).map(|set| set.overlapping(start..end));
        let all = one.into_iter().chain(many.into_iter().flatten());
        all.map(move |held| held.start.max(start)..held.end.min(end)).filter(|cut| cut.start < cut.end)
    }

    /// What of `range` is not in it.
    pub fn gaps<'a>(&'a self, range: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<'a> {
        let (mut at, end) = (range.start, range.end);
        let held = self.within(range).chain(iter::once(end..end));
        let gaps = held.map(move |held| std::mem::replace(&mut at, held.end)..held.start);
        gaps.filter(|gap| gap.start < gap.end)
    }

    /// Whether any trial of `range` is in it.
    pub fn overlaps(&self, range: &Range<u64>) -> bool {
        self.within(range).next().is_some()
    }

    /// What is in both sets.
    pub fn intersection(&self, other: &Self) -> Self {
        self.iter().flat_map(|range| other.within(&range)).collect()
    }

    /// What is in it, and not in `other`.
    pub fn minus(&self, other: &Self) -> Self {
        self.iter().flat_map(|range| other.gaps(&range)).collect()
    }

    /// Adds trials; those that are in it already remain. An empty range adds none.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.start >= range.end {
            return;
        }
        match &mut self.0 {
            Held::One(one) if one.is_empty() => *one = range,
            Held::One(one) if range.start <= one.end && one.start <= range.end => {
                *one = one.start.min(range.start)..one.end.max(range.end);
            }
            Held::One(one) => self.0 = Held::Many(Box::new([one.clone(), range].into_iter().collect())),
            Held::Many(set) => {
                set.insert(range);
                self.settle();
            }
        }
    }

    /// Takes trials out, as far as they are in it.
    pub fn remove(&mut self, range: &Range<u64>) {
        if range.start >= range.end {
            return;
        }
        match &mut self.0 {
            Held::One(one) => {
                let before = one.start..one.end.min(range.start);
                let after = one.start.max(range.end)..one.end;
                *self = match (before.is_empty(), after.is_empty()) {
                    (false, false) => Self(Held::Many(Box::new([before, after].into_iter().collect()))),
                    (false, true) => before.into(),
                    (true, false) => after.into(),
                    (true, true) => Self::new(),
                };
            }
            Held::Many(set) => {
                set.remove(range.clone());
                self.settle();
            }
        }
    }

    /// Takes out all that is in `other`.
    pub fn subtract(&mut self, other: &Self) {
        other.iter().for_each(|range| self.remove(&range));
    }

    fn parts(&self) -> (Option<&Range<u64>>, Option<&RangeSet<u64>>) {
        match &self.0 {
            Held::One(one) => ((!one.is_empty()).then_some(one), None),
            Held::Many(set) => (None, Some(set)),
        }
    }

    /// One range is held in place.
    fn settle(&mut self) {
        if let Held::Many(set) = &self.0 {
            let mut ranges = set.iter();
            let (first, second) = (ranges.next().cloned(), ranges.next());
            if second.is_none() {
                *self = first.unwrap_or(NONE).into();
            }
        }
    }
}

impl Default for Ranges {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Range<u64>> for Ranges {
    fn from(range: Range<u64>) -> Self {
        Self(Held::One(if range.is_empty() { NONE } else { range }))
    }
}

impl FromIterator<Range<u64>> for Ranges {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Self {
        let mut set = Self::new();
        set.extend(ranges);
        set
    }
}

impl Extend<Range<u64>> for Ranges {
    fn extend<I: IntoIterator<Item = Range<u64>>>(&mut self, ranges: I) {
        ranges.into_iter().for_each(|range| self.insert(range));
    }
}

impl fmt::Debug for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const END: u64 = 40;

    fn range() -> impl Strategy<Value = Range<u64>> {
        (0..END, 0..8u64).prop_map(|(start, length)| start..(start + length).min(END))
    }

    fn changes() -> impl Strategy<Value = Vec<(bool, Range<u64>)>> {
        proptest::collection::vec((any::<bool>(), range()), 0..40)
    }

    /// The set, and the same trial by trial.
    fn make(changes: Vec<(bool, Range<u64>)>) -> (Ranges, BTreeSet<u64>) {
        let (mut ranges, mut trials) = (Ranges::new(), BTreeSet::new());
        for (insert, range) in changes {
            if insert {
                trials.extend(range.clone());
                ranges.insert(range);
            } else {
                trials.retain(|trial| !range.contains(trial));
                ranges.remove(&range);
            }
        }
        (ranges, trials)
    }

    fn trials(ranges: impl Iterator<Item = Range<u64>>) -> Vec<u64> {
        ranges.flatten().collect()
    }

    proptest! {
        #[test]
        fn a_set_of_ranges_is_a_set(first in changes(), second in changes(), part in range()) {
            let ((a, in_a), (b, in_b)) = (make(first), make(second));
            prop_assert_eq!(trials(a.iter()), in_a.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(a.count(), in_a.len() as u64);
            prop_assert_eq!(a.is_empty(), in_a.is_empty());
            prop_assert!((0..END).all(|trial| a.contains(trial) == in_a.contains(&trial)));
            prop_assert!(a.iter().all(|range| a.around(range.start) == Some(range)));
            let of_part = in_a.iter().copied().filter(|trial| part.contains(trial));
            prop_assert_eq!(trials(a.within(&part)), of_part.collect::<Vec<_>>());
            let gaps = part.clone().filter(|trial| !in_a.contains(trial));
            prop_assert_eq!(trials(a.gaps(&part)), gaps.collect::<Vec<_>>());
            let both = in_a.intersection(&in_b).copied();
            prop_assert_eq!(trials(a.intersection(&b).iter()), both.collect::<Vec<_>>());
            let rest = in_a.difference(&in_b).copied();
            prop_assert_eq!(trials(a.minus(&b).iter()), rest.collect::<Vec<_>>());
            let mut subtracted = a.clone();
            subtracted.subtract(&b);
            prop_assert_eq!(subtracted, a.minus(&b));
            prop_assert_eq!(a.overlaps(&part), a.within(&part).count() > 0);
        }

        #[test]
        fn equal_sets_are_held_alike(changes in changes()) {
            let (ranges, trials) = make(changes);
            let pieces: Vec<_> = ranges.iter().collect();
            prop_assert!(pieces.windows(2).all(|pair| pair[0].end < pair[1].start));
            prop_assert!(pieces.iter().all(|range| !range.is_empty()));
            prop_assert_eq!((pieces.first().cloned(), pieces.last().cloned()), (ranges.first(), ranges.last()));
            let again: Ranges = trials.into_iter().rev().map(|trial| trial..trial + 1).collect();
            prop_assert_eq!(again, ranges);
        }
    }
}
