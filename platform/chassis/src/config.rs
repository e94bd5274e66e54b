//! Configuration: one TOML file, then `COUNTERSIGN_*` from the environment (`__` separates levels).
//!
//! The only place that reads the environment. Unknown keys are errors: every configuration type says
//! `#[serde(deny_unknown_fields)]` and embeds [`ProcessConfig`] as `[process]`.

use ::config::{Config, Environment, File, FileFormat};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const PREFIX: &str = "COUNTERSIGN";

/// A process's configuration.
pub trait Configured: DeserializeOwned {
    /// The part that every process has.
    fn process(&self) -> &ProcessConfig;
}

/// The section `[process]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessConfig {
    /// Where `/livez /readyz /metrics /version` are served.
    pub ops_listen: SocketAddr,
    /// The SPIFFE Workload API: a path or `unix:///path`. Without it `SPIFFE_ENDPOINT_SOCKET` is used.
    #[serde(default)]
    pub spiffe_socket: Option<String>,
    /// The trust domain that this process must belong to.
    pub trust_domain: String,
    /// How logs are written.
    #[serde(default)]
    pub log_format: LogFormat,
    /// Where spans are sent, OTLP over HTTP, such as `http://127.0.0.1:4318`; without it they are not.
    #[serde(default)]
    pub otlp_endpoint: Option<String>,
    /// How long tasks may take to end after the first signal.
    #[serde(default = "default_grace")]
    pub shutdown_grace_seconds: u64,
}

fn default_grace() -> u64 {
    20
}

/// How logs are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// Text.
    Text,
    /// One JSON object per line.
    Json,
}

/// Why the configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file {path} is not TOML")]
    NotToml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: ::config::ConfigError,
    },
    /// A key is unknown, missing or of the wrong type, in the file or in the environment.
    #[error("configuration {path}, key {key}{origin}: {reason}")]
    Key {
        /// The file.
        path: PathBuf,
        /// The key, dotted.
        key: String,
        /// ` (set by COUNTERSIGN_...)` or nothing.
        origin: String,
        /// Why.
        reason: String,
    },
}

/// Reads the configuration.
pub fn load<C: DeserializeOwned>(path: &Path) -> Result<C, ConfigError> {
    load_with(
        path,
        std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect(),
    )
}

fn load_with<C: DeserializeOwned>(
    path: &Path,
    environment: HashMap<String, String>,
) -> Result<C, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let ours = environment.into_iter().filter(|(name, _)| name.starts_with("COUNTERSIGN_"));
    let ours: HashMap<String, String> = ours.collect();
    let variables = Environment::with_prefix(PREFIX)
        .prefix_separator("_")
        .separator("__")
        .source(Some(ours.clone()));
    let merged = Config::builder()
        .add_source(File::from_str(&text, FileFormat::Toml))
        .add_source(variables)
        .build()
        .map_err(|source| ConfigError::NotToml { path: path.to_owned(), source })?;
    serde_path_to_error::deserialize(merged).map_err(|error| {
        let (key, reason) = named_key(&error.path().to_string(), &error.inner().to_string());
        let origin = ours
            .keys()
            .find(|name| dotted(name) == key)
            .map_or_else(String::new, |name| format!(" (set by {name})"));
        ConfigError::Key { path: path.to_owned(), key, origin, reason }
    })
}

fn dotted(variable: &str) -> String {
    variable.trim_start_matches("COUNTERSIGN_").to_lowercase().replace("__", ".")
}

/// The full key and the reason, from serde's path and message: serde names a missing or unknown key only in the message.
fn named_key(path: &str, message: &str) -> (String, String) {
    let section = if path == "." { "" } else { path };
    let named = ["missing field `", "unknown field `", "missing configuration field \""]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split(['`', '"']).next());
    let key = match named {
        // Some deserializers already say the full key in the message or the path.
        Some(name) if section.is_empty() || name.starts_with(&format!("{section}.")) => {
            name.to_owned()
        }
        Some(name) if section == name || section.ends_with(&format!(".{name}")) => {
            section.to_owned()
        }
        Some(name) => format!("{section}.{name}"),
        None => section.to_owned(),
    };
    (key, message.to_owned())
}

/// What telemetry takes from the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TelemetryEnvironment {
    /// `RUST_LOG`.
    pub filter: Option<String>,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
}

impl TelemetryEnvironment {
    /// Reads it.
    pub fn read() -> Self {
        Self { filter: variable("RUST_LOG"), no_color: variable("NO_COLOR").is_some() }
    }
}

/// The standard variable of SPIFFE clients, for processes whose configuration names no socket.
pub(crate) fn spiffe_endpoint_socket() -> Option<String> {
    variable("SPIFFE_ENDPOINT_SOCKET")
}

#[expect(clippy::disallowed_methods, reason = "this module is where the environment is read")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Example {
        process: ProcessConfig,
        log: Log,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Log {
        url: String,
        batch: u32,
    }

    const FILE: &str = "[process]\nops_listen = \"127.0.0.1:0\"\ntrust_domain = \"dev.countersign\"\n\
                        [log]\nurl = \"tls://a\"\nbatch = 10\n";

    fn read(text: &str, environment: &[(&str, &str)]) -> Result<Example, ConfigError> {
        let mut file = tempfile::NamedTempFile::new()
            .map_err(|source| ConfigError::Unreadable { path: PathBuf::new(), source })?;
        file.write_all(text.as_bytes())
            .map_err(|source| ConfigError::Unreadable { path: PathBuf::new(), source })?;
        let pairs = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        load_with(file.path(), pairs.collect())
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let environment = [
            ("COUNTERSIGN_LOG__BATCH", "25"),
            ("COUNTERSIGN_PROCESS__LOG_FORMAT", "json"),
            ("COUNTERSIGN_PROCESS__SPIFFE_SOCKET", "/run/a.sock"),
            ("COUNTERSIGNATURE", "not ours"),
            ("PATH", "/bin"),
        ];
        let config = read(FILE, &environment).unwrap();
        assert_eq!(config.log, Log { url: "tls://a".to_owned(), batch: 25 });
        assert_eq!(config.process.log_format, LogFormat::Json);
        assert_eq!(config.process.spiffe_socket.as_deref(), Some("/run/a.sock"));
        assert_eq!(config.process.shutdown_grace_seconds, 20);
    }

    #[test]
    fn an_error_names_the_file_and_the_key() {
        let unknown = format!("{FILE}colour = \"red\"\n");
        let missing = FILE.replace("batch = 10\n", "");
        let mistyped = FILE.replace("batch = 10", "batch = \"many\"");
        let section = format!("{FILE}[extra]\na = 1\n");
        for (text, key) in [
            (unknown.as_str(), "log.colour"),
            (&missing, "log.batch"),
            (&mistyped, "log.batch"),
            (&section, "extra"),
        ] {
            let shown = read(text, &[]).unwrap_err().to_string();
            assert!(shown.contains(&format!("key {key}:")), "{shown}");
            assert!(shown.contains(std::env::temp_dir().to_str().unwrap()), "{shown}");
        }
    }

    #[test]
    fn an_unknown_variable_is_an_error_that_names_it() {
        for (name, key) in [("COUNTERSIGN_LOG__URLL", "log.urll"), ("COUNTERSIGN_LGO", "lgo")] {
            let shown = read(FILE, &[(name, "x")]).unwrap_err().to_string();
            assert!(shown.contains(&format!("key {key} (set by {name})")), "{shown}");
        }
    }

    #[test]
    fn a_missing_file_and_a_file_that_is_not_toml_are_told_apart() {
        let missing = load_with::<Example>(Path::new("/nonexistent/a.toml"), HashMap::new());
        assert!(matches!(missing, Err(ConfigError::Unreadable { .. })));
        assert!(matches!(read("a = = b", &[]), Err(ConfigError::NotToml { .. })));
    }
}
