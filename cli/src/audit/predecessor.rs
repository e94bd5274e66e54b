//! The log that this one replaces, as its first commit names it: whether that is a checkpoint of a log in the policy.

use ledger::{CheckpointError, CheckpointNote, Policy, PolicyError};
use serde_json::{Value, json};

/// What the first commit says of a log before this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Predecessor {
    /// The checkpoint is signed by a key that the policy names for that log.
    Signed(CheckpointNote),
    /// It is not, or the policy does not know.
    Unproven(Unproven),
}

/// Why a predecessor is only a claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// No checkpoint.
    #[error("what the log names as its predecessor is no checkpoint")]
    Malformed(#[source] CheckpointError),
    /// Of this very log.
    #[error("the log names itself as its predecessor")]
    Itself,
    /// The policy says nothing of that log.
    #[error("the log says that it replaces another one, and the policy does not know that one")]
    Unknown(#[source] PolicyError),
    /// Not signed by that log.
    #[error("the log says that it replaces another one, whose key did not sign its checkpoint")]
    Unsigned(#[source] CheckpointError),
}

impl Predecessor {
    /// Judges what the log `origin` says.
    pub fn of(text: &str, origin: &ledger::Origin, policy: &Policy) -> Self {
        match believed(text, origin, policy) {
            Ok(note) => Self::Signed(note),
            Err(why) => Self::Unproven(why),
        }
    }

    /// One line for people.
    pub fn told(&self) -> String {
        match self {
            Self::Signed(note) => {
                let claim = note.claim();
                format!(
                    "it goes on after checkpoint {} of {} with root {}, which that log signed",
                    claim.size, claim.origin, claim.root
                )
            }
            Self::Unproven(why) => format!("predecessor unproven: {why}"),
        }
    }

    /// For programs.
    pub fn value(&self) -> Value {
        match self {
            Self::Signed(note) => {
                let claim = note.claim();
                json!({"log": claim.origin, "size": claim.size, "root": claim.root, "signed": true})
            }
            Self::Unproven(_) => json!({"signed": false, "caveat": self.told()}),
        }
    }
}

fn believed(
    text: &str,
    origin: &ledger::Origin,
    policy: &Policy,
) -> Result<CheckpointNote, Unproven> {
    let note = CheckpointNote::parse(text.as_bytes()).map_err(Unproven::Malformed)?;
    let before = &note.claim().origin;
    if before == origin {
        return Err(Unproven::Itself);
    }
    let keys = &policy.log(before).map_err(Unproven::Unknown)?.keys;
    note.is_signed_by(before, keys).map_err(Unproven::Unsigned)?;
    Ok(note)
}

#[cfg(test)]
mod tests {
    use super::super::report;
    use super::super::stand::Stand;
    use super::*;
    use ledger::{Checkpoint, CommitHash, Tree};
    use trust::keys::PrivateKey;

    fn note(origin: &str, seed: u8) -> String {
        let mut tree = Tree::empty();
        tree.push(1, &CommitHash::of(b"a")).unwrap();
        let checkpoint = Checkpoint::new(origin.parse().unwrap(), &tree.head());
        checkpoint.seal(&PrivateKey::from_seed(&[seed; 32]), 1).unwrap().to_string()
    }

    /// A stand whose log replaces another one, which the policy knows with the key of seed 1.
    fn stand(predecessor: &str) -> Stand {
        let mut stand =
            Stand::new(|t| t.evidence.predecessor = Some(predecessor.to_owned())).unwrap();
        let mut old = stand.policy.logs[0].clone();
        old.origin = "old.log".parse().unwrap();
        old.keys = vec![PrivateKey::from_seed(&[1; 32]).public().into()];
        stand.policy.logs.push(old);
        stand
    }

    #[test]
    fn a_log_tells_what_it_replaces_and_nothing_but_a_signature_proves_it() {
        let policy = stand("").policy;
        let of = |text: &str| Predecessor::of(text, &"a.b".parse().unwrap(), &policy);
        let signed = of(&note("old.log", 1));
        assert!(signed.told().contains("after checkpoint 1 of old.log"), "{}", signed.told());
        for (text, said) in [
            (note("old.log", 2), "did not sign"),
            (note("other.log", 1), "does not know"),
            (note("a.b", 1), "itself"),
            ("nothing".to_owned(), "no checkpoint"),
        ] {
            let told = of(&text).told();
            assert!(told.contains(said) && told.contains("unproven"), "{told}");
        }
    }

    #[test]
    fn the_report_tells_it_and_the_verdict_does_not_hang_on_it() {
        for (text, said) in [(note("old.log", 1), "of old.log"), (note("old.log", 2), "unproven")] {
            let conclusion = stand(&text).verify().unwrap();
            let told = report::text(&conclusion);
            assert!(told.contains(said), "{told}");
            assert_eq!(conclusion.exit() as u8, 0, "{told}");
        }
        let alone = Stand::new(|_| {}).unwrap().verify().unwrap();
        assert!(alone.predecessor.is_none());
    }
}
