//! Messages that have arrived, judged by themselves on every core while earlier ones are worked on. What a message shows
//! by itself is nearly all of the work: its hash, its JSON, its signature. Its place in the chain is the follower's.

use crate::error::LogError;
use crate::feed::Delivered;
use crate::reader::stored;
use ledger::{Commit, Condemned, Judge};
use nats::StoredMessage;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Messages that are judged together.
const CHUNK: usize = 32;
/// Fewer messages are judged at once, where they are.
const FEW: usize = 4;
/// No more messages are taken ahead.
const MOST: usize = 8 * CHUNK;
/// Nor more bytes.
const MOST_BYTES: usize = 16 << 20;

/// A message, and what it shows by itself.
pub(crate) struct Alone {
    pub(crate) message: StoredMessage,
    /// How many more were waiting when it was sent.
    pub(crate) pending: u64,
    pub(crate) commit: Result<Commit, Condemned>,
}

/// In the order in which they arrived. Dropping a future that waits for one loses nothing.
pub(crate) struct Ahead {
    judge: Arc<Judge>,
    ready: VecDeque<Alone>,
    judging: VecDeque<JoinHandle<Vec<Alone>>>,
    arrived: Vec<Delivered>,
    /// Messages here, and their bytes.
    messages: usize,
    bytes: usize,
}

impl Ahead {
    pub(crate) fn new(judge: Arc<Judge>) -> Self {
        let (ready, judging) = (VecDeque::new(), VecDeque::new());
        Self { judge, ready, judging, arrived: Vec::new(), messages: 0, bytes: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// There is room, and it is worth looking for more.
    pub(crate) fn has_room(&self) -> bool {
        self.messages + CHUNK <= MOST && self.bytes < MOST_BYTES
    }

    /// Takes in the next message; [`Self::judge`] has it judged.
    pub(crate) fn arrived(&mut self, delivered: Delivered) {
        self.messages += 1;
        self.bytes += delivered.message.payload.len();
        self.arrived.push(delivered);
        if self.arrived.len() == CHUNK {
            self.send();
        }
    }

    /// Has what has arrived judged, unless something is under way: then more of it makes a larger chunk.
    pub(crate) fn judge(&mut self) {
        if !self.ready.is_empty() || !self.judging.is_empty() {
            return;
        }
        if self.arrived.len() > FEW {
            self.send();
        }
        self.ready.extend(alone(&self.judge, std::mem::take(&mut self.arrived)));
    }

    fn send(&mut self) {
        let (judge, chunk) = (Arc::clone(&self.judge), std::mem::take(&mut self.arrived));
        self.judging.push_back(tokio::task::spawn_blocking(move || alone(&judge, chunk)));
    }

    /// Waits until the first message is judged, if there is one: then it is [`Self::first`]. After an error what was here
    /// is to be [cleared](Self::clear).
    pub(crate) async fn ready(&mut self) -> Result<(), LogError> {
        while self.ready.is_empty()
            && let Some(chunk) = self.judging.front_mut()
        {
            let chunk = chunk.await;
            self.judging.pop_front();
            self.ready.extend(chunk.map_err(|error| LogError::Follow(error.into()))?);
        }
        Ok(())
    }

    /// The first message, if it is judged.
    pub(crate) fn first(&self) -> Option<&Alone> {
        self.ready.front()
    }

    /// Takes that one.
    pub(crate) fn take(&mut self) -> Option<Alone> {
        let alone = self.ready.pop_front()?;
        self.messages -= 1;
        self.bytes -= alone.message.payload.len();
        Some(alone)
    }

    /// Forgets everything: it is delivered again.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(Arc::clone(&self.judge));
    }
}

fn alone(judge: &Judge, chunk: Vec<Delivered>) -> Vec<Alone> {
    let messages: Vec<_> = chunk.iter().map(|delivered| stored(&delivered.message)).collect();
    let commits = judge.each_alone(&messages);
    let judged = chunk.into_iter().zip(commits);
    judged
        .map(|(Delivered { message, pending }, commit)| Alone { message, pending, commit })
        .collect()
}
