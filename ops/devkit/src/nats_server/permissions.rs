//! What each identity may publish and subscribe to: allow-lists, nothing else is granted.
//!
//! Permissions alone do not isolate: a client chooses the reply subject of its requests, and the
//! server publishes there. The account layout of [`super::configuration`] is what stops that
//! (notes/identity.md section 1.3).

use nats::NameError;
use nats::subjects;
use serde_json::{Value, json};

use crate::identities;

/// One statically mapped user.
pub(super) struct User {
    spiffe_id: String,
    publish: Vec<String>,
    inbox: String,
}

impl User {
    fn service(name: &str, publish: Vec<String>) -> Result<Self, NameError> {
        let spiffe_id = identities::service(name)?;
        Ok(Self { spiffe_id, publish, inbox: subjects::service_inbox(name)? })
    }

    /// The user as the server's configuration wants it.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "user": self.spiffe_id,
            "allowed_connection_types": ["STANDARD"],
            "permissions": {
                "publish": { "allow": self.publish },
                "subscribe": { "allow": [format!("{}.>", self.inbox)] },
            },
        })
    }
}

/// Users of the LOG account.
pub(super) fn log_users(shard: &str) -> Result<Vec<User>, NameError> {
    let streams = log_streams(shard)?;
    let mut appender = vec![subjects::log_all(shard)?, subjects::blob_all(shard)?];
    appender.extend(streams.iter().flat_map(|stream| reads(stream)));
    let mut sealer = vec![subjects::checkpoints(shard)?];
    sealer.extend(streams.iter().flat_map(|stream| reads(stream)));
    sealer.extend(streams.iter().flat_map(|stream| follows(stream)));
    let mut restorer = operates();
    restorer.extend([
        subjects::log_all(shard)?,
        subjects::blob_all(shard)?,
        subjects::checkpoints(shard)?,
    ]);
    Ok(vec![
        User::service(identities::COMMAND_API, appender)?,
        User::service(identities::LOG_RESTORER, restorer)?,
        User::service(identities::SEALER, sealer)?,
        User::service(identities::LOG_OPERATOR, operates())?,
    ])
}

/// Users of the CTL account.
pub(super) fn control_users(shard: &str) -> Result<Vec<User>, NameError> {
    let streams = log_streams(shard)?;
    let reader: Vec<String> = streams
        .iter()
        .flat_map(|stream| reads(stream).into_iter().chain(follows(stream)))
        .collect();
    let mut workflows = reader.clone();
    workflows.push(subjects::ALL_JOBS.to_owned());
    workflows.extend(pulls(subjects::STREAM_RESULTS, subjects::DURABLE_RESULTS));
    workflows.extend(positions(identities::WORKFLOWS)?);
    let mut projections = reader.clone();
    projections.extend(positions(identities::PROJECTIONS)?);
    let mut scenario = reader.clone();
    scenario.push(subjects::ALL_JOBS.to_owned());
    for stream in [subjects::STREAM_JOBS, subjects::STREAM_RESULTS] {
        scenario.extend(reads(stream));
    }
    scenario.extend(follows(subjects::STREAM_RESULTS));
    Ok(vec![
        User::service(identities::WORKFLOWS, workflows)?,
        User::service(identities::PROJECTIONS, projections)?,
        User::service(identities::QUERY_API, reader)?,
        User::service(identities::SCENARIO, scenario)?,
        User::service(identities::CONTROL_OPERATOR, operates())?,
    ])
}

/// The operator of the AGENTS account.
pub(super) fn agents_operator() -> Result<User, NameError> {
    User::service(identities::AGENTS_OPERATOR, operates())
}

/// An agent: its own durable, its own results, its own inbox.
pub(super) fn agent(tenant: &str, name: &str) -> Result<User, NameError> {
    let durable = subjects::agent_durable(tenant, name)?;
    let mut publish = pulls(subjects::STREAM_JOBS, &durable);
    publish.push(subjects::results_of(tenant, name)?);
    let inbox = subjects::agent_inbox(tenant, name)?;
    Ok(User { spiffe_id: identities::agent(tenant, name)?, publish, inbox })
}

fn log_streams(shard: &str) -> Result<[String; 3], NameError> {
    Ok([
        subjects::log_stream(shard)?,
        subjects::blobs_stream(shard)?,
        subjects::checkpoints_stream(shard)?,
    ])
}

/// Reading messages and the state of a stream without a consumer.
fn reads(stream: &str) -> Vec<String> {
    vec![
        format!("$JS.API.STREAM.INFO.{stream}"),
        format!("$JS.API.STREAM.MSG.GET.{stream}"),
        format!("$JS.API.DIRECT.GET.{stream}"),
        format!("$JS.API.DIRECT.GET.{stream}.>"),
    ]
}

/// An ordered consumer, named or not, which the client makes, remakes after a gap and deletes.
fn follows(stream: &str) -> Vec<String> {
    vec![
        format!("$JS.API.CONSUMER.CREATE.{stream}"),
        format!("$JS.API.CONSUMER.CREATE.{stream}.>"),
        format!("$JS.API.CONSUMER.INFO.{stream}.*"),
        format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.*"),
        format!("$JS.API.CONSUMER.DELETE.{stream}.*"),
    ]
}

/// Pulling from one durable that an operator made; the second form of acknowledgement is that of
/// servers with `js_ack_fc_v2`.
fn pulls(stream: &str, durable: &str) -> Vec<String> {
    vec![
        format!("$JS.API.CONSUMER.INFO.{stream}.{durable}"),
        format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"),
        format!("$JS.ACK.{stream}.{durable}.>"),
        format!("$JS.ACK.*.*.{stream}.{durable}.>"),
    ]
}

/// The positions under the service's own name. (A read by `STREAM.MSG.GET` names its subject in the
/// body, so every owner of positions can read all of them; none can write another's.)
fn positions(service: &str) -> Result<Vec<String>, NameError> {
    let any = subjects::position(service, "any")?;
    let own = any.strip_suffix("any").unwrap_or(&any);
    let mut allowed = vec![format!("{own}>")];
    allowed.push(format!("$JS.API.STREAM.MSG.GET.{}", subjects::STREAM_POSITIONS));
    Ok(allowed)
}

/// Streams, mirrors, buckets and durables of the operator's own account. Not the subjects
/// themselves: an operator cannot append.
fn operates() -> Vec<String> {
    vec!["$JS.API.>".to_owned()]
}
