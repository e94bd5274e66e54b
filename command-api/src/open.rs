//! Connecting to the log's account, and opening a log once.

use crate::config::ApiConfig;
use anyhow::Context as _;
use chassis::{Identity, Process, TraceContext};
use domain::ids::{CommandId, service_principal};
use domain::issued::{Actor, ActorKind, Auth};
use event_log::{AppendError, Opening, Request, SYSTEM_TENANT};
use ledger::{CheckpointNote, Origin, RequestDigest};
use nats::{Connection, subjects};
use std::path::Path;

const SERVICE: &str = "command-api";

/// Connects to NATS as command-api.
pub async fn connect(process: &Process<ApiConfig>) -> anyhow::Result<Connection> {
    connection(&process.config, &process.identity).await
}

async fn connection(config: &ApiConfig, identity: &Identity) -> anyhow::Result<Connection> {
    let server = spiffe::SpiffeId::new(&config.nats_id).context("nats_id is not a SPIFFE ID")?;
    let inbox = subjects::service_inbox(SERVICE)?;
    let connection =
        Connection::connect(&config.nats_url, identity.source(), &server, &inbox, SERVICE).await?;
    Ok(connection)
}

/// `command-api open-log`: writes the first commit. A log that is open already is left as it is. `predecessor` is the
/// file of the last checkpoint of a log that cannot go on, after which this one goes on.
pub async fn open_log(config: &Path, predecessor: Option<&Path>) -> anyhow::Result<()> {
    let process = Process::<ApiConfig>::start("command-api-open-log", config).await?;
    let predecessor = match predecessor {
        Some(path) => Some(last_checkpoint(path, &process.config.log.origin)?),
        None => None,
    };
    let connection = connection(&process.config, &process.identity).await?;
    let writer = process.config.writer_key()?;
    let mut nonce = [0_u8; 32];
    getrandom::fill(&mut nonce).context("no randomness")?;
    let nonce = hex::encode(nonce);
    let mut asked = nonce.clone().into_bytes();
    asked.extend(predecessor.iter().flat_map(|note| note.to_string().into_bytes()));
    let actor = Actor {
        kind: ActorKind::Service,
        id: service_principal(process.identity.spiffe_id().as_str()),
        auth: Auth::Spiffe,
    };
    let origin = process.config.log.origin.to_string();
    let command =
        CommandId::derived("command", &[SYSTEM_TENANT, &actor.id.to_string(), "open_log", &origin]);
    let request = Request {
        command,
        kind: "open_log".to_owned(),
        digest: RequestDigest::of(&asked),
        actor,
        at: process.clock.now(),
        correlation_id: command.to_string(),
        causation_id: None,
        traceparent: TraceContext::random().to_string(),
        expected_version: None,
    };
    let identity = process.config.log.clone().into();
    let opening = Opening { nonce, predecessor };
    match event_log::open_log(&connection, identity, &writer, opening, &request).await {
        Ok(receipt) => {
            tracing::info!(log.origin = origin, log.hash = %receipt.hash, "the log is open");
            Ok(())
        }
        Err(AppendError::Conflict) => {
            anyhow::bail!("the stream of log {origin} is not empty: it was opened already")
        }
        Err(error) => Err(error.into()),
    }
}

/// A checkpoint of another log. Whose signature it carries is checked by whoever verifies this log, under a policy.
fn last_checkpoint(path: &Path, origin: &Origin) -> anyhow::Result<CheckpointNote> {
    let shown = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("{shown} cannot be read"))?;
    let note = CheckpointNote::parse(&bytes);
    let note = note.with_context(|| format!("{shown} is not the checkpoint of a log"))?;
    let before = &note.claim().origin;
    anyhow::ensure!(before != origin, "{origin} cannot follow itself: a new log has a new origin");
    Ok(note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{Checkpoint, CommitHash, Tree};
    use trust::keys::PrivateKey;

    #[test]
    fn a_log_follows_another_one_and_never_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let mut tree = Tree::empty();
        tree.push(1, &CommitHash::of(b"a")).unwrap();
        let (old, new): (Origin, Origin) = ("old.log".parse().unwrap(), "new.log".parse().unwrap());
        let key = PrivateKey::from_seed(&[1; 32]);
        let note = Checkpoint::new(old.clone(), &tree.head()).seal(&key, 1).unwrap();
        std::fs::write(&path, note.to_string()).unwrap();
        assert_eq!(last_checkpoint(&path, &new).unwrap(), note);
        assert!(last_checkpoint(&path, &old).is_err());
        std::fs::write(&path, "no checkpoint").unwrap();
        assert!(last_checkpoint(&path, &new).is_err());
        assert!(last_checkpoint(&folder.path().join("missing"), &new).is_err());
    }
}
