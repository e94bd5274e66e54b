//! What a file puts off until COMMIT: triggers that are deferred, that defer themselves again, and cursors that outlive
//! the transaction. None of it makes a change run twice or a signed result false.

use crate::proxy::{AtCommit, Proxy};
use crate::site::{SQL, Site, sealed};
use trust::accept::Reason;
use trust::message::JobMessage;
use trust::statement::Change;

/// A deferred trigger that runs `statement`, given as an expression of text.
fn deferred(statement: &str) -> String {
    format!(
        "create temp table trap (n int); \
         create function pg_temp.spring() returns trigger language plpgsql as $$ \
         begin execute {statement}; return null; end $$; \
         create constraint trigger spring after insert on trap deferrable initially deferred \
             for each row execute function pg_temp.spring(); \
         insert into trap values (0);"
    )
}

/// The same, but the first firing puts the statement off once more: it runs inside COMMIT.
fn inside_commit(statement: &str) -> String {
    format!(
        "create temp table trap (n int); \
         create function pg_temp.spring() returns trigger language plpgsql as $$ begin \
         if new.n = 0 then set constraints all deferred; insert into trap values (1); \
         else execute {statement}; end if; return null; end $$; \
         create constraint trigger spring after insert on trap deferrable initially deferred \
             for each row execute function pg_temp.spring(); \
         insert into trap values (0);"
    )
}

const DELETE: &str = "'delete from count' || 'ersign.journal'";
const UNSEEN: &str = "'create table public.unseen(id int)'";

/// A site where H, a change that counts, was applied once.
struct Counted {
    site: Site,
    change: Change,
}

impl Counted {
    const SQL: &str = "update base1 set n = n + 1";

    async fn start(name: &str) -> anyhow::Result<Self> {
        let site = Site::start(name, "").await?;
        site.execute("create table base1 (n int); insert into base1 values (0)").await?;
        let change = site.change(&format!("H of {name}"), Self::SQL).await?;
        let counted = Self { site, change };
        let told = counted.site.work(&counted.job("H", 1)?).await?;
        anyhow::ensure!(told.words() == "succeeded", "{told:?}");
        Ok(counted)
    }

    fn restart(self) -> anyhow::Result<Self> {
        Ok(Self { site: self.site.restart()?, change: self.change })
    }

    fn job(&self, name: &str, fence: u64) -> anyhow::Result<JobMessage> {
        let job = self.site.job(&format!("{} {name}", self.site.database), fence)?;
        sealed(&self.change, &["bea", "cyd"], job, Self::SQL)
    }

    /// Another job for H is refused, whatever the journal says.
    async fn is_consumed(&self, name: &str, fence: u64) -> anyhow::Result<()> {
        let told = self.site.work(&self.job(name, fence)?).await?;
        anyhow::ensure!(told.result.refusal == Some(Reason::Consumed), "{told:?}");
        let ran = self.site.number("select n::bigint from base1").await?;
        anyhow::ensure!(ran == 1, "it ran {ran} times");
        Ok(())
    }
}

#[tokio::test]
async fn a_deferred_trigger_that_deletes_the_journal_is_rolled_back() {
    let counted = Counted::start("deferred_delete").await.unwrap();
    let sql = deferred(DELETE);
    let told = counted.site.migrate("deferred_delete", &sql, 2).await.unwrap();
    assert_eq!(told.words(), "refused not_supported");
    assert_eq!(counted.site.number("select count(*) from countersign.journal").await.unwrap(), 1);
    counted.is_consumed("again", 3).await.unwrap();
}

#[tokio::test]
async fn a_trigger_inside_commit_that_deletes_the_journal_lets_nothing_run_twice() {
    let counted = Counted::start("commit_delete").await.unwrap();
    let site = &counted.site;
    let message = site.message("commit_delete", &inside_commit(DELETE), 2).await.unwrap();
    let told = site.work(&message).await.unwrap();
    assert_eq!(told.words(), "failed_partial");
    assert_eq!(site.work(&message).await.unwrap().answer.payload, told.answer.payload);
    let own = "select count(*) from countersign.journal where state = 'started'";
    assert_eq!(site.number(own).await.unwrap(), 1, "its own row is there again");
    assert_eq!(site.number("select count(*) from countersign.journal").await.unwrap(), 1);
    counted.is_consumed("again", 3).await.unwrap();
    let counted = counted.restart().unwrap();
    counted.is_consumed("after a restart", 4).await.unwrap();
}

#[tokio::test]
async fn a_whole_journal_that_is_dropped_inside_commit_is_made_again() {
    let counted = Counted::start("commit_drop").await.unwrap();
    let site = &counted.site;
    let sql = inside_commit("'drop schema count' || 'ersign cascade'");
    let message = site.message("commit_drop", &sql, 2).await.unwrap();
    let told = site.work(&message).await.unwrap();
    assert_eq!(told.words(), "failed_partial");
    assert_eq!(site.work(&message).await.unwrap().answer.payload, told.answer.payload);
    counted.is_consumed("again", 3).await.unwrap();
}

#[tokio::test]
async fn an_answer_forged_inside_commit_is_not_given() {
    let site = Site::start("forged", "").await.unwrap();
    for (fence, (name, statement)) in (1..).zip([
        ("row", "'update count' || 'ersign.journal set fingerprint_after = ''x'''"),
        ("answer", "'update count' || 'ersign.results set result = ''{}'''"),
        ("document", "'update count' || 'ersign.results set document = ''{}'''"),
    ]) {
        let message = site.message(name, &inside_commit(statement), fence).await.unwrap();
        let told = site.work(&message).await.unwrap();
        assert_eq!(told.words(), "failed_partial", "{name}");
        let there = site.fingerprint().await.unwrap();
        assert_eq!(told.result.fingerprint_after, Some(there), "{name}");
        assert_eq!(site.work(&message).await.unwrap().answer, told.answer, "{name}");
    }
}

#[tokio::test]
async fn an_agent_that_dies_after_such_a_commit_finds_out_when_it_is_back() {
    let counted = Counted::start("commit_silence").await.unwrap();
    let site = &counted.site;
    let message = site.message("commit_silence", &inside_commit(DELETE), 2).await.unwrap();
    let proxy = Proxy::start(site.port()).await.unwrap();
    site.set_url(&proxy.url(&site.url, site.port())).unwrap();
    proxy.at_commit(AtCommit::Silence);
    tokio::select! {
        told = site.work(&message) => panic!("{:?}", told.map(|told| told.words())),
        () = proxy.happened.notified() => {}
    }
    let counted = counted.restart().unwrap();
    let told = counted.site.work(&message).await.unwrap();
    assert_eq!(told.words(), "failed_partial");
    counted.is_consumed("again", 3).await.unwrap();
}

#[tokio::test]
async fn what_a_trigger_hangs_on_the_journal_inside_commit_stops_the_next_migration() {
    let site = Site::start("hooked", "").await.unwrap();
    let hook = "create function public.hook() returns trigger language plpgsql as $$ begin return null; end $$; \
         create function public.hook(text) returns boolean language sql immutable as 'select true'";
    site.execute(hook).await.unwrap();
    let mut fence = 1;
    for (name, statement, mend) in [
        (
            "trigger",
            "create trigger hook before insert on count' || 'ersign.results \
             for each row execute function public.hook()",
            "drop trigger hook on countersign.results",
        ),
        (
            "rule",
            "create rule \"a rule\" as on insert to count' || 'ersign.journal do instead nothing",
            "drop rule \"a rule\" on countersign.journal",
        ),
        (
            "check",
            "alter table count' || 'ersign.journal add constraint zz check (public.hook(job)) not valid",
            "alter table countersign.journal drop constraint zz",
        ),
        (
            "policy",
            "alter table count' || 'ersign.journal force row level security, enable row level security; \
             create policy none on count' || 'ersign.journal using (false)",
            "drop policy none on countersign.journal",
        ),
        (
            "child",
            "create table public.kid() inherits (count' || 'ersign.journal)",
            "drop table public.kid",
        ),
        (
            "expression",
            "alter table count' || 'ersign.results alter column result_sha256 drop expression",
            "alter table countersign.results drop column result_sha256; \
             alter table countersign.results add column result_sha256 text \
                 generated always as (encode(sha256(result), 'hex')) stored",
        ),
        (
            "index",
            "create index by_hook on count' || 'ersign.results (public.hook(job))",
            "drop index countersign.by_hook",
        ),
    ] {
        let sql = inside_commit(&format!("'{statement}'"));
        let message = site.message(name, &sql, fence).await.unwrap();
        let told = site.work(&message).await.unwrap();
        assert_eq!(told.words(), "failed_partial", "{name}");
        let next = format!("create table after_{name} ()");
        let told = site.migrate(&next, &next, fence + 1).await.unwrap();
        assert_eq!(told.words(), "refused not_supported", "{name}");
        assert_eq!(site.work(&message).await.unwrap().words(), "failed_partial", "{name}");
        site.execute(mend).await.unwrap();
        let told = site.migrate(&format!("{next} again"), &next, fence + 2).await.unwrap();
        assert_eq!(told.words(), "succeeded", "{name}");
        fence += 3;
    }
}

#[tokio::test]
async fn a_journal_that_takes_no_answer_any_more_does_not_say_succeeded_later() {
    let site = Site::start("unrestorable", "").await.unwrap();
    let statement = "'alter table count' || 'ersign.results add column x int not null default 0; \
                     alter table count' || 'ersign.results alter column x drop default'";
    let message = site.message("unrestorable", &inside_commit(statement), 1).await.unwrap();
    let told = site.work(&message).await.unwrap();
    assert_eq!(told.words(), "failed_partial");
    assert_eq!(site.work(&message).await.unwrap().answer.payload, told.answer.payload);
}

#[tokio::test]
async fn a_table_that_a_deferred_trigger_makes_is_in_the_signed_fingerprint() {
    for (name, sql) in [("unseen", deferred(UNSEEN)), ("unseen_commit", inside_commit(UNSEEN))] {
        let site = Site::start(name, "").await.unwrap();
        let message = site.message(name, &sql, 1).await.unwrap();
        let told = site.work(&message).await.unwrap();
        assert_eq!(told.words(), "succeeded", "{name}");
        assert!(site.has_table("unseen").await.unwrap(), "{name}");
        let there = site.fingerprint().await.unwrap();
        assert_eq!(told.result.fingerprint_after, Some(there), "{name}");
        let hashed = sql::pgfp1::fingerprint(told.answer.document.as_ref().unwrap());
        assert_eq!(told.result.fingerprint_after.as_ref().unwrap().as_str(), hashed, "{name}");
        let again = site.work(&message).await.unwrap();
        assert_eq!(again.answer, told.answer, "{name}");
    }
}

#[tokio::test]
async fn a_cursor_that_outlives_the_transaction_runs_nothing_inside_commit() {
    let site = Site::start("hold", "").await.unwrap();
    let make = "create function hook() returns int language plpgsql as $$ \
                begin execute 'create table public.unseen(id int)'; return 1; end $$";
    site.execute(make).await.unwrap();
    let sql = "declare c cursor with hold for select hook()";
    let told = site.migrate("hold", sql, 1).await.unwrap();
    assert_eq!(told.words(), "succeeded");
    assert!(!site.has_table("unseen").await.unwrap());
}

#[tokio::test]
async fn a_file_cannot_switch_off_what_its_commit_waits_for() {
    let site = Site::start("synchronous", "").await.unwrap();
    site.execute("create table seen (value text)").await.unwrap();
    let look =
        "'insert into public.seen select pg_catalog.current_setting(''synchronous_commit'')'";
    let sql = format!("set synchronous_commit = off; {}", inside_commit(look));
    assert_eq!(site.migrate("synchronous", &sql, 1).await.unwrap().words(), "succeeded");
    let seen = "select count(*) from seen where value = 'on'";
    assert_eq!(site.number(seen).await.unwrap(), 1);
}

#[tokio::test]
async fn an_encoding_that_the_file_sets_does_not_reach_the_fingerprint() {
    let site = Site::start("encoding", "").await.unwrap();
    let sql = "create table \"caf\u{e9}\" (id int); set client_encoding = 'LATIN1';";
    let told = site.migrate("encoding", sql, 1).await.unwrap();
    assert_eq!(told.words(), "succeeded");
    assert_eq!(told.result.fingerprint_after, Some(site.fingerprint().await.unwrap()));
}

#[tokio::test]
async fn a_change_that_failed_clean_may_be_dispatched_again() {
    let site = Site::start("clean_again", "").await.unwrap();
    let change = site.change("clean_again", SQL).await.unwrap();
    let job = |name, fence| sealed(&change, &["bea", "cyd"], site.job(name, fence)?, SQL);
    // The same name in another transaction holds the file up, so that its backend can be killed.
    let blocked = site.hand().await.unwrap();
    blocked.client.batch_execute("begin; create table orders ()").await.unwrap();
    let source = &site.config.data_sources.first().unwrap().id;
    let first = job("clean first", 1).unwrap();
    let (told, done) = tokio::join!(site.work(&first), async {
        let held = site.hand().await?;
        crate::site::until(&held, "select exists (select from pg_locks where not granted)").await?;
        let kill = "select pg_terminate_backend(pid) from pg_stat_activity \
                    where application_name like 'job_%' and datname = current_database()";
        held.client.query_one(kill, &[]).await?;
        anyhow::Ok(())
    });
    done.unwrap();
    assert_eq!(told.unwrap().words(), "failed_clean 57P01");
    assert!(site.worker.state().consumed(source).is_empty());
    blocked.client.batch_execute("rollback").await.unwrap();
    assert_eq!(site.work(&job("clean second", 2).unwrap()).await.unwrap().words(), "succeeded");
    assert_eq!(site.worker.state().consumed(source).len(), 1);
}
