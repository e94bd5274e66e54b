//! Bad input over HTTP: each is a specific error with its code, and nothing is appended.

use scenario::http::{Raw, log_length};
use scenario::running::platform;
use serde_json::json;
use trust::encoding::to_base64;

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
