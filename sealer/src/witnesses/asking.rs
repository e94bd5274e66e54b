//! One witness: what it is asked, and what its answers mean.

use crate::config::WitnessConfig;
use crate::pauses::Pauses;
use crate::standing::Refused;
use anyhow::Context as _;
use archive::{Archive, ArchiveError};
use ledger::tree::{consistency_proof, consistency_tiles};
use ledger::witness::{Request, read_size};
use ledger::{CheckpointNote, NodeHash, NoteSignature, cosigned_at};
use reqwest::{Response, StatusCode, Url};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Longest answer that is read, bytes.
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
    #[error("the witness's answer is longer than {LONGEST} bytes, or no text")]
    Unreadable,
    #[error("the witness's answer is no cosignature of its own")]
    NotItsOwn,
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
        Ok(Self { config, url, http: http.clone(), archive: archive.clone(), seen: 0 })
    }

    /// Whether the witness has cosigned nothing that contradicts `note`, the largest checkpoint that is known here.
    pub async fn agrees_with(&mut self, note: &CheckpointNote) -> Result<(), Refused> {
        let size = note.claim().size;
        match self.ask(note, size, &[]).await {
            Ok(_) => self.seen = size,
            Err(Declined::OtherSize(seen)) if seen < size => self.seen = seen,
            Err(error) => {
                if let Some(refused) = self.refused(&error, size) {
                    return Err(refused);
                }
                self.warn(&error, size, "what a witness saw is unknown");
            }
        }
        Ok(())
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
                let asked = self.cosignature(&note);
                match stopping.run_until_cancelled(asked).await {
                    None => return Ok(()),
                    Some(Ok(line)) => {
                        pauses = Pauses::default();
                        if cosigned.send((note, line)).await.is_err() {
                            return Ok(());
                        }
                    }
                    Some(Err(error)) => {
                        let size = note.claim().size;
                        if let Some(refused) = self.refused(&error, size) {
                            return Err(refused.into());
                        }
                        self.warn(&error, size, "a checkpoint is not cosigned");
                        is_done = false;
                    }
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
        let text = text(answer).await?;
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
        let mut own = lines.filter(|line| {
            cosigned_at(line, note.note().text(), name, key).is_some_and(|time| time > 0)
        });
        own.next()
    }

    /// Whether this answer means that signing on would be, or already was, a fork. Every proof was checked here
    /// before it was sent: a witness that finds it wrong has cosigned another history than ours.
    fn refused(&self, error: &Declined, sealed: u64) -> Option<Refused> {
        let witness = self.config.name.to_string();
        match error {
            Declined::OtherSize(seen) if *seen > sealed => {
                Some(Refused::WitnessAhead { witness, seen: *seen, sealed })
            }
            // Nothing is contradicted by the empty tree, and some witnesses do not take one.
            Declined::Contradiction(status) if sealed > 0 => {
                Some(Refused::WitnessContradicts { witness, sealed, status: status.as_u16() })
            }
            Declined::OtherSize(_)
            | Declined::Contradiction(_)
            | Declined::Http(_)
            | Declined::Status(_)
            | Declined::Unreadable
            | Declined::NotItsOwn
            | Declined::Archive(_)
            | Declined::NoProof { .. } => None,
        }
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
async fn text(mut answer: Response) -> Result<String, Declined> {
    let mut bytes = Vec::new();
    while let Some(more) = answer.chunk().await? {
        bytes.extend_from_slice(&more);
        if bytes.len() > LONGEST {
            return Err(Declined::Unreadable);
        }
    }
    String::from_utf8(bytes).map_err(|_| Declined::Unreadable)
}
