//! `PostgreSQL`'s own tools beside the platform: `psql` runs the same files, `pg_dump` says what came of them.

use anyhow::{Context as _, bail};
use devkit::postgres::SUPERUSER;
use devkit::preflight;
use std::path::{Path, PathBuf};
use tokio::process::Command;
use tokio_postgres::config::Host;

use crate::platform::Platform;

/// Client programs lie where the server really is, which may be linked to from elsewhere.
fn beside_the_server(folder: &Path) -> anyhow::Result<PathBuf> {
    let server = folder.join("postgres");
    let real = server.canonicalize().with_context(|| format!("{}", server.display()))?;
    let folder = real.parent().context("a program without a folder")?.to_owned();
    for tool in ["psql", "pg_dump"] {
        anyhow::ensure!(folder.join(tool).is_file(), "{} has no {tool}", folder.display());
    }
    Ok(folder)
}

/// The database that only `psql` works on.
pub const REFERENCE: &str = "reference";
/// `pg_dump` fences its output with a random word unless it is given one.
const RESTRICT_KEY: &str = "--restrict-key=countersign";

/// The tools, as the role that owns both databases.
#[derive(Debug)]
pub struct Tools {
    folder: PathBuf,
    major: u32,
    host: String,
    port: u16,
    role: String,
    password: String,
    target: String,
}

impl Tools {
    /// For the platform's sample database, which is emptied, and a fresh reference database of the same owner.
    pub async fn prepare(platform: &Platform) -> anyhow::Result<Self> {
        let servers = preflight::setup(|line| tracing::info!("{line}")).await?;
        let url: tokio_postgres::Config = platform.target()?.url.parse()?;
        let Some(Host::Tcp(host)) = url.get_hosts().first() else {
            bail!("a target without a host")
        };
        let password = String::from_utf8(url.get_password().context("no password")?.to_vec())?;
        let tools = Self {
            folder: beside_the_server(&servers.postgres.folder)?,
            major: servers.postgres.major,
            host: host.clone(),
            port: *url.get_ports().first().context("no port")?,
            role: url.get_user().context("no user")?.to_owned(),
            password,
            target: url.get_dbname().context("no database")?.to_owned(),
        };
        tools.empty(platform).await?;
        Ok(tools)
    }

    async fn empty(&self, platform: &Platform) -> anyhow::Result<()> {
        let password = platform.card.data_dir.join("postgres").join("password");
        let superuser = std::fs::read_to_string(&password)
            .with_context(|| format!("{}", password.display()))?;
        let role = &self.role;
        let fresh = format!("CREATE DATABASE {REFERENCE} OWNER {role}");
        self.statement("postgres", (SUPERUSER, superuser.trim()), &fresh).await?;
        let schema = format!(
            "DROP SCHEMA public CASCADE; CREATE SCHEMA public; ALTER SCHEMA public OWNER TO {role}; \
             GRANT ALL ON SCHEMA public TO PUBLIC"
        );
        for database in [REFERENCE, &self.target] {
            self.statement(database, (SUPERUSER, superuser.trim()), &schema).await?;
        }
        Ok(())
    }

    /// `PostgreSQL`'s major version.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The platform's database.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Runs a file as `psql` would in one transaction; `Err` is what it said.
    pub async fn run_file(
        &self,
        database: &str,
        file: &Path,
    ) -> anyhow::Result<Result<(), String>> {
        self.psql(database, &["-1".as_ref(), "-f".as_ref(), file.as_os_str()]).await
    }

    /// Runs a file statement by statement, for what cannot run in a transaction.
    pub async fn run_file_loosely(
        &self,
        database: &str,
        file: &Path,
    ) -> anyhow::Result<Result<(), String>> {
        self.psql(database, &["-f".as_ref(), file.as_os_str()]).await
    }

    async fn psql(
        &self,
        database: &str,
        words: &[&std::ffi::OsStr],
    ) -> anyhow::Result<Result<(), String>> {
        let mut command = self.tool("psql", database, (&self.role, &self.password));
        let settings = ["-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose"];
        command.args(["-X", "-q", "-o", "/dev/null"]).args(settings).args(words);
        let output = command.output().await.context("psql cannot be run")?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(if output.status.success() { Ok(()) } else { Err(said) })
    }

    async fn statement(
        &self,
        database: &str,
        who: (&str, &str),
        statement: &str,
    ) -> anyhow::Result<()> {
        let mut command = self.tool("psql", database, who);
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement]);
        let output = command.output().await.context("psql cannot be run")?;
        if !output.status.success() {
            bail!("psql: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// The schema as text, without owners, without the agent's journal and without what differs between two dumps of
    /// the same schema.
    pub async fn dump(&self, database: &str) -> anyhow::Result<String> {
        let mut command = self.tool("pg_dump", database, (&self.role, &self.password));
        command.args(["-s", "--no-owner", "--exclude-schema=countersign", RESTRICT_KEY]);
        let output = command.output().await.context("pg_dump cannot be run")?;
        if !output.status.success() {
            bail!("pg_dump: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let text = String::from_utf8(output.stdout).context("pg_dump's output is not UTF-8")?;
        let versions = |line: &&str| !line.starts_with("-- Dumped ");
        Ok(text.split_inclusive('\n').filter(versions).collect())
    }

    /// The password travels in the environment: arguments are for everybody to see.
    fn tool(&self, name: &str, database: &str, (role, password): (&str, &str)) -> Command {
        let mut command = Command::new(self.folder.join(name));
        let variables = [
            ("PGHOST", self.host.as_str()),
            ("PGUSER", role),
            ("PGPASSWORD", password),
            ("PGDATABASE", database),
            ("LC_ALL", "C.UTF-8"),
        ];
        command.env_clear().envs(variables).env("PGPORT", self.port.to_string());
        command.stdin(std::process::Stdio::null()).kill_on_drop(true);
        command
    }
}
