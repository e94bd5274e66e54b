//! Those who cosign: the newest checkpoint goes to every witness, with the proof that it grew out of what the witness
//! saw last. Once enough have signed it is shown as the newest, with their signatures.
//!
//! Source: C2SP tlog-witness (`add-checkpoint`) and tlog-cosignature.

use crate::config::{SealerConfig, WitnessConfig};
use crate::pauses::Pauses;
use crate::sealing::Published;
use crate::standing::{Refused, Standing};
use anyhow::Context as _;
use archive::{Archive, ArchiveError};
use bytes::Bytes;
use ledger::tree::{consistency_proof, consistency_tiles};
use ledger::{CheckpointNote, NodeHash, NoteSignature, cosigned_at};
use reqwest::StatusCode;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a witness may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer, bytes.
const LONGEST: usize = 16 * 1024;

/// All witnesses of a log.
#[derive(Debug)]
pub struct Witnesses {
    all: Vec<Witness>,
    quorum: usize,
    archive: Archive,
    http: reqwest::Client,
}

#[derive(Debug)]
struct Witness {
    config: WitnessConfig,
    /// The size that it cosigned last, as far as we know.
    seen: u64,
}

/// Why a witness did not cosign.
#[derive(Debug, thiserror::Error)]
enum Declined {
    #[error("the witness cannot be reached")]
    Http(#[from] reqwest::Error),
    #[error("the witness has seen size {0}")]
    Conflict(u64),
    #[error("the witness answered {0}")]
    Status(StatusCode),
    #[error("the witness's answer is no cosignature of its own")]
    NotItsOwn,
    #[error("the archive cannot be read")]
    Archive(#[from] ArchiveError),
    #[error("the archive holds no proof from size {from} to {to}")]
    NoProof { from: u64, to: u64 },
}

impl Witnesses {
    /// As configured.
    pub fn of(config: &SealerConfig, archive: &Archive) -> anyhow::Result<Self> {
        let quorum = config.witness_quorum;
        let known = config.witness.len();
        anyhow::ensure!(
            quorum <= known,
            "witness_quorum is {quorum}, and {known} witnesses are named"
        );
        let http = reqwest::Client::builder().timeout(PATIENCE).build();
        let http = http.context("no HTTP client")?;
        let all = config.witness.iter().cloned().map(|config| Witness { config, seen: 0 });
        Ok(Self { all: all.collect(), quorum, archive: archive.clone(), http })
    }

    /// No witness may have seen more than what is known here: then state was lost, and signing on could be a fork.
    pub async fn agree_with(&self, standing: &Standing) -> Result<(), Refused> {
        let Some(note) = standing.note() else { return Ok(()) };
        let sealed = note.claim().size;
        for witness in &self.all {
            let name = witness.config.name.to_string();
            match self.ask(&witness.config, note, sealed, &[]).await {
                Err(Declined::Conflict(seen)) if seen > sealed => {
                    return Err(Refused::WitnessAhead { witness: name, seen, sealed });
                }
                Ok(_) | Err(Declined::Conflict(_)) => {}
                Err(error) => {
                    tracing::warn!(witness = name, %error, "what a witness saw is unknown");
                }
            }
        }
        Ok(())
    }

    /// Has the newest checkpoint cosigned, again and again, until told to stop.
    pub async fn keep(
        mut self,
        mut published: Published,
        stopping: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut pauses = Pauses::default();
        loop {
            let newest = published.borrow_and_update().clone();
            let is_done = match newest {
                Some(note) => self.cosign(note).await,
                None => true,
            };
            if is_done {
                pauses = Pauses::default();
            }
            let pause = pauses.longer();
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                changed = published.changed() => if changed.is_err() { return Ok(()) },
                () = tokio::time::sleep(pause), if !is_done => {}
            }
        }
    }

    /// Shows the note as the newest once enough have cosigned it; false if somebody is to be asked again.
    async fn cosign(&mut self, mut note: CheckpointNote) -> bool {
        let mut cosigned = 0;
        let size = note.claim().size;
        for index in 0..self.all.len() {
            match self.one(index, &note).await {
                Ok(signature) => cosigned += usize::from(note.add(signature).is_ok()),
                Err(error) => {
                    let name = self.all.get(index).map(|witness| witness.config.name.to_string());
                    let name = name.unwrap_or_default();
                    metrics::counter!("countersign_sealer_declined_total", "witness" => name.clone())
                        .increment(1);
                    let error = chassis::problem::Chain(&error).to_string();
                    tracing::warn!(witness = name, size, error, "a checkpoint is not cosigned");
                }
            }
        }
        if cosigned < self.quorum {
            return false;
        }
        match self.archive.replace_checkpoint(Bytes::from(note.to_string())).await {
            Ok(()) => cosigned == self.all.len(),
            Err(error) => {
                tracing::warn!(%error, size, "a checkpoint cannot be shown");
                false
            }
        }
    }

    /// Asks one witness, a second time if it has seen another size than we thought.
    async fn one(
        &mut self,
        index: usize,
        note: &CheckpointNote,
    ) -> Result<NoteSignature, Declined> {
        let witness = self.all.get(index).ok_or(Declined::NotItsOwn)?;
        let (config, seen, size) = (witness.config.clone(), witness.seen, note.claim().size);
        let proof = self.proof(seen, note).await?;
        let asked = match self.ask(&config, note, seen, &proof).await {
            Err(Declined::Conflict(seen)) if seen <= size => {
                let proof = self.proof(seen, note).await?;
                self.ask(&config, note, seen, &proof).await
            }
            other => other,
        };
        if let (Ok(_), Some(witness)) = (&asked, self.all.get_mut(index)) {
            witness.seen = size;
        }
        asked
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
        witness: &WitnessConfig,
        note: &CheckpointNote,
        old: u64,
        proof: &[NodeHash],
    ) -> Result<NoteSignature, Declined> {
        let lines =
            proof.iter().fold(format!("old {old}\n"), |text, hash| text + &format!("{hash}\n"));
        let body = format!("{lines}\n{note}");
        let url = format!("{}/add-checkpoint", witness.url.trim_end_matches('/'));
        let answer = self.http.post(url).body(body).send().await?;
        let status = answer.status();
        let text = answer.bytes().await?;
        let text = text.get(..text.len().min(LONGEST)).unwrap_or_default();
        let text = std::str::from_utf8(text).map_err(|_| Declined::NotItsOwn)?;
        match status {
            StatusCode::OK => {
                let text_of_note = note.note().text();
                let lines = text.lines().filter_map(|line| line.parse::<NoteSignature>().ok());
                let mut own = lines.filter(|signature| {
                    cosigned_at(signature, text_of_note, witness.name.as_str(), &witness.spki)
                        .is_some()
                });
                own.next().ok_or(Declined::NotItsOwn)
            }
            StatusCode::CONFLICT => {
                let seen = text.trim().parse().map_err(|_| Declined::Status(status))?;
                Err(Declined::Conflict(seen))
            }
            other => Err(Declined::Status(other)),
        }
    }
}
