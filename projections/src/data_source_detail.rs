//! A data source, who waits for its schema lock, and what happened last, as one document.

use crate::database::{Database, DatabaseError};
use crate::document::{self, entry, time};
use crate::projection::{ProjectError, Projection};
use client::stories::DataSourceDetail;
use cqrs_es::{EventEnvelope, View};
use domain::catalog::{DataSource, DataSourceEvent, Registered};
use domain::registry::Event;
use event_log::{Recorded, RecordedEvent};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

const TABLE: &str = "data_source_detail";
/// Every change leaves two or three events: the document holds the last ones, the log all of them.
const HISTORY: usize = 100;

/// The slice.
#[derive(Debug, Clone, Copy)]
pub struct DataSourceDetails;

/// The document: [`DataSourceDetail`] as a view over the data source's events.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DataSourceDocument(pub DataSourceDetail);

/// A data source and its version, the `ETag`.
pub async fn load(
    database: &Database,
    tenant: &str,
    id: &str,
) -> Result<Option<(DataSourceDetail, u64)>, DatabaseError> {
    let loaded =
        document::load::<DataSourceDocument, DataSource>(database, TABLE, tenant, id).await?;
    Ok(loaded.map(|(document, version)| (document.0, version)))
}

impl Projection for DataSourceDetails {
    const NAME: &'static str = "data_source_detail";
    const TABLES: &'static [&'static str] = &[TABLE];

    async fn project(
        &self,
        rows: &mut PgConnection,
        recorded: &Recorded,
        events: &[RecordedEvent],
    ) -> Result<(), ProjectError> {
        let mut sources = Vec::new();
        for event in events {
            match &event.event {
                Event::DataSource(source) => sources.push((event, source)),
                Event::Tenant(_)
                | Event::Principal(_)
                | Event::TrustRoot(_)
                | Event::Change(_)
                | Event::Approval(_)
                | Event::Job(_)
                | Event::Agent(_)
                | Event::Log(_) => {}
            }
        }
        document::take_in::<DataSourceDocument, DataSource>(rows, TABLE, recorded, sources).await
    }
}

impl View<DataSource> for DataSourceDocument {
    fn update(&mut self, event: &EventEnvelope<DataSource>) {
        let document = &mut self.0;
        let source = &mut document.data_source;
        source.id.clone_from(&event.aggregate_id);
        match &event.payload {
            DataSourceEvent::Created(registered) => {
                source.created_at = time(event);
                register(document, registered);
            }
            DataSourceEvent::LockQueued { change } => document.waiting.push(change.to_string()),
            DataSourceEvent::LockGranted { change, fence } => {
                let change = change.to_string();
                document.waiting.retain(|waiting| *waiting != change);
                source.locked_by = Some(change);
                source.fence = *fence;
            }
            DataSourceEvent::LockReleased { change, .. } => {
                let change = change.to_string();
                document.waiting.retain(|waiting| *waiting != change);
                source.locked_by.take_if(|holder| *holder == change);
            }
        }
        document.history.push(entry(event));
        let older = document.history.len().saturating_sub(HISTORY);
        document.history.drain(..older);
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
