//! The floor under the projections: the same rows, written as fast as `PostgreSQL` takes them from one connection.
//!
//! Nothing is decided here. For each batch of commits every row that they touch is written once, as it is in the end:
//! one `INSERT ... SELECT FROM unnest(...) ON CONFLICT DO UPDATE` for each table, and one row that says how far it is.

use event_log::Followed;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{PgPool, Row as _};
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

/// Tables, and which aggregate's commits write to each row.
const TABLES: [(&str, &str); 11] = [
    ("change_list", "tenant || '/change/' || id"),
    ("change_detail", "replace(view_id, '/', '/change/')"),
    ("approval_detail", "replace(view_id, '/', '/approval/')"),
    ("data_source_detail", "replace(view_id, '/', '/data_source/')"),
    ("approvals", "tenant || '/approval/' || id"),
    ("jobs", "tenant || '/job/' || id"),
    ("data_sources", "tenant || '/data_source/' || id"),
    ("agents", "tenant || '/agent/' || id"),
    ("principals", "tenant || '/principal/' || id"),
    ("principal_tokens", "tenant || '/principal/' || principal"),
    ("trust_roots", "tenant || '/trust_root/'"),
];

const COLUMNS: &str = "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), \
    coalesce(a.attnum = ANY(i.indkey), false) FROM pg_attribute a \
    LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
    WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// Rows that were projected, by table.
pub struct Rows {
    tables: Vec<Table>,
}

struct Table {
    statement: String,
    columns: usize,
    /// By the aggregate that they belong to.
    rows: BTreeMap<String, Vec<Vec<Option<String>>>>,
}

/// The rows of one batch: for each table its columns.
pub struct Batch {
    /// Statement and columns.
    tables: Vec<(String, Vec<Vec<Option<String>>>)>,
    /// How many rows there are.
    pub rows: u64,
    sequence: i64,
}

impl Rows {
    /// As they are in a database.
    pub async fn read(url: &str) -> anyhow::Result<Self> {
        let pool = connect(url).await?;
        let mut tables = Vec::new();
        for (name, owner) in TABLES {
            tables.push(Table::read(&pool, name, owner).await?);
        }
        pool.close().await;
        Ok(Self { tables })
    }

    /// Every row that a batch of commits touches, once.
    pub fn batch(&self, commits: &[Followed]) -> anyhow::Result<Batch> {
        let mut touched = BTreeSet::new();
        let mut sequence = 0;
        for followed in commits {
            let Followed::Commit(recorded) = followed else { continue };
            sequence = i64::try_from(recorded.sequence)?;
            let (tenant, kind) = (&recorded.tenant, recorded.aggregate_type.as_str());
            let id = if kind == "trust_root" { "" } else { recorded.aggregate_id.as_str() };
            touched.insert(format!("{tenant}/{kind}/{id}"));
        }
        let mut batch = Batch { tables: Vec::new(), rows: 0, sequence };
        for table in &self.tables {
            let mut columns = vec![Vec::new(); table.columns];
            for row in touched.iter().filter_map(|owner| table.rows.get(owner)).flatten() {
                batch.rows += 1;
                for (column, value) in columns.iter_mut().zip(row) {
                    column.push(value.clone());
                }
            }
            if columns.first().is_some_and(|column| !column.is_empty()) {
                batch.tables.push((table.statement.clone(), columns));
            }
        }
        Ok(batch)
    }
}

impl Table {
    async fn read(pool: &PgPool, name: &str, owner: &str) -> anyhow::Result<Self> {
        let columns: Vec<(String, String, bool)> =
            sqlx::query_as(COLUMNS).bind(name).fetch_all(pool).await?;
        let texts: Vec<_> = columns.iter().map(|(column, ..)| format!("{column}::text")).collect();
        let select = format!("SELECT {owner}, {} FROM {name}", texts.join(", "));
        let mut rows: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for row in sqlx::query(&select).fetch_all(pool).await? {
            let values = (1..=columns.len()).map(|index| row.try_get::<Option<String>, _>(index));
            let values = values.collect::<Result<_, _>>()?;
            rows.entry(owner_of(&row)?).or_default().push(values);
        }
        Ok(Self { statement: statement(name, &columns), columns: columns.len(), rows })
    }
}

fn owner_of(row: &PgRow) -> Result<String, sqlx::Error> {
    row.try_get(0)
}

fn statement(table: &str, columns: &[(String, String, bool)]) -> String {
    let list = |each: &dyn Fn(usize, &str, &str) -> String| {
        let all = columns.iter().enumerate();
        all.map(|(index, (name, kind, _))| each(index + 1, name, kind))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let names = list(&|_, name, _| name.to_owned());
    let values = list(&|_, name, kind| format!("r.{name}::{kind}"));
    let arrays = list(&|index, _, _| format!("${index}::text[]"));
    let keys: Vec<_> =
        columns.iter().filter(|(.., key)| *key).map(|(name, ..)| name.as_str()).collect();
    let others = columns.iter().filter(|(.., key)| !*key);
    let set: Vec<_> = others.map(|(name, ..)| format!("{name} = excluded.{name}")).collect();
    let action = if set.is_empty() {
        "NOTHING".to_owned()
    } else {
        format!("UPDATE SET {}", set.join(", "))
    };
    format!(
        "INSERT INTO {table} ({names}) SELECT {values} FROM unnest({arrays}) AS r({names}) \
         ON CONFLICT ({}) DO {action}",
        keys.join(", ")
    )
}

async fn connect(url: &str) -> anyhow::Result<PgPool> {
    let options = PgConnectOptions::from_str(url)?;
    Ok(PgPoolOptions::new().max_connections(1).connect_with(options).await?)
}

/// Writes batches into another database of the same schema.
pub struct Upserts(PgPool);

impl Upserts {
    /// Into this database.
    pub async fn into(url: &str) -> anyhow::Result<Self> {
        let pool = connect(url).await?;
        let position = "INSERT INTO positions (name, origin, sequence, hash, epoch) \
                        VALUES ('unnest', 'bench.log', 0, '', 1)";
        sqlx::query(position).execute(&pool).await?;
        Ok(Self(pool))
    }

    /// Writes one batch in one transaction.
    pub async fn write(&self, batch: &Batch) -> anyhow::Result<()> {
        let mut transaction = self.0.begin().await?;
        for (statement, columns) in &batch.tables {
            let mut query = sqlx::query(statement);
            for column in columns {
                query = query.bind(column);
            }
            query.execute(&mut *transaction).await?;
        }
        let moved = "UPDATE positions SET sequence = $1 WHERE name = 'unnest'";
        sqlx::query(moved).bind(batch.sequence).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }
}
