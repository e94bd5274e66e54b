//! The append rules of PROTOCOL.md section 1 as a model: what is recorded, in which version, and what is answered.
//!
//! It knows no server, no sequence and no retry. Two commands at once must end as if one had come after the other.

use domain::catalog::DataSourceError;
use std::collections::VecDeque;

/// What is asked of one data source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Register,
    Lock(u8),
    Release(u8),
}

/// One try of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// A retry has the same.
    pub command: u32,
    pub ask: Ask,
    /// Another text under the same command is another body.
    pub body: String,
    pub expected_version: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Recorded { version: u64, replayed: bool },
    Refused(DataSourceError),
    OtherBody,
    Stale { version: u64 },
}

/// What the log holds of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub command: u32,
    pub body: String,
    pub events: Vec<&'static str>,
}

/// One aggregate. Versions count from 1: entry `n` is version `n + 1`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    pub entries: Vec<Entry>,
    registered: bool,
    holder: Option<u8>,
    waiting: VecDeque<u8>,
}

impl Model {
    pub fn version(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The rule: an earlier try is found first; then the version that was seen; then the decision.
    pub fn answer(&mut self, attempt: &Attempt) -> Answer {
        let earlier = (1..).zip(&self.entries).find(|(_, it)| it.command == attempt.command);
        if let Some((version, entry)) = earlier {
            let same = entry.body == attempt.body;
            let recorded = Answer::Recorded { version, replayed: true };
            return if same { recorded } else { Answer::OtherBody };
        }
        let version = self.version();
        if attempt.expected_version.is_some_and(|seen| seen != version) {
            return Answer::Stale { version };
        }
        match self.decide(attempt.ask) {
            Err(refusal) => Answer::Refused(refusal),
            Ok(events) => {
                let (command, body) = (attempt.command, attempt.body.clone());
                self.entries.push(Entry { command, body, events });
                Answer::Recorded { version: version + 1, replayed: false }
            }
        }
    }

    /// Every way in which two commands at once may end.
    pub fn either_order(&self, one: &Attempt, two: &Attempt) -> [(Self, [Answer; 2]); 2] {
        let (mut first, mut second) = (self.clone(), self.clone());
        let one_first = [first.answer(one), first.answer(two)];
        let two_first = [second.answer(two), second.answer(one)];
        [(first, one_first), (second, [two_first[1], two_first[0]])]
    }

    fn decide(&mut self, ask: Ask) -> Result<Vec<&'static str>, DataSourceError> {
        let holds = |change| self.holder == Some(change);
        let waits = |change| self.waiting.contains(&change);
        match ask {
            Ask::Register if self.registered => Err(DataSourceError::AlreadyExists),
            Ask::Register => {
                self.registered = true;
                Ok(vec!["data_source.created"])
            }
            _ if !self.registered => Err(DataSourceError::NotFound),
            Ask::Lock(it) if holds(it) || waits(it) => Err(DataSourceError::AlreadyWaiting),
            Ask::Lock(it) if self.holder.is_none() => {
                self.holder = Some(it);
                Ok(vec!["data_source.lock_granted"])
            }
            Ask::Lock(it) => {
                self.waiting.push_back(it);
                Ok(vec!["data_source.lock_queued"])
            }
            Ask::Release(it) if holds(it) => {
                self.holder = self.waiting.pop_front();
                let granted = self.holder.map(|_| "data_source.lock_granted");
                Ok(std::iter::once("data_source.lock_released").chain(granted).collect())
            }
            Ask::Release(it) if waits(it) => {
                self.waiting.retain(|waiting| *waiting != it);
                Ok(vec!["data_source.lock_released"])
            }
            Ask::Release(_) => Err(DataSourceError::NotHolder),
        }
    }
}

#[test]
fn two_commands_at_once_end_in_either_order_and_in_no_other_way() {
    let attempt = |command, ask: Ask| Attempt {
        command,
        ask,
        body: format!("{ask:?}"),
        expected_version: None,
    };
    let mut model = Model::default();
    model.answer(&attempt(1, Ask::Register));
    let (lock, other) = (attempt(2, Ask::Lock(1)), attempt(3, Ask::Lock(2)));
    let [(first, answers), (second, swapped)] = model.either_order(&lock, &other);
    assert_eq!(first.entries[1].events, ["data_source.lock_granted"]);
    assert_eq!(first.entries[1].command, 2);
    assert_eq!(second.entries[1].command, 3);
    assert_eq!([answers[0], answers[1]], [swapped[1], swapped[0]]);
    let [(_, answers), _] = model.either_order(&lock, &lock);
    let recorded = |replayed| Answer::Recorded { version: 2, replayed };
    assert_eq!(answers, [recorded(false), recorded(true)]);
}
