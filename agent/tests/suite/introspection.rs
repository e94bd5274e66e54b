//! Mode `introspect`.

use crate::site::Site;
use trust::statement::Outcome;

#[tokio::test]
async fn an_introspection_reads_the_schema_and_writes_nothing() {
    let site = Site::start("introspected", "").await.unwrap();
    site.execute("create table a (id int)").await.unwrap();
    let told = site.introspect().await.unwrap();
    assert_eq!(told.result.outcome, Outcome::Succeeded);
    assert_eq!(told.result.fingerprint_before, told.result.fingerprint_after);
    let document = String::from_utf8(told.answer.document.unwrap()).unwrap();
    assert!(document.starts_with(r#"{"format":"pgfp1","#), "{document}");
    assert!(document.contains(r#""a""#));
    let schemas = "select count(*) from pg_namespace where nspname = 'countersign'";
    assert_eq!(site.number(schemas).await.unwrap(), 0);
}

#[tokio::test]
async fn the_journal_does_not_change_the_fingerprint_and_a_table_does() {
    let site = Site::start("fingerprints", "").await.unwrap();
    let before = site.fingerprint().await.unwrap();
    assert_eq!(site.migrate("none", "select 1", 1).await.unwrap().words(), "succeeded");
    assert_eq!(site.fingerprint().await.unwrap(), before);
    site.execute("create table b (id int)").await.unwrap();
    assert_ne!(site.fingerprint().await.unwrap(), before);
}
