//! Where a cell is among others.

use std::ops::Deref;

use taugrid_sweep::CellKey;

/// The keys of cells, in their order.
///
/// Keys are hashes, so each is near where it would be if they were spread evenly. It is looked for from there, with no table
/// beside them; and keys that follow one another, as those of a message or a part do, are found in the same cache lines.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<CellKey>);

/// What is looked at first on either side, in keys: two cache lines.
const FIRST_STRIDE: usize = 16;

impl Keys {
    /// Where `key` is, if it is there.
    pub fn place(&self, key: CellKey) -> Option<usize> {
        let keys = &self.0[..];
        let guess = ((u128::from(key.0) * keys.len() as u128) >> 64) as usize;
        // Further and further from the guess, until it lies between low and high. Keys of any kind are found, those that are
        // hashes at once.
        let mut stride = FIRST_STRIDE;
        let (low, high) = if *keys.get(guess)? <= key {
            let mut low = guess;
            while keys.get(low + stride).is_some_and(|next| *next <= key) {
                low += stride;
                stride *= 2;
            }
            (low, keys.len().min(low + stride))
        } else {
            let mut high = guess;
            while high > stride && keys[high - stride] > key {
                high -= stride;
                stride *= 2;
            }
            (high.saturating_sub(stride), high)
        };
        keys[low..high].binary_search(&key).ok().map(|place| low + place)
    }
}

impl FromIterator<CellKey> for Keys {
    /// Of keys in any order; equal ones are one.
    fn from_iter<I: IntoIterator<Item = CellKey>>(keys: I) -> Self {
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_unstable();
        keys.dedup();
        Self(keys)
    }
}

impl Deref for Keys {
    type Target = [CellKey];

    fn deref(&self) -> &[CellKey] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Evenly spread, as hashes are, or crowded somewhere.
    fn some_key() -> impl Strategy<Value = CellKey> {
        let near = |of: u64| (0..300u64).prop_map(move |by| of.saturating_add(by));
        prop_oneof![4 => any::<u64>(), 1 => near(0), 1 => near(1 << 63), 1 => near(u64::MAX - 299)].prop_map(CellKey)
    }

    proptest! {
        #[test]
        fn each_key_is_found_and_no_other(keys in proptest::collection::vec(some_key(), 0..400), other in some_key()) {
            let keys: Keys = keys.into_iter().collect();
            prop_assert!(keys.is_sorted());
            for (place, key) in keys.iter().enumerate() {
                prop_assert_eq!(keys.place(*key), Some(place));
            }
            prop_assert_eq!(keys.place(other), keys.iter().position(|key| *key == other));
        }
    }
}
