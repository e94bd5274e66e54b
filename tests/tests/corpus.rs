//! A short history through the whole platform and through psql (`cargo xtask corpus` runs the long ones).

use scenario::corpus::{Plan, Summary, play};
use std::path::Path;

const FILES: [(&str, &str); 5] = [
    (
        "001_tables.up.sql",
        "CREATE TABLE a (id int PRIMARY KEY);\nCREATE TABLE b (a int REFERENCES a);\n",
    ),
    ("001_tables.down.sql", "DROP TABLE b; DROP TABLE a;"),
    ("002_fails.up.sql", "CREATE TABLE half (id int);\nALTER TABLE absent ADD COLUMN x int;\n"),
    ("003_alone.up.sql", "CREATE INDEX CONCURRENTLY a_id ON a (id);\n"),
    ("004_after.up.sql", "CREATE VIEW v AS SELECT id FROM a;\r\n-- the end; without a newline"),
];

async fn run(folder: &Path, skip_refused: bool) -> anyhow::Result<(Summary, Vec<String>)> {
    let folder = folder.to_owned();
    let plan = Plan { folder, skip_refused, expected: None, write: false };
    let mut told = Vec::new();
    let tell = |migration: &scenario::corpus::Migration, verdict: &scenario::corpus::Verdict| {
        told.push(format!("{}: {verdict}", migration.name));
    };
    let summary = play(&plan, tell).await?;
    Ok((summary, told))
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_are_equal_after_every_file_and_a_refusal_is_named() {
    chassis::process::install_crypto();
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let (summary, told) = run(folder.path(), true).await.unwrap();
    let expected = [
        "001_tables.up.sql: equal",
        "002_fails.up.sql: failed alike (42P01)",
        "003_alone.up.sql: skipped: refused as changes.sql_not_transactional, applied with psql",
        "004_after.up.sql: equal",
    ];
    assert_eq!(told, expected);
    assert_eq!((summary.files, summary.bad), (4, 0));

    std::fs::write(folder.path().join("000_nothing.up.sql"), "-- only words\n").unwrap();
    let (summary, told) = run(folder.path(), false).await.unwrap();
    assert_eq!(
        told,
        ["000_nothing.up.sql: EMPTY: no statement in the file (--skip-refused goes on)"]
    );
    assert_eq!(summary.bad, 1);
}
