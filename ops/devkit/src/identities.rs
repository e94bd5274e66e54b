//! The SPIFFE IDs of the development trust domain (PROTOCOL.md section 4).

use nats::NameError;
use nats::subjects::slug;

/// Trust domain of everything that devkit issues. `.test` never resolves in a real network.
pub const TRUST_DOMAIN: &str = "dev.countersign.test";

/// The server of NATS.
pub const NATS: &str = "nats";
/// The only publisher of the log.
pub const COMMAND_API: &str = "command-api";
/// The sealer: reads the log, publishes checkpoints.
pub const SEALER: &str = "sealer";
/// Makes the streams of the LOG account.
pub const LOG_OPERATOR: &str = "log-operator";
/// Rebuilds the log from its archive: the operator of the LOG account, who may append too.
pub const LOG_RESTORER: &str = "log-restorer";
/// Makes the mirrors, streams and buckets of the CTL account.
pub const CONTROL_OPERATOR: &str = "ctl-operator";
/// Makes the mirror and durables of the AGENTS account.
pub const AGENTS_OPERATOR: &str = "agents-operator";
/// The workflows: read the log, dispatch jobs, take in results.
pub const WORKFLOWS: &str = "workflows";
/// The projections: read the log.
pub const PROJECTIONS: &str = "projections";
/// The query side: reads the log.
pub const QUERY_API: &str = "query-api";
/// Scenario programs of `tests/`: may publish a forged job and read what came of it.
pub const SCENARIO: &str = "scenario";

/// `spiffe://<trust domain>/countersign/<service>`.
pub fn service(name: &str) -> Result<String, NameError> {
    Ok(format!("spiffe://{TRUST_DOMAIN}/countersign/{}", slug("service", name)?))
}

/// `spiffe://<trust domain>/tenant/<tenant>/agent/<name>`.
pub fn agent(tenant: &str, name: &str) -> Result<String, NameError> {
    let (tenant, name) = (slug("tenant", tenant)?, slug("agent", name)?);
    Ok(format!("spiffe://{TRUST_DOMAIN}/tenant/{tenant}/agent/{name}"))
}
