//! Services as command-api meets them: mutual TLS by the development Workload API's SVIDs.

use crate::platform::Platform;
use anyhow::Context as _;
use chassis::Identity;
use client::{Client, Credential};
use devkit::identities::{TRUST_DOMAIN, service};

/// The identity that a socket of the running Workload API gives, such as `operator` or `edge`.
pub async fn identity(platform: &Platform, name: &str) -> anyhow::Result<Identity> {
    let scenario = platform.card.scenario_socket.trim_start_matches("unix:");
    let folder = std::path::Path::new(scenario).parent().context("a socket without a folder")?;
    let prefix = format!("{name}-");
    let mut sockets = folder.read_dir()?.flatten().map(|entry| entry.path());
    let named = |path: &std::path::PathBuf| {
        path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&prefix))
    };
    let socket = sockets.find(named).with_context(|| format!("no socket of {name}"))?;
    let socket = socket.to_str().context("a path that is not UTF-8")?;
    Ok(Identity::connect(socket, TRUST_DOMAIN).await?)
}

/// A client of command-api's listener for services.
pub async fn command_api(platform: &Platform, name: &str, tenant: &str) -> anyhow::Result<Client> {
    let identity = identity(platform, name).await?;
    let tls = Box::new(identity.client_config(&[&service("command-api")?])?);
    let credential = Credential::Svid { tls, tenant: tenant.to_owned() };
    Ok(Client::new(&platform.card.command_api_services, credential)?)
}
