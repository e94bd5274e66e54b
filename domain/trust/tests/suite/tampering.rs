//! Any byte of an accepted job's signed parts, flipped, is refused.

use crate::scene::{Delivery, scene, told};
use proptest::prelude::*;
use trust::dsse::{Envelope, Parsed, Signature};

/// The envelope with one bit flipped in its payload or its signatures, counted through.
fn flipped(envelope: &Envelope, place: usize, bit: u8) -> Envelope {
    let mut payload = envelope.payload().to_vec();
    let mut signatures: Vec<Signature> = envelope.signatures().to_vec();
    let parts = std::iter::once(&mut payload).chain(signatures.iter_mut().map(|s| &mut s.sig));
    if let Some(byte) = parts.flatten().nth(place) {
        *byte ^= 1 << bit;
    }
    let fresh = Envelope::around_payload(envelope.payload_type(), payload);
    signatures.into_iter().fold(fresh, Envelope::with_signature)
}

fn signed_length(envelope: &Envelope) -> usize {
    envelope.payload().len() + envelope.signatures().iter().map(|s| s.sig.len()).sum::<usize>()
}

/// Whether the delivery with this envelope in the job's place is refused.
fn job_refused(delivery: &Delivery, job: Envelope) -> bool {
    // A job that cannot even be read is never judged.
    let Ok(job) = Parsed::from_envelope(job) else { return true };
    let mut message = delivery.message.clone();
    message.job = job;
    judged_refused(delivery, &message)
}

fn judged_refused(delivery: &Delivery, message: &trust::message::JobMessage) -> bool {
    let Delivery { site, current, moment, journal, .. } = delivery;
    trust::accept::judge(message, site, current, moment, journal).is_err()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_flipped_bit_of_any_signed_part_is_refused(
        part in 0..4_u8,
        place in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let delivery = scene(|_| ()).unwrap().seal().unwrap();
        prop_assert_eq!(told(delivery.judge()), "accepted");
        let mut message = delivery.message.clone();
        let flip = |envelope: &Envelope| flipped(envelope, place.index(signed_length(envelope)), bit);
        let refused = match part {
            0 => job_refused(&delivery, flip(message.job.envelope())),
            1 => {
                message.change = message.change.as_ref().map(flip);
                judged_refused(&delivery, &message)
            }
            2 => {
                message.submission = message.submission.as_ref().map(flip);
                judged_refused(&delivery, &message)
            }
            _ => {
                if let Some(sql) = &mut message.sql {
                    let place = place.index(sql.len());
                    sql[place] ^= 1 << bit;
                }
                judged_refused(&delivery, &message)
            }
        };
        prop_assert!(refused);
    }
}
