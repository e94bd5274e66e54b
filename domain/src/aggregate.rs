//! How an aggregate plugs into cqrs-es: the same few lines for every one of them.

/// Implements `cqrs_es::Aggregate` for `$state` over its `decide` and `evolve`, and `DomainEvent` for its events.
///
/// Services are `()`, so that no input or output can reach a decision.
macro_rules! aggregate {
    ($state:ty, $type:literal, $command:ty, $event:ty, $error:ty) => {
        impl cqrs_es::Aggregate for $state {
            const TYPE: &'static str = $type;
            type Command = $crate::Issued<$command>;
            type Event = $event;
            type Error = $error;
            type Services = ();

            async fn handle(
                &mut self,
                command: Self::Command,
                (): &(),
                sink: &cqrs_es::event_sink::EventSink<Self>,
            ) -> Result<(), Self::Error> {
                for event in self.decide(command)? {
                    sink.write(event, self).await;
                }
                Ok(())
            }

            fn apply(&mut self, event: Self::Event) {
                self.evolve(event);
            }
        }

        impl cqrs_es::DomainEvent for $event {
            fn event_type(&self) -> String {
                $crate::registry::event_type(self)
            }

            fn event_version(&self) -> String {
                "1".to_owned()
            }
        }
    };
}
pub(crate) use aggregate;
