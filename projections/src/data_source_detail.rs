//! A data source, who waits for its schema lock, and what happened last, as one document.

use crate::database::{Database, DatabaseError};
use crate::document::{self, Documented, Versioned, documents, entry, time};
use crate::projection::Projection;
use crate::rows::Rows;
use client::stories::DataSourceDetail;
use cqrs_es::EventEnvelope;
use domain::catalog::{DataSource, DataSourceEvent, Registered};

/// Every change leaves two or three events: the document holds the last ones, the log all of them.
const HISTORY: usize = 100;

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct DataSourceDetails;

/// A data source and its version, the `ETag`.
pub async fn load(
    database: &Database,
    tenant: &str,
    id: &str,
) -> Result<Option<(DataSourceDetail, u64)>, DatabaseError> {
    document::load(database, tenant, id).await
}

impl Projection for DataSourceDetails {
    const NAME: &'static str = "data_source_detail";

    fn rows(self) -> Rows {
        Rows::of::<Versioned<DataSourceDetail>>()
    }
}

impl Documented for DataSourceDetail {
    documents!("data_source_detail");

    type Of = DataSource;

    fn tell(&mut self, event: &EventEnvelope<DataSource>) {
        let source = &mut self.data_source;
        source.id.clone_from(&event.aggregate_id);
        match &event.payload {
            DataSourceEvent::Created(registered) => {
                source.created_at = time(event);
                register(self, registered);
            }
            DataSourceEvent::LockQueued { change } => self.waiting.push(change.to_string()),
            DataSourceEvent::LockGranted { change, fence } => {
                let change = change.to_string();
                self.waiting.retain(|waiting| *waiting != change);
                source.locked_by = Some(change);
                source.fence = *fence;
            }
            DataSourceEvent::LockReleased { change, .. } => {
                let change = change.to_string();
                self.waiting.retain(|waiting| *waiting != change);
                source.locked_by.take_if(|holder| *holder == change);
            }
        }
        self.history.push(entry(event));
        let older = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..older);
    }
}

fn register(document: &mut DataSourceDetail, registered: &Registered) {
    let source = &mut document.data_source;
    source.name.clone_from(&registered.name);
    source.engine.clone_from(&registered.engine);
    source.environment.clone_from(&registered.environment);
    source.agent_id = registered.agent.to_string();
    source.agent.clone_from(&registered.agent_name);
    source.labels.clone_from(&registered.labels);
}
