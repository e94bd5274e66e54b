//! Operators record rotations, revocations and gaps of the log; what is forged, replayed or of another log is refused.

use crate::world::{By, ORIGIN, World};
use domain::identity::{PrincipalKind, Role};
use ledger::{KeyRole, KeyRotation, SignedRotation};
use serde_json::{Value, json};
use trust::keys::PrivateKey;

const OPERATOR: By<'static> = By::Service("operator");

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

fn rotation(role: KeyRole, old: u8, new: u8, from: u64) -> anyhow::Result<SignedRotation> {
    let (log, name) = (ORIGIN.parse()?, None);
    let (old, new) = (key(old), key(new));
    let statement = KeyRotation { log, role, name, old: old.public(), new: new.public(), from };
    Ok(statement.sign(&old, &new)?)
}

async fn rotate(
    world: &World,
    by: By<'_>,
    rotation: &SignedRotation,
) -> anyhow::Result<(u16, String)> {
    let path = format!("/v1/logs/{ORIGIN}/key-rotations");
    let got = world.post(&path, by, &[], serde_json::to_string(rotation)?).await?;
    let (status, code) = got.problem();
    Ok((status, code.to_owned()))
}

#[tokio::test]
async fn a_rotation_is_recorded_if_both_keys_signed_it_and_the_old_one_is_in_force() {
    let world = World::start().await.unwrap();
    let answer = |status: u16, code: &str| (status, code.to_owned());
    // The world's writer has the seed 7; nothing was sealed, so that any log key may be the one in force.
    let stranger = rotation(KeyRole::Writer, 8, 9, 50).unwrap();
    let refused = rotate(&world, OPERATOR, &stranger).await.unwrap();
    assert_eq!(refused, answer(409, "ledger.key_not_in_force"));
    let good = rotation(KeyRole::Writer, 7, 9, 50).unwrap();
    let alone = key(9).sign_named(&good.statement().message()).to_string();
    let forged = SignedRotation { old_signature: alone, ..good.clone() };
    let refused = rotate(&world, OPERATOR, &forged).await.unwrap();
    assert_eq!(refused, answer(422, "ledger.rotation_signature_wrong"));
    assert_eq!(rotate(&world, OPERATOR, &good).await.unwrap(), answer(202, ""));
    let refused = rotate(&world, OPERATOR, &good).await.unwrap();
    assert_eq!(refused, answer(409, "ledger.key_ended"));
    let log = rotation(KeyRole::Log, 1, 2, 10).unwrap();
    assert_eq!(rotate(&world, OPERATOR, &log).await.unwrap(), answer(202, ""));
    let back = rotation(KeyRole::Log, 2, 3, 10).unwrap();
    let refused = rotate(&world, OPERATOR, &back).await.unwrap();
    assert_eq!(refused, answer(409, "ledger.rotation_interval"));
    let elsewhere = "/v1/logs/other.log.test/key-rotations";
    let body = serde_json::to_string(&rotation(KeyRole::Log, 2, 4, 90).unwrap()).unwrap();
    let got = world.post(elsewhere, OPERATOR, &[], body).await.unwrap();
    assert_eq!(got.problem(), (404, "ledger.not_open"));

    // A person operates the log only in the tenant system.
    let people = (PrincipalKind::Person, [Role::Operator]);
    let ours = world.admit("system", "sys", people.0, &people.1).await.unwrap();
    let theirs = world.admit("acme", "acme", people.0, &people.1).await.unwrap();
    let next = rotation(KeyRole::Log, 2, 5, 90).unwrap();
    let refused = rotate(&world, By::Token(&theirs), &next).await.unwrap();
    assert_eq!(refused, answer(403, "auth.forbidden"));
    assert_eq!(rotate(&world, By::Token(&ours), &next).await.unwrap(), answer(202, ""));
    world.stop().await;
}

#[tokio::test]
async fn revocations_and_gaps_are_recorded_once() {
    let world = World::start().await.unwrap();
    let revoke = |last: u64| {
        json!({"role": "log", "name": null, "spki": key(1).public(), "last_trusted": last,
            "reason": "stolen"})
    };
    let gap = |sequences: Value| json!({"sequences": sequences, "reason": "the disk burnt"});
    for (route, body, expected) in [
        ("key-revocations", revoke(40), (202, "")),
        ("key-revocations", revoke(40), (409, "ledger.key_revoked_before")),
        ("key-revocations", revoke(30), (202, "")),
        ("gaps", gap(json!([7, 9])), (202, "")),
        ("gaps", gap(json!([9])), (409, "ledger.gap_known")),
        ("gaps", gap(json!([9, 8])), (422, "ledger.gap_malformed")),
        ("gaps", json!({"sequences": [20], "reason": ""}), (422, "http.text_length")),
    ] {
        let path = format!("/v1/logs/{ORIGIN}/{route}");
        let got = world.post(&path, OPERATOR, &[], body.to_string()).await.unwrap();
        assert_eq!(got.problem(), expected, "{body}");
    }
    world.stop().await;
}
