//! What is left of a request's body once it is answered. A connection that is closed with bytes still coming in takes the
//! answer with it (RFC 9112, 9.6): a caller whose large body was refused would see a broken pipe instead of why.

use axum::body::{Body, Bytes};
use futures::StreamExt as _;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;

/// More than any caller in good faith sends by mistake; who goes on may lose the answer.
const MOST_BYTES: usize = 32 * 1024 * 1024;
const LONGEST: Duration = Duration::from_secs(5);

/// A body that hands back what nobody read of it when it is dropped.
pub(crate) struct Lingering {
    body: Option<Incoming>,
    rest: Option<oneshot::Sender<Incoming>>,
}

/// Where the rest arrives.
pub(crate) struct Rest(oneshot::Receiver<Incoming>);

impl Lingering {
    /// Around the body of one request.
    pub(crate) fn new(body: Incoming) -> (Self, Rest) {
        let (rest, arrives) = oneshot::channel();
        (Self { body: Some(body), rest: Some(rest) }, Rest(arrives))
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let (Some(body), Some(rest)) = (self.body.take(), self.rest.take())
            && !body.is_end_stream()
        {
            // Nobody waits for it where the connection is gone.
            rest.send(body).ok();
        }
    }
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Incoming::size_hint)
    }
}

impl Rest {
    /// Reads and forgets what is left, within bounds.
    pub(crate) async fn read_away(mut self) {
        let Ok(body) = self.0.try_recv() else { return };
        let mut chunks = Body::new(body).into_data_stream();
        let reading = async {
            let mut read = 0;
            while let Some(Ok(chunk)) = chunks.next().await {
                read += chunk.len();
                if read > MOST_BYTES {
                    break;
                }
            }
        };
        if tokio::time::timeout(LONGEST, reading).await.is_err() {
            tracing::debug!("a refused body did not end in time");
        }
    }
}
