//! The way to command-api: every command is sent until it is answered.

use crate::config::WorkflowsConfig;
use crate::pauses::Pauses;
use crate::workflow::Because;
use chassis::{Process, TraceContext};
use client::{Cause, Client, Credential, ReceiptBody};
use domain::ids::{PrincipalId, service_principal};
use serde::Serialize;
use std::time::Instant;
use tracing::Instrument as _;
use tracing::field::Empty;

/// What command-api said.
#[derive(Debug)]
pub enum Told {
    /// It is recorded.
    Recorded,
    /// It was refused, for good: that is an answer.
    Refused {
        /// The problem's code.
        code: String,
    },
}

/// Issues commands as the workflows service. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Door {
    client: Client,
    principal: PrincipalId,
}

impl Door {
    /// To the configured command-api, by this process's SVID.
    pub fn new(process: &Process<WorkflowsConfig>) -> anyhow::Result<Self> {
        let config = &process.config;
        let tls = Box::new(process.identity.client_config(&[&config.command_api_id])?);
        let credential = Credential::Svid { tls, tenant: String::new() };
        let client = Client::new(&config.command_api_url, credential)?;
        let principal = service_principal(process.identity.spiffe_id().as_str());
        Ok(Self { client, principal })
    }

    /// Who the commands are from.
    pub fn principal(&self) -> PrincipalId {
        self.principal
    }

    /// Issues a command because of an event, again and again until it is answered.
    pub async fn tell<B: Serialize + Sync>(
        &self,
        because: &Because<'_>,
        step: &str,
        path: &str,
        body: &B,
    ) -> Told {
        let workflow = because.workflow;
        let span = tracing::info_span!(
            "issue",
            trace_id = Empty,
            workflow,
            step,
            event = because.event.kind,
            path
        );
        let trace = TraceContext::follow(&span, because.traceparent);
        let cause = Cause {
            event: because.event.id.clone(),
            correlation_id: because.recorded.correlation_id.clone(),
            traceparent: trace.to_string(),
        };
        let client = self.client.for_tenant(because.tenant()).because(cause);
        send(&client, path, &because.key(step), body).instrument(span).await
    }

    /// Issues a command that no event of the log led to, but something with a place in a trace.
    pub async fn tell_for<B: Serialize + Sync>(
        &self,
        (tenant, traceparent): (&str, &str),
        key: &str,
        path: &str,
        body: &B,
    ) -> Told {
        let span = tracing::info_span!("issue", trace_id = Empty, workflow = "intake", path);
        let trace = TraceContext::follow(&span, traceparent);
        let client = self.client.for_tenant(tenant).traced(trace.to_string());
        send(&client, path, key, body).instrument(span).await
    }
}

async fn send<B: Serialize + Sync>(client: &Client, path: &str, key: &str, body: &B) -> Told {
    let mut pauses = Pauses::new();
    let began = Instant::now();
    let told = loop {
        match client.command::<B, ReceiptBody>(path, key, body).await {
            Ok(_) => break Told::Recorded,
            Err(error) if error.is_answer() => {
                let code = error.code().unwrap_or_default().to_owned();
                tracing::warn!(path, code, "command-api refused a command");
                break Told::Refused { code };
            }
            Err(error) => {
                metrics::counter!("workflows_command_retries_total").increment(1);
                tracing::warn!(path, %error, "command-api has not answered yet: the same command again");
                pauses.pause().await;
            }
        }
    };
    let outcome = match &told {
        Told::Recorded => "recorded",
        Told::Refused { .. } => "refused",
    };
    metrics::counter!("workflows_commands_total", "outcome" => outcome).increment(1);
    metrics::histogram!("workflows_command_duration_seconds").record(began.elapsed());
    told
}
