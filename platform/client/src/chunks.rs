//! A long body that is read piece by piece, so that it never stands in memory as a whole.

use crate::connection::transport;
use crate::error::ClientError;
use bytes::Bytes;
use reqwest::Response;

/// A body that is still arriving.
#[derive(Debug)]
pub struct Chunks {
    url: String,
    response: Response,
}

impl Chunks {
    pub(crate) fn new(url: String, response: Response) -> Self {
        Self { url, response }
    }

    /// The next piece; none after the last. A body that breaks off is an error.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        self.response.chunk().await.map_err(|source| transport(&self.url, source))
    }
}
