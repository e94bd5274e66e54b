//! Resident memory of every process of the platform, and of its servers.

use crate::report::Figure;
use crate::servers::{children_of, proportional, resident};
use crate::statistics::float;
use scenario::Platform;
use std::collections::BTreeMap;

const NAME: &str = "memory";
const MIB: f64 = 1_048_576.0;

/// Bytes by process.
#[derive(Debug, Clone, Default)]
pub struct Memory(BTreeMap<String, u64>);

impl Memory {
    /// As it is now.
    pub fn now(platform: &Platform) -> anyhow::Result<Self> {
        let mut bytes = BTreeMap::new();
        for (name, pid) in &platform.card.processes {
            let own = if name == "postgres" { cluster(*pid)? } else { resident(*pid)? };
            bytes.insert(name.clone(), own);
        }
        Ok(Self(bytes))
    }

    /// The larger of two, for each process.
    #[must_use]
    pub fn or_more(mut self, other: &Self) -> Self {
        for (name, bytes) in &other.0 {
            let most = self.0.entry(name.clone()).or_default();
            *most = (*most).max(*bytes);
        }
        self
    }

    /// Each process under load, with what it had before.
    pub fn figures(&self, idle: &Self, load: &str) -> Vec<Figure> {
        let figure = |(name, bytes): (&String, &u64)| {
            let before = idle.0.get(name).copied().unwrap_or_default();
            let how = if name == "postgres" { "PSS with its backends" } else { "RSS" };
            let configuration = format!("{how}; {load}");
            let values = [float(*bytes) / MIB];
            Figure::of(NAME, name.clone(), configuration, (&values, "MiB"), 1)
                .since("idle", float(before) / MIB)
        };
        self.0.iter().map(figure).collect()
    }
}

/// The postmaster with its children: what they share counts once.
fn cluster(postmaster: i32) -> anyhow::Result<u64> {
    let mut sum = proportional(postmaster)?;
    for child in children_of(postmaster)? {
        // It may have ended meanwhile.
        sum += proportional(child).unwrap_or_default();
    }
    Ok(sum)
}
