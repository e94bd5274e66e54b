//! The platform under a supervisor that kills: real servers and services, each link through a proxy.

use crate::platform::{Card, Platform};
use crate::proxy::Proxy;
use anyhow::Context as _;
use client::is_ready;
use devkit::nats_server::Agent;
use devkit::{Child, Options, Program, Stack, folder, preflight};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use toml::{Table, Value};

const PATIENCE: Duration = Duration::from_mins(1);
const TENANT: &str = "acme";
const AGENT: &str = "edge";

/// What can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Victim {
    /// A service of ours.
    Service(&'static str),
    /// nats-server, with every stream.
    Nats,
    /// `PostgreSQL`, with the target database and the read models.
    Postgres,
}

impl Victim {
    /// Every one that a storm kills.
    pub const ALL: [Self; 8] = [
        Self::Service("command-api"),
        Self::Service("workflows"),
        Self::Service("projections"),
        Self::Service("query-api"),
        Self::Service("agent"),
        Self::Service("sealer"),
        Self::Nats,
        Self::Postgres,
    ];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Service(name) => name,
            Self::Nats => "nats-server",
            Self::Postgres => "target database",
        }
    }
}

/// The links whose weather changes.
const LINKS: [&str; 7] = [
    "people to command-api",
    "workflows to command-api",
    "command-api to nats",
    "workflows to nats",
    "projections to nats",
    "agent to nats",
    "agent to the target",
];

/// The running platform.
#[derive(Debug)]
pub struct Fleet {
    /// Addresses and tokens; command-api is the proxy's address.
    pub card: Card,
    /// The data folder.
    pub data: PathBuf,
    stack: Mutex<Stack>,
    services: BTreeMap<&'static str, Service>,
    links: BTreeMap<&'static str, Proxy>,
}

#[derive(Debug)]
struct Service {
    path: PathBuf,
    program: Program,
    operations: String,
    child: Mutex<Child>,
}

impl Fleet {
    /// Bootstraps by `countersign dev`, stops it, and starts the same data under this supervisor.
    pub async fn start(data: &Path) -> anyhow::Result<Arc<Self>> {
        let platform = Platform::start(data).await?;
        let mut card = platform.card.clone();
        let programs = platform.programs()?;
        platform.stop().await?;
        let servers = preflight::setup(|line| tracing::info!("{line}")).await?;
        let agents = vec![Agent { tenant: TENANT.to_owned(), name: AGENT.to_owned() }];
        let options = Options { data_dir: Some(data.to_owned()), agents, ..Options::default() };
        let stack = Stack::start_with(&servers, options).await?;
        let links = links(&stack, &card).await?;
        let mut services = BTreeMap::new();
        for victim in Victim::ALL {
            let Victim::Service(name) = victim else { continue };
            // The socket is where it was; somebody has to serve it.
            match name {
                "agent" => stack.agent_endpoint(TENANT, AGENT)?,
                service => stack.service_endpoint(service)?,
            };
            let path = programs.get(name).with_context(|| format!("no program {name}"))?;
            services.insert(name, service(data, name, path, &links)?);
        }
        let port = link(&links, "people to command-api")?.port();
        card.command_api = format!("http://127.0.0.1:{port}");
        let fleet = Self { card, data: data.to_owned(), stack: Mutex::new(stack), services, links };
        for (name, service) in &fleet.services {
            ready(name, service).await?;
        }
        Ok(Arc::new(fleet))
    }

    /// `kill -9`, and a new start at once; how long until it was ready again.
    pub async fn crash(&self, victim: Victim) -> anyhow::Result<Duration> {
        let began = Instant::now();
        match victim {
            Victim::Nats => self.stack.lock().await.crash_nats().await?,
            Victim::Postgres => self.stack.lock().await.crash_postgres().await?,
            Victim::Service(name) => {
                let service = self.services.get(name).context("no such service")?;
                {
                    let mut child = service.child.lock().await;
                    child.kill().await;
                    *child = service.program.clone().spawn()?;
                }
                ready(name, service).await?;
            }
        }
        Ok(began.elapsed())
    }

    /// Starts again what ended by itself, as any supervisor does; says which and with what last words.
    pub async fn revive(&self) -> anyhow::Result<Vec<String>> {
        let mut ended = Vec::new();
        for (name, service) in &self.services {
            let mut child = service.child.lock().await;
            if let Some(status) = child.exit_status() {
                let log = child.log_tail();
                let words = log.lines().rev().find(|line| line.starts_with("Error: "));
                ended.push(format!("{name}, {status}: {}", words.unwrap_or("no last words")));
                *child = service.program.clone().spawn()?;
            }
        }
        Ok(ended)
    }

    /// Waits until every service is ready; one that has ended by itself is started again.
    pub async fn settle(&self) -> anyhow::Result<()> {
        for (name, service) in &self.services {
            ready(name, service).await?;
        }
        Ok(())
    }

    /// The links by name.
    pub fn links(&self) -> &BTreeMap<&'static str, Proxy> {
        &self.links
    }

    /// A new database beside the read models, owned by their role; its URL.
    pub async fn database(&self, name: &str) -> anyhow::Result<String> {
        let stack = self.stack.lock().await;
        let postgres = stack.postgres();
        postgres.create_database(name).await?;
        let owner = format!("ALTER DATABASE {name} OWNER TO read_models;");
        postgres.execute("postgres", &owner).await?;
        postgres.execute(name, "ALTER SCHEMA public OWNER TO read_models;").await?;
        let (url, _) =
            self.card.database_url.rsplit_once('/').context("a URL without a database")?;
        Ok(format!("{url}/{name}"))
    }

    /// Starts another `projections` that fills the database at this URL; it ends when dropped.
    pub fn project_into(&self, url: &str) -> anyhow::Result<Child> {
        let original = self.data.join("config").join("projections.toml");
        let mut config = read(&original)?;
        let secret = self.data.join("secrets").join("again.url");
        folder::write_private(&secret, url.as_bytes())?;
        put(&mut config, "database_url_file", &secret.to_string_lossy());
        put(&mut config, "search_dir", &self.data.join("search-again").to_string_lossy());
        let process = config.get_mut("process").and_then(Value::as_table_mut);
        let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        put(process.context("no [process]")?, "ops_listen", &free.to_string());
        let file = self.data.join("config").join("again.toml");
        folder::write_private(&file, toml::to_string(&config)?.as_bytes())?;
        let projections = self.services.get("projections").context("no projections")?;
        Ok(program(&self.data, "projections-again", &projections.path, &file).spawn()?)
    }

    /// Stops everything in order.
    pub async fn stop(self: Arc<Self>) -> anyhow::Result<()> {
        let fleet = Arc::into_inner(self).context("somebody still uses the fleet")?;
        for service in fleet.services.into_values() {
            service.child.into_inner().stop(Duration::from_secs(8)).await;
        }
        fleet.stack.into_inner().stop().await;
        Ok(())
    }
}

async fn ready(name: &str, service: &Service) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_ready(&service.operations).await {
        let mut child = service.child.lock().await;
        if let Some(status) = child.exit_status() {
            tracing::warn!("{name} ended while starting: {}", child.ended(status));
            *child = service.program.clone().spawn()?;
        }
        anyhow::ensure!(Instant::now() < deadline, "{name} is not ready:\n{}", child.log_tail());
        drop(child);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

async fn links(stack: &Stack, card: &Card) -> anyhow::Result<BTreeMap<&'static str, Proxy>> {
    let mut links = BTreeMap::new();
    for name in LINKS {
        let upstream = match name {
            "people to command-api" => port_of(&card.command_api)?,
            "workflows to command-api" => port_of(&card.command_api_services)?,
            "agent to the target" => stack.postgres().port(),
            _ => stack.nats().port(),
        };
        links.insert(name, Proxy::to(upstream).await?);
    }
    Ok(links)
}

fn link<'a>(links: &'a BTreeMap<&'static str, Proxy>, name: &str) -> anyhow::Result<&'a Proxy> {
    links.get(name).with_context(|| format!("no link {name}"))
}

fn port_of(url: &str) -> anyhow::Result<u16> {
    let (_, port) = url.rsplit_once(':').context("a URL without a port")?;
    Ok(port.trim_end_matches('/').parse()?)
}

/// A service on the configuration that `countersign dev` wrote, with its links through the proxies.
fn service(
    data: &Path,
    name: &'static str,
    path: &Path,
    links: &BTreeMap<&'static str, Proxy>,
) -> anyhow::Result<Service> {
    let mut config = read(&data.join("config").join(format!("{name}.toml")))?;
    if let Some(proxy) = links.get(format!("{name} to nats").as_str()) {
        put(&mut config, "nats_url", &format!("tls://127.0.0.1:{}", proxy.port()));
    }
    if name == "workflows" {
        let port = link(links, "workflows to command-api")?.port();
        put(&mut config, "command_api_url", &format!("https://127.0.0.1:{port}"));
    }
    if name == "agent" {
        let secret = data.join("secrets").join("target.url");
        let url = std::fs::read_to_string(&secret)?;
        let (before, port) = url.trim().rsplit_once(':').context("a URL without a port")?;
        let (_, database) = port.split_once('/').context("a URL without a database")?;
        let port = link(links, "agent to the target")?.port();
        let through = data.join("secrets").join("target-through-proxy.url");
        folder::write_private(&through, format!("{before}:{port}/{database}").as_bytes())?;
        let sources = config.get_mut("data_source").and_then(Value::as_array_mut);
        let source = sources.and_then(|all| all.first_mut()).and_then(Value::as_table_mut);
        put(source.context("no data source")?, "url_file", &through.to_string_lossy());
    }
    let operations = config.get("process").and_then(|process| process.get("ops_listen"));
    let operations = operations.and_then(Value::as_str).context("no ops_listen")?;
    let operations = format!("http://{operations}");
    let file = data.join("config").join(format!("storm-{name}.toml"));
    folder::write_private(&file, toml::to_string(&config)?.as_bytes())?;
    let program = program(data, name, path, &file);
    let child = Mutex::new(program.clone().spawn()?);
    Ok(Service { path: path.to_owned(), program, operations, child })
}

fn program(data: &Path, name: &str, path: &Path, config: &Path) -> Program {
    Program::new(name, path, data.join("logs").join(format!("{name}.log")))
        .without_environment()
        .argument("--config")
        .argument(config)
}

fn read(file: &Path) -> anyhow::Result<Table> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    Ok(text.parse()?)
}

fn put(table: &mut Table, key: &str, value: &str) {
    table.insert(key.to_owned(), Value::String(value.to_owned()));
}
