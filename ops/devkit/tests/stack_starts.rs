//! NATS, `PostgreSQL` and the SPIFFE issuer come up, serve a service by its SVID, and keep their data.

mod stand;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::Duration;

use anyhow::Context as _;
use countersign_devkit::folder::Temporary;
use countersign_devkit::postgres::Postgres;
use countersign_devkit::preflight;
use countersign_devkit::stack::{Options, Stack, StackError};
use countersign_devkit::{Program, identities};
use nats::{Connection, subjects};
use stand::{CHANGE, PATIENCE, TENANT, append, count, holds};

#[tokio::test]
async fn nats_postgresql_and_the_issuer_come_up_and_a_service_connects_by_its_svid()
-> anyhow::Result<()> {
    let stack = stand::stack().await?;

    let connection = stack.connect_service(identities::COMMAND_API).await?;
    assert!(connection.is_connected());
    assert_eq!(connection.connects(), 1);

    let url = stack.postgres().create_database("projections").await?;
    assert_eq!(url, stack.postgres().create_database("projections").await?);
    stack.postgres().execute("projections", "CREATE TABLE t (id int)").await?;
    assert!(stack.postgres().create_database("no-such; name").await.is_err());

    let folder = stack.data_dir().to_owned();
    stack.stop().await;
    assert!(!folder.exists(), "a temporary folder goes with its stack");
    Ok(())
}

#[tokio::test]
async fn the_servers_logs_are_for_their_owners_and_hold_nothing_that_clients_sent()
-> anyhow::Result<()> {
    let stack = stand::stack().await?;
    let postgres = stack.postgres();
    for statements in [
        "SELECT 'hush-1' FROM hush_2",
        "SELECT 'hush-3'::int",
        "CREATE TABLE t (v text PRIMARY KEY); INSERT INTO t VALUES ('hush-4'), ('hush-4')",
        "DO $$ BEGIN RAISE EXCEPTION 'hush-5'; END $$",
        "DO $$ BEGIN RAISE WARNING 'hush-6'; END $$; SELECT pg_sleep(0) /* hush-7 */; hush_8",
    ] {
        assert!(postgres.execute("postgres", statements).await.is_err(), "{statements}");
    }
    let told = postgres.child().log_text();
    assert!(told.contains("ready to accept connections"), "{told}");
    assert!(!told.contains("hush"), "{told}");

    let runs_as = std::fs::metadata(format!("/proc/{}", postgres.child().pid()))?;
    for (child, owner) in [
        (postgres.child(), runs_as.uid()),
        (stack.nats().child(), nix::unistd::Uid::effective().as_raw()),
    ] {
        let meta = std::fs::metadata(child.log())?;
        assert!(meta.len() > 0, "{} is written to", child.log().display());
        assert_eq!((meta.mode() & 0o7777, meta.uid()), (0o600, owner), "{}", child.name());
    }
    if nix::unistd::Uid::effective().is_root() {
        assert_ne!(runs_as.uid(), 0, "PostgreSQL runs as another user");
    }
    Ok(())
}

#[tokio::test]
async fn a_log_that_was_open_to_others_is_closed_by_the_next_start() -> anyhow::Result<()> {
    let folder = Temporary::make()?;
    let options = Options { data_dir: Some(folder.path().to_owned()), ..Options::default() };
    Stack::start(options.clone()).await?.stop().await;
    let logs = ["postgres/postgres.log", "nats/nats.log"].map(|name| folder.path().join(name));
    for log in &logs {
        std::fs::set_permissions(log, std::fs::Permissions::from_mode(0o644))?;
    }
    let stack = Stack::start(options).await?;
    for log in &logs {
        let mode = std::fs::metadata(log)?.mode() & 0o7777;
        assert_eq!(mode, 0o600, "{}", log.display());
    }
    stack.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_restart_keeps_the_authority_the_ports_the_log_and_the_database() -> anyhow::Result<()> {
    let folder = Temporary::make()?;
    let options = Options { data_dir: Some(folder.path().to_owned()), ..Options::default() };
    let subject = subjects::log("main", TENANT, "change", CHANGE)?;

    let first = Stack::start(options.clone()).await?;
    let ports = (first.nats().port(), first.postgres().port());
    let authority = first.workload_api().authority().spki_sha256();
    let api = first.connect_service(identities::COMMAND_API).await?;
    assert_eq!(append(&api, &subject, "kept").await?, 1);
    first.postgres().execute("postgres", "CREATE TABLE kept (id int)").await?;
    let in_use = Stack::start(options.clone()).await;
    assert!(matches!(in_use, Err(StackError::InUse { .. })), "one stack per data folder");
    first.stop().await;

    let second = Stack::start(options).await?;
    assert_eq!((second.nats().port(), second.postgres().port()), ports);
    assert_eq!(second.workload_api().authority().spki_sha256(), authority);
    let api = second.connect_service(identities::COMMAND_API).await?;
    assert_eq!(append(&api, &subject, "more").await?, 2);
    let follower = second.connect_service(identities::PROJECTIONS).await?;
    holds(&follower, &subjects::log_stream("main")?, 2).await?;
    second.postgres().execute("postgres", "INSERT INTO kept VALUES (1)").await?;
    second.stop().await;
    Ok(())
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9_of_nats_and_postgresql() -> anyhow::Result<()> {
    let folder = Temporary::make()?;
    let options = Options { data_dir: Some(folder.path().to_owned()), ..Options::default() };
    let subject = subjects::log("main", TENANT, "change", CHANGE)?;
    let first = Stack::start(options.clone()).await?;
    let api = first.connect_service(identities::COMMAND_API).await?;
    append(&api, &subject, "kept").await?;
    first.postgres().execute("postgres", "CREATE TABLE kept (id int)").await?;
    first.nats().child().kill().await;
    first.postgres().child().kill().await;
    drop(first);

    let second = Stack::start(options).await?;
    let api = second.connect_service(identities::COMMAND_API).await?;
    assert_eq!(count(&api, &subjects::log_stream("main")?).await?, 1);
    second.postgres().execute("postgres", "INSERT INTO kept VALUES (1)").await?;
    Ok(())
}

#[tokio::test]
async fn a_data_folder_of_another_major_version_is_refused_by_name() -> anyhow::Result<()> {
    let folder = Temporary::make()?;
    std::fs::create_dir(folder.path().join("postgres"))?;
    std::fs::write(folder.path().join("postgres/major"), "9")?;
    let options = Options { data_dir: Some(folder.path().to_owned()), ..Options::default() };
    let refused = Stack::start(options).await.err().context("it started")?;
    let cause = std::error::Error::source(&refused).context("no cause")?.to_string();
    assert!(cause.contains("the data folder is of PostgreSQL 9"), "{cause}");
    Ok(())
}

#[tokio::test]
async fn a_cluster_whose_initdb_was_interrupted_is_made_anew() -> anyhow::Result<()> {
    let folder = Temporary::make()?;
    let cluster = folder.path().join("postgres/cluster");
    std::fs::create_dir_all(cluster.join("base"))?;
    std::fs::write(cluster.join("PG_VERSION"), "15\n")?;
    let servers = preflight::setup(|_| {}).await?;
    let postgres =
        Postgres::start(&servers.postgres, &folder.path().join("postgres"), true).await?;
    postgres.execute("postgres", "CREATE TABLE t (id int)").await?;
    postgres.stop().await;
    Ok(())
}

#[tokio::test]
async fn root_is_told_where_postgresql_can_be_reached() -> anyhow::Result<()> {
    if !nix::unistd::Uid::effective().is_root() {
        return Ok(());
    }
    let closed = tempfile::tempdir()?;
    std::fs::set_permissions(closed.path(), std::fs::Permissions::from_mode(0o700))?;
    let options = Options { data_dir: Some(closed.path().join("data")), ..Options::default() };
    let refused = Stack::start(options).await.err().context("it started")?;
    let cause = std::error::Error::source(&refused).context("no cause")?.to_string();
    assert!(cause.contains("cannot enter") && cause.contains("/var/tmp/"), "{cause}");
    Ok(())
}

#[tokio::test]
async fn a_rotated_svid_makes_the_connection_anew() -> anyhow::Result<()> {
    let options = Options { svid_ttl: Duration::from_secs(4), ..Options::default() };
    let stack = Stack::start(options).await?;
    let connection = stack.connect_service(identities::COMMAND_API).await?;
    let mut connects = connection.watch_connects();
    let again = connects.wait_for(|count| *count >= 2);
    tokio::time::timeout(PATIENCE, again).await.context("never reconnected")??;
    assert!(connection.connects() >= 2);
    let subject = subjects::log("main", TENANT, "change", CHANGE)?;
    append(&connection, &subject, "after the rotation").await?;
    Ok(())
}

#[tokio::test]
async fn a_server_with_another_identity_than_expected_is_refused() -> anyhow::Result<()> {
    let stack = stand::stack().await?;
    let id = identities::service(identities::COMMAND_API)?;
    let source = stack.workload_api().source(&id).await?;
    let other = spiffe::SpiffeId::new(identities::service("not-nats")?)?;
    let refused = Connection::connect(&stack.nats_url(), &source, &other, "_INBOX_x", "x").await;
    assert!(refused.is_err());
    Ok(())
}

#[tokio::test]
async fn an_identity_that_nats_does_not_list_is_refused() -> anyhow::Result<()> {
    let stack = stand::stack().await?;
    assert!(stack.connect_service("stranger").await.is_err());
    assert!(stack.connect_agent(TENANT, "never-admitted").await.is_err());
    Ok(())
}

#[tokio::test]
async fn an_identity_of_another_trust_domain_is_not_issued() -> anyhow::Result<()> {
    let stack = stand::stack().await?;
    for id in
        ["spiffe://evil.example/countersign/command-api", "spiffe://dev.countersign.test", "x"]
    {
        assert!(stack.workload_api().endpoint(id).is_err(), "{id}");
    }
    Ok(())
}

/// Killed by the test below; not a test.
#[tokio::test]
#[ignore = "the parent of children_die_with_their_parent"]
async fn a_parent() -> anyhow::Result<()> {
    let file = std::env::var_os("DEVKIT_TEST_PID_FILE").context("run by another test only")?;
    // A real file: as root, a device would be made private to us for everybody.
    let log = std::path::Path::new(&file).with_extension("log");
    let child = Program::new("sleep", "/bin/sleep", log).argument("1000").spawn()?;
    std::fs::write(&file, child.pid().to_string())?;
    child.wait().await;
    Ok(())
}

#[tokio::test]
async fn children_die_with_their_parent_even_by_kill_9() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("pid");
    let parent = Program::new("parent", std::env::current_exe()?, folder.path().join("log"))
        .arguments(["--ignored", "--exact", "a_parent"])
        .variable("DEVKIT_TEST_PID_FILE", &file)
        .spawn()?;
    let pid = || async { std::fs::read_to_string(&file).ok()?.parse::<i32>().ok() };
    let grandchild = nix::unistd::Pid::from_raw(parent.until(PATIENCE, pid).await?);
    assert!(nix::sys::signal::kill(grandchild, None).is_ok());
    parent.kill().await;
    let gone = async {
        // A zombie still answers until its new parent has reaped it.
        let state = format!("/proc/{grandchild}/stat");
        while std::fs::read_to_string(&state).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.context("the grandchild lives on")?;
    Ok(())
}

#[tokio::test]
async fn a_child_that_fails_shows_the_end_of_its_log() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let failed = Program::new("shell", "/bin/sh", folder.path().join("log"))
        .arguments(["-c", "echo all is lost; exit 3"])
        .run()
        .await;
    let text = failed.err().context("it succeeded")?.to_string();
    assert!(text.contains("all is lost") && text.contains('3'), "{text}");
    Ok(())
}
