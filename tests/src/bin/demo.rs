//! `cargo xtask demo`: a real change from submission to applied and verified, and what is refused on the way.

use scenario::demo;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    demo::run().await
}
