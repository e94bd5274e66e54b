//! `change approve` and `change reject`: recompute, show, ask, sign, send. Nothing is signed if any digest differs.

use crate::args::Repeat;
use crate::clock;
use crate::error::CliError;
use crate::exit::Exit;
use crate::keys;
use crate::output::{Document, Output};
use crate::review::{self, Claimed};
use crate::session::{Recorded, Session};
use client::commands::Decide;
use client::reads::ApprovalBody;
use client::stories::ChangeAnswer;
use domain::ids::{ApprovalId, ChangeId};
use serde_json::Value;
use std::path::Path;
use trust::dsse::Envelope;
use trust::encoding::Sha256Digest;
use trust::keys::PrivateKey;
use trust::statement::{Change, Decision, DecisionKind, Statement as _};

/// A change that waits for signatures: its manifest is the approval's and is about this change.
struct Pending {
    approval: ApprovalId,
    bytes: Vec<u8>,
    manifest: Change,
    /// Speaks in the change's trace.
    session: Session,
}

/// Countersigns a change.
pub async fn approve(
    session: &Session,
    output: &Output,
    id: ChangeId,
    key: &Path,
    yes: bool,
    repeat: &Repeat,
) -> Result<Exit, CliError> {
    let key = keys::load(key)?;
    let pending = pending(session, id).await?;
    let file = session.query.bytes(&format!("/v1/changes/{id}/sql")).await?;
    let manifest = pending.manifest.clone();
    let (manifest, file) = checked(manifest, file.to_vec()).await?;
    output.talk(&review::shown(&manifest, &file));
    let sha256 = Sha256Digest::of(&pending.bytes);
    output.talk(&format!("manifest     sha256 {sha256}\nkey          {}", key.id()));
    if !yes {
        match output.ask("Sign this? It means exactly: I approve.")? {
            Some(true) => {}
            Some(false) => return Err(CliError::NotConfirmed),
            None => return Err(CliError::ConfirmationNeeded),
        }
    }
    let signature = approval(&key, pending.bytes)?;
    let decided = Decide::Approve { signature };
    let recorded = send(&pending.session, pending.approval, repeat, &decided).await?;
    told(output, "signed", &recorded)
}

/// Rejects a change. What it would run need not be looked at for that.
pub async fn reject(
    session: &Session,
    output: &Output,
    id: ChangeId,
    key: &Path,
    reason: String,
    repeat: &Repeat,
) -> Result<Exit, CliError> {
    let key = keys::load(key)?;
    let pending = pending(session, id).await?;
    let statement = rejection(&key, &pending.manifest, &pending.bytes, &reason)?;
    let decided = Decide::Reject { statement, reason: Some(reason) };
    let recorded = send(&pending.session, pending.approval, repeat, &decided).await?;
    told(output, "rejected", &recorded)
}

async fn pending(session: &Session, id: ChangeId) -> Result<Pending, CliError> {
    let tenant = session.whoami().await?.tenant;
    let answer: ChangeAnswer = session.query.get(&format!("/v1/changes/{id}")).await?;
    let not_open =
        || CliError::NotOpen { change: id.to_string(), state: answer.change.state.clone() };
    let approval = answer.change.approval.as_deref().ok_or_else(not_open)?;
    let approval: ApprovalId = approval.parse().map_err(anyhow::Error::from)?;
    let body: ApprovalBody = session.query.get(&format!("/v1/approvals/{approval}")).await?;
    let bytes = session.query.bytes(&format!("/v1/changes/{id}/manifest")).await?.to_vec();
    let manifest = review::manifest(&Claimed {
        change: id,
        tenant: &tenant,
        revision: body.revision.into(),
        environment: &body.environment,
        change_sha256: &body.change_sha256,
        manifest: &bytes,
    })?;
    let session = session.in_trace(&answer.change.traceparent);
    Ok(Pending { approval, bytes, manifest, session })
}

/// Parsing SQL takes time: not on the threads that talk.
async fn checked(manifest: Change, file: Vec<u8>) -> Result<(Change, Vec<u8>), CliError> {
    let cut = tokio::task::spawn_blocking(move || {
        review::steps(&manifest, &file).map(|()| (manifest, file))
    });
    Ok(cut.await.map_err(anyhow::Error::from)??)
}

/// The DSSE signature over exactly these manifest bytes.
fn approval(key: &PrivateKey, manifest: Vec<u8>) -> anyhow::Result<Value> {
    let envelope = Envelope::around_payload(Change::PAYLOAD_TYPE, manifest).sign_ed25519(key);
    let signature = envelope.signatures().first();
    Ok(serde_json::to_value(signature)?)
}

/// The signed `decision.v1` envelope.
fn rejection(
    key: &PrivateKey,
    manifest: &Change,
    bytes: &[u8],
    reason: &str,
) -> anyhow::Result<Value> {
    let decision = Decision {
        tenant: manifest.tenant.clone(),
        change_sha256: Sha256Digest::of(bytes),
        decision: DecisionKind::Reject,
        reason_sha256: Sha256Digest::of(reason.as_bytes()),
        issued_at: clock::now(),
    };
    let envelope = Envelope::around(&decision)?.sign_ed25519(key);
    Ok(serde_json::to_value(&envelope)?)
}

async fn send(
    session: &Session,
    approval: ApprovalId,
    repeat: &Repeat,
    decided: &Decide,
) -> Result<Recorded, CliError> {
    session.tell(repeat, &format!("/v1/approvals/{approval}/decisions"), decided).await
}

fn told(output: &Output, what: &str, recorded: &Recorded) -> Result<Exit, CliError> {
    output.talk(&recorded.told(what));
    output.document(&Document::receipt(&recorded.receipt)?)?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use trust::dsse::Signature;

    #[test]
    fn the_signature_is_over_exactly_the_manifest_bytes() {
        let key = PrivateKey::from_seed(&[7; 32]);
        let bytes = b"{\"exactly\":  \"these\"}".to_vec();
        let value = approval(&key, bytes.clone()).unwrap();
        assert_eq!(value["keyid"], json!(key.id()));
        assert_eq!((&value["x5c"], &value["webauthn"]), (&Value::Null, &Value::Null));
        let signature: Signature = serde_json::from_value(value).unwrap();
        let pae = trust::dsse::pae("application/vnd.countersign.change.v1+json", &bytes);
        assert!(key.public().verifies(&pae, &signature.sig));
    }
}
