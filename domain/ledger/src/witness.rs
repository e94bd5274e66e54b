//! A witness's decision: what it answers to a checkpoint that a log shows it, from the size that it cosigned last.
//!
//! The body of a request is `old <size>`, up to 63 lines of a consistency proof, an empty line, and the checkpoint's
//! note. The checks stand in the order of the specification, so that a stranger learns nothing about a log that it did
//! not sign for. A cosignature is handed out by [`Granted::once_kept`] only, after what it says was made durable:
//! a witness that forgot what it signed could be led onto another history.
//!
//! Source: C2SP tlog-witness v1.0.0 (`add-checkpoint`), and what its successor says about trees without leaves and
//! about lines that claim to be of a trusted key. Two roots of one size are a 409 in v1.0.0 and a 422 in the
//! successor's draft; this is the released one.

use crate::checkpoint::{Checkpoint, CheckpointError, CheckpointNote};
use crate::cosignature::{cosign, cosigned_at, is_time};
use crate::interval::LogKey;
use crate::name::Origin;
use crate::note::{KeyName, MAX_NOTE_BYTES, Note, NoteSignature, SignatureKind, key_hash};
use crate::tree::{Consistency, NodeHash, ProofError, TreeHead};
use std::fmt;
use trust::encoding::{Sha256Digest, to_base64};
use trust::keys::{PrivateKey, PublicKey};

/// Most hashes of a proof in one request.
pub const MAX_PROOF_LINES: usize = 63;
/// Longest body of a request, bytes: its own lines, and a note.
pub const MAX_REQUEST_BYTES: usize = 4096 + MAX_NOTE_BYTES;
/// Content type of the size that answers a request from another size.
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";
/// Content type of every other answer.
pub const TEXT_CONTENT_TYPE: &str = "text/plain; charset=utf-8";

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// More than [`MAX_REQUEST_BYTES`].
    #[error("a request has at most 69632 bytes")]
    TooLarge,
    /// Not the lines of a request.
    #[error("not a request: old <size>, at most 63 hashes, an empty line, a note")]
    Malformed,
    /// What follows the empty line is not a checkpoint.
    #[error("the note is not a checkpoint")]
    NotCheckpoint(#[source] CheckpointError),
    /// A log that this witness does not know.
    #[error("this witness does not know the log")]
    UnknownLog,
    /// No known key of the log signed it, or a line that claims to be of one is not.
    #[error("no key that this witness knows for the log signed the checkpoint")]
    Unsigned(#[source] CheckpointError),
    /// The checkpoint is smaller than what it is said to follow.
    #[error("old size {old} is larger than the checkpoint's size {size}")]
    OldTooLarge {
        /// As requested.
        old: u64,
        /// The checkpoint's.
        size: u64,
    },
    /// The request follows another size than the one that was cosigned last.
    #[error("this witness cosigned size {seen} last, not {old}")]
    OtherSize {
        /// What the witness cosigned last; 0 if nothing.
        seen: u64,
        /// As requested.
        old: u64,
    },
    /// Size and root contradict each other, or no tree is that large.
    #[error("no tree has the checkpoint's size and root")]
    Size(#[source] CheckpointError),
    /// The log signed two roots of one size: a fork, by itself.
    #[error("another root of size {0} was cosigned: the log signed a fork")]
    OtherRoot(u64),
    /// Nothing shows that the checkpoint grew out of what was cosigned last.
    #[error("the proof does not lead from what was cosigned last to the checkpoint")]
    Proof(#[source] ProofError),
    /// A cosignature says when it was made.
    #[error("the witness has no time of day")]
    NoTime,
    /// The note with the cosignature would be none.
    #[error("the note cannot take the cosignature")]
    Unwritable(#[source] CheckpointError),
}

impl Refusal {
    /// The HTTP status of the specification.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed | Self::NotCheckpoint(_) | Self::OldTooLarge { .. } => 400,
            Self::Unsigned(_) => 403,
            Self::UnknownLog => 404,
            Self::OtherSize { .. } | Self::OtherRoot(_) => 409,
            Self::TooLarge => 413,
            Self::Size(_) | Self::Proof(_) => 422,
            Self::NoTime | Self::Unwritable(_) => 500,
        }
    }

    /// A stable name for log lines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::NotCheckpoint(_) => "not_checkpoint",
            Self::UnknownLog => "unknown_log",
            Self::Unsigned(_) => "unsigned",
            Self::OldTooLarge { .. } => "old_too_large",
            Self::OtherSize { .. } => "other_size",
            Self::Size(_) => "size",
            Self::OtherRoot(_) => "other_root",
            Self::Proof(_) => "proof",
            Self::NoTime => "no_time",
            Self::Unwritable(_) => "unwritable",
        }
    }

    /// Content type and body of the answer. A request from another size is told the size, and nothing else.
    pub fn answer(&self) -> (&'static str, String) {
        match self {
            Self::OtherSize { seen, .. } => (SIZE_CONTENT_TYPE, format!("{seen}\n")),
            other => (TEXT_CONTENT_TYPE, format!("{other}\n")),
        }
    }

    /// Whether the log's own signature stands under something that contradicts, or is not shown to follow, what was
    /// cosigned before: worth keeping, as it may be evidence.
    pub fn is_suspicious(&self) -> bool {
        matches!(self, Self::OtherRoot(_) | Self::Proof(_) | Self::Size(_))
    }
}

/// A checkpoint, and the proof that it grew out of one of size `old`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    old: u64,
    proof: Vec<NodeHash>,
    note: CheckpointNote,
}

impl Request {
    /// To ask a witness that cosigned `old` leaves last.
    pub fn new(old: u64, proof: Vec<NodeHash>, note: CheckpointNote) -> Self {
        Self { old, proof, note }
    }

    /// Parses the exact bytes of a body; believes nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > MAX_REQUEST_BYTES {
            return Err(Refusal::TooLarge);
        }
        let body = std::str::from_utf8(bytes).map_err(|_| Refusal::Malformed)?;
        let (head, note) = body.split_once("\n\n").ok_or(Refusal::Malformed)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old = old.and_then(decimal).ok_or(Refusal::Malformed)?;
        let proof: Vec<NodeHash> = lines
            .take(MAX_PROOF_LINES.saturating_add(1))
            .map(|line| line.parse().map_err(|_| Refusal::Malformed))
            .collect::<Result<_, _>>()?;
        if proof.len() > MAX_PROOF_LINES {
            return Err(Refusal::Malformed);
        }
        let note = Note::parse(note.as_bytes())
            .map_err(|error| Refusal::NotCheckpoint(CheckpointError::Note(error)))?;
        // The specification asks for the origin first, and other logs may have names that none of ours can have.
        let origin = note.text().split('\n').next().unwrap_or_default();
        if origin.parse::<Origin>().is_err() {
            return Err(Refusal::UnknownLog);
        }
        let note = CheckpointNote::of_any_size(note).map_err(Refusal::NotCheckpoint)?;
        Ok(Self { old, proof, note })
    }

    /// Which log it claims to be of.
    pub fn origin(&self) -> &Origin {
        &self.note.claim().origin
    }

    /// The checkpoint, of which nothing is believed yet.
    pub fn note(&self) -> &CheckpointNote {
        &self.note
    }
}

impl fmt::Display for Request {
    /// The exact bytes of the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.note)
    }
}

/// A number in its one spelling: no sign, no leading zeros.
fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// Reads the body of an answer with [`SIZE_CONTENT_TYPE`]: what the witness cosigned last.
pub fn read_size(body: &str) -> Option<u64> {
    body.strip_suffix('\n').and_then(decimal)
}

/// A log that a witness watches over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLog {
    /// Its name.
    pub origin: Origin,
    /// Keys that sign its checkpoints: several during a rotation.
    pub keys: Vec<PublicKey>,
}

impl KnownLog {
    /// The checkpoint with the lines of the log's own keys only; none if there is none of them.
    pub fn attested(&self, note: &CheckpointNote) -> Option<CheckpointNote> {
        note.with(own_lines(note, self)).ok()
    }
}

/// SHA-256 of an origin in lower-case hexadecimal: how a witness's addresses and files name a log.
pub fn origin_hash(origin: &Origin) -> String {
    hex::encode(Sha256Digest::of(origin.as_str().as_bytes()).as_bytes())
}

/// Who cosigns.
#[derive(Debug)]
pub struct Cosigner {
    name: KeyName,
    key: PrivateKey,
}

impl Cosigner {
    /// Under this name, with this key.
    pub fn new(name: KeyName, key: PrivateKey) -> Self {
        Self { name, key }
    }

    /// Its name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Its public key.
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Its key as other programs take it: C2SP's `<name>+<hash>+<base64 of kind and key>`.
    pub fn verifier_key(&self) -> String {
        let key = self.public();
        let hash = key_hash(self.name.as_str(), SignatureKind::Cosignature, &key);
        let bytes = [&[SignatureKind::Cosignature.byte()], key.point().as_slice()].concat();
        format!("{}+{}+{}", self.name, hex::encode(hash), to_base64(&bytes))
    }
}

/// What a witness cosigned last of one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Size and root.
    pub head: TreeHead,
    /// When, Unix seconds.
    pub unix_seconds: u64,
}

impl Seen {
    /// What a note says that was kept by [`Granted::once_kept`]; `None` if it is not of this log, or this witness did
    /// not cosign it. So a kept note cannot be damaged unnoticed.
    pub fn in_note(bytes: &[u8], origin: &Origin, cosigner: &Cosigner) -> Option<Self> {
        let note = CheckpointNote::parse(bytes).ok()?;
        let Checkpoint { origin: log, size, root, .. } = note.claim();
        let (name, key) = (cosigner.name.as_str(), cosigner.public());
        let times = note.note().signatures().iter();
        let times = times.filter_map(|line| cosigned_at(line, note.note().text(), name, &key));
        let unix_seconds = times.max().filter(|_| log == origin)?;
        Some(Self { head: TreeHead { size: *size, root: *root }, unix_seconds })
    }
}

/// A cosignature that nobody has yet.
#[derive(Debug)]
#[must_use = "a cosignature leaves once it was kept"]
pub struct Granted {
    seen: Seen,
    note: CheckpointNote,
    cosignature: NoteSignature,
}

impl Granted {
    /// What the witness will have seen.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// Hands out the cosignature, and what the witness has seen from now on, after `keep` made the note durable: the
    /// checkpoint with the log's own lines and the cosignature.
    pub fn once_kept<E>(
        self,
        keep: impl FnOnce(&CheckpointNote) -> Result<(), E>,
    ) -> Result<(Seen, NoteSignature), E> {
        keep(&self.note)?;
        Ok((self.seen, self.cosignature))
    }
}

/// Whether a witness that has `seen` this of the log cosigns what it is shown. Between this and the end of
/// [`Granted::once_kept`] nothing else may be decided for the same log.
pub fn decide(
    seen: Option<Seen>,
    request: &Request,
    log: &KnownLog,
    cosigner: &Cosigner,
    now_unix_seconds: u64,
) -> Result<Granted, Refusal> {
    let keys: Vec<LogKey> = log.keys.iter().copied().map(LogKey::from).collect();
    let checkpoint = match request.note.is_signed_by(&log.origin, &keys) {
        Ok(checkpoint) => checkpoint,
        Err(CheckpointError::Origin(_)) => return Err(Refusal::UnknownLog),
        Err(error) => return Err(Refusal::Unsigned(error)),
    };
    let (old, head) = (request.old, checkpoint.head());
    if old > head.size {
        return Err(Refusal::OldTooLarge { old, size: head.size });
    }
    let nothing = TreeHead { size: 0, root: NodeHash::EMPTY };
    let last = seen.map_or(nothing, |seen| seen.head);
    if old != last.size {
        return Err(Refusal::OtherSize { seen: last.size, old });
    }
    checkpoint.check_size().map_err(Refusal::Size)?;
    follows(&last, &head, &request.proof)?;
    // A clock that was put back must not make a later word sound older than an earlier one.
    let unix_seconds = now_unix_seconds.max(seen.map_or(0, |seen| seen.unix_seconds));
    if !is_time(unix_seconds) {
        return Err(Refusal::NoTime);
    }
    let cosignature =
        cosign(request.note.note().text(), &cosigner.name, &cosigner.key, unix_seconds);
    let mut lines = own_lines(&request.note, log);
    lines.push(cosignature.clone());
    let note = request.note.with(lines).map_err(Refusal::Unwritable)?;
    Ok(Granted { seen: Seen { head, unix_seconds }, note, cosignature })
}

/// The one rule of a witness: every checkpoint grew out of the one before it.
fn follows(last: &TreeHead, head: &TreeHead, proof: &[NodeHash]) -> Result<(), Refusal> {
    if last.size == head.size && last.root != head.root {
        return Err(Refusal::OtherRoot(head.size));
    }
    if last.size == 0 {
        // Every tree grew out of the empty one; a proof of it would prove nothing.
        return if proof.is_empty() { Ok(()) } else { Err(Refusal::Proof(ProofError::Length)) };
    }
    let proof = Consistency { from: last.size, to: head.size, path: proof.to_vec() };
    proof.verify(&last.root, &head.root).map_err(Refusal::Proof)
}

/// The lines of the log's own keys: those are kept beside the cosignature, and nothing that a stranger added.
fn own_lines(note: &CheckpointNote, log: &KnownLog) -> Vec<NoteSignature> {
    let (text, name) = (note.note().text(), log.origin.as_str());
    let is_own = |line: &&NoteSignature| {
        log.keys.iter().any(|key| {
            line.verifies(text, name, key) || cosigned_at(line, text, name, key).is_some()
        })
    };
    note.note().signatures().iter().filter(is_own).cloned().collect()
}
