//! Everything that is made once per data folder: keys, tokens, passwords, ports.

use super::layout::Layout;
use super::{DevArguments, keys, root};
use crate::error::PortTaken;
use anyhow::Context as _;
use chassis::Clock;
use chassis::token::Token;
use devkit::{Stack, folder, identities};
use domain::identity::Role;
use domain::ids::{PrincipalId, command_id, service_principal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use trust::encoding::{Sha256Digest, Timestamp};
use trust::keys::PrivateKey;

/// The tenant of the development set-up.
pub const TENANT: &str = "acme";
/// The log's name.
pub const ORIGIN: &str = "dev.countersign.test-main";
/// The only environment.
pub const ENVIRONMENT: &str = "dev";
/// The agent's name.
pub const AGENT: &str = "edge";
/// The sample data source's name.
pub const DATA_SOURCE: &str = "shop";
/// The service that sets things up.
pub const OPERATOR: &str = "operator";

const YEAR_SECONDS: i64 = 365 * 24 * 60 * 60;

/// Somebody of the development set-up.
#[derive(Debug, Clone, Copy)]
pub struct Somebody {
    /// Short name: token, key file.
    pub name: &'static str,
    /// For people.
    pub full_name: &'static str,
    /// Whose.
    pub tenant: &'static str,
    /// What they may do.
    pub roles: &'static [Role],
    /// Has an approver key in the root.
    pub signs: bool,
}

/// Everybody. Ada has a key too, to show that an author's own signature does not count.
pub const PEOPLE: [Somebody; 4] = [
    Somebody {
        name: "ada",
        full_name: "Ada (author)",
        tenant: TENANT,
        roles: &[Role::Author, Role::Operator, Role::Approver],
        signs: true,
    },
    Somebody {
        name: "bob",
        full_name: "Bob (approver)",
        tenant: TENANT,
        roles: &[Role::Approver],
        signs: true,
    },
    Somebody {
        name: "cyd",
        full_name: "Cyd (approver)",
        tenant: TENANT,
        roles: &[Role::Approver],
        signs: true,
    },
    Somebody {
        name: "auditor",
        full_name: "Auditor",
        tenant: "system",
        roles: &[Role::Auditor],
        signs: false,
    },
];

/// What is kept in `dev.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    made_at: Timestamp,
    tokens: BTreeMap<String, String>,
    target_password: String,
    read_models_password: String,
    ports: BTreeMap<String, u16>,
}

/// Everything, loaded.
pub struct Material {
    /// When it was made.
    pub made_at: Timestamp,
    /// Signs commits.
    pub writer: PrivateKey,
    /// The root's reference.
    pub root: trust::statement::RootRef,
    /// The root's envelope, as JSON.
    pub root_envelope: Vec<u8>,
    /// The service that sets things up.
    pub operator: PrincipalId,
    /// Of the role that owns the sample database.
    pub target_password: String,
    /// Of the role that owns the read models.
    pub read_models_password: String,
    tokens: BTreeMap<String, String>,
    ports: BTreeMap<String, u16>,
}

impl Material {
    /// What the data folder has; made if it is not there.
    pub fn load_or_make(
        layout: &Layout,
        stack: &Stack,
        arguments: &DevArguments,
    ) -> anyhow::Result<Self> {
        let operator = service_principal(&identities::service(OPERATOR)?);
        let path = layout.material();
        let mut kept: Kept = match folder::read(&path)? {
            Some(text) => serde_json::from_str(&text)
                .with_context(|| format!("{} is damaged: --reset starts anew", path.display()))?,
            None => made(operator)?,
        };
        choose_ports(&mut kept.ports, arguments)?;
        folder::write_private(&path, &serde_json::to_vec_pretty(&kept)?)?;
        for (name, token) in &kept.tokens {
            folder::write_private(&layout.token(name), token.as_bytes())?;
        }
        let writer = keys::load_or_make(layout, "writer")?;
        keys::load_or_make(layout, "dispatcher")?;
        let (root, root_envelope) = root::load_or_make(layout, stack, operator, kept.made_at)?;
        Ok(Self {
            made_at: kept.made_at,
            writer,
            root,
            root_envelope,
            operator,
            target_password: kept.target_password,
            read_models_password: kept.read_models_password,
            tokens: kept.tokens,
            ports: kept.ports,
        })
    }

    /// Somebody's bearer token.
    pub fn token(&self, name: &str) -> anyhow::Result<&str> {
        self.tokens.get(name).map(String::as_str).with_context(|| format!("no token of {name}"))
    }

    /// A digest of somebody's bearer token.
    pub fn token_sha256(&self, name: &str) -> anyhow::Result<Sha256Digest> {
        Ok(Sha256Digest::of(self.token(name)?.as_bytes()))
    }

    /// Until when tokens are accepted and the root holds.
    pub fn expires(&self) -> Timestamp {
        self.made_at.plus_seconds(YEAR_SECONDS)
    }

    /// Every token by name.
    pub fn tokens(&self) -> &BTreeMap<String, String> {
        &self.tokens
    }

    /// A listener's port on loopback.
    pub fn port(&self, name: &str) -> anyhow::Result<u16> {
        self.ports.get(name).copied().with_context(|| format!("no port {name}"))
    }
}

/// A year, for the root.
pub fn year_after(time: Timestamp) -> Timestamp {
    time.plus_seconds(YEAR_SECONDS)
}

/// Somebody's principal id: derived from the command that will create them.
pub fn principal(operator: PrincipalId, somebody: &Somebody) -> PrincipalId {
    let key = principal_key(somebody);
    let command = command_id(somebody.tenant, operator, "create_principal", &key);
    PrincipalId::derived("principal", &[&command.to_string()])
}

/// The `Idempotency-Key` of that command.
pub fn principal_key(somebody: &Somebody) -> String {
    format!("dev/principal/{}", somebody.name)
}

fn made(operator: PrincipalId) -> anyhow::Result<Kept> {
    let mut tokens = BTreeMap::new();
    for somebody in &PEOPLE {
        let id = principal(operator, somebody);
        let token = Token::generate(somebody.tenant, id, &keys::random()?);
        tokens.insert(somebody.name.to_owned(), token.expose().to_owned());
    }
    Ok(Kept {
        made_at: Clock::system().now(),
        tokens,
        target_password: hex::encode(keys::random()?),
        read_models_password: hex::encode(keys::random()?),
        ports: BTreeMap::new(),
    })
}

/// Every listener, and the port it likes best.
const LISTENERS: [(&str, u16); 10] = [
    ("command-api", 4610),
    ("command-api-services", 4611),
    ("command-api-ops", 4612),
    ("query-api", 4620),
    ("query-api-services", 4621),
    ("query-api-ops", 4622),
    ("workflows-ops", 4632),
    ("projections-ops", 4642),
    ("agent-ops", 4652),
    ("sealer-ops", 4662),
];

/// A port that was asked for must be free; another one gives way to a free one if it is taken.
fn choose_ports(ports: &mut BTreeMap<String, u16>, arguments: &DevArguments) -> anyhow::Result<()> {
    // Held until all are chosen, so that no two get the same.
    let mut held = Vec::new();
    for (name, favourite) in LISTENERS {
        let asked = match name {
            "command-api" => arguments.command_api_port,
            "query-api" => arguments.query_api_port,
            _ => None,
        };
        let listener = if let Some(port) = asked {
            bind(port).map_err(|source| PortTaken { port, listener: name, source })?
        } else {
            let free = arguments.ephemeral || arguments.free_ports;
            let first = if free { 0 } else { favourite };
            let remembered = ports.get(name).copied().unwrap_or(first);
            bind(remembered).or_else(|_| bind(0)).context("no free port")?
        };
        ports.insert(name.to_owned(), listener.local_addr().context("no free port")?.port());
        held.push(listener);
    }
    Ok(())
}

fn bind(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}
