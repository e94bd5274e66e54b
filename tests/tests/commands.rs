//! Commands over HTTP: idempotency, duplicates, and whose signature counts.

use scenario::change::{approve, submit, wait_for};
use scenario::http::Raw;
use scenario::running::platform;
use scenario::scratch::Scratch;
use serde_json::json;
use trust::dsse::Envelope;
use trust::encoding::{Sha256Digest, to_base64};
use trust::keys::PrivateKey;
use trust::statement::{Change as Manifest, Decision, DecisionKind, Statement as _};

#[tokio::test]
async fn a_duplicate_data_source_is_a_conflict() -> anyhow::Result<()> {
    let platform = platform("commands").await?;
    let body =
        json!({"name": "shop", "engine": "postgresql", "environment": "dev", "agent": "edge"});
    let answer = Raw::new(platform, "ada").post("/v1/data-sources", body.to_string()).await?;
    assert_eq!((answer.status, answer.code()), (409, "catalog.data_source_exists"));
    Ok(())
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer_and_another_body_is_refused() -> anyhow::Result<()> {
    let platform = platform("commands").await?;
    let ada = Raw::new(platform, "ada");
    let body = json!({"data_source": "shop", "title": "again", "sql": to_base64(b"SELECT 1;")});
    let first = ada.post("/v1/changes", body.to_string()).await?;
    let again = ada.post("/v1/changes", body.to_string()).await?;
    assert_eq!((first.status, again.status), (201, 201), "{} {}", first.body, again.body);
    assert_eq!(first.body, again.body);
    assert!(!first.replayed && again.replayed);
    let other = json!({"data_source": "shop", "title": "else", "sql": to_base64(b"SELECT 1;")});
    let refused = ada.post("/v1/changes", other.to_string()).await?;
    assert_eq!((refused.status, refused.code()), (422, "http.idempotency_key_reused"));
    Ok(())
}

#[tokio::test]
async fn concurrent_requests_with_one_key_make_one_commit() -> anyhow::Result<()> {
    let platform = platform("commands").await?;
    let ada = Raw::new(platform, "ada");
    let body =
        json!({"data_source": "shop", "title": "race", "sql": to_base64(b"SELECT 1;")}).to_string();
    let (a, b, c) = tokio::try_join!(
        ada.post("/v1/changes", body.clone()),
        ada.post("/v1/changes", body.clone()),
        ada.post("/v1/changes", body.clone()),
    )?;
    let made: Vec<_> = [&a, &b, &c].into_iter().filter(|answer| answer.status == 201).collect();
    assert!(!made.is_empty());
    for answer in [&a, &b, &c] {
        let in_flight = (answer.status, answer.code()) == (409, "http.in_flight");
        assert!(in_flight || answer.body == made[0].body, "{}", answer.body);
    }
    Ok(())
}

#[tokio::test]
async fn nobody_signs_twice_for_others_or_with_a_key_outside_the_root() -> anyhow::Result<()> {
    let platform = platform("commands").await?;
    let scratch = Scratch::new()?;
    let file = scratch.file("a.sql", "CREATE TABLE public.never (id bigint);\n")?;
    let id = submit(platform, "never applied", &file).await?;
    let pending = wait_for(platform, &id, "pending_approval").await?;
    let approval = pending.change.approval.unwrap_or_default();
    let client = scenario::change::reader(platform)?;
    let manifest = client.bytes(&format!("/v1/changes/{id}/manifest")).await?;
    let signed = |key: &PrivateKey| -> anyhow::Result<String> {
        let envelope = Envelope::around_payload(Manifest::PAYLOAD_TYPE, manifest.to_vec());
        let envelope = serde_json::to_value(envelope.sign_ed25519(key))?;
        let signature = &envelope["signatures"][0];
        Ok(json!({"decision": "approve", "signature": signature}).to_string())
    };
    let path = format!("/v1/approvals/{approval}/decisions");
    let (ada, bob) = (Raw::new(platform, "ada"), Raw::new(platform, "bob"));
    let stranger = PrivateKey::from_seed(&[9; 32]);
    let refused = bob.post(&path, signed(&stranger)?).await?;
    assert_eq!((refused.status, refused.code()), (403, "approvals.key_not_in_root"));
    let refused = bob.post(&path, signed(&platform.key("cyd")?)?).await?;
    assert_eq!((refused.status, refused.code()), (403, "approvals.not_your_key"));
    let refused = ada.post(&path, signed(&platform.key("ada")?)?).await?;
    assert_eq!((refused.status, refused.code()), (403, "approvals.author_cannot_approve"));
    let body: serde_json::Value = client.get(&format!("/v1/approvals/{approval}")).await?;
    assert_eq!(body["signed"], json!([]), "a refused signature was recorded");
    approve(platform, "bob", &id).await?;
    let again = Raw::new(platform, "bob").post(&path, signed(&platform.key("bob")?)?).await?;
    assert_eq!((again.status, again.code()), (409, "approvals.already_signed"));
    Ok(())
}

#[tokio::test]
async fn a_rejection_counts_only_by_ones_own_key_and_also_after_signing() -> anyhow::Result<()> {
    let platform = platform("commands").await?;
    let scratch = Scratch::new()?;
    let file = scratch.file("r.sql", "CREATE TABLE public.rejected (id bigint);\n")?;
    let id = submit(platform, "to be rejected", &file).await?;
    let pending = wait_for(platform, &id, "pending_approval").await?;
    let approval = pending.change.approval.unwrap_or_default();
    let manifest =
        scenario::change::reader(platform)?.bytes(&format!("/v1/changes/{id}/manifest")).await?;
    let said = Manifest::parse(&manifest)?;
    let signed = |key: &PrivateKey| -> anyhow::Result<String> {
        let decision = Decision {
            tenant: said.tenant.clone(),
            change_sha256: Sha256Digest::of(&manifest),
            decision: DecisionKind::Reject,
            reason_sha256: Sha256Digest::of(b""),
            issued_at: said.issued_at,
        };
        let statement = Envelope::around(&decision)?.sign_ed25519(key);
        Ok(json!({"decision": "reject", "statement": statement}).to_string())
    };
    let path = format!("/v1/approvals/{approval}/decisions");
    let bob = Raw::new(platform, "bob");
    let refused = bob.post(&path, signed(&PrivateKey::from_seed(&[9; 32]))?).await?;
    assert_eq!((refused.status, refused.code()), (403, "approvals.key_not_in_root"));
    let refused = Raw::new(platform, "bob").post(&path, signed(&platform.key("cyd")?)?).await?;
    assert_eq!((refused.status, refused.code()), (403, "approvals.not_your_key"));
    approve(platform, "bob", &id).await?;
    let rejected = Raw::new(platform, "bob").post(&path, signed(&platform.key("bob")?)?).await?;
    assert_eq!(rejected.status, 202, "{}", rejected.body);
    wait_for(platform, &id, "rejected").await?;
    Ok(())
}

#[tokio::test]
async fn one_key_on_two_changes_makes_two_commits_whose_events_have_their_own_ids()
-> anyhow::Result<()> {
    let platform = platform("commands").await?;
    let ada = Raw::new(platform, "ada");
    let draft = async |title: &str| -> anyhow::Result<String> {
        let body = json!({"data_source": "shop", "title": title, "sql": to_base64(b"SELECT 1;")});
        let drafted = Raw::new(platform, "ada").post("/v1/changes", body.to_string()).await?;
        Ok(drafted.body["aggregate"]["id"].as_str().unwrap_or_default().to_owned())
    };
    let (first, second) = (draft("first").await?, draft("second").await?);
    for change in [&first, &second] {
        let answer = ada.post(&format!("/v1/changes/{change}/submit"), "{}").await?;
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
    for change in [&first, &second] {
        wait_for(platform, change, "pending_approval").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_command_that_names_a_version_is_refused_once_the_thing_has_changed() -> anyhow::Result<()>
{
    let platform = platform("commands").await?;
    let ada = Raw::new(platform, "ada");
    let body = json!({"data_source": "shop", "title": "stale", "sql": to_base64(b"SELECT 1;")});
    let drafted = ada.post("/v1/changes", body.to_string()).await?;
    let id = drafted.body["aggregate"]["id"].as_str().unwrap_or_default().to_owned();
    let cancel = format!("/v1/changes/{id}/cancel");
    let stale = Raw::new(platform, "ada").if_match("\"99\"").post(&cancel, "{}").await?;
    assert_eq!((stale.status, stale.code()), (412, "http.stale"));
    let odd = Raw::new(platform, "ada").if_match("W/\"1\"").post(&cancel, "{}").await?;
    assert_eq!((odd.status, odd.code()), (400, "http.if_match_malformed"));
    let seen = Raw::new(platform, "ada").if_match("\"1\"").post(&cancel, "{}").await?;
    assert_eq!(seen.status, 202, "{}", seen.body);
    Ok(())
}
