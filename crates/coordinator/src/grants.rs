//! Grants: leases that a worker can prove.
//!
//! A worker hands over rows on a later stream than that of their lease, perhaps to a coordinator that was started again and
//! knows no lease of its predecessor's. So each lease comes with a signature of what it is of. The key lies with the
//! sweep: whoever cannot read it cannot make rows of trials that it was never given.

use std::ops::Range;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use taugrid_results::CellKey;
use taugrid_results::{Store, StoreError};

const KEY: &str = "provenance/grants.key";
const KEY_BYTES: usize = 32;
/// The cell, the first trial and how many, and then the signature.
const CLAIM_BYTES: usize = 24;
const SIGNATURE_BYTES: usize = 16;

/// A claim and its signature.
pub(crate) type Grant = [u8; CLAIM_BYTES + SIGNATURE_BYTES];

/// Signs leases, and knows its own again.
#[derive(Clone)]
pub(crate) struct Grants(Hmac<Sha256>);

impl Grants {
    /// With the key in `store`, which is made if there is none.
    pub(crate) fn open(store: &dyn Store) -> Result<Self, StoreError> {
        let key = match store.read(KEY) {
            Ok(key) if key.len() == KEY_BYTES => key,
            // One that is damaged is as good as none: rows under its grants are simulated again.
            _ => {
                let key: [u8; KEY_BYTES] = rand::random();
                store.replace(KEY, &key)?;
                key.to_vec()
            }
        };
        Ok(Self::with_key(&key))
    }

    /// With this key.
    pub(crate) fn with_key(key: &[u8]) -> Self {
        // A key of any length will do for this.
        Self(Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default())))
    }

    /// The grant of `trials` of `cell`.
    pub(crate) fn sign(&self, cell: CellKey, trials: &Range<u64>) -> Grant {
        let mut grant = [0; CLAIM_BYTES + SIGNATURE_BYTES];
        let (claim, signature) = grant.split_at_mut(CLAIM_BYTES);
        let words = [cell.0, trials.start, trials.end - trials.start];
        for (bytes, word) in claim.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        let signed = self.0.clone().chain_update(claim).finalize().into_bytes();
        signature.copy_from_slice(&signed[..SIGNATURE_BYTES]);
        grant
    }

    /// What a grant is of; `None` if it is none of ours.
    pub(crate) fn check(&self, grant: &[u8]) -> Option<(CellKey, Range<u64>)> {
        let (claim, signature) = grant.split_at_checked(CLAIM_BYTES)?;
        if signature.len() != SIGNATURE_BYTES {
            return None;
        }
        self.0.clone().chain_update(claim).verify_truncated_left(signature).ok()?;
        let mut words = claim.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
        let (cell, first, count) = (words.next()?, words.next()?, words.next()?);
        Some((CellKey(cell), first..first.checked_add(count)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taugrid_results::store::MemoryStore;

    #[test]
    fn a_grant_proves_what_it_says_and_nothing_else() {
        let grants = Grants::with_key(b"one");
        let grant = grants.sign(CellKey(7), &(10..30));
        assert_eq!(grants.check(&grant), Some((CellKey(7), 10..30)));
        assert_eq!(Grants::with_key(b"another").check(&grant), None);
        for at in 0..grant.len() {
            let mut forged = grant.to_vec();
            forged[at] ^= 1;
            assert_eq!(grants.check(&forged), None, "byte {at}");
            assert_eq!(grants.check(&grant[..at]), None, "{at} bytes");
        }
        assert_eq!(grants.check(&[&grant[..], &[0]].concat()), None);
    }

    #[test]
    fn a_coordinator_that_is_started_again_knows_the_grants_of_its_predecessor() {
        let store = MemoryStore::new();
        let grant = Grants::open(&store).expect("a key is made").sign(CellKey(1), &(0..5));
        assert_eq!(Grants::open(&store).expect("the key is there").check(&grant), Some((CellKey(1), 0..5)));
    }
}
