//! What `countersign dev` shows when it is ready: a short card for people, one line of JSON for programs.

use super::layout::Layout;
use super::material::{AGENT, DATA_SOURCE, ENVIRONMENT, Material, TENANT};
use super::sample;
use super::services::Services;
use crate::output::Output;
use anyhow::Context as _;
use devkit::{Stack, identities};
use domain::ids::DataSourceId;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// The addresses, tokens and next steps.
#[derive(Debug)]
pub struct Card {
    value: Value,
    text: String,
}

impl Card {
    /// Of a running stack.
    pub fn new(
        stack: &Stack,
        layout: &Layout,
        material: &Material,
        services: &Services,
    ) -> anyhow::Result<Self> {
        let command_api = format!("http://127.0.0.1:{}", material.port("command-api")?);
        let query_api = format!("http://127.0.0.1:{}", material.port("query-api")?);
        let data_dir = stack.data_dir().display().to_string();
        let policy = layout.verify_policy().display().to_string();
        let target = sample::url(stack, DATA_SOURCE, &material.target_password);
        let read_models = sample::url(stack, sample::READ_MODELS, &material.read_models_password);
        let id = DataSourceId::derived("data_source", &[TENANT, DATA_SOURCE]);
        let mut processes = services.pids();
        processes.insert("nats-server", stack.nats().child().pid());
        processes.insert("postgres", stack.postgres().child().pid());
        let value = json!({
            "command_api": command_api,
            "command_api_services": format!(
                "https://127.0.0.1:{}", material.port("command-api-services")?
            ),
            "query_api": query_api,
            "nats_url": stack.nats_url(),
            "database_url": read_models,
            "data_dir": data_dir,
            "verify_policy": policy,
            "tokens": material.tokens(),
            "agents": [{"name": AGENT, "spiffe_id": identities::agent(TENANT, AGENT)?}],
            "targets": [{"name": DATA_SOURCE, "id": id, "environment": ENVIRONMENT, "url": target}],
            "processes": processes,
            "scenario_socket": stack.service_endpoint(identities::SCENARIO)?,
            "nats_id": stack.nats_id()?,
        });
        let own = std::env::current_exe().context("where this program is cannot be found out")?;
        let bin = own.parent().unwrap_or(Path::new("/")).display();
        let addresses = format!(
            "  command API  {command_api}
  query API    {query_api}
  NATS         {}
  read models  {read_models}
  sample {DATA_SOURCE}  {target}
  data folder  {data_dir}
  tokens       {data_dir}/secrets/NAME.token, one for each of the people below",
            stack.nats_url()
        );
        let shell = format!(
            "  export PATH=\"{bin}:$PATH\" dir=\"{data_dir}\"
  export COUNTERSIGN_COMMAND_API={command_api} COUNTERSIGN_QUERY_API={query_api}
  as() {{ COUNTERSIGN_TOKEN_FILE=$dir/secrets/$1.token countersign \"${{@:2}}\"; }}"
        );
        Ok(Self { value, text: text(&addresses, &shell) })
    }

    /// Shows it.
    pub fn show(&self, output: &Output, elapsed: Duration) -> anyhow::Result<()> {
        if output.is_json() {
            output.line(&self.value.to_string())
        } else {
            output.line(&format!(
                "{}\nready after {:.1} s; Ctrl-C stops everything",
                self.text,
                elapsed.as_secs_f64()
            ))
        }
    }
}

fn text(addresses: &str, shell: &str) -> String {
    format!(
        "Countersign for development: random keys of this data folder, loopback only, never for production

{addresses}

Let a shell speak for somebody, by their token: ada (author), bob and cyd (approvers), auditor

{shell}

Try next

  as ada change submit --source {DATA_SOURCE} --title \"add notes\" --sql FILE.sql
  as bob change approve CHANGE --key $dir/keys/bob.pem     # and cyd: two people are needed
  as ada change watch CHANGE
  as auditor audit export --out bundle
  countersign audit verify bundle --policy $dir/verify-policy.json
"
    )
}
