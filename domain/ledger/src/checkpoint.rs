//! Checkpoints: the log's signed word about its size and its root, and whether a policy's keys stand behind one.
//!
//! Text of the note: origin, decimal size, base64 root, and lines that we do not know, which are kept because the
//! format asks for it. Source: <https://c2sp.org/tlog-checkpoint>, PROTOCOL.md section 1, "Checkpoint".
//!
//! Whom to believe comes from the policy alone: [`CheckpointNote::verify`] takes origin, keys and witnesses from it
//! (a note that names its own key or origin proves nothing: CVE-2022-39199).

use crate::cosignature::{cosign, cosigned_at, is_time};
use crate::interval::LogKey;
use crate::name::Origin;
use crate::note::{KeyName, Note, NoteError, NoteSignature, SignatureKind};
use crate::policy::LogPolicy;
use crate::tree::{MAX_TREE_SIZE, NodeHash, TreeHead};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use trust::keys::{PrivateKey, PublicKey};

/// Why a checkpoint is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum CheckpointError {
    /// Not a note.
    #[error("not a signed note")]
    Note(#[from] NoteError),
    /// A note whose text is not a checkpoint.
    #[error("the note is not a checkpoint: origin, decimal size, base64 root")]
    Text,
    /// Size and root contradict each other, or no tree is that large.
    #[error("no tree has {0} leaves and this root")]
    Size(u64),
    /// A checkpoint of another log than the policy's.
    #[error("the checkpoint is of the log {0}")]
    Origin(Origin),
    /// None of the policy's keys for this log signed it.
    #[error("no key that the policy names for the log signed the checkpoint")]
    Unsigned,
    /// Only keys that count at other sizes signed it: a rotated or revoked key that went on.
    #[error("the key that signed the checkpoint does not count at size {0}")]
    KeyInterval(u64),
    /// A line claims to be of a key that the policy names, and is not.
    #[error("the line of {0:?} is not that key's signature")]
    SignatureWrong(KeyName),
    /// The log's key did not cosign it: nothing says when it was sealed.
    #[error("the log's key put no time on the checkpoint")]
    Untimed,
    /// Too few of the policy's witnesses cosigned it.
    #[error("{found} of the policy's witnesses cosigned the checkpoint; {needed} must")]
    Quorum {
        /// How many did.
        found: u32,
        /// How many must.
        needed: u32,
    },
}

impl CheckpointError {
    /// A stable name for output.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Note(_) => "checkpoint_note",
            Self::Text => "checkpoint_text",
            Self::Size(_) => "checkpoint_size",
            Self::Origin(_) => "checkpoint_origin",
            Self::Unsigned => "checkpoint_unsigned",
            Self::KeyInterval(_) => "checkpoint_key_interval",
            Self::SignatureWrong(_) => "checkpoint_signature_wrong",
            Self::Untimed => "checkpoint_untimed",
            Self::Quorum { .. } => "witness_quorum",
        }
    }
}

/// What a checkpoint says. By itself it is only a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub origin: Origin,
    /// Number of leaves: the last sequence that it seals.
    pub size: u64,
    /// Root of the tree of these leaves.
    pub root: NodeHash,
    /// Further lines, which we never write; each without its newline, none empty.
    pub extension: Vec<String>,
}

impl Checkpoint {
    /// The checkpoint of a tree.
    pub fn new(origin: Origin, head: &TreeHead) -> Self {
        Self { origin, size: head.size, root: head.root, extension: Vec::new() }
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root }
    }

    /// Parses the text of a note, in its one spelling.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let checkpoint = Self::spelled(text)?;
        checkpoint.check_size()?;
        Ok(checkpoint)
    }

    /// As [`Self::parse`], whatever size and root say.
    fn spelled(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Text)?.split('\n');
        let mut next = || lines.next().ok_or(CheckpointError::Text);
        let origin = next()?.parse().map_err(|_| CheckpointError::Text)?;
        let size: u64 = next()?.parse().map_err(|_| CheckpointError::Text)?;
        let root = next()?.parse().map_err(|_| CheckpointError::Text)?;
        let extension: Vec<_> = lines.map(str::to_owned).collect();
        let checkpoint = Self { origin, size, root, extension };
        // A sign or leading zeros would not come back; an empty line would end the text for another reader.
        if checkpoint.to_string() != text || checkpoint.extension.iter().any(String::is_empty) {
            return Err(CheckpointError::Text);
        }
        Ok(checkpoint)
    }

    /// Only the empty tree has the root of nothing, and no tree has more than [`MAX_TREE_SIZE`] leaves.
    pub(crate) fn check_size(&self) -> Result<(), CheckpointError> {
        let is_empty = self.size == 0;
        if self.size > MAX_TREE_SIZE || is_empty != (self.root == NodeHash::EMPTY) {
            return Err(CheckpointError::Size(self.size));
        }
        Ok(())
    }

    /// Signs it as the log does: the plain signature, and the log key's own cosignature, which tells the time.
    pub fn seal(
        self,
        key: &PrivateKey,
        unix_seconds: u64,
    ) -> Result<CheckpointNote, CheckpointError> {
        if !is_time(unix_seconds) {
            return Err(CheckpointError::Untimed);
        }
        let text = self.to_string();
        let name: KeyName = self.origin.as_str().parse()?;
        let signatures =
            vec![NoteSignature::sign(&text, &name, key), cosign(&text, &name, key, unix_seconds)];
        let note = CheckpointNote { note: Note::new(text, signatures)?, checkpoint: self };
        // What no reader would take is not signed into the world.
        CheckpointNote::parse(note.to_string().as_bytes())
    }
}

impl fmt::Display for Checkpoint {
    /// The text of the note, the last newline included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, self.root)?;
        self.extension.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A checkpoint with whatever signatures came with it; nothing is believed before [`Self::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointNote {
    note: Note,
    checkpoint: Checkpoint,
}

/// A witness that cosigned, and when it says it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cosigned {
    /// Its name in the policy.
    pub witness: KeyName,
    /// Unix seconds.
    pub unix_seconds: u64,
}

/// A checkpoint that a policy's keys stand behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    note: CheckpointNote,
    sealed_at: u64,
    cosigned: Vec<Cosigned>,
    is_witnessed: bool,
}

impl CheckpointNote {
    /// Parses the exact bytes of the note; believes nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let note = Note::parse(bytes)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok(Self { note, checkpoint })
    }

    /// As [`Self::parse`], whatever size and root say: a witness refuses what nobody signed before it looks at them.
    pub(crate) fn of_any_size(note: Note) -> Result<Self, CheckpointError> {
        let checkpoint = Checkpoint::spelled(note.text())?;
        Ok(Self { note, checkpoint })
    }

    /// With other signature lines.
    pub(crate) fn with(&self, signatures: Vec<NoteSignature>) -> Result<Self, CheckpointError> {
        let note = Note::new(self.note.text().to_owned(), signatures)?;
        Ok(Self { note, checkpoint: self.checkpoint.clone() })
    }

    /// What it claims.
    pub fn claim(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note: its text is what witnesses cosign.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Adds a witness's line; one that is already there is not added again.
    pub fn add(&mut self, cosignature: NoteSignature) -> Result<(), CheckpointError> {
        Ok(self.note.add(cosignature)?)
    }

    /// Whether the log signed it: the origin and one of these keys that counts at its size. The first question of a
    /// witness, and all that matters about a checkpoint that incriminates the log.
    pub fn is_signed_by(
        &self,
        origin: &Origin,
        keys: &[LogKey],
    ) -> Result<&Checkpoint, CheckpointError> {
        if self.checkpoint.origin != *origin {
            return Err(CheckpointError::Origin(self.checkpoint.origin.clone()));
        }
        let (text, name) = (self.note.text(), origin.as_str());
        let size = self.checkpoint.size;
        let (mut is_signed, mut is_outside) = (false, false);
        for signature in self.note.signatures() {
            for LogKey { key, sizes } in keys {
                if !signature.claims(name, SignatureKind::Plain, key) {
                    continue;
                }
                if !signature.verifies(text, name, key) {
                    return Err(CheckpointError::SignatureWrong(signature.name.clone()));
                }
                // Beside a key that counts, the line of one that does not is a stranger's: it spoils nothing.
                is_signed |= sizes.covers(size);
                is_outside |= !sizes.covers(size);
            }
        }
        match (is_signed, is_outside) {
            (true, _) => Ok(&self.checkpoint),
            (false, true) => Err(CheckpointError::KeyInterval(size)),
            (false, false) => Err(CheckpointError::Unsigned),
        }
    }

    /// Whether the policy's keys and enough of its witnesses stand behind it.
    pub fn verify(self, policy: &LogPolicy) -> Result<VerifiedCheckpoint, CheckpointError> {
        self.is_signed_by(&policy.origin, &policy.keys)?;
        let origin = policy.origin.as_str();
        let size = self.checkpoint.size;
        let mut times = Vec::new();
        for LogKey { key, sizes } in &policy.keys {
            let time = self.cosigned_by(origin, key)?;
            times.extend(time.filter(|_| sizes.covers(size)));
        }
        // Two keys during a rotation may both have set a time; the later one is when both had.
        let sealed_at = times.into_iter().max().ok_or(CheckpointError::Untimed)?;
        let mut cosigned: Vec<Cosigned> = Vec::new();
        let mut counted: Vec<&PublicKey> = Vec::new();
        for witness in &policy.witnesses {
            // A log is not its own witness; one key is one witness whatever its names, and one name whatever its keys.
            let is_log = policy.keys.iter().any(|log| log.key == witness.key);
            let is_named = cosigned.iter().any(|one| one.witness.as_str() == witness.name);
            if is_log || is_named || counted.contains(&&witness.key) {
                continue;
            }
            let time = self.cosigned_by(&witness.name, &witness.key)?;
            let time = time.filter(|_| witness.sizes.covers(size));
            if let (Some(unix_seconds), Ok(name)) = (time, witness.name.parse()) {
                counted.push(&witness.key);
                cosigned.push(Cosigned { witness: name, unix_seconds });
            }
        }
        let found = u32::try_from(cosigned.len()).unwrap_or(u32::MAX);
        let needed = policy.witness_quorum;
        if found < needed {
            return Err(CheckpointError::Quorum { found, needed });
        }
        Ok(VerifiedCheckpoint { note: self, sealed_at, cosigned, is_witnessed: needed > 0 })
    }

    /// The latest time that a key put on it. A line that claims to be of the key and is not refuses the whole note.
    fn cosigned_by(&self, name: &str, key: &PublicKey) -> Result<Option<u64>, CheckpointError> {
        let mut latest = None;
        for signature in self.note.signatures() {
            if signature.claims(name, SignatureKind::Cosignature, key) {
                let time = cosigned_at(signature, self.note.text(), name, key);
                let wrong = || CheckpointError::SignatureWrong(signature.name.clone());
                latest = latest.max(Some(time.ok_or_else(wrong)?));
            }
        }
        Ok(latest)
    }
}

impl fmt::Display for CheckpointNote {
    /// The exact bytes of the note.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.note, f)
    }
}

impl Serialize for CheckpointNote {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CheckpointNote {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?.as_bytes()).map_err(D::Error::custom)
    }
}

impl VerifiedCheckpoint {
    /// What it says.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.note.checkpoint
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        self.note.checkpoint.head()
    }

    /// The note with every line that came with it.
    pub fn note(&self) -> &CheckpointNote {
        &self.note
    }

    /// When the log's key says that it sealed, unix seconds.
    pub fn sealed_at(&self) -> u64 {
        self.sealed_at
    }

    /// The policy's witnesses that cosigned it, in the policy's order, each once.
    pub fn cosigned(&self) -> &[Cosigned] {
        &self.cosigned
    }

    /// Whether the policy asks for witnesses and they are there. If not, a fork shows only against checkpoints that
    /// somebody kept.
    pub fn is_witnessed(&self) -> bool {
        self.is_witnessed
    }
}
