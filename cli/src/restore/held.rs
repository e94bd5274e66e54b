//! What the stream holds, compared with what the archive tells.

use super::error::RestoreError;
use super::survey::Chains;
use super::told::{Place, Told};
use crate::audit::Progress;
use event_log::{Reader, Restorer, stored};
use ledger::{CommitHash, Line, Reason, Tree, TreeHead};
use nats::StoredMessage;
use std::collections::VecDeque;
use std::time::Duration;

/// Messages that are read at once.
const BATCH: u32 = 256;
/// A replica may be behind the leader for so many looks.
const LOOKS: u32 = 100;
const BETWEEN: Duration = Duration::from_millis(100);

/// The messages of a stream in order.
#[derive(Debug)]
pub struct Held<'a> {
    log: &'a Reader,
    ahead: VecDeque<StoredMessage>,
    after: u64,
}

impl<'a> Held<'a> {
    /// Those after a sequence.
    pub fn after(log: &'a Reader, after: u64) -> Self {
        Self { log, ahead: VecDeque::new(), after }
    }

    /// The next one that the stream holds, up to and with `last`.
    pub async fn next(&mut self, last: u64) -> Result<Option<StoredMessage>, RestoreError> {
        let mut looks = 0;
        while self.ahead.is_empty() && self.after < last {
            self.ahead.extend(self.log.stored_after(self.after, BATCH).await?);
            if self.ahead.is_empty() {
                looks += 1;
                if looks == LOOKS {
                    return Ok(None);
                }
                tokio::time::sleep(BETWEEN).await;
            }
        }
        if self.ahead.front().is_none_or(|message| message.sequence > last) {
            return Ok(None);
        }
        let message = self.ahead.pop_front();
        self.after = message.as_ref().map_or(self.after, |message| message.sequence);
        Ok(message)
    }
}

/// Compares the stream with the archive up to `last`, byte by byte; the tree of what the stream holds at `sealed`, and
/// a message that stands in for a lost one, at which it ends: a restore was interrupted there.
pub async fn compare(
    (log, mut told): (&Reader, Told<'_>),
    last: u64,
    sealed: u64,
    mut progress: Progress<'_>,
) -> Result<(TreeHead, Option<u64>), RestoreError> {
    let restorer = Restorer::of(log);
    let (mut held, mut tree) = (Held::after(log, 0), Tree::empty());
    let mut reached = tree.head();
    let mut message = held.next(last).await?;
    while tree.size() < last {
        let Some(place) = told.next().await? else { break };
        let sequence = place.sequence();
        let differs = RestoreError::Differs { sequence };
        let found = message.as_ref().filter(|message| message.sequence == sequence);
        let hash = match (&place, found) {
            (Place::Lost(_), None) => CommitHash::ZERO,
            (Place::Message(line), Some(message)) if is_same(line, message) => {
                CommitHash::of(&message.payload)
            }
            (Place::Lost(_), Some(message)) if restorer.is_stand_in(&stored(message))? => {
                return Ok((reached, Some(sequence)));
            }
            (Place::Lost(_), Some(_)) | (Place::Message(_), _) => return Err(differs),
        };
        if found.is_some() {
            message = held.next(last).await?;
        }
        tree.push(sequence, &hash).map_err(|_| differs)?;
        if sequence == sealed {
            reached = tree.head();
        }
        progress.step();
    }
    Ok((reached, None))
}

fn is_same(line: &Line, message: &StoredMessage) -> bool {
    let (told, there) = (line.stored(), stored(message));
    // A line says nothing of a header that is empty.
    let text = |header: Option<&str>| header.unwrap_or_default().to_owned();
    told.subject == there.subject
        && told.payload == there.payload
        && text(told.hash) == text(there.hash)
        && text(told.signature) == text(there.signature)
}

/// Whether what the stream holds beyond the archive is the same history: no sequence is missing, and every chain goes
/// on. How many messages that are.
pub async fn tail(
    log: &Reader,
    mut chains: Chains,
    end: u64,
    last: u64,
) -> Result<u64, RestoreError> {
    let mut held = Held::after(log, end);
    for sequence in end + 1..=last {
        let message = held.next(last).await?.filter(|message| message.sequence == sequence);
        let message = message.ok_or(RestoreError::Tail { sequence })?;
        match chains.take_in(&stored(&message)) {
            Err(condemned) if matches!(condemned.reason, Reason::Version { .. } | Reason::Prev) => {
                return Err(RestoreError::Tail { sequence });
            }
            // A stranger's message is sealed as what it is.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(last.saturating_sub(end))
}
