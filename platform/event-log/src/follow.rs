//! Following a log in order, from a position that is checked first.

use crate::ahead::{Ahead, Alone};
use crate::error::LogError;
use crate::feed::{Delivered, Feed};
use crate::reader::{Reader, stored};
use crate::recorded::Recorded;
use futures::FutureExt as _;
use ledger::{Commit, CommitHash, Condemned, Head, Origin, Position, placed};
use nats::StoredMessage;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a mirror that is behind a stored position may take to catch up.
const CATCH_UP: Duration = Duration::from_secs(30);
/// How often it is asked.
const CATCH_UP_STEP: Duration = Duration::from_millis(100);
/// Aggregates whose heads are remembered; others are read again.
const HEADS: usize = 200_000;

/// What a follower sees.
#[derive(Debug)]
pub enum Followed {
    /// A good commit.
    Commit(Box<Recorded>),
    /// A condemned message: an alarm, then skip it.
    Condemned(Condemned),
}

impl Followed {
    /// The position just after it, in the log of this origin.
    pub fn position(&self, origin: &Origin) -> Position {
        match self {
            Self::Commit(recorded) => recorded.position(),
            Self::Condemned(condemned) => Position {
                origin: origin.clone(),
                sequence: condemned.sequence,
                hash: condemned.hash,
            },
        }
    }
}

/// A message exactly as it is stored, and what the ledger says of it.
#[derive(Debug)]
pub struct Judged {
    /// The message.
    pub message: StoredMessage,
    /// The commit that it is, or why it is none.
    pub commit: Result<Commit, Condemned>,
}

/// Gives a log's messages in order, each once.
pub struct Follower {
    reader: Reader,
    /// None once it has ended: the next one is opened where the last message was, which is checked first.
    feed: Option<Feed>,
    ahead: Ahead,
    /// Of the last message that was given; none before the first of the log.
    reached: Option<Position>,
    /// Every aggregate met so far was met from its first commit on.
    from_start: bool,
    heads: BTreeMap<String, Option<Head>>,
    /// Heads are forgotten beyond this number.
    most_heads: usize,
    pending: u64,
    /// Declared gaps are passed; otherwise whoever follows passes each one ([`Follower::pass_lost`]).
    passes_declared: bool,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Follower(after {})", self.last())
    }
}

impl Reader {
    /// Follows the log from after `position` (`None`: from the start). A position that this log does not hold is
    /// another history.
    pub async fn follow(&self, after: Option<Position>) -> Result<Follower, LogError> {
        let mut follower = Follower {
            reader: self.clone(),
            feed: None,
            ahead: Ahead::new(Arc::clone(&self.judge)),
            from_start: after.is_none(),
            reached: after,
            heads: BTreeMap::new(),
            most_heads: HEADS,
            pending: 0,
            passes_declared: true,
        };
        follower.open().await?;
        Ok(follower)
    }

    /// As [`Reader::follow`], given the head of every aggregate that has a good commit by then. All are kept, whatever
    /// their number: [`Follower::heads`]. Every gap is told, also a declared one: whoever counts leaves has to know.
    pub async fn follow_with(
        &self,
        after: Option<Position>,
        heads: BTreeMap<String, Head>,
    ) -> Result<Follower, LogError> {
        let mut follower = self.follow(after).await?;
        follower.from_start = true;
        follower.most_heads = usize::MAX;
        follower.passes_declared = false;
        follower.heads = heads.into_iter().map(|(subject, head)| (subject, Some(head))).collect();
        Ok(follower)
    }

    /// The log holds this hash at this sequence, or nothing where the hash is the one of a lost message; a mirror that
    /// is behind is given time.
    pub(crate) async fn check_position(&self, position: &Position) -> Result<(), LogError> {
        let another = |found| LogError::AnotherHistory {
            sequence: position.sequence,
            expected: position.hash,
            found,
        };
        if position.origin != self.identity().origin {
            return Err(another(None));
        }
        let mut waited = Duration::ZERO;
        loop {
            let next = self.stored_after(position.sequence.saturating_sub(1), 1).await?;
            let found = next.first().filter(|message| message.sequence == position.sequence);
            if let Some(message) = found {
                let found = CommitHash::of(&message.payload);
                return if found == position.hash { Ok(()) } else { Err(another(Some(found))) };
            }
            let is_lost = position.hash == CommitHash::ZERO;
            if is_lost && (!next.is_empty() || self.last_sequence().await? >= position.sequence) {
                return Ok(());
            }
            if !next.is_empty() || waited >= CATCH_UP {
                return Err(another(None));
            }
            tokio::time::sleep(CATCH_UP_STEP).await;
            waited += CATCH_UP_STEP;
        }
    }
}

impl Follower {
    /// The next message; waits for it. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Followed, LogError> {
        Ok(match self.next_judged().await?.commit {
            Ok(commit) => Followed::Commit(Box::new(Recorded::of(commit))),
            Err(condemned) => Followed::Condemned(condemned),
        })
    }

    /// As [`Follower::next`], with the exact message.
    pub async fn next_judged(&mut self) -> Result<Judged, LogError> {
        self.look_ahead().await?;
        let Some(first) = self.ahead.first() else {
            return Err(LogError::Follow("no message at hand".into()));
        };
        let (subject, sequence) = (first.message.subject.clone(), first.message.sequence);
        let hash = match &first.commit {
            Ok(commit) => commit.hash,
            Err(condemned) => condemned.hash,
        };
        self.follows(sequence)?;
        let head = match self.heads.get(&subject) {
            Some(head) => *head,
            None if self.from_start => None,
            None => self.reader.head_before(&subject, sequence).await?,
        };
        let Some(Alone { message, pending, commit }) = self.ahead.take() else {
            return Err(LogError::Follow("no message at hand".into()));
        };
        self.pending = pending;
        let origin = self.reader.identity().origin.clone();
        self.reached = Some(Position { origin, sequence, hash });
        let commit = commit.and_then(|commit| placed(head, &stored(&message), commit));
        match &commit {
            Ok(commit) => {
                let head = Head { version: commit.envelope.version, hash: commit.hash };
                self.remember(subject, Some(head));
            }
            Err(condemned) => {
                tracing::error!(
                    log.sequence = sequence,
                    reason = condemned.reason.code(),
                    "a message of the log is condemned"
                );
                self.remember(subject, head);
            }
        }
        Ok(Judged { message, commit })
    }

    /// Waits for a message, and takes what else has arrived with it.
    async fn look_ahead(&mut self) -> Result<(), LogError> {
        if self.ahead.is_empty() {
            let delivered = self.receive().await?;
            self.ahead.arrived(delivered);
        }
        while self.ahead.has_room()
            && let Some(feed) = &mut self.feed
        {
            match feed.next(&self.reader).now_or_never() {
                Some(Ok(delivered)) => self.ahead.arrived(delivered),
                // Once what is ahead is used up, another one is opened.
                Some(Err(_)) => self.feed = None,
                None => break,
            }
        }
        self.ahead.judge();
        let ready = self.ahead.ready().await;
        if ready.is_err() {
            self.read_again();
        }
        ready
    }

    /// Goes on after `through`, up to which every sequence is lost for good: who calls it has made sure of that.
    pub fn pass_lost(&mut self, through: u64) -> Result<(), LogError> {
        let first = self.ahead.first().map(|first| first.message.sequence);
        if let Some(sequence) = first.filter(|sequence| *sequence <= through) {
            return Err(LogError::GapFilled { sequence });
        }
        let origin = self.reader.identity().origin.clone();
        self.reached = Some(Position { origin, sequence: through, hash: CommitHash::ZERO });
        Ok(())
    }

    /// Reads on from where it stands: what came after a gap is asked for again.
    pub fn read_again(&mut self) {
        self.ahead.clear();
        self.feed = None;
    }

    /// A message comes right after the last one, or after nothing but sequences that are declared to be lost.
    fn follows(&self, found: u64) -> Result<(), LogError> {
        let (identity, expected) = (self.reader.identity(), self.last() + 1);
        if !self.passes_declared {
            return if found == expected { Ok(()) } else { Err(LogError::Gap { expected, found }) };
        }
        if identity.is_gap(found) {
            return Err(LogError::GapFilled { sequence: found });
        }
        if found < expected || !(expected..found).all(|sequence| identity.is_gap(sequence)) {
            return Err(LogError::Gap { expected, found });
        }
        if found > expected {
            tracing::warn!(expected, found, "the log is followed over sequences declared lost");
        }
        Ok(())
    }

    /// The head of every aggregate met so far, by subject.
    pub fn heads(&self) -> impl Iterator<Item = (&str, Head)> {
        self.heads.iter().filter_map(|(subject, head)| Some((subject.as_str(), (*head)?)))
    }

    /// How many aggregates were met so far: at least as many as have a head.
    pub fn chains(&self) -> usize {
        self.heads.len()
    }

    /// More messages were waiting when the last one was sent: it pays to batch.
    pub fn has_more(&self) -> bool {
        self.pending > 0
    }

    fn remember(&mut self, subject: String, head: Option<Head>) {
        if self.heads.len() >= self.most_heads {
            self.heads.clear();
            self.from_start = false;
        }
        self.heads.insert(subject, head);
    }

    fn last(&self) -> u64 {
        self.reached.as_ref().map_or(0, |position| position.sequence)
    }

    /// Opens a feed after the position that was reached, if the log still holds it.
    async fn open(&mut self) -> Result<&mut Feed, LogError> {
        if let Some(position) = &self.reached {
            self.reader.check_position(position).await?;
        }
        let feed = Feed::open(&self.reader, self.last() + 1).await?;
        Ok(self.feed.insert(feed))
    }

    /// A feed that ends is replaced once: who follows decides how often a server that is away is asked.
    async fn receive(&mut self) -> Result<Delivered, LogError> {
        if let Some(feed) = &mut self.feed {
            match feed.next(&self.reader).await {
                Ok(delivered) => return Ok(delivered),
                Err(error) => {
                    tracing::debug!(%error, "the log is followed by another consumer");
                    self.feed = None;
                }
            }
        }
        let reader = self.reader.clone();
        let delivered = self.open().await?.next(&reader).await;
        if delivered.is_err() {
            self.feed = None;
        }
        delivered
    }
}
