//! Spans to an OpenTelemetry collector (OTLP over HTTP), and where a span is in its trace.

use crate::trace::TraceContext;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::time::Duration;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer};

/// Only our own spans: what libraries say at this level can hold SQL.
const OURS: &str = "countersign=debug";
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
#[error("no exporter of spans to {endpoint}")]
pub struct CollectorError {
    endpoint: String,
    #[source]
    source: opentelemetry_otlp::ExporterBuildError,
}

/// Sends spans in batches, from a thread of its own; a collector that is away costs spans and nothing else.
#[derive(Debug)]
pub struct Collector(SdkTracerProvider);

impl Collector {
    /// Sends what is left, for at most five seconds.
    pub async fn flush(self) {
        let flushed =
            tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(EXPORT_TIMEOUT));
        match flushed.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last spans were not exported"),
            Err(error) => tracing::warn!(%error, "the last spans were not exported"),
        }
    }
}

/// Spans of a process to `endpoint`, such as `http://127.0.0.1:4318`.
pub(crate) fn layer<S>(
    process: &'static str,
    endpoint: &str,
) -> Result<(Box<dyn Layer<S> + Send + Sync>, Collector), CollectorError>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|source| CollectorError { endpoint: endpoint.to_owned(), source })?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let namespace = KeyValue::new("service.namespace", "countersign");
    let resource = Resource::builder().with_service_name(process);
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.with_attributes([version, namespace]).build())
        .build();
    let tracer = provider.tracer("countersign");
    let spans = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false);
    Ok((spans.with_filter(EnvFilter::new(OURS)).boxed(), Collector(provider)))
}

/// Puts a span under its cause; where it is then, if it has a place: without a collector there is none.
pub(crate) fn place(span: &Span, cause: Option<TraceContext>) -> Option<TraceContext> {
    if let Some(cause) = cause {
        let parent = Context::new().with_remote_span_context(SpanContext::new(
            TraceId::from(cause.trace_id),
            SpanId::from(cause.span_id),
            TraceFlags::new(cause.flags),
            true,
            TraceState::default(),
        ));
        span.set_parent(parent).ok()?;
    }
    let context = span.context();
    let own = context.span().span_context().clone();
    own.is_valid().then(|| TraceContext {
        trace_id: u128::from_be_bytes(own.trace_id().to_bytes()),
        span_id: u64::from_be_bytes(own.span_id().to_bytes()),
        flags: own.trace_flags().to_u8() & 1,
    })
}
