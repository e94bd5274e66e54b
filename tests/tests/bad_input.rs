//! Bad input over HTTP: each is a specific error with its code, and nothing is appended.

use scenario::change::{approve, submit, wait_for};
use scenario::http::{Raw, log_length};
use scenario::running::platform;
use scenario::scratch::Scratch;
use serde_json::json;
use trust::dsse::Envelope;
use trust::encoding::to_base64;
use trust::keys::PrivateKey;
use trust::statement::{Change as Manifest, Statement as _};

fn change(sql: &str) -> serde_json::Value {
    json!({"data_source": "shop", "title": "t", "sql": to_base64(sql.as_bytes()), "submit": true})
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named_and_nothing_is_appended() -> anyhow::Result<()> {
    let platform = platform("bad-input").await?;
    let before = log_length(platform).await?;
    let ada = Raw::new(platform, "ada");
    let unknown_source = json!({"data_source": "nowhere", "title": "t", "sql": "AA=="});
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let path = "/v1/changes";
    let cases = [
        (400, "http.malformed_json", ada.post(path, "{").await?),
        (400, "http.malformed_json", ada.post(path, r#"{"title":"a","title":"b"}"#).await?),
        (400, "http.malformed_json", ada.post(path, deep).await?),
        (422, "http.invalid_body", ada.post(path, r#"{"surprise":1}"#).await?),
        (
            415,
            "http.unsupported_media_type",
            ada.clone().content_type("text/plain").post(path, "{}").await?,
        ),
        (413, "http.body_too_large", ada.post(path, "x".repeat(7 << 20)).await?),
        (
            413,
            "changes.sql_too_large",
            ada.post(path, change(&" ".repeat((4 << 20) + 1)).to_string()).await?,
        ),
        (422, "changes.sql_syntax", ada.post(path, change("CREATE TABLE (").to_string()).await?),
        (422, "changes.sql_empty", ada.post(path, change("-- nothing\n").to_string()).await?),
        (
            422,
            "changes.sql_transaction_control",
            ada.post(path, change("COMMIT;").to_string()).await?,
        ),
        (
            422,
            "changes.sql_not_transactional",
            ada.post(path, change("VACUUM;").to_string()).await?,
        ),
        (
            422,
            "changes.sql_touches_journal",
            ada.post(path, change("DROP SCHEMA countersign;").to_string()).await?,
        ),
        (404, "catalog.data_source_not_found", ada.post(path, unknown_source.to_string()).await?),
        (
            422,
            "http.text_length",
            ada.post(path, json!({"data_source": "shop", "title": " ", "sql": "AA=="}).to_string())
                .await?,
        ),
        (
            422,
            "http.malformed_base64",
            ada.post(path, json!({"data_source": "shop", "title": "t", "sql": "AA"}).to_string())
                .await?,
        ),
        (400, "http.malformed_id", ada.post("/v1/changes/chg_x/submit", "{}").await?),
        (
            400,
            "http.malformed_id",
            ada.post("/v1/changes/job_351b5bhc2sgz3tz31hgkwr5qz4/submit", "{}").await?,
        ),
        (
            404,
            "changes.not_found",
            ada.post("/v1/changes/chg_351b5bhc2sgz3tz31hgkwr5qz4/submit", "{}").await?,
        ),
        (400, "http.idempotency_key_missing", ada.clone().key(None).post(path, "{}").await?),
        (401, "auth.missing", ada.clone().anonymous().post(path, "{}").await?),
        (403, "auth.wrong_tenant", ada.clone().tenant("other").post(path, "{}").await?),
        (403, "auth.forbidden", Raw::new(platform, "bob").post(path, "{}").await?),
        (403, "auth.forbidden", ada.post("/v1/tenants", "{}").await?),
        (403, "auth.forbidden", ada.post("/v1/jobs", "{}").await?),
        (404, "http.not_found", ada.post("/v1/nothing", "{}").await?),
    ];
    for (status, code, answer) in &cases {
        assert_eq!((answer.status, answer.code()), (*status, *code), "{}", answer.body);
    }
    assert_eq!(log_length(platform).await?, before, "something was appended");
    Ok(())
}

#[tokio::test]
async fn a_duplicate_data_source_is_a_conflict() -> anyhow::Result<()> {
    let platform = platform("bad-input").await?;
    let body =
        json!({"name": "shop", "engine": "postgresql", "environment": "dev", "agent": "edge"});
    let answer = Raw::new(platform, "ada").post("/v1/data-sources", body.to_string()).await?;
    assert_eq!((answer.status, answer.code()), (409, "catalog.data_source_exists"));
    Ok(())
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer_and_another_body_is_refused() -> anyhow::Result<()> {
    let platform = platform("bad-input").await?;
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
    let platform = platform("bad-input").await?;
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
    let platform = platform("bad-input").await?;
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
    let before = log_length(platform).await?;
    let (ada, bob) = (Raw::new(platform, "ada"), Raw::new(platform, "bob"));
    let stranger = PrivateKey::from_seed(&[9; 32]);
    let refused = bob.post(&path, signed(&stranger)?).await?;
    assert_eq!((refused.status, refused.code()), (403, "approvals.key_not_in_root"));
    let refused = bob.post(&path, signed(&platform.key("cyd")?)?).await?;
    assert_eq!((refused.status, refused.code()), (403, "approvals.not_your_key"));
    let refused = ada.post(&path, signed(&platform.key("ada")?)?).await?;
    assert_eq!((refused.status, refused.code()), (403, "approvals.author_cannot_approve"));
    assert_eq!(log_length(platform).await?, before, "something was appended");
    approve(platform, "bob", &id).await?;
    let again = Raw::new(platform, "bob").post(&path, signed(&platform.key("bob")?)?).await?;
    assert_eq!((again.status, again.code()), (409, "approvals.already_signed"));
    Ok(())
}
