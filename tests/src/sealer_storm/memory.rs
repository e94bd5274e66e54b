//! Every checkpoint that was ever seen, wherever it was.

use ledger::{CheckpointNote, LogPolicy, NodeHash};
use std::collections::BTreeMap;

/// Roots by size, and what already contradicted itself.
#[derive(Debug, Default)]
pub struct Seen {
    roots: BTreeMap<u64, NodeHash>,
    violations: Vec<String>,
    looks: u64,
}

impl Seen {
    /// One more, which the log's key must have signed.
    pub fn note(&mut self, place: &str, bytes: &[u8], policy: &LogPolicy) {
        self.looks += 1;
        let note = CheckpointNote::parse(bytes);
        let signed = note.and_then(|note| {
            let claim = note.is_signed_by(&policy.origin, &policy.keys)?;
            Ok((claim.size, claim.root))
        });
        match signed {
            Err(error) => self.violations.push(format!("{place}: no checkpoint: {error}")),
            Ok((size, root)) => {
                if *self.roots.entry(size).or_insert(root) != root {
                    self.violations.push(format!("{place}: a second root of size {size}"));
                }
            }
        }
    }

    /// How many sizes, and how many looks.
    pub fn numbers(&self) -> (usize, u64) {
        (self.roots.len(), self.looks)
    }

    /// Each must be the root that the log has at its size, so that any two are of one history.
    pub fn contradictions(self, roots: &[NodeHash]) -> Vec<String> {
        let mut found = self.violations;
        for (size, root) in self.roots {
            let is = usize::try_from(size).ok().and_then(|size| roots.get(size));
            if is != Some(&root) {
                found.push(format!("the checkpoint of size {size} is of another history"));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{Checkpoint, CommitHash, Tree};
    use trust::keys::PrivateKey;

    #[test]
    fn a_fork_is_found() {
        let key = PrivateKey::from_seed(&[1; 32]);
        let policy = LogPolicy {
            origin: "a.b".parse().unwrap(),
            keys: vec![key.public().into()],
            writers: Vec::new(),
            witnesses: Vec::new(),
            witness_quorum: 0,
            max_merge_delay_seconds: 60,
            gaps: Vec::new(),
        };
        let (mut tree, mut other) = (Tree::empty(), Tree::empty());
        tree.push(1, &CommitHash::of(b"a")).unwrap();
        other.push(1, &CommitHash::of(b"b")).unwrap();
        let note = |tree: &Tree| {
            let checkpoint = Checkpoint::new("a.b".parse().unwrap(), &tree.head());
            checkpoint.seal(&key, 1).unwrap().to_string()
        };
        let roots = [NodeHash::EMPTY, tree.root()];
        let seen = |notes: &[String]| {
            let mut seen = Seen::default();
            for note in notes {
                seen.note("here", note.as_bytes(), &policy);
            }
            seen.contradictions(&roots)
        };
        assert!(seen(&[note(&tree), note(&tree)]).is_empty());
        assert_eq!(seen(&[note(&tree), note(&other)]).len(), 1);
        assert_eq!(seen(&[note(&other)]).len(), 1, "of another history");
        assert_eq!(seen(&["x".to_owned()]).len(), 1);
        tree.push(2, &CommitHash::of(b"c")).unwrap();
        assert_eq!(seen(&[note(&tree)]).len(), 1, "of what the log does not hold");
    }
}
