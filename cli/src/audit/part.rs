//! Which messages belong to a part of a log: a range, or one change with everything that its evidence needs.

use domain::approvals::ApprovalEvent;
use domain::jobs::JobEvent;
use domain::registry::Event;
use ledger::{Envelope, Line, Scope};
use std::collections::BTreeSet;

/// Chooses messages, in the order of the log.
#[derive(Debug)]
pub struct Part {
    scope: Scope,
    /// Aggregates that were found to belong to the change.
    related: BTreeSet<String>,
}

impl Part {
    /// For a scope.
    pub fn of(scope: &Scope) -> Self {
        let related = match scope {
            Scope::Change(id) => BTreeSet::from([id.to_string()]),
            Scope::Log | Scope::Range { .. } => BTreeSet::new(),
        };
        Self { scope: scope.clone(), related }
    }

    /// Whether a line belongs to it. A change takes in the log's first commit, its tenant's trust roots, and its own
    /// approvals and jobs.
    pub fn takes(&mut self, line: &Line) -> bool {
        match &self.scope {
            Scope::Log => true,
            Scope::Range { from, to } => (*from..=*to).contains(&line.sequence),
            Scope::Change(id) => {
                let id = id.to_string();
                let Ok(envelope) = Envelope::parse(&line.payload) else { return false };
                self.is_related(&id, &envelope)
            }
        }
    }

    /// Whether a commit tells of the change itself: of it, its approvals or its jobs.
    pub fn tells(&mut self, envelope: &Envelope) -> bool {
        let Scope::Change(id) = &self.scope else { return false };
        let (id, kind) = (id.to_string(), envelope.aggregate.kind.as_str());
        !["trust_root", "log"].contains(&kind) && self.is_related(&id, envelope)
    }

    fn is_related(&mut self, id: &str, envelope: &Envelope) -> bool {
        let kind = envelope.aggregate.kind.as_str();
        let aggregate = envelope.aggregate.id.to_string();
        if ["trust_root", "log"].contains(&kind) || self.related.contains(&aggregate) {
            return true;
        }
        let begins = envelope.events.iter().any(|entry| {
            let event = Event::read(kind, entry.kind.as_str(), entry.schema, &entry.data);
            match event {
                Ok(Event::Approval(ApprovalEvent::Opened(it))) => it.change.to_string() == id,
                Ok(Event::Job(JobEvent::Dispatched(it))) => it.change.to_string() == id,
                Ok(_) | Err(_) => false,
            }
        });
        if begins {
            self.related.insert(aggregate);
        }
        begins
    }
}
