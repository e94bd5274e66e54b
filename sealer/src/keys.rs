//! The log's key, and those that signed before it: a rotation must not make the log's own past foreign.

use crate::config::PreviousKey;
use ledger::{LogKey, Sizes};
use trust::keys::{PrivateKey, PublicKey};

/// Why the keys of a configuration are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// One key twice, or the key in use among those before it.
    #[error("a key of the log is named twice among the key in use and the previous keys")]
    Twice,
    /// The last sizes do not grow, or one is 0.
    #[error(
        "the previous keys are not in the order of their last sizes, each larger than the one before"
    )]
    Order,
}

/// The key that signs, and the sizes at which each key of the log counts.
#[derive(Debug, Clone)]
pub struct LogKeys {
    own: PrivateKey,
    /// One after the other, without a gap; the own one is the last.
    accepted: Vec<LogKey>,
}

impl LogKeys {
    /// The key in use, after the previous ones, oldest first.
    pub fn new(own: PrivateKey, previous: &[PreviousKey]) -> Result<Self, KeysError> {
        let (mut from, mut accepted): (u64, Vec<LogKey>) = (0, Vec::new());
        let named =
            |accepted: &[LogKey], key: &PublicKey| accepted.iter().any(|one| one.key == *key);
        for PreviousKey { spki, to_size } in previous {
            if named(&accepted, spki) {
                return Err(KeysError::Twice);
            }
            if *to_size == 0 || *to_size < from {
                return Err(KeysError::Order);
            }
            let sizes = Sizes { from, to: Some(*to_size) };
            accepted.push(LogKey { key: *spki, sizes });
            from = to_size.saturating_add(1);
        }
        if named(&accepted, &own.public()) {
            return Err(KeysError::Twice);
        }
        accepted.push(LogKey { key: own.public(), sizes: Sizes { from, to: None } });
        Ok(Self { own, accepted })
    }

    /// The key that signs.
    pub fn own(&self) -> &PrivateKey {
        &self.own
    }

    /// Every key of the log, each for its sizes.
    pub fn accepted(&self) -> &[LogKey] {
        &self.accepted
    }

    /// The last size that the key before this one may have signed: this one signs larger ones only.
    pub fn previous_end(&self) -> u64 {
        self.accepted.last().map_or(0, |own| own.sizes.from.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from_seed(&[seed; 32])
    }

    fn previous(seed: u8, to_size: u64) -> PreviousKey {
        PreviousKey { spki: key(seed).public(), to_size }
    }

    #[test]
    fn keys_follow_one_another_without_a_gap() {
        let keys = LogKeys::new(key(3), &[previous(1, 40), previous(2, 90)]).unwrap();
        let sizes: Vec<_> =
            keys.accepted().iter().map(|key| (key.sizes.from, key.sizes.to)).collect();
        assert_eq!(sizes, [(0, Some(40)), (41, Some(90)), (91, None)]);
        assert_eq!(keys.previous_end(), 90);
        assert_eq!(LogKeys::new(key(3), &[]).unwrap().previous_end(), 0);
    }

    #[test]
    fn a_key_twice_and_ends_out_of_order_are_refused() {
        let refused = |previous: &[PreviousKey]| LogKeys::new(key(3), previous).unwrap_err();
        assert_eq!(refused(&[previous(1, 40), previous(1, 90)]), KeysError::Twice);
        assert_eq!(refused(&[previous(3, 40)]), KeysError::Twice);
        assert_eq!(refused(&[previous(1, 40), previous(2, 40)]), KeysError::Order);
        assert_eq!(refused(&[previous(1, 0)]), KeysError::Order);
    }
}
