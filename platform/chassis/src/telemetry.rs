//! Logs on stderr, and spans to a collector where one is configured.

use crate::collector::{self, Collector, CollectorError};
use crate::config::{LogFormat, ProcessConfig, TelemetryEnvironment};
use std::io::IsTerminal as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry};

/// Drivers of databases log what a database says: notices, and statements that were slow.
const USUAL: &str = "info,tokio_postgres=off,sqlx=off";

/// Why telemetry did not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `RUST_LOG` is not a list of directives.
    #[error("RUST_LOG={value:?} is not a filter such as info,countersign=debug")]
    Filter {
        /// What it is.
        value: String,
        /// Why.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Spans cannot be sent to the configured collector.
    #[error("spans cannot be exported")]
    Collector(#[from] CollectorError),
    /// Something else writes the logs of this process already.
    #[error("telemetry was started twice in one process")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Starts logging to stderr: text on a terminal, JSON otherwise or as configured; and the export of spans if the
/// configuration names a collector, which is then flushed when the process ends.
pub fn start(
    process: &'static str,
    config: &ProcessConfig,
    environment: &TelemetryEnvironment,
) -> Result<Option<Collector>, TelemetryError> {
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;
    let directives = environment.filter.as_deref().unwrap_or(USUAL);
    let filter = EnvFilter::try_new(directives)
        .map_err(|source| TelemetryError::Filter { value: directives.to_owned(), source })?;
    let terminal = std::io::stderr().is_terminal();
    let json = match config.log_format {
        LogFormat::Auto => !terminal,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let lines = tracing_subscriber::fmt::layer::<Registry>().with_writer(std::io::stderr);
    let lines = if json {
        lines.json().flatten_event(true).with_span_list(true).with_filter(filter).boxed()
    } else {
        lines.with_ansi(terminal && !environment.no_color).with_filter(filter).boxed()
    };
    let endpoint = config.otlp_endpoint.as_deref();
    let (spans, collector) = match endpoint {
        Some(endpoint) => {
            let (spans, collector) = collector::layer(process, endpoint)?;
            (Some(spans), Some(collector))
        }
        None => (None, None),
    };
    let started = tracing_subscriber::registry().with(lines).with(spans).try_init();
    started.map_err(TelemetryError::Twice)?;
    Ok(collector)
}
