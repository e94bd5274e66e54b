//! A key prepared for many verifications: as strict as [`PublicKey::verifies`], at about a third of its cost.
//!
//! Why not a batch: a batch adds up many equations, each with a random factor, and asks whether the sum is zero. Points
//! of small order can cancel out in such a sum. So the holder of a key could make a signature (an R with a part of small
//! order) that one batch takes and another one refuses, and that strict verification always refuses: two verifiers of one
//! log would disagree. Finding these costs what the batch saves. Here instead every signature is decided by itself and
//! exactly: R is computed again from tables of multiples, and its bytes must be the signature's, which is what strict
//! verification compares too. What does not pass is asked of [`PublicKey::verifies`], which decides.
//!
//! Everything here takes a time that depends on its input. It only ever sees public values.

use crate::keys::{KeyId, PublicKey};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use sha2::{Digest as _, Sha512};
use std::fmt;
use std::sync::OnceLock;

/// Multiples of one point that a table holds for each byte of a scalar: 1 to 128, as digits are signed.
const MULTIPLES: usize = 128;
/// Bytes of a scalar.
const WINDOWS: usize = 32;

/// `j * 256^i * point` for every byte `i` and every `j` of 1 to 128: 640 KiB.
struct Table(Box<[EdwardsPoint]>);

impl Table {
    fn of(point: EdwardsPoint) -> Self {
        let mut multiples = Vec::with_capacity(WINDOWS.saturating_mul(MULTIPLES));
        let mut step = point;
        for _ in 0..WINDOWS {
            let mut multiple = step;
            for _ in 0..MULTIPLES {
                multiples.push(multiple);
                multiple += step;
            }
            for _ in 0..8 {
                step += step;
            }
        }
        Self(multiples.into_boxed_slice())
    }

    /// Adds `scalar * point` to a sum.
    fn add_product(&self, sum: &mut EdwardsPoint, scalar: &Scalar) {
        let mut carry = 0_u16;
        // A scalar is below 2^253, so that nothing is carried out of its last byte.
        for (window, byte) in self.0.chunks_exact(MULTIPLES).zip(scalar.as_bytes()) {
            let digit = u16::from(*byte).saturating_add(carry);
            carry = u16::from(digit > 128);
            let size = if carry == 0 { digit } else { 256_u16.saturating_sub(digit) };
            let multiple = usize::from(size).checked_sub(1).and_then(|at| window.get(at));
            match multiple {
                Some(multiple) if carry == 0 => *sum += multiple,
                Some(multiple) => *sum -= multiple,
                None => {}
            }
        }
    }
}

/// The table of the base point, and the encodings of the eight points of small order.
fn of_all_keys() -> &'static (Table, [[u8; 32]; 8]) {
    static MADE: OnceLock<(Table, [[u8; 32]; 8])> = OnceLock::new();
    MADE.get_or_init(|| {
        let small = EIGHT_TORSION.map(|point| point.compress().to_bytes());
        (Table::of(ED25519_BASEPOINT_POINT), small)
    })
}

/// A public key with a table of its multiples; pays from some hundred signatures on.
pub struct PreparedKey {
    key: PublicKey,
    id: KeyId,
    /// Of the negated point; `None` if the key's bytes are no point, which no [`PublicKey`] allows.
    negated: Option<Table>,
}

impl PreparedKey {
    /// Makes the table: some milliseconds and 640 KiB.
    pub fn new(key: PublicKey) -> Self {
        let point = CompressedEdwardsY(*key.point()).decompress();
        Self { key, id: key.id(), negated: point.map(|point| Table::of(-point)) }
    }

    /// The key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The key's id.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Strict verification of a raw 64-byte signature: the same answer as [`PublicKey::verifies`], always.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let exact = self.r(message, signature).map(|(made, r)| is_r(made.compress(), r));
        exact.unwrap_or_default() || self.key.verifies(message, signature)
    }

    /// The same for many messages and their signatures, each decided by itself: only the work of writing down the points
    /// is shared.
    pub fn verifies_each(&self, signed: &[(&[u8], &[u8])]) -> Vec<bool> {
        let made: Vec<_> =
            signed.iter().map(|(message, signature)| self.r(message, signature)).collect();
        let points: Vec<_> = made.iter().flatten().map(|(point, _)| *point).collect();
        let mut written = EdwardsPoint::compress_batch_alloc(&points).into_iter();
        let answers = made.into_iter().zip(signed).map(|(made, (message, signature))| {
            let exact = made.and_then(|(_, r)| Some(is_r(written.next()?, r)));
            exact.unwrap_or_default() || self.key.verifies(message, signature)
        });
        answers.collect()
    }

    /// The point R that s and the key make, and the signature's R; `None` where there is no such point to compare.
    fn r<'a>(&self, message: &[u8], signature: &'a [u8]) -> Option<(EdwardsPoint, &'a [u8; 32])> {
        let signature: &[u8; 64] = signature.try_into().ok()?;
        let (r, s) = signature.split_first_chunk::<32>()?;
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(s.try_into().ok()?))?;
        let hashed = Sha512::new().chain_update(r).chain_update(self.key.point());
        let hashed: [u8; 64] = hashed.chain_update(message).finalize().into();
        let h = Scalar::from_bytes_mod_order_wide(&hashed);
        let (base, _) = of_all_keys();
        let mut sum = EdwardsPoint::identity();
        base.add_product(&mut sum, &s);
        self.negated.as_ref()?.add_product(&mut sum, &h);
        Some((sum, r))
    }
}

/// Whether R is what s and the key made, byte by byte, and not of small order.
///
/// `verify_strict` asks the same: a canonical s; R and key not of small order (a [`PublicKey`] never is); and
/// `s * B - h * A` encoded as R. The bytes are those of an encoding just made, so that R is canonical, and of small
/// order only if it is one of eight encodings.
fn is_r(made: CompressedEdwardsY, r: &[u8; 32]) -> bool {
    let (_, small) = of_all_keys();
    made.as_bytes() == r && !small.contains(r)
}

impl fmt::Debug for PreparedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PreparedKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::PrivateKey;
    use proptest::prelude::*;

    /// The private scalar of a seed, as RFC 8032 makes it.
    fn scalar(seed: &[u8; 32]) -> Scalar {
        let hashed: [u8; 64] = Sha512::digest(seed).into();
        let mut low: [u8; 32] = *hashed.first_chunk().unwrap();
        low[0] &= 0xf8;
        low[31] = low[31] & 0x3f | 0x40;
        Scalar::from_bytes_mod_order(low)
    }

    /// A signature by the key's holder whose R is `r * B` and a point of small order.
    fn torsioned(seed: &[u8; 32], key: [u8; 32], message: &[u8], small: usize) -> Vec<u8> {
        let r = scalar(&[9; 32]);
        let point = (EdwardsPoint::mul_base(&r) + EIGHT_TORSION[small]).compress();
        let hashed = Sha512::new().chain_update(point.as_bytes()).chain_update(key);
        let hashed: [u8; 64] = hashed.chain_update(message).finalize().into();
        let s = r + Scalar::from_bytes_mod_order_wide(&hashed) * scalar(seed);
        [point.to_bytes(), s.to_bytes()].concat()
    }

    impl PreparedKey {
        /// What the tables alone say, one by one and together.
        fn verifies_exactly(&self, message: &[u8], signature: &[u8]) -> Option<bool> {
            let (made, r) = self.r(message, signature)?;
            let [alone, together] =
                [made.compress(), EdwardsPoint::compress_batch_alloc(&[made, made])[1]];
            assert_eq!(alone, together);
            Some(is_r(alone, r))
        }
    }

    fn public(point: [u8; 32]) -> Option<PublicKey> {
        let spki = PrivateKey::from_seed(&[1; 32]).public().spki();
        PublicKey::from_spki(&[&spki[..12], &point].concat()).ok()
    }

    #[test]
    fn an_r_with_a_part_of_small_order_is_refused_though_its_holder_signed() {
        let seed = [7; 32];
        let key = PrivateKey::from_seed(&seed).public();
        let prepared = PreparedKey::new(key);
        for small in 0..8 {
            let signature = torsioned(&seed, *key.point(), b"message", small);
            assert_eq!(prepared.verifies(b"message", &signature), small == 0, "{small}");
            assert_eq!(key.verifies(b"message", &signature), small == 0, "{small}");
        }
    }

    #[test]
    fn a_key_with_a_part_of_small_order_is_answered_as_strictly() {
        let seed = [7; 32];
        let point = EdwardsPoint::mul_base(&scalar(&seed)) + EIGHT_TORSION[1];
        let key = public(point.compress().to_bytes()).unwrap();
        let prepared = PreparedKey::new(key);
        let (mut taken, mut refused) = (0, 0);
        for n in 0..64_u8 {
            let signature = torsioned(&seed, *key.point(), &[n], usize::from(n % 8));
            let exact = prepared.verifies_exactly(&[n], &signature);
            assert_eq!(exact, Some(key.verifies(&[n], &signature)), "{n}");
            if exact == Some(true) { taken += 1 } else { refused += 1 }
        }
        assert!(taken > 0 && refused > 0, "both are possible: {taken} and {refused}");
    }

    #[test]
    fn an_r_of_small_order_and_an_s_beyond_the_order_are_refused() {
        let seed = [7; 32];
        let key = PrivateKey::from_seed(&seed).public();
        let prepared = PreparedKey::new(key);
        for small in EIGHT_TORSION {
            let r = small.compress();
            let hashed = Sha512::new().chain_update(r.as_bytes()).chain_update(key.point());
            let hashed: [u8; 64] = hashed.chain_update(b"m").finalize().into();
            let s = Scalar::from_bytes_mod_order_wide(&hashed) * scalar(&seed);
            let signature = [r.as_bytes().as_slice(), s.as_bytes()].concat();
            assert!(!prepared.verifies(b"m", &signature) && !key.verifies(b"m", &signature));
        }
        let mut signature = PrivateKey::from_seed(&seed).sign(b"m").to_vec();
        assert_eq!(prepared.verifies_exactly(b"m", &signature), Some(true));
        // s + the group's order: the same scalar in another spelling.
        let order = (-Scalar::ONE).to_bytes();
        let mut carry = 1_u16;
        for (byte, order) in signature[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            *byte = u8::try_from(sum & 0xff).unwrap();
            carry = sum >> 8;
        }
        assert_eq!(prepared.verifies_exactly(b"m", &signature), None);
        assert!(!prepared.verifies(b"m", &signature) && !key.verifies(b"m", &signature));
        assert!(!prepared.verifies(b"m", &signature[..63]));
    }

    #[test]
    fn each_of_many_is_decided_by_itself() {
        let private = PrivateKey::from_seed(&[7; 32]);
        let prepared = PreparedKey::new(private.public());
        let messages: Vec<[u8; 1]> = (0..9).map(|n| [n]).collect();
        let mut signatures: Vec<_> =
            messages.iter().map(|message| private.sign(message).to_vec()).collect();
        signatures[2][3] ^= 1;
        signatures[4].pop();
        signatures[5] = torsioned(&[7; 32], *private.public().point(), &messages[5], 1);
        signatures[7][63] |= 0xf0;
        let signed: Vec<(&[u8], &[u8])> =
            messages.iter().zip(&signatures).map(|(m, s)| (m.as_slice(), s.as_slice())).collect();
        let good = [true, true, false, true, false, false, true, false, true];
        assert_eq!(prepared.verifies_each(&signed), good);
        assert_eq!(prepared.verifies_each(&[]), Vec::<bool>::new());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn the_exact_answer_is_the_strict_one(
            seed: [u8; 32], message: Vec<u8>, at in 0..64_usize, bit in 0..8_u8, other: Vec<u8>,
        ) {
            let private = PrivateKey::from_seed(&seed);
            let prepared = PreparedKey::new(private.public());
            let mut signature = private.sign(&message);
            prop_assert_eq!(prepared.verifies_exactly(&message, &signature), Some(true));
            prop_assert_eq!(prepared.verifies(&other, &signature), other == message);
            signature[at] ^= 1 << bit;
            prop_assert!(!prepared.verifies_exactly(&message, &signature).unwrap_or_default());
            prop_assert!(!private.public().verifies(&message, &signature));
        }
    }
}
