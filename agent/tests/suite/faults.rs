//! Lost connections, killed backends, crashed agents: the outcome is right, and nothing runs twice.

use crate::proxy::{AtCommit, MARK, Proxy};
use crate::site::{SQL, Site, own_server, until};
use countersign_agent::target::TargetError;
use tokio_util::sync::CancellationToken;

const SLOW: &str =
    "insert into runs values (1); create table orders (id int); select pg_sleep(30);";
const QUICK: &str = "insert into runs values (1); create table orders (id int);";
/// Sleeps inside COMMIT.
const SLOW_COMMIT: &str = "insert into runs values (1); create table orders (id int);
    create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(30); return null; end $$;
    create constraint trigger slow after insert on orders deferrable initially deferred
        for each row execute function slow();
    insert into orders values (1);";

async fn site(name: &str) -> anyhow::Result<Site> {
    let site = Site::start(name, "").await?;
    site.execute("create table runs (n int)").await?;
    Ok(site)
}

fn sleeping(database: &str) -> String {
    format!(
        "select exists (select from pg_stat_activity where datname = '{database}' \
         and wait_event = 'PgSleep' and application_name like 'job_%')"
    )
}

async fn kill_when_sleeping(site: &Site) -> anyhow::Result<()> {
    let hand = site.hand().await?;
    until(&hand, &sleeping(&site.database)).await?;
    let kill = "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep' \
                and datname = current_database()";
    hand.client.query_one(kill, &[]).await?;
    Ok(())
}

#[tokio::test]
async fn a_backend_that_is_killed_while_the_file_runs_leaves_nothing() {
    let site = site("killed_running").await.unwrap();
    let message = site.message("killed_running", SLOW, 1).await.unwrap();
    let (told, killed) = tokio::join!(site.work(&message), kill_when_sleeping(&site));
    killed.unwrap();
    let told = told.unwrap();
    assert_eq!(told.words(), "failed_clean 57P01");
    assert_eq!(site.work(&message).await.unwrap().answer.payload, told.answer.payload);
    assert_eq!(site.number("select count(*) from runs").await.unwrap(), 0);
}

#[tokio::test]
async fn a_server_that_is_killed_while_the_file_runs_leaves_nothing_although_ids_come_again() {
    let (_folder, mut server) = own_server().await.unwrap();
    let site = Site::start_on(&server, "killed_server", "").await.unwrap();
    site.execute("create table runs (n int)").await.unwrap();
    let sql = "insert into runs values (1); select pg_sleep(2);";
    let message = site.message("killed_server", sql, 1).await.unwrap();
    let crash = async {
        let hand = site.hand().await?;
        until(&hand, &sleeping(&site.database)).await?;
        server.crash().await?;
        anyhow::Ok(())
    };
    let (told, crashed) = tokio::join!(site.work(&message), crash);
    crashed.unwrap();
    assert!(told.is_err(), "the server was away: {:?}", told.map(|told| told.words()));
    for n in 0..20 {
        site.execute(&format!("insert into runs values ({})", 100 + n)).await.unwrap();
    }
    // Known to be rolled back, so that it may run when the job comes again: once.
    assert_eq!(site.work(&message).await.unwrap().words(), "succeeded");
    assert_eq!(site.number("select count(*) from runs where n = 1").await.unwrap(), 1);
}

#[tokio::test]
async fn a_backend_that_is_killed_inside_commit_leaves_nothing() {
    let site = site("killed_commit").await.unwrap();
    let message = site.message("killed_commit", SLOW_COMMIT, 1).await.unwrap();
    let (told, killed) = tokio::join!(site.work(&message), kill_when_sleeping(&site));
    killed.unwrap();
    assert_eq!(told.unwrap().words(), "failed_clean 57P01");
    assert!(!site.has_table("orders").await.unwrap());
}

#[tokio::test]
async fn a_commit_that_never_reached_the_server_is_a_clean_failure() {
    let site = site("lost_commit").await.unwrap();
    let message = site.message("lost_commit", QUICK, 1).await.unwrap();
    let proxy = Proxy::start(site.port()).await.unwrap();
    site.set_url(&proxy.url(&site.url, site.port())).unwrap();
    proxy.at_commit(AtCommit::Lose);
    let told = site.work(&message).await.unwrap();
    assert_eq!(told.words(), "failed_clean");
    assert_eq!(site.number("select count(*) from runs").await.unwrap(), 0);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_has_succeeded() {
    let site = site("lost_answer").await.unwrap();
    let message = site.message("lost_answer", QUICK, 1).await.unwrap();
    let proxy = Proxy::start(site.port()).await.unwrap();
    site.set_url(&proxy.url(&site.url, site.port())).unwrap();
    proxy.at_commit(AtCommit::LoseAnswer);
    let told = site.work(&message).await.unwrap();
    assert_eq!(told.words(), "succeeded");
    assert_eq!(site.work(&message).await.unwrap().answer.payload, told.answer.payload);
    assert_eq!(site.number("select count(*) from runs").await.unwrap(), 1);
}

#[tokio::test]
async fn an_agent_that_dies_after_commit_finds_its_answer() {
    let site = site("died_after").await.unwrap();
    let message = site.message("died_after", QUICK, 1).await.unwrap();
    let proxy = Proxy::start(site.port()).await.unwrap();
    site.set_url(&proxy.url(&site.url, site.port())).unwrap();
    proxy.at_commit(AtCommit::Silence);
    tokio::select! {
        told = site.work(&message) => panic!("{:?}", told.map(|told| told.words())),
        () = proxy.happened.notified() => {}
    }
    let site = site.restart().unwrap();
    let told = site.work(&message).await.unwrap();
    assert_eq!(told.words(), "succeeded");
    assert_eq!(site.number("select count(*) from runs").await.unwrap(), 1);
}

#[tokio::test]
async fn a_commit_that_is_never_answered_is_decided_without_a_restart() {
    let site = Site::start("silent_commit", "statement_timeout_ms = 2000").await.unwrap();
    site.execute("create table runs (n int)").await.unwrap();
    let message = site.message("silent_commit", QUICK, 1).await.unwrap();
    let proxy = Proxy::start(site.port()).await.unwrap();
    site.set_url(&proxy.url(&site.url, site.port())).unwrap();
    proxy.at_commit(AtCommit::Silence);
    let told = site.work(&message).await.unwrap();
    assert_eq!(told.words(), "succeeded");
    assert_eq!(site.number("select count(*) from runs").await.unwrap(), 1);
}

#[tokio::test]
async fn a_file_that_is_never_answered_is_rolled_back_and_failed() {
    let site = Site::start("silent_file", "statement_timeout_ms = 2000").await.unwrap();
    let message = site.message("silent_file", &format!("{SQL}{MARK}"), 1).await.unwrap();
    let proxy = Proxy::start(site.port()).await.unwrap();
    site.set_url(&proxy.url(&site.url, site.port())).unwrap();
    proxy.at_commit(AtCommit::SilenceAtMark);
    assert_eq!(site.work(&message).await.unwrap().words(), "failed_clean");
    assert!(!site.has_table("orders").await.unwrap());
}

#[tokio::test]
async fn a_server_that_takes_connections_and_says_nothing_does_not_hold_the_agent() {
    let site = site("silent_server").await.unwrap();
    let message = site.message("silent_server", QUICK, 1).await.unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    site.set_url(&format!("postgres://nobody@127.0.0.1:{port}/nowhere")).unwrap();
    let error = site.work(&message).await.unwrap_err();
    assert!(matches!(error, TargetError::Silent(_)), "{error:?}");
}

#[tokio::test]
async fn an_agent_that_dies_while_the_file_runs_ends_its_old_backend_and_runs_it_once() {
    let site = site("died_running").await.unwrap();
    // Slow the first time only.
    let sql = "select case when pg_try_advisory_lock(7) then pg_sleep(0) else pg_sleep(30) end; \
               insert into runs values (1); create table orders (id int);";
    let message = site.message("died_running", sql, 1).await.unwrap();
    let hand = site.hand().await.unwrap();
    hand.client.batch_execute("select pg_advisory_lock(7)").await.unwrap();
    let watch = site.hand().await.unwrap();
    let asleep = sleeping("died_running");
    tokio::select! {
        told = site.work(&message) => panic!("{:?}", told.map(|told| told.words())),
        asleep = until(&watch, &asleep) => asleep.unwrap(),
    }
    drop(hand);
    let site = site.restart().unwrap();
    let free = "select not exists (select from pg_locks where locktype = 'advisory' and objid = 7 \
                and database = (select oid from pg_database where datname = current_database()))";
    until(&watch, free).await.unwrap();
    let told = site.work(&message).await.unwrap();
    assert_eq!(told.words(), "succeeded");
    assert_eq!(site.number("select count(*) from runs").await.unwrap(), 1);
}

#[tokio::test]
async fn a_journal_that_lost_its_word_is_no_success_and_nothing_runs_again() {
    let site = site("undecided").await.unwrap();
    let message = site.message("undecided", QUICK, 1).await.unwrap();
    let proxy = Proxy::start(site.port()).await.unwrap();
    site.set_url(&proxy.url(&site.url, site.port())).unwrap();
    proxy.at_commit(AtCommit::Silence);
    tokio::select! {
        told = site.work(&message) => panic!("{:?}", told.map(|told| told.words())),
        () = proxy.happened.notified() => {}
    }
    // Somebody takes the journal's word away before the agent has seen what COMMIT left.
    site.execute("truncate countersign.journal, countersign.results").await.unwrap();
    let site = site.restart().unwrap();
    let told = site.work(&message).await.unwrap();
    assert_eq!(told.words(), "failed_partial");
    assert_eq!(told.result.fingerprint_after, Some(site.fingerprint().await.unwrap()));
    assert_eq!(site.work(&message).await.unwrap().answer.payload, told.answer.payload);
    assert_eq!(site.number("select count(*) from runs").await.unwrap(), 1);
    let consumed = "select count(*) from countersign.journal where state = 'started'";
    assert_eq!(site.number(consumed).await.unwrap(), 1);
}

#[tokio::test]
async fn a_cancel_ends_the_running_file_and_rolls_it_back() {
    let site = site("cancel_running").await.unwrap();
    let message = site.message("cancel_running", SLOW, 1).await.unwrap();
    let cancelled = CancellationToken::new();
    let cancel = async {
        let hand = site.hand().await?;
        until(&hand, &sleeping("cancel_running")).await?;
        cancelled.cancel();
        anyhow::Ok(())
    };
    let working = site.work_until(&message, &cancelled);
    let (told, done) = tokio::join!(working, cancel);
    done.unwrap();
    assert_eq!(told.unwrap().words(), "failed_clean");
    assert_eq!(site.number("select count(*) from runs").await.unwrap(), 0);
}
