//! Sessions that wait for the next change, and statements that are prepared in them.

use crate::site::{SQL, Site};

const OWN: &str = "select max(pid)::bigint from pg_stat_activity \
                   where application_name = 'countersign agent, ready' and datname = current_database()";

#[tokio::test]
async fn a_change_runs_in_the_session_that_was_made_ready_once() {
    let site = Site::start("made_ready", "").await.unwrap();
    site.worker.make_ready().await;
    site.migrate("first", "create table seen (pid int, name text)", 1).await.unwrap();
    site.worker.make_ready().await;
    let ready = site.number(OWN).await.unwrap();
    let look = "insert into seen select pg_backend_pid(), current_setting('application_name')";
    assert_eq!(site.migrate("second", look, 2).await.unwrap().words(), "succeeded");
    let used = "select pid::bigint from seen where name like 'job_%'";
    assert_eq!(site.number(used).await.unwrap(), ready);
    assert_eq!(site.migrate("third", look, 3).await.unwrap().words(), "succeeded");
    assert_eq!(site.number("select count(distinct pid) from seen").await.unwrap(), 2);
}

#[tokio::test]
async fn a_setting_that_the_role_got_meanwhile_counts() {
    let site = Site::start("ready_settings", "").await.unwrap();
    site.execute("create schema shop").await.unwrap();
    site.migrate("first", "create table first ()", 1).await.unwrap();
    site.worker.make_ready().await;
    site.execute("alter role edge in database ready_settings set search_path = shop")
        .await
        .unwrap();
    assert_eq!(site.migrate("second", SQL, 2).await.unwrap().words(), "succeeded");
    assert_eq!(site.number("select count(*) from shop.orders").await.unwrap(), 0);
}

#[tokio::test]
async fn statements_that_a_file_prepares_under_our_names_are_not_ours() {
    let site = Site::start("prepared", "").await.unwrap();
    let replace = "do $$ declare own record; begin \
             for own in select name from pg_prepared_statements loop \
                 execute format('deallocate %I', own.name); \
                 execute format('prepare %I as select ''forged''::text', own.name); \
             end loop; end $$";
    for (fence, (name, sql)) in (1..).zip([
        ("replaced", replace),
        ("gone", "deallocate all"),
        ("more", "prepare other as select 'forged'::text"),
    ]) {
        let sql = format!("create table {name} (); {sql}");
        let told = site.migrate(name, &sql, fence).await.unwrap();
        assert_eq!(told.words(), "succeeded", "{name}");
        let hashed = sql::pgfp1::fingerprint(told.answer.document.as_ref().unwrap());
        assert_eq!(told.result.fingerprint_after.as_ref().unwrap().as_str(), hashed, "{name}");
        assert_eq!(
            told.result.fingerprint_after,
            Some(site.fingerprint().await.unwrap()),
            "{name}"
        );
        assert_ne!(told.result.fingerprint_before, told.result.fingerprint_after, "{name}");
    }
    let hidden =
        format!("{replace}; do $$ begin execute 'delete from count' || 'ersign.journal'; end $$");
    let told = site.migrate("hidden", &hidden, 9).await.unwrap();
    assert_eq!(told.words(), "refused not_supported");
}
