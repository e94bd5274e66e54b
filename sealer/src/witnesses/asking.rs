//! One witness: what it is asked, and what its answers mean.

use super::evidence::{Evidence, Undecided};
use crate::config::WitnessConfig;
use crate::pauses::Pauses;
use crate::sealing::Published;
use crate::standing::Refused;
use anyhow::Context as _;
use archive::{Archive, ArchiveError};
use ledger::note::MAX_NOTE_BYTES;
use ledger::tree::{consistency_proof, consistency_tiles};
use ledger::witness::{Request, origin_hash, read_size};
use ledger::{CheckpointNote, NodeHash, NoteSignature, cosigned_at};
use reqwest::{Response, StatusCode, Url};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Longest answer to a request that is read, bytes.
const LONGEST: usize = 16 * 1024;

/// A checkpoint, and a witness's line for it.
pub type CosignedNote = (CheckpointNote, NoteSignature);

/// Asks one witness.
#[derive(Debug)]
pub struct Asker {
    config: WitnessConfig,
    url: Url,
    http: reqwest::Client,
    archive: Archive,
    /// The size that it cosigned last, as far as we know.
    seen: u64,
    /// What this log has sealed meanwhile: more than the witness is asked to cosign, while others are waited for.
    published: Option<Published>,
}

/// Why a witness did not cosign.
#[derive(Debug, thiserror::Error)]
enum Declined {
    #[error("the witness cannot be reached")]
    Http(#[from] reqwest::Error),
    #[error("the witness cosigned size {0} last")]
    OtherSize(u64),
    #[error("the witness answered {0}")]
    Status(StatusCode),
    #[error("the checkpoint does not follow what the witness cosigned: it answered {0}")]
    Contradiction(StatusCode),
    #[error("the witness's answer is too long, or no text")]
    Unreadable,
    #[error("the witness's answer is no cosignature of its own")]
    NotItsOwn,
    #[error("what the witness shows is no checkpoint of this log with its own cosignature")]
    NoEvidence,
    #[error("what the witness shows cannot be compared")]
    Undecided(#[from] Undecided),
    #[error("the archive cannot be read")]
    Archive(#[from] ArchiveError),
    #[error("the archive holds no proof from size {from} to {to}")]
    NoProof { from: u64, to: u64 },
}

impl Asker {
    /// Nothing is asked yet.
    pub fn new(
        config: WitnessConfig,
        http: &reqwest::Client,
        archive: &Archive,
    ) -> anyhow::Result<Self> {
        let url = format!("{}/add-checkpoint", config.url.trim_end_matches('/'));
        let name = config.name.clone();
        let url = Url::parse(&url).with_context(|| format!("the url of witness {name}"))?;
        let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
        anyhow::ensure!(is_http, "the url of witness {name} is not http or https");
        Ok(Self {
            config,
            url,
            http: http.clone(),
            archive: archive.clone(),
            seen: 0,
            published: None,
        })
    }

    /// Whether the witness has cosigned nothing that contradicts `note`, the largest checkpoint that is known here.
    pub async fn agrees_with(&mut self, note: &CheckpointNote) -> Result<(), Refused> {
        let size = note.claim().size;
        match self.ask(note, size, &[]).await {
            Ok(_) => self.seen = size,
            Err(Declined::OtherSize(seen)) if seen < size => self.seen = seen,
            Err(error) => {
                self.check(&error, note).await?;
                self.warn(&error, size, "what a witness saw is unknown");
            }
        }
        Ok(())
    }

    /// With what is sealed from now on.
    #[must_use]
    pub fn beside(self, published: Published) -> Self {
        Self { published: Some(published), ..self }
    }

    /// Has each new target cosigned, again and again if need be, until told to stop.
    pub async fn keep_asking(
        mut self,
        mut target: watch::Receiver<Option<CheckpointNote>>,
        cosigned: mpsc::Sender<CosignedNote>,
        stopping: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut pauses = Pauses::default();
        loop {
            let newest = target.borrow_and_update().clone();
            let mut is_done = true;
            if let Some(note) = newest {
                match stopping.run_until_cancelled(self.attempt(&note)).await {
                    None => return Ok(()),
                    Some(Ok(Some(line))) => {
                        pauses = Pauses::default();
                        if cosigned.send((note, line)).await.is_err() {
                            return Ok(());
                        }
                    }
                    Some(Ok(None)) => is_done = false,
                    Some(Err(refused)) => return Err(refused.into()),
                }
            }
            // One that is down is not asked more often because the log grows.
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                changed = target.changed(), if is_done => if changed.is_err() { return Ok(()) },
                () = tokio::time::sleep(pauses.longer()), if !is_done => {}
            }
        }
    }

    /// The cosignature; none if the witness did not give it this time.
    async fn attempt(&mut self, note: &CheckpointNote) -> Result<Option<NoteSignature>, Refused> {
        match self.cosignature(note).await {
            Ok(line) => Ok(Some(line)),
            Err(error) => {
                self.check(&error, note).await?;
                self.warn(&error, note.claim().size, "a checkpoint is not cosigned");
                Ok(None)
            }
        }
    }

    /// Asks, a second time if the witness has seen another size than we thought.
    async fn cosignature(&mut self, note: &CheckpointNote) -> Result<NoteSignature, Declined> {
        let size = note.claim().size;
        let first = self.follow(note).await;
        let asked = match first {
            Err(Declined::OtherSize(seen)) if seen <= size => {
                self.seen = seen;
                self.follow(note).await
            }
            other => other,
        };
        if asked.is_ok() {
            self.seen = size;
        }
        asked
    }

    async fn follow(&self, note: &CheckpointNote) -> Result<NoteSignature, Declined> {
        let proof = self.proof(self.seen, note).await?;
        self.ask(note, self.seen, &proof).await
    }

    async fn proof(&self, from: u64, note: &CheckpointNote) -> Result<Vec<NodeHash>, Declined> {
        let to = note.claim().size;
        if from == 0 || from == to {
            return Ok(Vec::new());
        }
        let tiles = self.archive.tiles(&consistency_tiles(from, to)).await?;
        let proof = consistency_proof(from, &note.claim().head(), &tiles);
        proof.map(|(_, proof)| proof.path).map_err(|_| Declined::NoProof { from, to })
    }

    async fn ask(
        &self,
        note: &CheckpointNote,
        old: u64,
        proof: &[NodeHash],
    ) -> Result<NoteSignature, Declined> {
        let body = Request::new(old, proof.to_vec(), note.clone()).to_string();
        let answer = self.http.post(self.url.clone()).body(body).send().await?;
        let status = answer.status();
        let text = text(answer, LONGEST).await?;
        match status {
            StatusCode::OK => self.own_line(&text, note).ok_or(Declined::NotItsOwn),
            // A 409 without a size is v1.0.0's word for another root of the same size; later ones say 422.
            StatusCode::CONFLICT => {
                Err(read_size(&text).map_or(Declined::Contradiction(status), Declined::OtherSize))
            }
            StatusCode::UNPROCESSABLE_ENTITY => Err(Declined::Contradiction(status)),
            other => Err(Declined::Status(other)),
        }
    }

    /// The witness's cosignature among the lines that it answered; those of other keys are ignored.
    fn own_line(&self, text: &str, note: &CheckpointNote) -> Option<NoteSignature> {
        let (name, key) = (self.config.name.as_str(), &self.config.spki);
        let lines = text.split('\n').filter_map(|line| line.parse::<NoteSignature>().ok());
        let mut own =
            lines.filter(|line| cosigned_at(line, note.note().text(), name, key).is_some());
        own.next()
    }

    /// Refuses to go on if the answer contradicts this log and the witness shows that it cosigned another one. Every
    /// proof was checked here before it was sent; but an answer is not signed, and one without evidence is none.
    async fn check(&self, error: &Declined, note: &CheckpointNote) -> Result<(), Refused> {
        let sealed = note.claim().size;
        let is_contradiction = match error {
            Declined::OtherSize(seen) => *seen > sealed,
            Declined::Contradiction(_) => true,
            Declined::Http(_)
            | Declined::Status(_)
            | Declined::Unreadable
            | Declined::NotItsOwn
            | Declined::NoEvidence
            | Declined::Undecided(_)
            | Declined::Archive(_)
            | Declined::NoProof { .. } => false,
        };
        if !is_contradiction {
            return Ok(());
        }
        let witness = self.config.name.to_string();
        let why = match self.evidence(note).await {
            Ok((evidence, Some(refused))) => {
                let (theirs, ours) = (evidence.note(), note);
                tracing::error!(witness, %theirs, %ours, "a witness cosigned another history");
                return Err(refused);
            }
            Ok((_, None)) => "it shows a checkpoint that this log has".to_owned(),
            Err(error) => chassis::problem::Chain(&error).to_string(),
        };
        // Nothing is contradicted by the empty tree, and some witnesses do not take one.
        if sealed > 0 || matches!(error, Declined::OtherSize(_)) {
            metrics::counter!("countersign_sealer_unproven_total", "witness" => witness.clone())
                .increment(1);
            tracing::error!(witness, sealed, why, "a witness claims another history without proof");
        }
        Ok(())
    }

    /// What the witness shows, and why this log may not go on beside it.
    async fn evidence(
        &self,
        note: &CheckpointNote,
    ) -> Result<(Evidence, Option<Refused>), Declined> {
        let origin = &note.claim().origin;
        let base = self.config.url.trim_end_matches('/');
        let url = format!("{base}/{}/checkpoint", origin_hash(origin));
        let answer = self.http.get(url).send().await?;
        let status = answer.status();
        if status != StatusCode::OK {
            return Err(Declined::Status(status));
        }
        let text = text(answer, MAX_NOTE_BYTES).await?;
        let evidence = Evidence::of(&text, origin, &self.config).ok_or(Declined::NoEvidence)?;
        let newest = self.newest();
        let ours = newest.as_ref().filter(|newest| newest.claim().size > note.claim().size);
        let refused = evidence.against(ours.unwrap_or(note), &self.archive).await?;
        Ok((evidence, refused))
    }

    /// Anybody who has the archive can show a witness a checkpoint that is newer than the one it is asked about.
    fn newest(&self) -> Option<CheckpointNote> {
        self.published.as_ref().and_then(|published| published.borrow().clone())
    }

    fn warn(&self, error: &Declined, size: u64, what: &'static str) {
        let name = self.config.name.to_string();
        metrics::counter!("countersign_sealer_declined_total", "witness" => name.clone())
            .increment(1);
        let error = chassis::problem::Chain(error).to_string();
        tracing::warn!(witness = name, size, error, "{what}");
    }
}

/// A body of bounded length.
async fn text(mut answer: Response, longest: usize) -> Result<String, Declined> {
    let mut bytes = Vec::new();
    while let Some(more) = answer.chunk().await? {
        bytes.extend_from_slice(&more);
        if bytes.len() > longest {
            return Err(Declined::Unreadable);
        }
    }
    String::from_utf8(bytes).map_err(|_| Declined::Unreadable)
}
