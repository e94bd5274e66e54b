//! Those who cosign: the newest checkpoint goes to every witness, with the proof that it grew out of what the witness
//! cosigned last. Once enough have cosigned one and the same it is shown as the newest, with their lines.
//!
//! Witnesses are asked beside each other (`asking`): one that is slow or down delays nobody but a quorum that needs
//! it, and never the sealing. All are asked about the same checkpoint until that one is shown (`showing`): of
//! witnesses that went on at their own pace no two might ever cosign the same. One that contradicts this log stops the
//! sealer only by what it cosigned itself (`evidence`).
//!
//! Source: C2SP tlog-witness (`add-checkpoint`) and tlog-cosignature.

mod asking;
mod evidence;
mod showing;

use crate::config::{SealerConfig, WitnessConfig};
use crate::sealing::Published;
use crate::standing::Refused;
use anyhow::Context as _;
use archive::Archive;
use asking::Asker;
use futures::future::{join_all, try_join_all};
use ledger::CheckpointNote;
use showing::Showing;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use trust::keys::PublicKey;

/// How long a witness may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// All witnesses of a log.
#[derive(Debug)]
pub struct Witnesses {
    askers: Vec<Asker>,
    configs: Vec<WitnessConfig>,
    quorum: usize,
    archive: Archive,
}

impl Witnesses {
    /// As configured.
    pub fn of(
        config: &SealerConfig,
        log_key: &PublicKey,
        archive: &Archive,
    ) -> anyhow::Result<Self> {
        let (configs, quorum) = (config.witness.clone(), config.witness_quorum);
        check(&configs, quorum, log_key)?;
        // A redirect could lead a request anywhere; the environment's proxy is nobody that was configured here.
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .context("no HTTP client")?;
        let asker = |config: &WitnessConfig| Asker::new(config.clone(), &http, archive);
        let askers = configs.iter().map(asker).collect::<anyhow::Result<_>>()?;
        Ok(Self { askers, configs, quorum, archive: archive.clone() })
    }

    /// No witness may have seen more than `note`, the largest checkpoint that is known here, or another one of its
    /// size: then state was lost, and signing on would be a fork. One that does not answer is asked again before it
    /// cosigns anything.
    pub async fn agree_with(&mut self, note: &CheckpointNote) -> Result<(), Refused> {
        let probes = self.askers.iter_mut().map(|asker| asker.agrees_with(note));
        join_all(probes).await.into_iter().collect()
    }

    /// Has checkpoints cosigned and shows them, until told to stop. A witness that contradicts this log is an error.
    pub async fn keep(
        self,
        published: Published,
        stopping: CancellationToken,
    ) -> anyhow::Result<()> {
        let (target, aim) = watch::channel(None);
        let (sender, cosigned) = mpsc::channel(16);
        let asking = self.askers.into_iter().map(|asker| {
            let asker = asker.beside(published.clone());
            asker.keep_asking(aim.clone(), sender.clone(), stopping.clone())
        });
        let asking = try_join_all(asking.collect::<Vec<_>>());
        drop(sender);
        let showing = Showing::new(self.archive, self.configs, self.quorum, target);
        let showing = showing.run(published, cosigned, stopping);
        tokio::try_join!(asking, showing).map(|_| ())
    }
}

/// The same rules as a policy file has: one key is one witness, and a log is not its own.
fn check(configs: &[WitnessConfig], quorum: usize, log_key: &PublicKey) -> anyhow::Result<()> {
    let known = configs.len();
    anyhow::ensure!(quorum <= known, "witness_quorum is {quorum}, and {known} witnesses are named");
    let keys: BTreeSet<_> = configs.iter().map(|config| config.spki).collect();
    let names: BTreeSet<_> = configs.iter().map(|config| &config.name).collect();
    let is_once = keys.len() == known && names.len() == known;
    anyhow::ensure!(is_once, "two witnesses have the same name or key");
    anyhow::ensure!(!keys.contains(log_key), "the log's own key is named as a witness");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use trust::keys::PrivateKey;

    fn witness(name: &str, seed: u8) -> WitnessConfig {
        let spki = PrivateKey::from_seed(&[seed; 32]).public();
        WitnessConfig { name: name.parse().unwrap(), spki, url: "http://localhost".to_owned() }
    }

    #[test]
    fn a_quorum_is_of_different_witnesses_none_of_which_is_the_log() {
        let log = PrivateKey::from_seed(&[7; 32]).public();
        let (one, two) = (witness("one", 1), witness("two", 2));
        assert!(check(&[], 0, &log).is_ok());
        assert!(check(&[one.clone(), two.clone()], 2, &log).is_ok());
        for (configs, quorum) in [
            (vec![one.clone()], 2),
            (vec![one.clone(), witness("one", 3)], 1),
            (vec![one.clone(), witness("three", 1)], 1),
            (vec![two, witness("log", 7)], 1),
        ] {
            assert!(check(&configs, quorum, &log).is_err(), "{configs:?}");
        }
    }
}
