//! Every message back at its own sequence, after the blobs that it names.

use super::error::RestoreError;
use super::told::{Place, Volume};
use crate::audit::Progress;
use archive::Archive;
use event_log::{Reader, Restorer};
use ledger::{Envelope, Line, blob_refs};
use nats::Connection;
use nats::rebuild::{self, Standing};
use std::collections::BTreeSet;
use trust::encoding::Sha256Digest;

/// What was put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Put {
    /// Messages.
    pub messages: u64,
    /// Blobs.
    pub blobs: u64,
    /// Blobs that neither the archive nor the stream has.
    pub blobs_missing: u64,
}

/// From where to where.
pub struct Putting<'a> {
    /// May delete what stands in for a lost message.
    pub connection: &'a Connection,
    /// The log.
    pub log: &'a Reader,
    /// Its archive.
    pub archive: &'a Archive,
    /// Its shard.
    pub shard: &'a str,
    /// How its stream stands.
    pub standing: Standing,
}

impl Putting<'_> {
    /// Puts back what comes after `prefix` and up to `end`, and every blob that is not there.
    pub async fn run(
        &self,
        volume: &Volume,
        prefix: u64,
        end: u64,
        condemned: &BTreeSet<u64>,
        mut progress: Progress<'_>,
    ) -> Result<Put, RestoreError> {
        let restorer = Restorer::of(self.log);
        let (mut put, mut seen) = (Put::default(), BTreeSet::new());
        let mut told = volume.after(0);
        while let Some(place) = told.next().await? {
            let sequence = place.sequence();
            if sequence > end {
                break;
            }
            if let Place::Message(line) = &place
                && !condemned.contains(&sequence)
            {
                self.blobs(&restorer, line, &mut seen, &mut put).await?;
            }
            if sequence <= prefix {
                continue;
            }
            match place {
                Place::Message(line) => {
                    restorer.put(&line.stored()).await?;
                    put.messages += 1;
                }
                Place::Lost(_) if self.standing == Standing::Unfinished => {
                    restorer.put_stand_in(sequence).await?;
                    rebuild::leave_out(self.connection, self.shard, sequence).await?;
                }
                Place::Lost(_) => return Err(RestoreError::Hardened { sequence }),
            }
            progress.step();
        }
        Ok(put)
    }

    async fn blobs(
        &self,
        restorer: &Restorer,
        line: &Line,
        seen: &mut BTreeSet<(String, Sha256Digest)>,
        put: &mut Put,
    ) -> Result<(), RestoreError> {
        // The survey has read the commit.
        let Ok(envelope) = Envelope::parse(&line.payload) else { return Ok(()) };
        let tenant = envelope.tenant.as_str();
        for blob in envelope.events.iter().flat_map(|event| blob_refs(&event.data)) {
            if !seen.insert((tenant.to_owned(), blob.sha256))
                || self.log.blob(tenant, &blob.sha256).await?.is_some()
            {
                continue;
            }
            match self.archive.blob(blob.sha256).await? {
                Some(bytes) => {
                    restorer.put_blob(tenant, bytes).await?;
                    put.blobs += 1;
                }
                None => put.blobs_missing += 1,
            }
        }
        Ok(())
    }
}
