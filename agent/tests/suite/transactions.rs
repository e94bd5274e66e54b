//! Files that end their own transaction or reach for the journal, past the parser too.

use crate::site::{SQL, Site, Told, until};
use chassis::Clock;
use countersign_agent::answer::Subject;
use countersign_agent::executor::{self, Means, Order};
use countersign_agent::journal::{self, Wanted};
use countersign_agent::target::{Guard, TargetError};
use tokio_util::sync::CancellationToken;
use trust::accept::{Moment, Verdict, judge};
use trust::message::JobMessage;
use trust::statement::{JobResult, Statement as _};

/// Runs a message as if the parser had seen nothing.
async fn past_the_parser(site: &Site, message: &JobMessage) -> anyhow::Result<Told> {
    judged_and_then(site, message, None).await
}

/// The same; SQL of somebody else comes between judging and running.
async fn judged_and_then(
    site: &Site,
    message: &JobMessage,
    between: Option<&str>,
) -> anyhow::Result<Told> {
    let (worker, target) = (&site.worker, site.target()?);
    let mut guard = Guard::take(&target).await?;
    journal::prepare(guard.session(), &target.id).await?;
    let job = message.job.statement();
    let fences = worker.state().fences(&target.id);
    let wanted = Wanted { job: &job.job, attempt: 1, change: None, agent_fences: &fences };
    let view = journal::view(guard.session(), wanted).await?;
    let clock = Clock::system();
    let moment = Moment {
        now: clock.now(),
        time_floor: worker.state().time_floor(),
        target_clock: Some(guard.clock().await?),
    };
    let verdict = judge(message, worker.site(), worker.root(), &moment, &view)?;
    let Verdict::Accepted(accepted) = verdict else { anyhow::bail!("not accepted") };
    let Some(migration) = accepted.migration() else { anyhow::bail!("nothing to run") };
    let who = (&worker.site().tenant, &worker.site().agent);
    let subject =
        Subject::of_message(message, who, worker.root(), &worker.site().revoked_keys, clock.now());
    let cancelled = CancellationToken::new();
    let means = Means { state: worker.state(), clock: &clock, cancelled: &cancelled };
    let order = Order::new(&accepted, migration, &subject, &target, means)?;
    let session = target.connect("a test").await?;
    if let Some(sql) = between {
        site.execute(sql).await?;
    }
    let answer = executor::run(&order, session, &mut guard).await?;
    let result = JobResult::parse(&answer.payload)?;
    Ok(Told { answer, result })
}

#[tokio::test]
async fn a_file_that_ends_its_own_transaction_is_never_reported_as_clean() {
    let site = Site::start("own_end", "").await.unwrap();
    for (fence, (name, sql, words)) in (1..).zip([
        ("commit", "create table c1 (); commit; create table c2 ();", "failed_partial"),
        ("commit_begin", "create table c3 (); commit; begin;", "failed_partial"),
        ("commit_fail", "create table c4 (); commit; select 1/0;", "failed_partial 22012"),
        (
            "rollback_fail",
            "rollback; create table c5 (); commit; begin; select 1/0;",
            "failed_partial 22012",
        ),
        ("rollback", "rollback;", "failed_partial"),
    ]) {
        let message = site.message(name, sql, fence).await.unwrap();
        let told = past_the_parser(&site, &message).await.unwrap();
        assert_eq!(told.words(), words, "{name}");
        // It counts as consumed: the agent does not run it a second time by itself.
        assert_eq!(site.work(&message).await.unwrap().answer.payload, told.answer.payload);
        let consumed = format!(
            "select count(*) from countersign.journal where job = '{}' and state = 'started'",
            told.result.job
        );
        assert_eq!(site.number(&consumed).await.unwrap(), 1, "{name}");
    }
    assert!(site.has_table("c1").await.unwrap(), "the test would prove nothing otherwise");
}

#[tokio::test]
async fn what_cannot_be_decided_is_unknown_and_never_runs_again() {
    let site = Site::start("undecidable", "").await.unwrap();
    let sql = "create table u (); commit; select pg_terminate_backend(pg_backend_pid())";
    let message = site.message("undecidable", sql, 1).await.unwrap();
    let told = past_the_parser(&site, &message).await.unwrap();
    assert_eq!(told.words(), "unknown");
    assert!(site.has_table("u").await.unwrap(), "the test would prove nothing otherwise");
    assert_eq!(site.work(&message).await.unwrap().answer.payload, told.answer.payload);
    let consumed = "select count(*) from countersign.journal where state = 'started'";
    assert_eq!(site.number(consumed).await.unwrap(), 1);
    let source = &site.config.data_sources.first().unwrap().id;
    assert_eq!(site.worker.state().consumed(source).len(), 1);
}

#[tokio::test]
async fn nothing_runs_once_the_lock_is_lost_under_which_it_was_judged() {
    let site = Site::start("lost_lock", "").await.unwrap();
    let message = site.message("lost_lock", SQL, 1).await.unwrap();
    let kill = "select pg_terminate_backend(pid, 5000) from pg_stat_activity \
                where application_name = 'countersign agent' and datname = current_database()";
    let error = judged_and_then(&site, &message, Some(kill)).await.unwrap_err();
    let error = error.downcast::<TargetError>().unwrap();
    assert!(matches!(error, TargetError::Locked(_)), "{error:?}");
    assert!(!site.has_table("orders").await.unwrap());
    assert_eq!(site.work(&message).await.unwrap().words(), "succeeded");
}

#[tokio::test]
async fn an_answer_that_another_process_stored_meanwhile_is_never_replaced() {
    let site = Site::start("other_process", "").await.unwrap();
    let first = site.migrate("first", "create table first ()", 1).await.unwrap();
    let message = site.message("other_process", SQL, 2).await.unwrap();
    let (job, sha256) = (&message.job.statement().job, message.job.sha256());
    let stored = format!(
        "insert into countersign.results (job, attempt, job_sha256, result, stored_at) \
         select '{job}', 1, '{sha256}', result, now() from countersign.results"
    );
    let told = judged_and_then(&site, &message, Some(&stored)).await.unwrap();
    assert_eq!(told.answer.payload, first.answer.payload);
    assert_eq!(site.work(&message).await.unwrap().answer.payload, first.answer.payload);
    assert!(!site.has_table("orders").await.unwrap());
}

#[tokio::test]
async fn transaction_control_is_refused_before_it_runs() {
    let site = Site::start("control", "").await.unwrap();
    for (fence, sql) in (1..).zip([
        "create table c (); commit;",
        "create table c (); /* */ ROLLBACK; create table d ();",
        "create index concurrently i on c (id);",
        "create table countersign.c ();",
        "do $$ begin delete from countersign.journal; end $$",
        "\\connect other",
    ]) {
        let told = site.migrate(sql, sql, fence).await.unwrap();
        assert_eq!(told.words(), "refused not_supported", "{sql}");
    }
    assert!(!site.has_table("c").await.unwrap());
}

#[tokio::test]
async fn a_commit_inside_a_block_or_procedure_fails_clean() {
    let site = Site::start("inner_commit", "").await.unwrap();
    let block = "create table c (); do $$ begin create table d (); commit; end $$";
    let told = site.migrate("block", block, 1).await.unwrap();
    assert_eq!(told.words(), "failed_clean 2D000");
    site.execute("create procedure p() language plpgsql as $$ begin commit; end $$").await.unwrap();
    let told = site.migrate("procedure", "create table c (); call p();", 2).await.unwrap();
    assert_eq!(told.words(), "failed_clean 2D000");
    assert!(!site.has_table("c").await.unwrap());
}

#[tokio::test]
async fn sql_that_is_built_at_run_time_cannot_change_the_journal() {
    let site = Site::start("built_sql", "").await.unwrap();
    assert_eq!(site.migrate("honest", SQL, 1).await.unwrap().words(), "succeeded");
    let hooks = "create function public.hook() returns timestamptz language sql as 'select now()'; \
                 create function public.hook(text) returns boolean language sql immutable as 'select true'";
    site.execute(hooks).await.unwrap();
    let seen = "select count(*) from pg_class where relname in ('kid', 'peek')";
    for (fence, (name, statement, words)) in (2..).zip([
        ("delete", "delete from count' || 'ersign.journal", "refused not_supported"),
        ("update", "update count' || 'ersign.results set result = ''''", "refused not_supported"),
        (
            "trigger",
            "alter table count' || 'ersign.journal enable row level security",
            "refused not_supported",
        ),
        ("grant", "grant all on schema count' || 'ersign to public", "refused not_supported"),
        ("default", "alter table count' || 'ersign.results alter column stored_at set default public.hook()", "refused not_supported"),
        ("check", "alter table count' || 'ersign.journal add check (public.hook(job)) not valid", "refused not_supported"),
        ("child", "create table public.kid() inherits (count' || 'ersign.journal)", "refused not_supported"),
        ("foreign key", "create table public.kid (v int references count' || 'ersign.version)", "refused not_supported"),
        ("index", "create index on count' || 'ersign.journal ((public.hook(job)))", "refused not_supported"),
        ("rule", "create rule quiet as on insert to count' || 'ersign.results do instead nothing", "refused not_supported"),
        ("policy", "create policy none on count' || 'ersign.journal using (false)", "refused not_supported"),
        ("column grant", "grant update (state) on count' || 'ersign.journal to public", "refused not_supported"),
        ("default grants", "alter default privileges in schema count' || 'ersign grant all on tables to public", "refused not_supported"),
        ("function", "create function count' || 'ersign.f() returns int language sql as ''select 1''", "refused not_supported"),
        ("view on it", "create view public.peek as select * from count' || 'ersign.journal", "refused not_supported"),
        ("row cast", "create function public.t(count' || 'ersign.journal) returns text language sql as ''select ''''x''''''; create cast (count' || 'ersign.journal as text) with function public.t(count' || 'ersign.journal)", "refused not_supported"),
        ("sqlstate", "update count' || 'ersign.journal set sqlstate = ''00000''", "refused not_supported"),
        ("fingerprint", "update count' || 'ersign.journal set fingerprint_after = ''x''", "refused not_supported"),
        ("time", "update count' || 'ersign.journal set finished_at = now()", "refused not_supported"),
        ("stored time", "update count' || 'ersign.results set stored_at = now()", "refused not_supported"),
        ("document", "update count' || 'ersign.results set document = ''''", "refused not_supported"),
        ("made at", "update count' || 'ersign.version set made_at = now()", "refused not_supported"),
        ("expression", "alter table count' || 'ersign.results alter column document_sha256 drop expression", "refused not_supported"),
        ("drop", "drop schema count' || 'ersign cascade", "failed_clean 42P01"),
    ]) {
        let sql = format!("create table evil (); do $$ begin execute '{statement}'; end $$");
        let told = site.migrate(name, &sql, fence).await.unwrap();
        assert_eq!(told.words(), words, "{name}");
        assert!(!site.has_table("evil").await.unwrap(), "{name}");
        assert_eq!(site.number(seen).await.unwrap(), 0, "{name}");
    }
    let kept = "select count(*) from countersign.journal where state = 'succeeded'";
    assert_eq!(site.number(kept).await.unwrap(), 1);
}

#[tokio::test]
async fn a_lock_that_is_not_free_fails_the_job_and_does_not_wait_for_ever() {
    let site = Site::start("locked", "lock_timeout_ms = 30").await.unwrap();
    site.execute("create table busy (id int)").await.unwrap();
    let message = site.message("locked", "alter table busy add column x int", 1).await.unwrap();
    let hand = site.hand().await.unwrap();
    hand.client.batch_execute("begin; lock table busy in access share mode").await.unwrap();
    let told = site.work(&message).await.unwrap();
    assert_eq!(told.words(), "failed_clean 55P03");
    hand.client.batch_execute("commit").await.unwrap();
}

#[tokio::test]
async fn a_lock_that_becomes_free_is_taken_by_a_later_try() {
    let site = Site::start("freed", "lock_timeout_ms = 100").await.unwrap();
    site.execute("create table busy (id int)").await.unwrap();
    let message = site.message("freed", "alter table busy add column x int", 1).await.unwrap();
    let (holder, watcher) = (site.hand().await.unwrap(), site.hand().await.unwrap());
    holder.client.batch_execute("begin; lock table busy in access share mode").await.unwrap();
    let release = async {
        let waiting = "select exists (select from pg_locks where not granted)";
        until(&watcher, waiting).await?;
        until(&watcher, "select not exists (select from pg_locks where not granted)").await?;
        anyhow::Ok(holder.client.batch_execute("commit").await?)
    };
    let (told, released) = tokio::join!(site.work(&message), release);
    released.unwrap();
    assert_eq!(told.unwrap().words(), "succeeded");
}

#[tokio::test]
async fn a_statement_that_runs_too_long_fails_clean() {
    let site = Site::start("too_long", "statement_timeout_ms = 1500").await.unwrap();
    let told = site.migrate("too_long", "create table c (); select pg_sleep(30)", 1).await.unwrap();
    assert_eq!(told.words(), "failed_clean 57014");
    assert!(!site.has_table("c").await.unwrap());
}
