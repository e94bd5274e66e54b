//! The door of a witness: bounded bodies, bounded patience, and the process's end once the state cannot be kept.

use super::desk::{Answer, Desk};
use crate::clock;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use chassis::listen::PlainListener;
use chassis::serve::{Connections, serve_within};
use ledger::witness::{MAX_REQUEST_BYTES, Refusal};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// Strangers are behind a proxy, and logs are few.
const CONNECTIONS: Connections = Connections { at_a_time: 256, silence: Duration::from_secs(30) };

/// What a handler needs.
#[derive(Debug, Clone)]
struct Shared {
    desk: Arc<Desk>,
    /// Cancelled when the state cannot be kept.
    failed: CancellationToken,
}

/// Serves until told to stop, or until the state cannot be kept.
pub async fn serve(
    desk: Arc<Desk>,
    listener: PlainListener,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let failed = stopping.child_token();
    let shared = Shared { desk, failed: failed.clone() };
    serve_within(router(shared), listener, CONNECTIONS, failed).await
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/", get(card))
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{hash}/checkpoint", get(checkpoint))
        .fallback(|| async { Answer::text(404, "there is no such address\n") })
        .with_state(shared)
}

async fn card(State(Shared { desk, .. }): State<Shared>) -> Answer {
    Answer::text(200, desk.card())
}

/// What a monitor reads: the newest note of a log with our cosignature.
async fn checkpoint(State(Shared { desk, .. }): State<Shared>, Path(hash): Path<String>) -> Answer {
    let note = desk.checkpoint(&hash);
    note.map_or_else(
        || Answer::text(404, "nothing was cosigned of such a log\n"),
        |note| Answer::text(200, note),
    )
}

async fn add_checkpoint(State(Shared { desk, failed }): State<Shared>, body: Body) -> Answer {
    let body = match tokio::time::timeout(PATIENCE, to_bytes(body, MAX_REQUEST_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let refusal = Refusal::TooLarge;
            return Answer::text(refusal.status(), format!("{refusal}\n"));
        }
        Err(_) => return Answer::text(408, "the body did not arrive in time\n"),
    };
    let decided = tokio::task::spawn_blocking(move || {
        let now = clock::now().datetime().timestamp();
        desk.add_checkpoint(&body, u64::try_from(now).unwrap_or_default())
    });
    if let Ok(Some(answer)) = decided.await {
        return answer;
    }
    // What is on the disk is not known any more; the next start reads it.
    failed.cancel();
    Answer::text(500, "the witness cannot keep what it would cosign\n")
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = HeaderValue::from_static(self.content_type);
        let headers = [
            (header::CONTENT_TYPE, content_type),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (status, headers, self.body).into_response()
    }
}
