//! An aggregate as its commits make it.

use crate::append::Appended;
use crate::error::LogError;
use cqrs_es::Aggregate;
use domain::registry;
use ledger::{Commit, Head, Judge, Reason};
use nats::StoredMessage;
use std::collections::BTreeMap;
use std::sync::Arc;
use trust::encoding::Timestamp;

/// An aggregate, where its chain stands, and which commands made it.
#[derive(Debug, Clone)]
pub struct Loaded<A> {
    /// The state.
    pub aggregate: A,
    /// The number of its good commits.
    pub version: u64,
    /// Its last good commit.
    pub head: Option<Head>,
    /// That commit's time.
    pub last_time: Option<Timestamp>,
    /// The stream sequence of the subject's last message, good or condemned; 0 if there is none.
    pub last_sequence: u64,
    /// How many messages the subject has, good and condemned.
    pub messages: u64,
    /// Its commits by command id, without their events.
    pub commands: BTreeMap<String, Arc<Commit>>,
    /// About how large its commits are, bytes.
    pub bytes: usize,
}

impl<A: Aggregate> Default for Loaded<A> {
    fn default() -> Self {
        Self {
            aggregate: A::default(),
            version: 0,
            head: None,
            last_time: None,
            last_sequence: 0,
            messages: 0,
            commands: BTreeMap::new(),
            bytes: 0,
        }
    }
}

impl<A: Aggregate> Loaded<A> {
    /// Takes in the subject's next message. Condemned ones are skipped; a message that shows that an earlier one is
    /// missing refuses the whole load.
    pub(crate) fn take_in(
        &mut self,
        judge: &Judge,
        message: &StoredMessage,
    ) -> Result<(), LogError> {
        let stored = crate::reader::stored(message);
        self.last_sequence = message.sequence;
        self.messages += 1;
        let mut commit = match judge.judge(self.head, &stored) {
            Ok(commit) => commit,
            Err(condemned) => {
                if matches!(condemned.reason, Reason::Version { .. } | Reason::Prev) {
                    return Err(LogError::BrokenChain {
                        subject: condemned.subject,
                        sequence: condemned.sequence,
                    });
                }
                tracing::error!(
                    log.sequence = condemned.sequence,
                    reason = condemned.reason.code(),
                    "a message of the log is condemned"
                );
                return Ok(());
            }
        };
        for entry in std::mem::take(&mut commit.envelope.events) {
            let unreadable = |source: Box<dyn std::error::Error + Send + Sync>| {
                LogError::Unreadable { subject: message.subject.clone(), source }
            };
            if entry.schema != 1 {
                return Err(unreadable(format!("schema {}", entry.schema).into()));
            }
            let tagged = registry::tagged(entry.kind.as_str(), &entry.data);
            let event = serde_json::from_value(tagged).map_err(|e| unreadable(Box::new(e)))?;
            self.aggregate.apply(event);
        }
        self.follow(commit, message.payload.len());
        Ok(())
    }

    /// Takes in a commit of our own. Its events are in the aggregate already: deciding them put them there.
    pub(crate) fn appended(&mut self, appended: Appended) -> Arc<Commit> {
        let Appended { mut commit, bytes } = appended;
        commit.envelope.events.clear();
        self.last_sequence = commit.sequence;
        self.messages += 1;
        self.follow(commit, bytes)
    }

    /// The same without its commands: nothing can be executed on it.
    pub(crate) fn without_commands(&self) -> Self
    where
        A: Clone,
    {
        let Self { version, head, last_time, last_sequence, messages, bytes, .. } = *self;
        let (aggregate, commands) = (self.aggregate.clone(), BTreeMap::new());
        Self { aggregate, version, head, last_time, last_sequence, messages, commands, bytes }
    }

    fn follow(&mut self, commit: Commit, bytes: usize) -> Arc<Commit> {
        let commit = Arc::new(commit);
        // The envelope without its events is kept as well.
        self.bytes += bytes + size_of::<Commit>() + 512;
        self.version = commit.envelope.version;
        self.head = Some(Head { version: commit.envelope.version, hash: commit.hash });
        self.last_time = Some(commit.envelope.time);
        self.commands.insert(commit.envelope.command.id.to_string(), Arc::clone(&commit));
        commit
    }
}
