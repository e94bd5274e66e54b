//! What a workflow is: an aggregate turned around, events in and commands out.

use domain::ids::{CommandId, PrincipalId, command_id};
use event_log::{LogError, Recorded, RecordedEvent};
use nats::PublishFailure;
use std::future::Future;

/// Why an event could not be handled. There is no fourth way, and no silent skip.
#[derive(Debug)]
pub enum Setback {
    /// Try this event again a little later.
    Later(anyhow::Error),
    /// Nothing can be done about this event: an alarm, and on.
    SetAside(anyhow::Error),
}

impl From<LogError> for Setback {
    fn from(error: LogError) -> Self {
        if error.is_transient() { Self::Later(error.into()) } else { Self::SetAside(error.into()) }
    }
}

impl From<PublishFailure> for Setback {
    fn from(error: PublishFailure) -> Self {
        match error {
            PublishFailure::Name(_) | PublishFailure::TooLarge { .. } => {
                Self::SetAside(error.into())
            }
            PublishFailure::Unacknowledged { .. } => Self::Later(error.into()),
        }
    }
}

/// What is wrong with the records themselves is wrong the next time too.
macro_rules! set_aside {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Setback {
            fn from(error: $error) -> Self {
                Self::SetAside(error.into())
            }
        }
    )+};
}

set_aside!(
    anyhow::Error,
    domain::ids::MalformedId,
    serde_json::Error,
    std::num::TryFromIntError,
    trust::dsse::EnvelopeError,
    trust::message::MessageError,
    trust::names::NameError,
    trust::statement::StatementError,
);

/// One business process.
pub trait Workflow: Send + Sync + 'static {
    /// Its durable name: position and idempotency keys hang on it.
    const NAME: &'static str;

    /// Issues the commands that an event asks for; returns once command-api has answered every one.
    fn react(&self, because: &Because<'_>) -> impl Future<Output = Result<(), Setback>> + Send;
}

/// The event that a workflow reacts to.
#[derive(Debug, Clone, Copy)]
pub struct Because<'a> {
    /// The workflow.
    pub workflow: &'static str,
    /// Its commit.
    pub recorded: &'a Recorded,
    /// The event.
    pub event: &'a RecordedEvent,
    /// Whose trace goes on: the commit's, unless it began something for somebody else.
    pub traceparent: &'a str,
}

impl<'a> Because<'a> {
    /// An event, in the trace of its commit.
    pub fn of(workflow: &'static str, recorded: &'a Recorded, event: &'a RecordedEvent) -> Self {
        Self { workflow, recorded, event, traceparent: &recorded.traceparent }
    }

    /// The same in another trace.
    pub fn traced(self, traceparent: &'a str) -> Self {
        Self { traceparent, ..self }
    }

    /// Whose event it is.
    pub fn tenant(&self) -> &str {
        &self.recorded.tenant
    }

    /// Of which aggregate.
    pub fn aggregate(&self) -> &str {
        &self.recorded.aggregate_id
    }

    /// The `Idempotency-Key` of a command: `<workflow>/<evt id>/<step>`.
    pub fn key(&self, step: &str) -> String {
        format!("{}/{}/{step}", self.workflow, self.event.id)
    }

    /// The id that the command of this step will have: known before it is sent, the same after a restart.
    pub fn command(&self, principal: PrincipalId, operation: &str, step: &str) -> CommandId {
        command_id(self.tenant(), principal, operation, &self.key(step))
    }
}
