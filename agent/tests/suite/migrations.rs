//! Changes that run, fail, come twice, or meet another schema than the approved one.

use crate::site::{SQL, Site, sealed, source_id};
use trust::statement::{Outcome, StepOutcome};

#[tokio::test]
async fn an_approved_change_is_applied_and_journaled() {
    let site = Site::start("applied", "").await.unwrap();
    let told = site.migrate("applied", SQL, 1).await.unwrap();
    assert_eq!(told.words(), "succeeded");
    assert!(site.has_table("orders").await.unwrap());
    let result = &told.result;
    assert_eq!(result.steps.first().unwrap().outcome, StepOutcome::Succeeded);
    assert_eq!(result.counted.len(), 2);
    assert_ne!(result.fingerprint_before, result.fingerprint_after);
    let document = told.answer.document.unwrap();
    let hashed = sql::pgfp1::fingerprint(&document);
    assert_eq!(result.fingerprint_after.as_ref().unwrap().as_str(), hashed);
    assert_eq!(result.fingerprint_after, Some(site.fingerprint().await.unwrap()));
    let journaled = "select count(*) from countersign.journal j join countersign.results r \
                     using (job, attempt) where state = 'succeeded' and xid is not null";
    assert_eq!(site.number(journaled).await.unwrap(), 1);
}

#[tokio::test]
async fn the_lock_s_session_is_used_again_and_holds_nothing_meanwhile() {
    let site = Site::start("used_again", "").await.unwrap();
    let own = "select max(pid)::bigint from pg_stat_activity \
               where application_name = 'countersign agent' and datname = current_database()";
    let held = "select count(*) from pg_locks where locktype = 'advisory' \
                and database = (select oid from pg_database where datname = current_database())";
    site.migrate("one", "create table one ()", 1).await.unwrap();
    let first = site.number(own).await.unwrap();
    assert_eq!(site.number(held).await.unwrap(), 0);
    let told = site.migrate("two", "create table two ()", 2).await.unwrap();
    assert_eq!((told.words().as_str(), site.number(own).await.unwrap()), ("succeeded", first));
    site.execute(&format!("select pg_terminate_backend({first}::int, 5000)")).await.unwrap();
    let told = site.migrate("three", "create table three ()", 3).await.unwrap();
    assert_eq!(told.words(), "succeeded");
    assert_ne!(site.number(own).await.unwrap(), first);
    site.set_url(&format!("{} connect_timeout=7", site.url)).unwrap();
    let third = site.number(own).await.unwrap();
    assert_eq!(site.migrate("four", "create table four ()", 4).await.unwrap().words(), "succeeded");
    assert_ne!(site.number(own).await.unwrap(), third, "credentials are read for every job");
}

#[tokio::test]
async fn a_failing_change_leaves_nothing_and_reports_its_sqlstate() {
    let site = Site::start("failing", "").await.unwrap();
    let before = site.fingerprint().await.unwrap();
    let sql = "create table half (id int); insert into half values (1); select 1/0;";
    let told = site.migrate("failing", sql, 1).await.unwrap();
    assert_eq!(told.words(), "failed_clean 22012");
    assert_eq!(told.answer.message, None, "a message can carry rows out");
    assert!(!site.has_table("half").await.unwrap());
    assert_eq!(site.fingerprint().await.unwrap(), before, "the journal never shows");
    let failed =
        "select count(*) from countersign.journal where state = 'failed' and sqlstate = '22012'";
    assert_eq!(site.number(failed).await.unwrap(), 1);
}

#[tokio::test]
async fn a_constraint_that_fails_at_commit_leaves_nothing() {
    let site = Site::start("at_commit", "").await.unwrap();
    let sql = "create table a (id int primary key); \
               create table b (a int references a deferrable initially deferred); \
               insert into b values (7);";
    let told = site.migrate("at_commit", sql, 1).await.unwrap();
    assert_eq!(told.words(), "failed_clean 23503");
    assert!(!site.has_table("a").await.unwrap());
}

#[tokio::test]
async fn the_database_s_message_leaves_the_site_only_where_it_says_so() {
    let site = Site::start("full_report", "report = 'full'").await.unwrap();
    let told = site.migrate("full_report", "select 1/0", 1).await.unwrap();
    assert_eq!(told.answer.message.as_deref(), Some("division by zero"));
}

#[tokio::test]
async fn a_redelivered_job_gets_its_stored_answer_and_runs_nothing_twice() {
    let site = Site::start("redelivered", "").await.unwrap();
    site.execute("create table runs (at timestamptz)").await.unwrap();
    let sql = "insert into runs values (now()); create table orders (id int);";
    let message = site.message("redelivered", sql, 1).await.unwrap();
    let first = site.work(&message).await.unwrap();
    assert_eq!(first.words(), "succeeded");
    let again = site.work(&message).await.unwrap();
    assert_eq!(again.answer.payload, first.answer.payload);
    assert_eq!(again.answer.document, first.answer.document);
    let site = site.restart().unwrap();
    let later = site.work(&message).await.unwrap();
    assert_eq!(later.answer.payload, first.answer.payload);
    assert_eq!(site.number("select count(*) from runs").await.unwrap(), 1);
}

#[tokio::test]
async fn a_stored_answer_that_is_not_what_was_stored_is_not_given() {
    let site = Site::start("altered_answer", "").await.unwrap();
    let message = site.message("altered_answer", SQL, 1).await.unwrap();
    assert_eq!(site.work(&message).await.unwrap().words(), "succeeded");
    let alter = "alter table countersign.results alter column result_sha256 drop expression; \
                 update countersign.results set result = convert_to(replace(convert_from(result, 'UTF8'), \
                     'succeeded', 'failed_clean'), 'UTF8')";
    site.execute(alter).await.unwrap();
    assert!(site.work(&message).await.is_err());
}

#[tokio::test]
async fn a_failed_attempt_is_not_tried_again_when_it_comes_again() {
    let site = Site::start("failed_again", "").await.unwrap();
    let message = site.message("failed_again", "create table x (id nonsense)", 1).await.unwrap();
    let first = site.work(&message).await.unwrap();
    assert_eq!(first.words(), "failed_clean 42704");
    site.execute("create domain nonsense as int").await.unwrap();
    assert_eq!(site.work(&message).await.unwrap().answer.payload, first.answer.payload);
    assert!(!site.has_table("x").await.unwrap());
}

#[tokio::test]
async fn a_change_is_consumed_by_its_first_run() {
    let site = Site::start("consumed", "").await.unwrap();
    let sql = "create table if not exists orders (id int)";
    let change = site.change("consumed", sql).await.unwrap();
    let job = |name, fence| sealed(&change, &["bea", "cyd"], site.job(name, fence)?, sql);
    let told = site.work(&job("first", 1).unwrap()).await.unwrap();
    assert_eq!(told.words(), "succeeded");
    let told = site.work(&job("second", 2).unwrap()).await.unwrap();
    assert_eq!(told.words(), "refused consumed");
    let told = site.work(&job("third", 1).unwrap()).await.unwrap();
    assert_eq!(told.words(), "refused consumed");
}

#[tokio::test]
async fn a_schema_that_drifted_is_refused_before_anything_runs() {
    let site = Site::start("drifted", "").await.unwrap();
    let message = site.message("drifted", SQL, 1).await.unwrap();
    site.execute("create table stranger (id int)").await.unwrap();
    let told = site.work(&message).await.unwrap();
    assert_eq!(told.words(), "refused drifted");
    assert_eq!(told.result.steps.first().unwrap().outcome, StepOutcome::NotRun);
    assert!(!site.has_table("orders").await.unwrap());
    // The control plane was told: the attempt stays refused, also when the schema is back.
    site.execute("drop table stranger").await.unwrap();
    assert_eq!(site.work(&message).await.unwrap().words(), "refused drifted");
}

#[tokio::test]
async fn a_fence_that_was_passed_is_refused() {
    let site = Site::start("fences", "").await.unwrap();
    site.migrate("five", "create table five ()", 5).await.unwrap();
    let told = site.migrate("four", "create table four ()", 4).await.unwrap();
    assert_eq!(told.words(), "refused fence_replayed");
    let told = site.migrate("far", "create table far ()", 6 + (1 << 20)).await.unwrap();
    assert_eq!(told.words(), "refused fence_jump");
}

#[tokio::test]
async fn a_target_that_was_set_back_is_noticed() {
    let site = Site::start("set_back", "").await.unwrap();
    site.migrate("one", "create table one ()", 1).await.unwrap();
    site.execute("drop schema countersign cascade").await.unwrap();
    let told = site.migrate("two", "create table two ()", 2).await.unwrap();
    assert_eq!(told.words(), "refused target_behind");
}

#[tokio::test]
async fn the_file_meets_the_search_path_of_the_role() {
    let site = Site::start("search_path", "").await.unwrap();
    site.execute("create schema shop; alter database search_path set search_path = shop, public")
        .await
        .unwrap();
    let told = site.migrate("search_path", SQL, 1).await.unwrap();
    assert_eq!(told.words(), "succeeded");
    assert_eq!(site.number("select count(*) from shop.orders").await.unwrap(), 0);
}

#[tokio::test]
async fn a_role_of_the_journal_s_name_does_not_get_its_tables_into_the_journal() {
    let site = Site::start("same_name", "").await.unwrap();
    site.set_url(&site.superuser_url()).unwrap();
    assert_eq!(site.migrate("first", SQL, 1).await.unwrap().words(), "succeeded");
    let there = "select count(*) from pg_class where relname = 'orders' and relnamespace = 'public'::regnamespace";
    assert_eq!(site.number(there).await.unwrap(), 1);
}

#[tokio::test]
async fn role_and_path_that_the_file_sets_do_not_reach_the_journal() {
    let site = Site::start("set_role", "").await.unwrap();
    let sql = "create schema mine; create role set_role_nobody; grant set_role_nobody to edge; \
               grant usage, create on schema mine to set_role_nobody; \
               set search_path = mine; set role set_role_nobody; create table t ();";
    let told = site.migrate("set_role", sql, 1).await.unwrap();
    assert_eq!(told.words(), "succeeded");
    assert_eq!(site.number("select count(*) from countersign.journal").await.unwrap(), 1);
}

#[tokio::test]
async fn an_agent_cannot_be_talked_into_another_database() {
    let site = Site::start("own_database", "").await.unwrap();
    let mut job = site.job("foreign", 1).unwrap();
    let change = site.change("foreign", SQL).await.unwrap();
    job.data_source = source_id("payroll").parse().unwrap();
    let told = site.work(&sealed(&change, &["bea", "cyd"], job, SQL).unwrap()).await.unwrap();
    assert_eq!(told.words(), "refused unknown_data_source");
    let mut change = change;
    change.targets.as_mut().unwrap().first_mut().unwrap().id =
        source_id("payroll").parse().unwrap();
    let message = sealed(&change, &["bea", "cyd"], site.job("wrong", 1).unwrap(), SQL).unwrap();
    assert_eq!(site.work(&message).await.unwrap().words(), "refused wrong_target");
    // The site's own mistake: the URL leads to a database whose journal is another data source's.
    site.execute("update countersign.version set data_source = 'dsc_00000000000000000000000000'")
        .await
        .unwrap();
    let told = site.migrate("mine", SQL, 1).await.unwrap();
    assert_eq!(told.words(), "refused not_supported");
    assert!(!site.has_table("orders").await.unwrap());
    assert_eq!(told.result.outcome, Outcome::Refused);
}
