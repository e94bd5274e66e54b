//! Trust roots: published here, pinned by each site for itself.

use crate::answer::Answer;
use crate::ask::{Ask, ByInstallation};
use crate::problem::{ROOT_INVALID, ROOT_WALK};
use crate::state::{AppState, base64};
use axum::extract::State;
use chassis::Problem;
use client::ReceiptBody;
use client::commands::PublishTrustRoot;
use domain::identity::{RootPublished, TrustRoot, TrustRootCommand};
use domain::ids::TrustRootId;
use trust::dsse::{Envelope, Parsed};
use trust::pinned::PinnedRoot;
use trust::statement::{Root, RootRef};

/// Publish a version of the tenant's trust root, signed by its own threshold.
#[utoipa::path(post, path = "/v1/trust-roots", tag = "identity", request_body = PublishTrustRoot,
    responses((status = 201, description = "It is made; the receipt of its commit", body = ReceiptBody), Problem))]
#[tracing::instrument(skip_all)]
pub async fn publish_trust_root(
    State(state): State<AppState>,
    ask: Ask<ByInstallation, PublishTrustRoot>,
) -> Result<Answer, Problem> {
    let tenant = ask.tenant()?;
    state.expect_tenant(tenant).await?;
    let bytes = base64("/envelope", &ask.body.envelope)?;
    let reference = opened(&bytes, tenant)?;
    if reference.version != 1 {
        return Err(Problem::of(&ROOT_WALK));
    }
    let envelope = state.blob(tenant, bytes, "application/vnd.countersign.root.v1+json").await?;
    let published =
        RootPublished { version: reference.version, sha256: reference.sha256, envelope };
    let id = TrustRootId::derived("trust_root", &[tenant]).to_string();
    let command = TrustRootCommand::Publish(published);
    let answered = state.execute::<TrustRoot, _, _, _>(&ask, "publish_trust_root", &id, command);
    Ok(Answer::created_unread(&answered.await?))
}

/// The root's own version and digest, if it is valid, of this tenant and signed by its own threshold.
fn opened(bytes: &[u8], tenant: &str) -> Result<RootRef, Problem> {
    let invalid = |why: String| Problem::of(&ROOT_INVALID).detail(why);
    let envelope = Envelope::parse(bytes).map_err(|error| invalid(error.to_string()))?;
    let parsed = Parsed::<Root>::from_envelope(envelope.clone());
    let parsed = parsed.map_err(|error| invalid(error.to_string()))?;
    let reference = RootRef { version: parsed.statement().version, sha256: parsed.sha256() };
    let root = PinnedRoot::open(&envelope, &reference);
    let root = root.map_err(|error| invalid(error.to_string()))?;
    if root.root().tenant.as_str() != tenant {
        return Err(invalid(format!("it is the root of tenant {}", root.root().tenant.as_str())));
    }
    Ok(reference)
}
