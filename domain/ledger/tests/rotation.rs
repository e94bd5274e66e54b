//! Rotations: the golden vectors, which another program made, and every byte that both signatures hold.

use countersign_ledger::{KeyRole, RotationError, SignedRotation};
use serde_json::Value;
use std::fs;
use std::path::Path;
use trust::encoding::from_base64;
use trust::keys::PrivateKey;

fn vectors() -> anyhow::Result<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/rotations.json");
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

fn key(seed: &Value) -> anyhow::Result<PrivateKey> {
    let seed = from_base64(seed.as_str().unwrap_or_default())?;
    Ok(PrivateKey::from_seed(&seed.as_slice().try_into()?))
}

#[test]
fn the_golden_rotations_are_made_the_same_way_still() {
    let vectors = vectors().unwrap();
    let seeds = &vectors["seeds"];
    let roles = [KeyRole::Log, KeyRole::Writer, KeyRole::Witness];
    for (n, role) in roles.into_iter().enumerate() {
        let vector = &vectors["rotations"][n];
        let bytes = serde_json::to_vec(&vector["rotation"]).unwrap();
        let rotation = SignedRotation::parse(&bytes).unwrap();
        assert_eq!((rotation.role, rotation.check()), (role, Ok(())));
        assert_eq!(hex::encode(rotation.statement().message()), vector["message"]);
        let (old, new) = (key(&seeds[role.name()]).unwrap(), key(&seeds["new"][n]).unwrap());
        assert_eq!(rotation.statement().sign(&old, &new).unwrap(), rotation);
        assert_eq!(SignedRotation::parse(&rotation.encode().unwrap()).unwrap(), rotation);
    }
}

#[test]
fn no_member_of_a_rotation_can_change_under_its_signatures() {
    let vectors = vectors().unwrap();
    let read = |n: usize| -> SignedRotation {
        serde_json::from_value(vectors["rotations"][n]["rotation"].clone()).unwrap()
    };
    let (good, other) = (read(0), read(1));
    for changed in [
        SignedRotation { log: "other.log.example".parse().unwrap(), ..good.clone() },
        SignedRotation { role: KeyRole::Writer, ..good.clone() },
        SignedRotation { from: good.from + 1, ..good.clone() },
        SignedRotation { old_signature: other.old_signature.clone(), ..good.clone() },
        SignedRotation { old: other.old, ..good.clone() },
        SignedRotation { old_signature: good.new_signature.clone(), ..good.clone() },
        SignedRotation { old_signature: good.old_signature.to_uppercase(), ..good.clone() },
    ] {
        assert_eq!(changed.check(), Err(RotationError::OldSignature), "{changed:?}");
    }
    for changed in [
        SignedRotation { new_signature: good.old_signature.clone(), ..good.clone() },
        SignedRotation { new_signature: other.new_signature, ..good.clone() },
    ] {
        assert_eq!(changed.check(), Err(RotationError::NewSignature));
    }
    // A name and what follows it cannot be taken for each other: every field has its length.
    let witness = read(2);
    let renamed = SignedRotation { name: Some("witness.example".to_owned()), ..witness.clone() };
    assert_eq!(renamed.check(), Err(RotationError::OldSignature));
    assert_eq!(SignedRotation { name: None, ..witness }.check(), Err(RotationError::Name));
    let named = SignedRotation { name: Some("w".to_owned()), ..good.clone() };
    assert_eq!(named.check(), Err(RotationError::Name));
    assert_eq!(SignedRotation { from: 1, ..good.clone() }.check(), Err(RotationError::From));
    assert_eq!(SignedRotation { new: good.old, ..good }.check(), Err(RotationError::SameKey));
}
