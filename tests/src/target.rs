//! What is in the sample database.

use crate::platform::Platform;
use tokio_postgres::{Client, NoTls};

/// The columns of a table of schema `public`, as `name type`; none if there is no such table.
pub async fn columns(platform: &Platform, table: &str) -> anyhow::Result<Vec<String>> {
    let client = connect(platform).await?;
    let query = "SELECT column_name || ' ' || data_type FROM information_schema.columns \
                 WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position";
    let rows = client.query(query, &[&table]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Connects with the credentials of the role that owns it.
pub async fn connect(platform: &Platform) -> anyhow::Result<Client> {
    connect_to(&platform.target()?.url).await
}

/// Connects to a database of this machine.
#[expect(clippy::disallowed_methods, reason = "the driver's connection task ends with its client")]
pub async fn connect_to(url: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
