//! Configuration of every stream, mirror and durable, and the idempotent provisioning of each
//! account by its operator identity.
//!
//! Provisioning creates what is missing. What exists with another configuration is an error that
//! names the field: a stream of the record is never changed silently.

use std::time::Duration;

use async_nats::jetstream::consumer::{self, AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::context::CreateStreamErrorKind;
use async_nats::jetstream::stream::{
    Compression, Config, ConsumerCreateStrictErrorKind, DiscardPolicy, External, RetentionPolicy,
    Source, StorageType,
};

use crate::Connection;
use crate::stream_check::first_difference;
use crate::subjects::{self, NameError};

/// Consumers that one stream of the log or its mirror may have (the server caps at 1000 unless
/// told).
pub const FOLLOWERS: i32 = 10_000;
/// Durables that the mirror of the jobs may have: one per agent.
pub const AGENTS: i32 = 200_000;
/// Unacknowledged jobs that an agent may hold.
pub const AGENT_MAX_ACK_PENDING: i64 = 16;
/// How long a delivered job or result may stay unacknowledged before it is delivered again.
pub const ACK_WAIT: Duration = Duration::from_secs(12);
/// How long a job is kept: longer than any `not_after`, since production roots expire in 30 days.
pub const JOBS_KEPT: Duration = Duration::from_hours(45 * 24);
/// How long a result is kept for the workflows to take in.
pub const RESULTS_KEPT: Duration = Duration::from_hours(90 * 24);

const DUPLICATE_WINDOW: Duration = Duration::from_mins(2);
const RESULTS_MAX_ACK_PENDING: i64 = 256;

/// Why an account could not be provisioned.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// A shard, tenant or agent name that must not reach a subject.
    #[error("cannot name what is to be made")]
    Name(#[from] NameError),
    /// A stream or durable exists with another configuration; it was left as it is.
    #[error("{name} exists with {field} = {existing}, but {wanted} is wanted")]
    Differs {
        /// Stream or durable.
        name: String,
        /// The first differing field.
        field: String,
        /// Its value on the server, as JSON.
        existing: String,
        /// The value that we asked for, as JSON.
        wanted: String,
    },
    /// The server refused or did not answer.
    #[error("cannot make {name}")]
    Make {
        /// Stream or durable.
        name: String,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Makes the log, its blobs and its checkpoints. `operator` is the LOG account's operator.
pub async fn provision_log(
    operator: &Connection,
    shard: &str,
    replicas: usize,
) -> Result<(), ProvisionError> {
    for config in origin_streams(shard, replicas)? {
        ensure(operator, config).await?;
    }
    Ok(())
}

/// Makes the mirrors of one shard, the jobs, the results with the workflows' durable, and the
/// positions. `operator` is the CTL account's operator; the LOG account was provisioned before.
pub async fn provision_control(
    operator: &Connection,
    shard: &str,
    replicas: usize,
) -> Result<(), ProvisionError> {
    for config in control_streams(shard, replicas)? {
        ensure(operator, config).await?;
    }
    let durable = pull::Config {
        durable_name: Some(subjects::DURABLE_RESULTS.to_owned()),
        filter_subject: subjects::ALL_RESULTS.to_owned(),
        max_ack_pending: RESULTS_MAX_ACK_PENDING,
        ..durable_defaults()
    };
    ensure_durable(operator, subjects::STREAM_RESULTS, durable).await
}

/// Makes the mirror of the jobs. `operator` is the AGENTS account's operator; the CTL account was
/// provisioned before.
pub async fn provision_agents(
    operator: &Connection,
    replicas: usize,
) -> Result<(), ProvisionError> {
    ensure(operator, agents_stream(replicas)).await
}

/// Makes the durable by which one agent pulls its jobs. `operator` is the AGENTS account's
/// operator.
pub async fn agent_durable(
    operator: &Connection,
    tenant: &str,
    agent: &str,
) -> Result<(), ProvisionError> {
    let durable = pull::Config {
        durable_name: Some(subjects::agent_durable(tenant, agent)?),
        filter_subject: subjects::jobs_of(tenant, agent)?,
        max_ack_pending: AGENT_MAX_ACK_PENDING,
        ..durable_defaults()
    };
    ensure_durable(operator, subjects::STREAM_JOBS, durable).await
}

impl ProvisionError {
    /// Something stands there already, made otherwise.
    pub fn is_difference(&self) -> bool {
        matches!(self, Self::Differs { .. })
    }
}

/// The three streams of the LOG account for one shard, with the checkpoints last.
pub(crate) fn origin_streams(shard: &str, replicas: usize) -> Result<[Config; 3], NameError> {
    let make = |name, subject| Config {
        name,
        subjects: vec![subject],
        discard: DiscardPolicy::New,
        deny_delete: true,
        deny_purge: true,
        ..file_stream(replicas)
    };
    Ok([
        make(subjects::log_stream(shard)?, subjects::log_all(shard)?),
        make(subjects::blobs_stream(shard)?, subjects::blob_all(shard)?),
        make(subjects::checkpoints_stream(shard)?, subjects::checkpoints(shard)?),
    ])
}

/// The streams of the CTL account: the mirrors of one shard, then its own.
pub(crate) fn control_streams(shard: &str, replicas: usize) -> Result<Vec<Config>, NameError> {
    let mirrors = origin_streams(shard, replicas)?.map(|origin| {
        let from = External {
            api_prefix: subjects::LOG_API_PREFIX.to_owned(),
            delivery_prefix: Some(subjects::LOG_DELIVERY_PREFIX.to_owned()),
        };
        mirror(origin, from)
    });
    let own = [jobs_stream(replicas), results_stream(replicas), positions_stream(replicas)];
    Ok(mirrors.into_iter().chain(own).collect())
}

/// The only stream of the AGENTS account: the mirror of the jobs.
pub(crate) fn agents_stream(replicas: usize) -> Config {
    let from = External {
        api_prefix: subjects::CONTROL_API_PREFIX.to_owned(),
        delivery_prefix: Some(subjects::CONTROL_DELIVERY_PREFIX.to_owned()),
    };
    Config { max_consumers: AGENTS, ..mirror(jobs_stream(replicas), from) }
}

fn jobs_stream(replicas: usize) -> Config {
    Config {
        name: subjects::STREAM_JOBS.to_owned(),
        subjects: vec![subjects::ALL_JOBS.to_owned()],
        max_age: JOBS_KEPT,
        deny_delete: true,
        deny_purge: true,
        ..file_stream(replicas)
    }
}

fn results_stream(replicas: usize) -> Config {
    Config {
        name: subjects::STREAM_RESULTS.to_owned(),
        subjects: vec![subjects::ALL_RESULTS.to_owned()],
        max_age: RESULTS_KEPT,
        deny_delete: true,
        deny_purge: true,
        ..file_stream(replicas)
    }
}

/// A key-value bucket with a history of one, as every NATS client makes it.
fn positions_stream(replicas: usize) -> Config {
    Config {
        name: subjects::STREAM_POSITIONS.to_owned(),
        subjects: vec![format!("$KV.{}.>", subjects::BUCKET_POSITIONS)],
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        ..file_stream(replicas)
    }
}

/// A mirror under the same name: it keeps sequences and times and listens on no subject.
fn mirror(origin: Config, from: External) -> Config {
    Config {
        mirror: Some(Source {
            name: origin.name.clone(),
            external: Some(from),
            ..Source::default()
        }),
        subjects: Vec::new(),
        duplicate_window: Duration::ZERO,
        ..origin
    }
}

/// Every value that the server would fill in is given, so that a later change is seen.
fn file_stream(replicas: usize) -> Config {
    Config {
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::Old,
        max_bytes: -1,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_message_size: -1,
        max_consumers: FOLLOWERS,
        num_replicas: replicas,
        duplicate_window: DUPLICATE_WINDOW,
        allow_direct: true,
        compression: Some(Compression::None),
        ..Config::default()
    }
}

fn durable_defaults() -> pull::Config {
    pull::Config {
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        ..pull::Config::default()
    }
}

/// The server itself compares: creating a stream that exists just so succeeds.
pub(crate) async fn ensure(operator: &Connection, wanted: Config) -> Result<(), ProvisionError> {
    let jetstream = operator.jetstream();
    let name = wanted.name.clone();
    let make = |source| ProvisionError::Make { name: name.clone(), source };
    let Err(error) = jetstream.create_stream(wanted.clone()).await else { return Ok(()) };
    let exists = matches!(error.kind(), CreateStreamErrorKind::JetStream(refusal)
        if refusal.error_code() == async_nats::jetstream::ErrorCode::STREAM_NAME_EXIST);
    if !exists {
        return Err(make(error.into()));
    }
    let stream = jetstream.get_stream(&name).await.map_err(|error| make(error.into()))?;
    Err(match first_difference(&stream.cached_info().config, &wanted) {
        Some((field, existing, wanted)) => {
            ProvisionError::Differs { name: name.clone(), field, existing, wanted }
        }
        None => make(error.into()),
    })
}

async fn ensure_durable(
    operator: &Connection,
    stream: &str,
    wanted: pull::Config,
) -> Result<(), ProvisionError> {
    let durable = wanted.durable_name.clone().unwrap_or_default();
    let name = format!("{stream}/{durable}");
    let make = |source| ProvisionError::Make { name: name.clone(), source };
    let stream = operator
        .jetstream()
        .get_stream_no_info(stream)
        .await
        .map_err(|error| make(error.into()))?;
    let error = match stream.create_consumer_strict(wanted.clone()).await {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == ConsumerCreateStrictErrorKind::AlreadyExists => error,
        Err(error) => return Err(make(error.into())),
    };
    let info = stream.consumer_info(&durable).await.map_err(|error| make(error.into()))?;
    let wanted = consumer::IntoConsumerConfig::into_consumer_config(wanted);
    Err(match first_difference(&info.config, &wanted) {
        Some((field, existing, wanted)) => {
            ProvisionError::Differs { name: name.clone(), field, existing, wanted }
        }
        None => make(error.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_kept_for_ever_and_cannot_be_deleted_message_by_message() {
        for config in origin_streams("main", 3).unwrap() {
            assert_eq!(
                (config.max_age, config.max_bytes, config.max_messages),
                (Duration::ZERO, -1, -1)
            );
            assert_eq!(config.discard, DiscardPolicy::New);
            assert!(config.deny_delete && config.deny_purge && !config.allow_rollup);
            assert_eq!(config.num_replicas, 3);
        }
    }

    #[test]
    fn a_mirror_carries_its_origins_name_and_listens_on_no_subject() {
        let from = External { api_prefix: "a".into(), delivery_prefix: Some("b".into()) };
        let config = mirror(jobs_stream(1), from);
        assert_eq!(config.name, "CS_JOBS");
        assert!(config.subjects.is_empty());
        assert_eq!(config.mirror.unwrap().name, "CS_JOBS");
    }
}
