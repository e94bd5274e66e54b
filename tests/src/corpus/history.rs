//! A folder of migrations in one of the usual namings, as files in the order in which their tool runs them.

use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};

const UP: &str = ".up.sql";

/// One migration: what its tool would run forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// The file below the folder, for people.
    pub name: String,
    /// The exact bytes.
    pub sql: Vec<u8>,
}

/// Where a migration stands among the others: repeatable ones come last, then the version's numbers, then the name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    repeatable: bool,
    version: Vec<u64>,
    name: String,
}

/// Reads every forward migration of a folder, in order.
///
/// Understood are golang-migrate and sqlx (`1_a.up.sql`, `1_a.sql`), Flyway (`V1_2__a.sql`, `R__a.sql`), goose
/// (`-- +goose Up`), dbmate (`-- migrate:up`), and one folder per migration as diesel (`up.sql`) and Prisma
/// (`migration.sql`) have it. A file whose place cannot be told is an error, since a wrong order proves nothing.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Migration>> {
    let mut found = Vec::new();
    let entries = folder.read_dir().with_context(|| format!("{}", folder.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("{}", folder.display()))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{} is not UTF-8", path.display()))?.to_owned();
        if let Some((file, name)) = forward(&path, &name) {
            let place = place(&name).with_context(|| {
                format!("{name} fits none of the namings: it must begin with a version")
            })?;
            let whole = std::fs::read(&file).with_context(|| format!("{}", file.display()))?;
            found.push((place, Migration { name, sql: section(whole) }));
        }
    }
    // As golang-migrate and sqlx do it: where files say `.up`, those that do not are none of theirs.
    if found.iter().any(|(_, migration)| migration.name.ends_with(UP)) {
        found.retain(|(_, migration)| migration.name.ends_with(UP));
    }
    if found.is_empty() {
        bail!("{} holds no migrations", folder.display());
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found.into_iter().map(|(_, migration)| migration).collect())
}

/// The file that runs forward, and its name; none for what runs backward or is no migration.
fn forward(path: &Path, name: &str) -> Option<(PathBuf, String)> {
    if path.is_dir() {
        let inside = ["up.sql", "migration.sql"].map(|inside| path.join(inside));
        let file = inside.into_iter().find(|file| file.is_file())?;
        let inside = file.file_name()?.to_str()?.to_owned();
        return Some((file, format!("{name}/{inside}")));
    }
    let stem = name.strip_suffix(".sql")?;
    let backward = [".down", ".undo"].iter().any(|suffix| stem.ends_with(suffix));
    let undo =
        stem.strip_prefix('U').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    (!backward && !undo).then(|| (path.to_owned(), name.to_owned()))
}

fn place(name: &str) -> Option<Place> {
    let repeatable = name.starts_with("R__");
    let numbered = name.strip_prefix(['V', 'v']).unwrap_or(name);
    let end = numbered.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_' && c != '-');
    let numbers = numbered.get(..end.unwrap_or(numbered.len()))?;
    // Flyway ends the version with two underscores; elsewhere whatever follows the digits belongs to the name.
    let numbers = numbers.split("__").next()?;
    let version: Option<Vec<u64>> = numbers
        .split(['.', '_', '-'])
        .filter(|number| !number.is_empty())
        .map(|number| number.parse().ok())
        .collect();
    let version = version?;
    (repeatable || !version.is_empty()).then(|| Place {
        repeatable,
        version,
        name: name.to_owned(),
    })
}

/// The forward section where a tool keeps both directions in one file; else the whole file.
fn section(whole: Vec<u8>) -> Vec<u8> {
    let marks = [("-- +goose Up", "-- +goose Down"), ("-- migrate:up", "-- migrate:down")];
    let Ok(text) = std::str::from_utf8(&whole) else { return whole };
    for (up, down) in marks {
        let begins = text.lines().any(|line| line.trim_start().starts_with(up));
        if begins {
            let lines = text.split_inclusive('\n');
            let from = lines.skip_while(|line| !line.trim_start().starts_with(up));
            let section: String =
                from.take_while(|line| !line.trim_start().starts_with(down)).collect();
            return section.into_bytes();
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
        let folder = tempfile::tempdir()?;
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().context("a parent")?)?;
            std::fs::write(path, text)?;
        }
        Ok(read(folder.path())?.into_iter().map(|migration| migration.name).collect())
    }

    #[test]
    fn golang_migrate_and_sqlx_go_by_number_and_leave_the_way_back_out() {
        let files = ["10_c.up.sql", "10_c.down.sql", "2_b.up.sql", "0001_a.up.sql", "3_x_down.sql"];
        let seen = names(&files.map(|name| (name, "select 1;"))).unwrap();
        assert_eq!(seen, ["0001_a.up.sql", "2_b.up.sql", "10_c.up.sql"]);
        let seen = names(&["10_b.sql", "9_a.sql"].map(|name| (name, "select 1;"))).unwrap();
        assert_eq!(seen, ["9_a.sql", "10_b.sql"]);
    }

    #[test]
    fn flyway_goes_by_version_and_runs_repeatable_ones_last() {
        let files = ["R__views.sql", "V1_10__c.sql", "V1.2__b.sql", "V1__a.sql", "U1__a.sql"];
        let seen = names(&files.map(|name| (name, "select 1;"))).unwrap();
        assert_eq!(seen, ["V1__a.sql", "V1.2__b.sql", "V1_10__c.sql", "R__views.sql"]);
    }

    #[test]
    fn a_version_with_a_dot_before_its_name_is_read() {
        let files = ["V0010.Later.up.sql", "V0002.Earlier.up.sql", "V0002.Earlier.down.sql"];
        let seen = names(&files.map(|name| (name, "select 1;"))).unwrap();
        assert_eq!(seen, ["V0002.Earlier.up.sql", "V0010.Later.up.sql"]);
    }

    #[test]
    fn a_folder_per_migration_runs_its_forward_file() {
        let files = [
            "20240102_b/migration.sql",
            "2024-01-01-000000_a/up.sql",
            "2024-01-01-000000_a/down.sql",
        ];
        let seen = names(&files.map(|name| (name, "select 1;"))).unwrap();
        assert_eq!(seen, ["2024-01-01-000000_a/up.sql", "20240102_b/migration.sql"]);
    }

    #[test]
    fn only_the_forward_section_of_goose_and_dbmate_is_taken() {
        let goose = "-- +goose Up\ncreate table a ();\n-- +goose Down\ndrop table a;\n";
        assert_eq!(section(goose.into()), b"-- +goose Up\ncreate table a ();\n");
        let dbmate = "-- migrate:up transaction:true\ncreate table a ();\n\n-- migrate:down\ndrop table a;\n";
        assert_eq!(
            section(dbmate.into()),
            b"-- migrate:up transaction:true\ncreate table a ();\n\n"
        );
        let plain = "create table a ();\r\n";
        assert_eq!(section(plain.into()), plain.as_bytes());
    }

    #[test]
    fn what_has_no_place_or_no_files_is_an_error() {
        let error = names(&[("schema.sql", "select 1;")]).unwrap_err().to_string();
        assert_eq!(error, "schema.sql fits none of the namings: it must begin with a version");
        assert!(
            names(&[("README.md", "")]).unwrap_err().to_string().ends_with("holds no migrations")
        );
    }
}
