//! Agents: who runs jobs beside which databases.

mod event;
#[cfg(test)]
mod tests;

pub use event::{AgentEvent, Enrolled};

use crate::Issued;
use crate::aggregate::aggregate;
use crate::refusal::refusals;
use serde::{Deserialize, Serialize};

refusals! {
    /// Why a command on an agent was refused.
    AgentError {
        NotFound = "agents.not_found", NotFound, "there is no such agent";
        AlreadyExists = "agents.agent_exists", Conflict, "an agent of this name exists already";
    }
}

/// A command on an agent.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentCommand {
    /// Make it known.
    Enroll(Enrolled),
}

/// The state that decisions need.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// What was enrolled.
    pub enrolled: Option<Enrolled>,
}

aggregate!(Agent, "agent", AgentCommand, AgentEvent, AgentError);

impl Agent {
    fn decide(&self, issued: Issued<AgentCommand>) -> Result<Vec<AgentEvent>, AgentError> {
        match (&self.enrolled, issued.command) {
            (None, AgentCommand::Enroll(enrolled)) => Ok(vec![AgentEvent::Enrolled(enrolled)]),
            (Some(_), AgentCommand::Enroll(_)) => Err(AgentError::AlreadyExists),
        }
    }

    fn evolve(&mut self, event: AgentEvent) {
        match event {
            AgentEvent::Enrolled(enrolled) => self.enrolled = Some(enrolled),
        }
    }
}
