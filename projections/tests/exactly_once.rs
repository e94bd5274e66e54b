//! Rows and positions move together or not at all, and only for the worker that holds the lease.

mod workbench;

use client::reads::ChangeSummary;
use countersign_projections::change_list::{self, ChangeList};
use countersign_projections::{
    Database, LeaseError, Listed, PageRequest, Tables, WriteError, Writer, change_detail,
    parked_commits,
};
use std::time::Duration;
use workbench::*;

const ALL: PageRequest = PageRequest { before: None, size: 100 };

async fn changes(database: &Database) -> anyhow::Result<Vec<ChangeSummary>> {
    let Listed { items, .. } =
        change_list::list(database, "acme", &change_list::Filter::default(), ALL).await?;
    Ok(items)
}

fn resumes_at(writer: &Writer) -> Option<u64> {
    writer.resume_from().map(|position| position.sequence)
}

#[tokio::test]
async fn a_commit_is_in_the_rows_and_in_the_position_at_once() {
    let database = database("once").await.unwrap();
    let mut writer = writer(&database).await.unwrap();
    assert_eq!(resumes_at(&writer), None);
    let written = writer.write(&[submitted(1, "a").unwrap()]).await.unwrap();
    assert_eq!((written.commits, written.parked, written.condemned), (1, 0, 0));
    assert_eq!(writer.resume_from().unwrap().hash, hash(1));
    let list = changes(&database).await.unwrap();
    assert_eq!((list[0].title.as_str(), list[0].state.as_str()), ("a", "checking"));
    let (detail, version) =
        change_detail::load(&database, "acme", change("a")).await.unwrap().unwrap();
    assert_eq!((version, detail.revision, detail.state.as_str()), (1, 1, "checking"));
    let events: Vec<_> = detail.history.iter().map(|entry| entry.event.as_str()).collect();
    assert_eq!(events, ["schema.drafted", "schema.requested"]);
    assert_eq!(detail.history[0].hash, hash(1).to_string());
}

#[tokio::test]
async fn a_batch_written_again_changes_nothing() {
    let database = database("again").await.unwrap();
    let mut first = writer(&database).await.unwrap();
    let id = change("a").to_string();
    let batch =
        [submitted(1, "a").unwrap(), commit(2, ("change", &id), 2, &[pending("apr")]).unwrap()];
    first.write(&batch).await.unwrap();
    let before = change_detail::load(&database, "acme", change("a")).await.unwrap().unwrap();
    first.write(&batch).await.unwrap();
    first.release().await.unwrap();
    let mut second = writer(&database).await.unwrap();
    assert_eq!(resumes_at(&second), Some(2));
    second.write(&batch).await.unwrap();
    let after = change_detail::load(&database, "acme", change("a")).await.unwrap().unwrap();
    assert_eq!((before.1, before.0.history.len()), (2, 3));
    assert_eq!(after, before);
    assert!(parked_commits(&database).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_worker_that_lost_the_lease_writes_nothing() {
    let database = database("fenced").await.unwrap();
    let mut old = writer(&database).await.unwrap();
    old.write(&[submitted(1, "a").unwrap()]).await.unwrap();
    // The old worker's session dies without its knowing: a partition, a killed backend.
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_locks \
                WHERE locktype = 'advisory' AND database = \
                (SELECT oid FROM pg_database WHERE datname = 'fenced')";
    postgres().await.unwrap().execute("fenced", kill).await.unwrap();
    let mut new = writer(&database).await.unwrap();
    let refused = old.write(&[submitted(2, "b").unwrap()]).await;
    assert!(matches!(refused, Err(WriteError::Fenced)), "{refused:?}");
    assert_eq!(changes(&database).await.unwrap().len(), 1);
    new.write(&[submitted(2, "b").unwrap()]).await.unwrap();
    assert_eq!(changes(&database).await.unwrap().len(), 2);
    let refused = old.write(&[submitted(3, "c").unwrap()]).await;
    assert!(matches!(refused, Err(WriteError::Fenced)), "{refused:?}");
}

#[tokio::test]
async fn a_position_of_another_history_stops_the_worker() {
    let database = database("history").await.unwrap();
    let mut first = writer(&database).await.unwrap();
    first.write(&[submitted(1, "a").unwrap()]).await.unwrap();
    let other = format!("UPDATE positions SET hash = '{}' WHERE name = 'jobs'", hash(9));
    postgres().await.unwrap().execute("history", &other).await.unwrap();
    let refused = first.write(&[submitted(2, "b").unwrap()]).await;
    assert!(matches!(refused, Err(WriteError::Fenced)), "{refused:?}");
    assert_eq!(changes(&database).await.unwrap().len(), 1);
    first.release().await.unwrap();
    let elsewhere = "another.log".parse().unwrap();
    let refused = countersign_projections::every_slice(&database).writer(&elsewhere).await;
    assert!(matches!(refused, Err(LeaseError::OtherLog { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_second_worker_waits_until_the_first_ends() {
    let database = database("waiting").await.unwrap();
    let first = writer(&database).await.unwrap();
    let second = writer(&database);
    tokio::pin!(second);
    let waits = async {
        // Until the server says that somebody waits for the lock.
        let asks = "SELECT 1 / count(*)::int FROM pg_locks WHERE locktype = 'advisory' \
                    AND NOT granted AND database = \
                    (SELECT oid FROM pg_database WHERE datname = 'waiting')";
        while postgres().await?.execute("waiting", asks).await.is_err() {}
        anyhow::Ok(())
    };
    tokio::select! {
        taken = &mut second => panic!("two workers hold the lease: {taken:?}"),
        waiting = waits => waiting.unwrap(),
    }
    first.release().await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), second).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_unreadable_commit_parks_its_aggregate_and_only_that() {
    let database = database("parked").await.unwrap();
    let mut first = writer(&database).await.unwrap();
    let id = change("a").to_string();
    let batch = [
        submitted(1, "a").unwrap(),
        unreadable(2, ("change", &id), 2).unwrap(),
        submitted(3, "b").unwrap(),
        commit(4, ("change", &id), 3, &[pending("apr")]).unwrap(),
    ];
    let written = first.write(&batch).await.unwrap();
    assert_eq!((written.commits, written.parked), (2, 2));
    assert_eq!((first.parked_aggregates(), resumes_at(&first)), (1, Some(4)));
    first.release().await.unwrap();
    let mut second = writer(&database).await.unwrap();
    let later = commit(5, ("change", &id), 4, &[pending("apr")]).unwrap();
    assert_eq!(second.write(&[later]).await.unwrap().parked, 1);
    let parked = parked_commits(&database).await.unwrap();
    assert_eq!(parked.iter().map(|it| it.sequence).collect::<Vec<_>>(), [2, 4, 5]);
    assert!(parked[0].reason.contains("schema.foreseen"), "{}", parked[0].reason);
    let list = changes(&database).await.unwrap();
    let states: Vec<_> = list.iter().map(|c| (c.title.as_str(), c.state.as_str())).collect();
    assert_eq!(states, [("b", "checking"), ("a", "checking")]);
}

#[tokio::test]
async fn data_that_does_not_fit_parks_its_aggregate_and_leaves_no_half_of_its_commit() {
    let database = database("misfit").await.unwrap();
    let mut writer = writer(&database).await.unwrap();
    let (orphan, nul) = (change("orphan").to_string(), change("nul").to_string());
    let batch = [
        submitted(1, "a").unwrap(),
        // Never drafted; and a text that PostgreSQL cannot hold.
        commit(2, ("change", &orphan), 1, &[requested()]).unwrap(),
        commit(3, ("change", &nul), 1, &[drafted("a\0b")]).unwrap(),
        submitted(4, "c").unwrap(),
    ];
    let written = writer.write(&batch).await.unwrap();
    assert_eq!((written.commits, written.parked), (2, 2));
    let titles: Vec<_> = changes(&database).await.unwrap().into_iter().map(|c| c.title).collect();
    assert_eq!(titles, ["c", "a"]);
    assert!(change_detail::load(&database, "acme", change("orphan")).await.unwrap().is_none());
    let parked = parked_commits(&database).await.unwrap();
    assert_eq!(parked.len(), 2);
    assert!(parked[0].reason.contains("change_list"), "{}", parked[0].reason);
}

#[tokio::test]
async fn a_condemned_message_is_noted_and_skipped() {
    let database = database("condemned").await.unwrap();
    let mut writer = writer(&database).await.unwrap();
    let batch = [submitted(1, "a").unwrap(), condemned(2)];
    let written = writer.write(&batch).await.unwrap();
    assert_eq!((written.commits, written.condemned, resumes_at(&writer)), (1, 1, Some(2)));
    let noted = "SELECT 1 / count(*)::int FROM condemned \
                 WHERE sequence = 2 AND reason = 'signature_wrong'";
    postgres().await.unwrap().execute("condemned", noted).await.unwrap();
}

#[tokio::test]
async fn a_slice_that_is_added_later_catches_up_alone() {
    let database = database("added").await.unwrap();
    let mut early =
        Tables::new(&database).keep(ChangeList).writer(&origin().unwrap()).await.unwrap();
    let batch = [submitted(1, "a").unwrap(), submitted(2, "b").unwrap()];
    early.write(&batch).await.unwrap();
    early.release().await.unwrap();
    let mut late = writer(&database).await.unwrap();
    assert_eq!(resumes_at(&late), None, "the new slices start from the beginning");
    late.write(&batch).await.unwrap();
    assert_eq!(changes(&database).await.unwrap().len(), 2);
    assert!(change_detail::load(&database, "acme", change("b")).await.unwrap().is_some());
    assert!(parked_commits(&database).await.unwrap().is_empty());
    assert_eq!(resumes_at(&late), Some(2));
}

#[tokio::test]
async fn a_slice_that_is_added_later_has_what_came_before_a_parked_commit() {
    let database = database("before").await.unwrap();
    let mut early =
        Tables::new(&database).keep(ChangeList).writer(&origin().unwrap()).await.unwrap();
    let id = change("a").to_string();
    let batch = [submitted(1, "a").unwrap(), unreadable(2, ("change", &id), 2).unwrap()];
    assert_eq!(early.write(&batch).await.unwrap().parked, 1);
    early.release().await.unwrap();
    let mut late = writer(&database).await.unwrap();
    let written = late.write(&batch).await.unwrap();
    assert_eq!((written.commits, written.parked), (1, 1));
    let detail = change_detail::load(&database, "acme", change("a")).await.unwrap();
    assert_eq!(detail.map(|(_, version)| version), Some(1));
}

#[tokio::test]
async fn a_transient_failure_is_tried_again_and_written_once() {
    let database = database("transient").await.unwrap();
    // The first insert fails as a serialization failure does; a sequence is not rolled back.
    let fails_once = "CREATE SEQUENCE tries; \
        CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        IF nextval('tries') = 1 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; \
        RETURN NEW; END $$; \
        CREATE TRIGGER fail_once BEFORE INSERT ON change_list \
        FOR EACH ROW EXECUTE FUNCTION fail_once()";
    postgres().await.unwrap().execute("transient", fails_once).await.unwrap();
    let mut writer = writer(&database).await.unwrap();
    let batch = [submitted(1, "a").unwrap(), submitted(2, "b").unwrap()];
    let failed = writer.write(&batch).await.unwrap_err();
    assert!(failed.is_transient(), "{failed:?}");
    assert_eq!((changes(&database).await.unwrap().len(), resumes_at(&writer)), (0, None));
    assert_eq!(writer.write(&batch).await.unwrap().commits, 2);
    assert_eq!(changes(&database).await.unwrap().len(), 2);
    assert!(parked_commits(&database).await.unwrap().is_empty());
}
