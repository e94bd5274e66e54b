//! `witness`: cosigns what logs show it, as long as each checkpoint grew out of the one before it.
//!
//! Source: C2SP tlog-witness. The decision is [`ledger::witness`]'s; here are a door ([`door`]), one request at a time
//! ([`desk`]) and what must not be forgotten ([`state`]).

mod desk;
mod door;
mod state;

pub use state::StateError;

use crate::error::CliError;
use crate::exit::Exit;
use crate::keys;
use crate::output::Output;
use anyhow::Context as _;
use chassis::listen::{DevelopmentTokens, PlainListener};
use clap::Args;
use desk::Desk;
use ledger::witness::{Cosigner, KnownLog};
use ledger::{KeyName, Origin};
use serde_json::json;
use state::State;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use trust::keys::PublicKey;

/// `witness`
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "It speaks plain HTTP: put a reverse proxy with TLS before it to show it to the world. Nothing that \
                  passes is secret, and no cosignature can be forged. A refusal is not signed: who sits between can delay a \
                  quorum with one. A sealer stops only at the note that GET /<SHA-256 of the origin>/checkpoint \
                  shows: let it through.\n\n\
                  Never restore the state from a backup, never run two of one key, and never empty the folder: a \
                  witness that forgot what it cosigned can be led onto a fork. Make a new key instead."
)]
pub struct WitnessArguments {
    /// The witness's own private key, used for nothing else (`countersign key generate`).
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Its name in cosignatures and policy files, such as `witness.example.com/w1`.
    #[arg(long)]
    pub name: KeyName,
    /// A log to watch and a key that signs its checkpoints; may be repeated, also with further keys of one log.
    #[arg(long = "log", value_name = "ORIGIN=SPKI", required = true, value_parser = log)]
    pub logs: Vec<(Origin, PublicKey)>,
    /// Where it remembers what it cosigned: a folder of its own on a disk that keeps what it is told.
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// Where it listens, without TLS; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7380")]
    pub listen: SocketAddr,
}

fn log(text: &str) -> Result<(Origin, PublicKey), String> {
    let (origin, spki) = text.split_once('=').ok_or("a log is ORIGIN=SPKI")?;
    let origin = origin.parse().map_err(|_| format!("{origin:?} is not the name of a log"))?;
    let key = spki.parse().map_err(|_| "what follows = is not the base64 of an SPKI".to_owned())?;
    Ok((origin, key))
}

/// Runs until it is told to stop, or what it cosigned cannot be kept.
pub async fn run(arguments: WitnessArguments, output: &Output) -> Result<Exit, CliError> {
    let WitnessArguments { key, name, logs, state, listen } = arguments;
    let cosigner = Cosigner::new(name, keys::load(&key)?);
    let logs = known(logs, &cosigner)?;
    let state = State::open(&state, &cosigner)?;
    let desk = Arc::new(Desk::open(state, cosigner, logs, output.clone())?);
    let listener = PlainListener::bind(listen, DevelopmentTokens::Refused).await;
    let listener = listener.context("the witness cannot listen")?;
    ready(&desk, listener.address(), output)?;
    let stopping = CancellationToken::new();
    let serving = door::serve(Arc::clone(&desk), listener, stopping.clone());
    let mut serving = std::pin::pin!(serving);
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be watched")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be watched")?;
    let is_told = tokio::select! {
        served = &mut serving => { served?; false }
        _ = terminate.recv() => true,
        _ = interrupt.recv() => true,
    };
    if is_told {
        stop(&stopping, serving).await?;
    }
    match desk.broken() {
        Some(error) => Err(error.into()),
        None if is_told => Ok(Exit::Ok),
        None => Err(anyhow::anyhow!("the witness failed while it decided").into()),
    }
}

async fn stop(
    stopping: &CancellationToken,
    serving: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    stopping.cancel();
    serving.await
}

/// Every log once, with all its keys. None of them may be the witness's own: a log is not its own witness.
fn known(
    named: Vec<(Origin, PublicKey)>,
    cosigner: &Cosigner,
) -> Result<Vec<KnownLog>, anyhow::Error> {
    let mut logs: BTreeMap<Origin, Vec<PublicKey>> = BTreeMap::new();
    for (origin, key) in named {
        anyhow::ensure!(key != cosigner.public(), "the key of {origin} is the witness's own key");
        let keys = logs.entry(origin).or_default();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    Ok(logs.into_iter().map(|(origin, keys)| KnownLog { origin, keys }).collect())
}

fn ready(desk: &Desk, address: SocketAddr, output: &Output) -> anyhow::Result<()> {
    let (name, spki) = desk.identity();
    if output.is_json() {
        let line = json!({"name": name, "spki": spki, "url": format!("http://{address}")});
        return output.line(&line.to_string());
    }
    output.line(&format!("witness {name} at http://{address}\n{}", desk.card().trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use clap::Parser as _;
    use trust::keys::PrivateKey;

    #[test]
    fn a_log_is_an_origin_and_a_key() {
        let key = PrivateKey::from_seed(&[7; 32]).public();
        // The base64 of an SPKI may end with =.
        assert_eq!(log(&format!("a.b={key}")), Ok(("a.b".parse().unwrap(), key)));
        for wrong in ["", "a.b", "a.b=", "A=x", &format!("={key}"), &format!("a b={key}")] {
            assert!(log(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_witness_has_a_key_a_name_a_state_and_a_log() {
        let line = |rest: &str| {
            let line = format!("countersign witness --key k.pem --state s {rest}");
            Arguments::try_parse_from(line.split_whitespace())
        };
        let log = format!("--log a.b={}", PrivateKey::from_seed(&[7; 32]).public());
        assert!(line(&format!("--name w.example/1 {log} {log} --listen [::]:0")).is_ok());
        for wrong in [log.clone(), "--name w".to_owned(), format!("--name a+b {log}")] {
            assert_eq!(line(&wrong).map_err(|error| error.exit_code()).err(), Some(2), "{wrong}");
        }
    }

    #[test]
    fn keys_of_one_log_are_together_and_the_witness_is_no_log() {
        let key = |seed| PrivateKey::from_seed(&[seed; 32]);
        let cosigner = Cosigner::new("w".parse().unwrap(), key(1));
        let origin: Origin = "a.b".parse().unwrap();
        let named = |seeds: &[u8]| {
            seeds.iter().map(|seed| (origin.clone(), key(*seed).public())).collect::<Vec<_>>()
        };
        let logs = known(named(&[2, 3, 2]), &cosigner).unwrap();
        let keys = vec![key(2).public(), key(3).public()];
        assert_eq!(logs, [KnownLog { origin: origin.clone(), keys }]);
        assert!(known(named(&[1]), &cosigner).is_err());
    }
}
