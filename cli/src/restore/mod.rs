//! `archive restore`: a log's stream made again from its archive, and proven equal to the last checkpoint.
//!
//! 1. [`survey`]: the archive is read whole and verified. Nothing is touched before.
//! 2. [`held`]: what the stream still holds must be what the archive tells, byte by byte.
//! 3. The newest checkpoint goes first into its stream: from then on command-api refuses to append, and the sealer to
//!    seal, until the log is as long again.
//! 4. [`putting`]: every message at its own sequence, after the blobs that it names.
//! 5. Everything is read back and gives the root of the checkpoint.

mod arguments;
mod error;
mod held;
mod putting;
mod survey;
mod told;

pub use arguments::ArchiveVerb;
pub use error::RestoreError;

use crate::audit::{Progress, kept_checkpoints, read_policy};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Document, Output};
use archive::{Archive, ObjectName};
use arguments::{RestoreArguments, RestoreConfig};
use bytes::Bytes;
use event_log::{Checkpoints, Reader};
use ledger::{CheckpointNote, LogPolicy, VerifiedCheckpoint};
use nats::rebuild::{self, Standing};
use nats::{Connection, subjects};
use putting::Put;
use serde_json::json;
use std::collections::BTreeSet;
use survey::{Known, Survey};
use told::Volume;

/// The service whose identity restores a log.
const SERVICE: &str = "log-restorer";

/// Runs a verb.
pub async fn run(verb: ArchiveVerb, output: &Output) -> Result<Exit, CliError> {
    let ArchiveVerb::Restore(arguments) = verb;
    let RestoreArguments { file, policy, checkpoints, condemned, sealed_only } = arguments;
    let config = RestoreConfig::read(&file)?;
    let policy = read_policy(&policy)?;
    let of_log = policy.log(&config.origin).map_err(ledger::VerifyError::Policy)?;
    let kept = kept_checkpoints(&checkpoints, of_log)?;
    let archive = config.archive()?;
    let connection = config.connect().await?;
    let named = condemned.into_iter().collect();
    let restore = Restore { config: &config, policy: of_log, archive: &archive, named, output };
    let restored = restore.run(&connection, &kept, sealed_only).await;
    connection.close().await;
    restored?.show(&config, output)
}

struct Restore<'a> {
    config: &'a RestoreConfig,
    policy: &'a LogPolicy,
    archive: &'a Archive,
    /// Sequences that are condemned in the log itself.
    named: BTreeSet<u64>,
    output: &'a Output,
}

/// What was done.
struct Restored {
    size: u64,
    root: String,
    /// Messages that the stream held already.
    already: u64,
    put: Put,
    /// Beyond the checkpoint, from the archive.
    unsealed: u64,
    /// Beyond the archive, in the stream.
    tail: u64,
    condemned: usize,
    lost: u64,
}

impl Restore<'_> {
    async fn run(
        &self,
        connection: &Connection,
        kept: &[VerifiedCheckpoint],
        sealed_only: bool,
    ) -> Result<Restored, CliError> {
        let shard = self.config.shard.as_str();
        let identity = self.policy.identity(&self.config.shard);
        let log = Reader::new(connection, identity.clone());
        let known = self.known(connection, &log, kept).await?;
        // As the log signed it, where the archive has it so.
        let target = known.iter().rev().max_by_key(|it| it.note.claim().size);
        let target = target.ok_or(CliError::ArchiveEmpty)?.note.clone();
        let size = target.claim().size;
        let mut sizes = self.archive.checkpoint_sizes(None).await?;
        sizes.retain(|held| *held < size);
        sizes.push(size);
        let volume = Volume::of(self.archive, &sizes, &self.policy.gaps, !sealed_only);
        let volume = volume.await.map_err(RestoreError::from)?;
        let progress = Progress::of(self.output, "messages of the archive verified");
        let survey = survey::survey(&volume, identity, (&known, &self.named), progress).await?;
        self.output.talk(&format!(
            "the archive is whole up to checkpoint {size} with root {}",
            survey.sealed.root
        ));
        let found = rebuild::begin(connection, shard, self.config.replicas, survey.lost > 0);
        let standing = found.await.map_err(RestoreError::from)?;
        let restored = self.put((connection, &log), (&volume, survey), &target, standing).await?;
        Ok(restored)
    }

    /// Every checkpoint that is known, each signed by the log; the one that is shown with its witnesses.
    async fn known(
        &self,
        connection: &Connection,
        log: &Reader,
        kept: &[VerifiedCheckpoint],
    ) -> Result<Vec<Known>, RestoreError> {
        let mut known = Vec::new();
        let largest = self.archive.checkpoint_sizes(None).await?.last().copied();
        if let Some(size) = largest {
            let bytes = self.archive.get(&ObjectName::Note { size }).await?;
            let bytes = bytes.ok_or(RestoreError::Missing { sequence: size })?;
            known.push(self.ours("archive", &bytes)?);
        }
        let shown = self.archive.newest_checkpoint().await?;
        let believed = |source| RestoreError::Checkpoint { place: "archive", source };
        if let Some(bytes) = &shown {
            let shown = self.ours("archive", bytes)?;
            shown.note.clone().verify(self.policy).map_err(believed)?;
            known.push(shown);
        } else if self.policy.witness_quorum > 0 {
            let needed = self.policy.witness_quorum;
            return Err(believed(ledger::CheckpointError::Quorum { found: 0, needed }));
        }
        if rebuild::has_checkpoints(connection, self.config.shard.as_str()).await?
            && let Some(newest) = Checkpoints::of(log).newest().await?
        {
            known.push(self.ours("stream", &newest.note)?);
        }
        let ours = known.iter().map(|it| it.note.claim().size).max().unwrap_or_default();
        for kept in kept {
            if kept.head().size > ours {
                return Err(RestoreError::Short { size: ours, kept: kept.head().size });
            }
            known.push(Known { note: kept.note().clone(), place: "file that was kept" });
        }
        Ok(known)
    }

    fn ours(&self, place: &'static str, bytes: &[u8]) -> Result<Known, RestoreError> {
        let refused = |source| RestoreError::Checkpoint { place, source };
        let note = CheckpointNote::parse(bytes).map_err(refused)?;
        note.is_signed_by(&self.policy.origin, &self.policy.keys).map_err(refused)?;
        Ok(Known { note, place })
    }

    async fn put(
        &self,
        (connection, log): (&Connection, &Reader),
        (volume, survey): (&Volume, Survey),
        target: &CheckpointNote,
        standing: Standing,
    ) -> Result<Restored, RestoreError> {
        let shard = self.config.shard.as_str();
        let Survey { sealed, end, condemned, lost, chains } = survey;
        let last = log.last_sequence().await?;
        let progress = Progress::of(self.output, "messages of the stream compared");
        let prefix = last.min(end);
        let compared = held::compare((log, volume.after(0)), prefix, sealed.size, progress).await?;
        if let (_, Some(sequence)) = compared {
            rebuild::leave_out(connection, shard, sequence).await?;
        }
        let tail = held::tail(log, chains, end, last).await?;
        put_checkpoint(log, target).await?;
        let progress = Progress::of(self.output, "messages restored");
        let putting = putting::Putting { connection, log, archive: self.archive, shard, standing };
        let put = putting.run(volume, prefix, end, &condemned, progress).await?;
        if standing == Standing::Unfinished {
            rebuild::finish(connection, shard, self.config.replicas).await?;
        }
        let progress = Progress::of(self.output, "messages read back");
        let (head, _) = held::compare((log, volume.after(0)), end, sealed.size, progress).await?;
        if head != sealed {
            return Err(RestoreError::Root { size: sealed.size, place: "archive" });
        }
        Ok(Restored {
            size: sealed.size,
            root: sealed.root.to_string(),
            already: prefix,
            put,
            unsealed: end - sealed.size,
            tail,
            condemned: condemned.len(),
            lost,
        })
    }
}

/// The fence of the sealer and the guard of the appender stand again before the first message does.
async fn put_checkpoint(log: &Reader, target: &CheckpointNote) -> Result<(), RestoreError> {
    let checkpoints = Checkpoints::of(log);
    let newest = checkpoints.newest().await?;
    let held = newest.as_ref().and_then(|newest| CheckpointNote::parse(&newest.note).ok());
    if held.is_some_and(|held| held.claim().size >= target.claim().size) {
        return Ok(());
    }
    let last = newest.map_or(0, |newest| newest.sequence);
    checkpoints.append(Bytes::from(target.to_string()), last).await?;
    Ok(())
}

impl RestoreConfig {
    fn archive(&self) -> Result<Archive, RestoreError> {
        let secret = chassis::secret_file::read;
        Ok(Archive::open(&self.archive, &self.origin, secret)?)
    }

    async fn connect(&self) -> Result<Connection, CliError> {
        let unusable = |what: &str| RestoreError::Config(what.to_owned());
        chassis::process::install_crypto();
        let own = chassis::Identity::connect(&self.spiffe_socket, &self.trust_domain).await;
        let own = own.map_err(|error| CliError::Other(error.into()))?;
        let server = self.nats_id.parse().map_err(|_| unusable("nats_id is no SPIFFE ID"))?;
        let inbox = subjects::service_inbox(SERVICE).map_err(|_| unusable("no inbox"))?;
        let name = "countersign archive restore";
        let connected =
            Connection::connect(&self.nats_url, own.source(), &server, &inbox, name).await;
        Ok(connected.map_err(RestoreError::from)?)
    }
}

impl Restored {
    fn show(&self, config: &RestoreConfig, output: &Output) -> Result<Exit, CliError> {
        let Self { size, root, already, put, unsealed, tail, condemned, lost } = self;
        let Put { messages, blobs, blobs_missing } = put;
        let origin = config.origin.as_str();
        let value = json!({"log": origin, "checkpoint_size": size, "root": root,
            "already_there": already, "restored": messages, "unsealed": unsealed, "tail": tail,
            "condemned": condemned, "lost": lost, "blobs": blobs,
            "blobs_missing": blobs_missing});
        let texts = [size, already, messages, unsealed, tail, lost, blobs, blobs_missing]
            .map(u64::to_string);
        let [size, already, messages, unsealed, tail, lost, blobs, blobs_missing] = &texts;
        let told = condemned.to_string();
        let members = [
            ("log", origin),
            ("proven equal to checkpoint", size.as_str()),
            ("root", root),
            ("already there", already),
            ("restored", messages),
            ("of the archive beyond the checkpoint", unsealed),
            ("kept of the stream beyond the archive", tail),
            ("condemned", &told),
            ("lost", lost),
            ("blobs restored", blobs),
            ("blobs that the archive lacks", blobs_missing),
        ];
        output.document(&Document::record(value, origin, &members))?;
        let is_whole = put.blobs_missing == 0 && *condemned == 0;
        Ok(if is_whole { Exit::Ok } else { Exit::VerificationIncomplete })
    }
}
