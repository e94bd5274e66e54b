//! Who was asked to sign a change, who did, and who still may.

use crate::problem::unread;
use crate::state::AppState;
use chassis::HasPrincipals as _;
use chassis::Problem;
use client::reads::ApprovalBody;
use client::stories::{ApprovalDetail, Countersigning, MissingRole, Signer, StageProgress};
use domain::vocabulary::Stage;
use projections::{principals, trust_roots};
use std::collections::BTreeSet;
use trust::dsse::Envelope;
use trust::encoding::Timestamp;
use trust::statement::{Person, Root};

/// Where an approval's signatures stand.
pub async fn told(
    state: &AppState,
    tenant: &str,
    detail: ApprovalDetail,
) -> Result<Countersigning, Problem> {
    let stages = progress(&detail.approval);
    let deadline = detail.approval.deadline.parse::<Timestamp>().ok();
    let is_over = deadline.is_some_and(|deadline| deadline <= state.clock().now());
    let may_sign = if detail.approval.state == "open" && !is_over {
        signers(state, tenant, &detail).await?
    } else {
        Some(Vec::new())
    };
    let ApprovalBody { state, deadline, signed, rejected_by, .. } = detail.approval;
    Ok(Countersigning { state, deadline, stages, signed, rejected_by, may_sign })
}

/// How far each stage is.
pub fn progress(approval: &ApprovalBody) -> Vec<StageProgress> {
    let stages: Vec<Stage> = serde_json::from_value(approval.stages.clone()).unwrap_or_default();
    let signed = approval.signed.len() as u64;
    let told = stages.into_iter().map(|stage| {
        let missing = stage.requirements.into_iter().filter_map(|requirement| {
            let held = approval.signed.iter().filter(|it| it.roles.contains(&requirement.role));
            let more = u64::from(requirement.count).checked_sub(held.count() as u64)?;
            (more > 0).then_some(MissingRole { role: requirement.role, count: more })
        });
        let missing: Vec<MissingRole> = missing.collect();
        let quorum = u64::from(stage.quorum);
        let complete = signed >= quorum && missing.is_empty();
        StageProgress { name: stage.name, quorum, signed, missing, complete }
    });
    told.collect()
}

/// Everybody of the current root, whose keys count, without the author and those who signed; none if the root cannot be
/// read now.
async fn signers(
    state: &AppState,
    tenant: &str,
    detail: &ApprovalDetail,
) -> Result<Option<Vec<Signer>>, Problem> {
    let found = trust_roots::current(&state.database, tenant).await.map_err(unread)?;
    let Some(found) = found else { return Ok(Some(Vec::new())) };
    let Some(bytes) = state.blob_if_at_hand(tenant, &found.envelope_sha256.to_string()).await
    else {
        return Ok(None);
    };
    let envelope = Envelope::parse(&bytes).map_err(|error| Problem::internal(&error))?;
    let root: Root = envelope.read().map_err(|error| Problem::internal(&error))?;
    let signed = detail.approval.signed.iter().map(|signature| signature.person.as_str());
    let done: BTreeSet<&str> = signed.chain([detail.author.as_str()]).collect();
    let people = root.roles.people.iter();
    let open: Vec<&Person> = people.filter(|it| !done.contains(it.person.as_str())).collect();
    let ids: Vec<&str> = open.iter().map(|person| person.person.as_str()).collect();
    let named = principals::names(&state.database, tenant, &ids).await.map_err(unread)?;
    let signers = open.into_iter().map(|person| Signer {
        person: person.person.as_str().to_owned(),
        name: named.get(person.person.as_str()).cloned(),
        roles: roles(person, &detail.approval.environment),
    });
    Ok(Some(signers.collect()))
}

fn roles(person: &Person, environment: &str) -> Vec<String> {
    let granted: BTreeSet<&String> = person.roles.iter().map(|grant| &grant.role).collect();
    granted.into_iter().filter(|role| person.holds(role, environment)).cloned().collect()
}
