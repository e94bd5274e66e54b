//! The processes' configuration files, written anew at every start; secrets stay in files of their own.

use super::layout::Layout;
use super::material::{AGENT, DATA_SOURCE, ENVIRONMENT, Material, ORIGIN, TENANT};
use super::sample::{READ_MODELS, url};
use anyhow::Context as _;
use devkit::stack::SHARD;
use devkit::{Stack, folder, identities};
use domain::ids::DataSourceId;
use serde_json::{Value, json};

/// Writes every configuration file; spans go to `otlp_endpoint`, if there is one.
pub fn write(
    stack: &Stack,
    layout: &Layout,
    material: &Material,
    otlp_endpoint: Option<&str>,
) -> anyhow::Result<()> {
    let read_models = url(stack, READ_MODELS, &material.read_models_password);
    folder::write_private(&layout.secret("read-models.url"), read_models.as_bytes())?;
    let target = url(stack, DATA_SOURCE, &material.target_password);
    folder::write_private(&layout.secret("target.url"), target.as_bytes())?;
    let files = [
        ("command-api", command_api(stack, layout, material)?),
        ("workflows", workflows(stack, layout, material)?),
        ("projections", projections(stack, layout, material)?),
        ("query-api", query_api(stack, layout, material)?),
        ("sealer", sealer(stack, layout, material)?),
        ("agent", agent(stack, layout, material)?),
        ("restore", restore(stack, layout)?),
    ];
    for (process, mut config) in files {
        if let Some((endpoint, section)) = otlp_endpoint.zip(config.get_mut("process")) {
            section["otlp_endpoint"] = endpoint.into();
        }
        let text =
            toml::to_string(&config).with_context(|| format!("configuration of {process}"))?;
        folder::write_private(&layout.config(process), text.as_bytes())?;
    }
    Ok(())
}

fn address(material: &Material, name: &str) -> anyhow::Result<String> {
    Ok(format!("127.0.0.1:{}", material.port(name)?))
}

fn process(material: &Material, name: &str, socket: &str) -> anyhow::Result<Value> {
    Ok(json!({
        "ops_listen": address(material, &format!("{name}-ops"))?,
        "spiffe_socket": socket,
        "trust_domain": identities::TRUST_DOMAIN,
        "log_format": "json",
        "shutdown_grace_seconds": 5,
    }))
}

fn log(material: &Material) -> Value {
    json!({
        "origin": ORIGIN,
        "shard": SHARD,
        "writers": [{"spki": material.writer.public(), "from_sequence": 1}],
    })
}

fn command_api(stack: &Stack, layout: &Layout, material: &Material) -> anyhow::Result<Value> {
    let name = "command-api";
    Ok(json!({
        "people_listen": address(material, name)?,
        "services_listen": address(material, "command-api-services")?,
        "nats_url": stack.nats_url(),
        "nats_id": stack.nats_id()?,
        "writer_key_file": layout.key("writer"),
        "development": true,
        "process": process(material, name, &stack.service_endpoint(name)?)?,
        "log": log(material),
    }))
}

fn workflows(stack: &Stack, layout: &Layout, material: &Material) -> anyhow::Result<Value> {
    let name = "workflows";
    Ok(json!({
        "nats_url": stack.nats_url(),
        "nats_id": stack.nats_id()?,
        "command_api_url": format!("https://{}", address(material, "command-api-services")?),
        "command_api_id": identities::service("command-api")?,
        "dispatcher_key_file": layout.key("dispatcher"),
        "process": process(material, name, &stack.service_endpoint(name)?)?,
        "log": log(material),
    }))
}

fn projections(stack: &Stack, layout: &Layout, material: &Material) -> anyhow::Result<Value> {
    let name = "projections";
    Ok(json!({
        "database_url_file": layout.secret("read-models.url"),
        "search_dir": layout.search_index(),
        "nats_url": stack.nats_url(),
        "nats_id": stack.nats_id()?,
        "process": process(material, name, &stack.service_endpoint(name)?)?,
        "log": log(material),
    }))
}

fn query_api(stack: &Stack, layout: &Layout, material: &Material) -> anyhow::Result<Value> {
    let name = "query-api";
    Ok(json!({
        "people_listen": address(material, name)?,
        "services_listen": address(material, "query-api-services")?,
        "development": true,
        "database_url_file": layout.secret("read-models.url"),
        "search_dir": layout.search_index(),
        "archive": archive(layout),
        "nats_url": stack.nats_url(),
        "nats_id": stack.nats_id()?,
        "process": process(material, name, &stack.service_endpoint(name)?)?,
        "log": log(material),
    }))
}

fn sealer(stack: &Stack, layout: &Layout, material: &Material) -> anyhow::Result<Value> {
    let name = "sealer";
    Ok(json!({
        "nats_url": stack.nats_url(),
        "nats_id": stack.nats_id()?,
        "log_key_file": layout.key("log"),
        "archive": archive(layout),
        "process": process(material, name, &stack.service_endpoint(name)?)?,
        "log": log(material),
    }))
}

/// No process's: `countersign archive restore`'s.
fn restore(stack: &Stack, layout: &Layout) -> anyhow::Result<Value> {
    Ok(json!({
        "origin": ORIGIN,
        "shard": SHARD,
        "replicas": 1,
        "nats_url": stack.nats_url(),
        "nats_id": stack.nats_id()?,
        "spiffe_socket": stack.service_endpoint(identities::LOG_RESTORER)?,
        "trust_domain": identities::TRUST_DOMAIN,
        "archive": archive(layout),
    }))
}

fn archive(layout: &Layout) -> Value {
    json!({ "url": format!("file://{}", layout.archive().display()) })
}

fn agent(stack: &Stack, layout: &Layout, material: &Material) -> anyhow::Result<Value> {
    let id = DataSourceId::derived("data_source", &[TENANT, DATA_SOURCE]);
    Ok(json!({
        "nats_url": stack.nats_url(),
        "tenant": TENANT,
        "name": AGENT,
        "state_dir": layout.agent_state(),
        "process": process(material, "agent", &stack.agent_endpoint(TENANT, AGENT)?)?,
        "root": {
            "file": layout.trust_root(),
            "version": material.root.version,
            "sha256": material.root.sha256,
            "development": true,
        },
        "data_source": [{
            "id": id,
            "name": DATA_SOURCE,
            "environment": ENVIRONMENT,
            "modes": ["introspect", "migrate"],
            "url_file": layout.secret("target.url"),
        }],
    }))
}
