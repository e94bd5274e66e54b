//! The `PostgreSQL` of the read models.

use super::processes::listener;
use super::{Clock, ListenerFacts, Seen};
use crate::clock::now;
use crate::files::read_text;
use anyhow::Context as _;
use chrono::DateTime;
use devkit::postgres::rows;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

/// What it shows.
#[derive(Debug, Clone)]
pub struct DatabaseFacts {
    /// `server_version_num`, such as 150018.
    pub version: u32,
    /// Its clock.
    pub clock: Clock,
    /// Where it listens.
    pub listeners: Vec<ListenerFacts>,
    /// Commits that were set aside by the projections.
    pub parked: u64,
    /// Messages of the log that are condemned.
    pub condemned: u64,
}

/// Asks.
pub async fn gather(data_dir: &Path) -> Seen<DatabaseFacts> {
    asked(data_dir).await.map_err(|error| format!("{error:#}"))
}

async fn asked(data_dir: &Path) -> anyhow::Result<DatabaseFacts> {
    let url = url(data_dir)?;
    let before = now().datetime();
    let time =
        one(&url, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").await?;
    let after = now().datetime();
    let time =
        DateTime::from_timestamp_micros(time.parse()?).context("a time beyond the calendar")?;
    let version = one(&url, "SHOW server_version_num").await?.parse()?;
    let addresses = one(&url, "SHOW listen_addresses").await?;
    let port = one(&url, "SHOW port").await?.parse()?;
    let parked = one(&url, "SELECT count(*) FROM parked").await?.parse()?;
    let condemned = one(&url, "SELECT count(*) FROM condemned").await?.parse()?;
    let mut listeners = Vec::new();
    for address in listens(&addresses) {
        let address = SocketAddr::new(address, port);
        listeners.push(listener("postgres".to_owned(), address, true).await);
    }
    let clock = Clock::seen("PostgreSQL", (before, after), (time, time));
    Ok(DatabaseFacts { version, clock, listeners, parked, condemned })
}

/// How far each slice of the read models is.
pub async fn positions(data_dir: &Path) -> anyhow::Result<BTreeMap<String, u64>> {
    let rows = rows(&url(data_dir)?, "SELECT name, sequence FROM positions").await?;
    let read = |row: Vec<String>| match row.as_slice() {
        [name, sequence] => Ok((name.clone(), sequence.parse()?)),
        _ => anyhow::bail!("a position is a name and a sequence"),
    };
    rows.into_iter().map(read).collect()
}

fn url(data_dir: &Path) -> anyhow::Result<String> {
    let path = data_dir.join("secrets/read-models.url");
    read_text(&path).with_context(|| format!("{} cannot be read", path.display()))
}

async fn one(url: &str, statement: &str) -> anyhow::Result<String> {
    let rows = rows(url, statement).await?;
    rows.into_iter().flatten().next().context("PostgreSQL gave no row")
}

/// `listen_addresses` as addresses; a name other than `localhost` is somewhere else.
fn listens(setting: &str) -> Vec<IpAddr> {
    let names = setting.split(',').map(str::trim).filter(|name| !name.is_empty());
    let address = |name: &str| match name {
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        name => name.parse().unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
    };
    names.map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_surely_loopback_is_everywhere() {
        assert!(listens("").is_empty());
        assert!(listens("127.0.0.1, localhost,::1").iter().all(IpAddr::is_loopback));
        for open in ["*", "0.0.0.0", "db.example"] {
            assert!(listens(open).iter().all(IpAddr::is_unspecified), "{open}");
        }
    }
}
