//! The site's own file: who this agent is, the root it pins, and the databases beside it. It adds demands, never
//! relaxes the root's.

use chassis::config::{Configured, ProcessConfig};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;
use trust::accept::{LocalDataSource, Site};
use trust::encoding::Sha256Digest;
use trust::keys::KeyId;
use trust::names::{DataSourceId, TenantSlug};
use trust::spiffe::SpiffeId;
use trust::statement::{Mode, Requirement, RootRef};

/// The agent's TOML file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What every process has.
    pub process: ProcessConfig,
    /// Where NATS is: `tls://host:port`.
    pub nats_url: String,
    /// The tenant that this agent works for.
    pub tenant: TenantSlug,
    /// The agent's name, a slug.
    pub name: String,
    /// Folder of what the agent must not forget; only one agent may use it.
    pub state_dir: PathBuf,
    /// Keys that no longer count for any data source here.
    #[serde(default)]
    pub revoked_keys: BTreeSet<KeyId>,
    /// The trust root that the site's operator pinned.
    pub root: PinnedFile,
    /// The databases.
    #[serde(default, rename = "data_source")]
    pub data_sources: Vec<DataSource>,
}

/// The section `[root]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedFile {
    /// The root's DSSE envelope.
    pub file: PathBuf,
    /// Its version.
    pub version: u64,
    /// SHA-256 of its payload.
    pub sha256: Sha256Digest,
    /// Whether roots for development are allowed here.
    #[serde(default)]
    pub development: bool,
}

/// One `[[data_source]]`: exactly one database with its own environment.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSource {
    /// Its id in the catalog.
    pub id: DataSourceId,
    /// The name that approvers see.
    pub name: String,
    /// Its environment.
    pub environment: String,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What jobs may do to it.
    pub modes: BTreeSet<Mode>,
    /// File with the URL and credentials, mode 0600. Read at every connect, so that a rotation needs no restart.
    pub url_file: PathBuf,
    /// Whether a change may come without a base fingerprint.
    #[serde(default)]
    pub allow_unbound_base: bool,
    /// Least number of people here; 0 leaves it to the root.
    #[serde(default)]
    pub minimum_quorum: u64,
    /// Roles demanded here.
    #[serde(default)]
    pub requirements: Vec<Requirement>,
    /// Keys that no longer count for this data source.
    #[serde(default)]
    pub revoked_keys: BTreeSet<KeyId>,
    /// Longest wait for one lock, in milliseconds.
    #[serde(default = "default_lock_timeout")]
    pub lock_timeout_ms: u32,
    /// Longest run of one statement, in milliseconds.
    #[serde(default = "default_statement_timeout")]
    pub statement_timeout_ms: u32,
    /// What of the database's errors leaves the site.
    #[serde(default)]
    pub report: ReportRule,
}

/// What of the database's errors leaves the site.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportRule {
    /// SQLSTATE and counts: messages can carry rows out.
    #[default]
    Codes,
    /// The database's message too.
    Full,
}

/// `PostgreSQL`'s limits for a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest wait for one lock.
    pub lock_timeout: Duration,
    /// Longest run of one statement.
    pub statement_timeout: Duration,
}

fn default_lock_timeout() -> u32 {
    3_000
}

fn default_statement_timeout() -> u32 {
    600_000
}

/// A configuration that can be read and still makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// Our certificate is another agent's.
    #[error("this process is {own}, its configuration is for {configured}")]
    OtherAgent {
        /// Whom the certificate names.
        own: SpiffeId,
        /// Whom the configuration names.
        configured: String,
    },
    /// A data source id or name stands twice.
    #[error("data source {0} stands twice")]
    DataSourceTwice(String),
    /// A mode that is not built yet.
    #[error("data source {name} allows {mode}, which is not supported yet")]
    Mode {
        /// The data source.
        name: String,
        /// The mode.
        mode: &'static str,
    },
    /// `PostgreSQL` takes 0 for "no limit".
    #[error("data source {0}: lock_timeout_ms and statement_timeout_ms must be at least 1")]
    Unlimited(String),
}

impl Configured for Config {
    fn process(&self) -> &ProcessConfig {
        &self.process
    }
}

impl Config {
    /// Refuses to work under another identity than the configured one, and whatever makes no sense.
    pub fn check(&self, own: &SpiffeId) -> Result<(), InvalidConfig> {
        let domain = &self.process.trust_domain;
        let configured = format!("spiffe://{domain}/tenant/{}/agent/{}", self.tenant, self.name);
        // The form decides too: a name that is not a slug would reach subjects.
        let expected = SpiffeId::of_agent(domain, self.tenant.as_str(), &self.name).ok();
        if expected.as_ref() != Some(own) {
            return Err(InvalidConfig::OtherAgent { own: own.clone(), configured });
        }
        let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
        for source in &self.data_sources {
            if !ids.insert(&source.id) || !names.insert(&source.name) {
                return Err(InvalidConfig::DataSourceTwice(source.name.clone()));
            }
            source.check()?;
        }
        Ok(())
    }

    /// The pin.
    pub fn root_pin(&self) -> RootRef {
        RootRef { version: self.root.version, sha256: self.root.sha256 }
    }

    /// What the predicate is told about this site.
    pub fn site(&self, own: &SpiffeId) -> Site {
        let sources = self.data_sources.iter();
        Site {
            tenant: self.tenant.clone(),
            agent: own.clone(),
            root: self.root_pin(),
            development: self.root.development,
            revoked_keys: self.revoked_keys.clone(),
            data_sources: sources.map(|source| (source.id.clone(), source.local())).collect(),
        }
    }
}

impl DataSource {
    fn check(&self) -> Result<(), InvalidConfig> {
        let unbuilt = |mode: &&Mode| matches!(mode, Mode::Validate | Mode::Rollback);
        if let Some(mode) = self.modes.iter().find(unbuilt) {
            return Err(InvalidConfig::Mode { name: self.name.clone(), mode: mode.name() });
        }
        if self.lock_timeout_ms == 0 || self.statement_timeout_ms == 0 {
            return Err(InvalidConfig::Unlimited(self.name.clone()));
        }
        Ok(())
    }

    /// Its limits.
    pub fn limits(&self) -> Limits {
        Limits {
            lock_timeout: Duration::from_millis(self.lock_timeout_ms.into()),
            statement_timeout: Duration::from_millis(self.statement_timeout_ms.into()),
        }
    }

    fn local(&self) -> LocalDataSource {
        LocalDataSource {
            name: self.name.clone(),
            environment: self.environment.clone(),
            labels: self.labels.clone(),
            modes: self.modes.clone(),
            quorum: self.minimum_quorum,
            requirements: self.requirements.clone(),
            allow_unbound_base: self.allow_unbound_base,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const FILE: &str = r#"
nats_url = "tls://127.0.0.1:4222"
tenant = "acme"
name = "edge-1"
state_dir = "/var/lib/countersign"
[process]
ops_listen = "127.0.0.1:0"
trust_domain = "example.org"
[root]
file = "root-1.json"
version = 1
sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
development = true
[[data_source]]
id = "dsc_01j5a3z9xv7q0c4n8k2m6t1r3w"
name = "orders"
environment = "production"
labels = { region = "eu" }
modes = ["introspect", "migrate"]
url_file = "orders.url"
minimum_quorum = 2
requirements = [{ role = "dba", count = 1 }]
"#;

    fn read(text: &str) -> Result<Config, Box<dyn std::error::Error>> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(text.as_bytes())?;
        Ok(chassis::config::load(file.path())?)
    }

    fn own(name: &str) -> Result<SpiffeId, trust::names::NameError> {
        SpiffeId::of_agent("example.org", "acme", name)
    }

    #[test]
    fn the_file_becomes_what_the_predicate_is_told() {
        let config = read(FILE).unwrap();
        let own = own("edge-1").unwrap();
        config.check(&own).unwrap();
        let site = config.site(&own);
        let source = site.data_sources.values().next().unwrap();
        assert_eq!((source.quorum, source.requirements.len()), (2, 1));
        assert_eq!(source.modes, BTreeSet::from([Mode::Introspect, Mode::Migrate]));
        assert!(!source.allow_unbound_base);
        assert!(site.development);
        let only = config.data_sources.first().unwrap();
        assert_eq!(only.report, ReportRule::Codes);
        assert_eq!(only.limits().lock_timeout, Duration::from_secs(3));
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        for (text, key) in [
            (format!("minimum = 1\n{FILE}"), "minimum"),
            (format!("{FILE}\nallow_unbound = true\n"), "allow_unbound"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn another_identity_than_the_configured_one_is_refused_by_name() {
        let error = read(FILE).unwrap().check(&own("edge-2").unwrap()).unwrap_err().to_string();
        assert!(error.contains("agent/edge-2") && error.contains("agent/edge-1"), "{error}");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let own = own("edge-1").unwrap();
        let second = FILE.split_once("[[data_source]]").unwrap().1;
        let twice = read(&format!("{FILE}[[data_source]]{second}")).unwrap();
        assert!(matches!(twice.check(&own), Err(InvalidConfig::DataSourceTwice(_))));
        let rollback = read(&FILE.replace("\"migrate\"", "\"rollback\"")).unwrap();
        assert!(matches!(rollback.check(&own), Err(InvalidConfig::Mode { .. })));
        let unlimited = read(&format!("{FILE}lock_timeout_ms = 0\n")).unwrap();
        assert!(matches!(unlimited.check(&own), Err(InvalidConfig::Unlimited(_))));
    }
}
