//! An aggregate that keeps its events: how `EventStore::load_events` reads them through the same checks as a load.

use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;
use serde::{Deserialize, Serialize};

/// The events of an `A`, in order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Recording<A: Aggregate> {
    pub(crate) events: Vec<A::Event>,
}

impl<A: Aggregate> Default for Recording<A> {
    fn default() -> Self {
        Self { events: Vec::new() }
    }
}

impl<A: Aggregate> Aggregate for Recording<A> {
    const TYPE: &'static str = A::TYPE;
    type Command = ();
    type Event = A::Event;
    type Error = std::convert::Infallible;
    type Services = ();

    async fn handle(
        &mut self,
        (): Self::Command,
        (): &Self::Services,
        _: &EventSink<Self>,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn apply(&mut self, event: Self::Event) {
        self.events.push(event);
    }
}
