//! The operations port: `/livez /readyz /metrics /version`.

use crate::problem::{NOT_FOUND, Problem};
use anyhow::Context as _;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const UPKEEP: Duration = Duration::from_secs(5);
/// Upper bounds in seconds, from a cached read to the request timeout.
const DURATION_BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

type Check = Box<dyn Fn() -> bool + Send + Sync>;

/// What must hold before a process says that it is ready.
#[derive(Clone)]
pub struct Readiness {
    stopping: CancellationToken,
    startup: ReadyFlag,
    checks: Arc<Mutex<BTreeMap<String, Check>>>,
}

impl Readiness {
    /// Not ready before [`Readiness::started`], nor once `stopping` is cancelled.
    pub fn new(stopping: CancellationToken) -> Self {
        Self { stopping, startup: ReadyFlag::default(), checks: Arc::default() }
    }

    /// Every check has been added and every port is open: from now on the checks decide.
    pub fn started(&self) {
        self.startup.set(true);
    }

    /// Adds a check that is asked at each probe: it must be quick.
    pub fn check(&self, name: &str, holds: impl Fn() -> bool + Send + Sync + 'static) {
        self.checks().insert(name.to_owned(), Box::new(holds));
    }

    /// Adds a flag, not set yet.
    pub fn flag(&self, name: &str) -> ReadyFlag {
        let flag = ReadyFlag::default();
        let read = flag.clone();
        self.check(name, move || read.is_set());
        flag
    }

    /// What is not ready, sorted by name.
    pub fn waiting(&self) -> Vec<String> {
        if self.stopping.is_cancelled() {
            return vec!["stopping".to_owned()];
        }
        if !self.startup.is_set() {
            return vec!["startup".to_owned()];
        }
        let checks = self.checks();
        checks.iter().filter(|(_, holds)| !holds()).map(|(name, _)| name.clone()).collect()
    }

    fn checks(&self) -> MutexGuard<'_, BTreeMap<String, Check>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

/// One thing that must be ready.
#[derive(Debug, Clone, Default)]
pub struct ReadyFlag(Arc<AtomicBool>);

impl ReadyFlag {
    /// Says whether it is ready.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::SeqCst);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Clone)]
struct Ops {
    name: &'static str,
    readiness: Readiness,
    metrics: PrometheusHandle,
}

/// The routes of the operations port.
pub fn router(name: &'static str, readiness: Readiness, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .route("/version", get(version))
        .fallback(|| async { Problem::of(&NOT_FOUND) })
        .with_state(Ops { name, readiness, metrics })
}

async fn readyz(State(ops): State<Ops>) -> (StatusCode, Json<serde_json::Value>) {
    let waiting = ops.readiness.waiting();
    let ready = waiting.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "waiting_for": waiting })))
}

async fn render(State(ops): State<Ops>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], ops.metrics.render()).into_response()
}

async fn version(State(ops): State<Ops>) -> Json<serde_json::Value> {
    Json(json!({ "process": ops.name, "version": env!("CARGO_PKG_VERSION") }))
}

/// Makes the process's metrics recorder; once per process.
pub fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(seconds, &DURATION_BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("metrics were started twice in one process")
}

/// Folds collected samples into their buckets, so that memory stays bounded while nobody scrapes.
pub async fn keep_metrics(
    metrics: PrometheusHandle,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(UPKEEP);
    while stopping.run_until_cancelled(tick.tick()).await.is_some() {
        metrics.run_upkeep();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use http::Request;
    use tower::ServiceExt as _;

    async fn get_json(router: &Router, path: &str) -> anyhow::Result<(u16, serde_json::Value)> {
        let request = Request::get(path).body(Body::empty())?;
        let response = router.clone().oneshot(request).await?;
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 1 << 20).await?;
        Ok((status, serde_json::from_slice(&bytes)?))
    }

    fn recorder() -> PrometheusHandle {
        PrometheusBuilder::new().build_recorder().handle()
    }

    #[tokio::test]
    async fn a_process_is_ready_when_every_flag_is_set_and_until_it_stops() {
        let stopping = CancellationToken::new();
        let readiness = Readiness::new(stopping.clone());
        let (log, tables) = (readiness.flag("log"), readiness.flag("tables"));
        let router = router("projections", readiness.clone(), recorder());
        let starting = json!({ "ready": false, "waiting_for": ["startup"] });
        assert_eq!(get_json(&router, "/readyz").await.unwrap(), (503, starting));
        readiness.started();
        log.set(true);
        let waiting = json!({ "ready": false, "waiting_for": ["tables"] });
        assert_eq!(get_json(&router, "/readyz").await.unwrap(), (503, waiting));
        tables.set(true);
        let ready = json!({ "ready": true, "waiting_for": [] });
        assert_eq!(get_json(&router, "/readyz").await.unwrap(), (200, ready));
        stopping.cancel();
        let stopped = json!({ "ready": false, "waiting_for": ["stopping"] });
        assert_eq!(get_json(&router, "/readyz").await.unwrap(), (503, stopped));
    }

    #[tokio::test]
    async fn the_version_names_the_process() {
        let readiness = Readiness::new(CancellationToken::new());
        let router = router("projections", readiness, recorder());
        let (status, version) = get_json(&router, "/version").await.unwrap();
        assert_eq!((status, version["process"].as_str()), (200, Some("projections")));
        assert_eq!(get_json(&router, "/nowhere").await.unwrap().0, 404);
    }

    #[tokio::test]
    async fn counted_things_are_rendered() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || metrics::counter!("example_total").increment(3));
        let router = router("a", Readiness::new(CancellationToken::new()), recorder.handle());
        let request = Request::get("/metrics").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains("example_total 3"));
    }
}
