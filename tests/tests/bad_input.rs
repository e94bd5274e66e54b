//! Bad input over HTTP: each is a specific error with its code, and nothing is appended.
//!
//! No test of this file appends anything, so that the log has one length for all of them.

use scenario::Platform;
use scenario::http::{Answer, Raw, log_length};
use scenario::running::platform;
use serde_json::{Value, json};
use trust::encoding::to_base64;

const CHANGES: &str = "/v1/changes";

type Case = (u16, &'static str, Answer);

fn change(sql: &str) -> String {
    json!({"data_source": "shop", "title": "t", "sql": to_base64(sql.as_bytes()), "submit": true})
        .to_string()
}

fn draft(source: &str, title: &str, sql: &str) -> String {
    json!({"data_source": source, "title": title, "sql": sql}).to_string()
}

fn reasoned(reason: &str) -> String {
    json!({"data_source": "x", "title": "t", "sql": "AA==", "reason": reason}).to_string()
}

fn labelled(value: &str) -> String {
    let labels = json!({"team": value});
    json!({"name": "other", "engine": "postgresql", "environment": "dev", "agent": "edge",
        "labels": labels})
    .to_string()
}

async fn refused(platform: &Platform, before: u64, cases: &[Case]) -> anyhow::Result<()> {
    for (status, code, answer) in cases {
        assert_eq!((answer.status, answer.code()), (*status, *code), "{}", answer.body);
        assert!(answer.body.get("trace_id").is_some_and(Value::is_string), "{}", answer.body);
    }
    assert_eq!(log_length(platform).await?, before, "something was appended");
    Ok(())
}

#[tokio::test]
async fn a_body_that_is_not_what_the_route_takes_is_refused() -> anyhow::Result<()> {
    let platform = platform("bad-input").await?;
    let before = log_length(platform).await?;
    let ada = Raw::new(platform, "ada");
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let text = ada.clone().content_type("text/plain");
    let cases = [
        (400, "http.malformed_json", ada.post(CHANGES, "{").await?),
        (400, "http.malformed_json", ada.post(CHANGES, r#"{"title":"a","title":"b"}"#).await?),
        (400, "http.malformed_json", ada.post(CHANGES, deep).await?),
        (422, "http.invalid_body", ada.post(CHANGES, r#"{"surprise":1}"#).await?),
        (422, "http.invalid_body", ada.post(CHANGES, r#"["shop","t"]"#).await?),
        (415, "http.unsupported_media_type", text.post(CHANGES, "{}").await?),
        (413, "changes.sql_too_large", ada.post(CHANGES, "x".repeat(7 << 20)).await?),
        (413, "http.body_too_large", ada.post("/v1/agents", "x".repeat(7 << 20)).await?),
        (422, "http.text_length", ada.post(CHANGES, draft("shop", " ", "AA==")).await?),
        (422, "http.text_control", ada.post(CHANGES, draft("shop", "a\u{0}b", "AA==")).await?),
        (422, "http.text_control", ada.post(CHANGES, draft("shop", "a\nb", "AA==")).await?),
        (422, "http.text_control", ada.post(CHANGES, reasoned("\u{1b}[2J")).await?),
        (422, "catalog.labels_invalid", ada.post("/v1/data-sources", labelled("\u{0}")).await?),
        (404, "catalog.data_source_not_found", ada.post(CHANGES, reasoned("a\n\tb")).await?),
        (422, "http.malformed_base64", ada.post(CHANGES, draft("shop", "t", "AA")).await?),
        (404, "catalog.data_source_not_found", ada.post(CHANGES, draft("x", "t", "AA==")).await?),
    ];
    refused(platform, before, &cases).await
}

#[tokio::test]
async fn sql_that_cannot_run_as_one_transaction_is_refused_by_name() -> anyhow::Result<()> {
    let platform = platform("bad-input").await?;
    let before = log_length(platform).await?;
    let ada = Raw::new(platform, "ada");
    let large = " ".repeat((4 << 20) + 1);
    let cases = [
        (413, "changes.sql_too_large", ada.post(CHANGES, change(&large)).await?),
        (422, "changes.sql_syntax", ada.post(CHANGES, change("CREATE TABLE (")).await?),
        (422, "changes.sql_empty", ada.post(CHANGES, change("-- nothing\n")).await?),
        (422, "changes.sql_transaction_control", ada.post(CHANGES, change("COMMIT;")).await?),
        (422, "changes.sql_not_transactional", ada.post(CHANGES, change("VACUUM;")).await?),
        (
            422,
            "changes.sql_touches_journal",
            ada.post(CHANGES, change("DROP SCHEMA countersign;")).await?,
        ),
    ];
    refused(platform, before, &cases).await
}

#[tokio::test]
async fn a_caller_or_a_path_that_does_not_fit_is_refused() -> anyhow::Result<()> {
    let platform = platform("bad-input").await?;
    let before = log_length(platform).await?;
    let ada = Raw::new(platform, "ada");
    let bob = Raw::new(platform, "bob");
    let job = "/v1/changes/job_351b5bhc2sgz3tz31hgkwr5qz4/submit";
    let unknown = "/v1/changes/chg_351b5bhc2sgz3tz31hgkwr5qz4/submit";
    let missing = "http.idempotency_key_missing";
    let cases = [
        (400, "http.malformed_id", ada.post("/v1/changes/chg_x/submit", "{}").await?),
        (400, "http.malformed_id", ada.post(job, "{}").await?),
        (404, "changes.not_found", ada.post(unknown, "{}").await?),
        (400, missing, ada.clone().key(None).post(CHANGES, "{}").await?),
        (401, "auth.missing", ada.clone().anonymous().post(CHANGES, "{}").await?),
        (403, "auth.wrong_tenant", ada.clone().tenant("other").post(CHANGES, "{}").await?),
        (403, "auth.forbidden", bob.post(CHANGES, "{}").await?),
        (403, "auth.forbidden", ada.post("/v1/tenants", "{}").await?),
        (403, "auth.forbidden", ada.post("/v1/jobs", "{}").await?),
        (404, "http.not_found", ada.post("/v1/nothing", "{}").await?),
    ];
    refused(platform, before, &cases).await
}
