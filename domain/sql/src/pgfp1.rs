//! `pgfp1`: the frozen fingerprint of the structure of one `PostgreSQL` database.
//!
//! Inside the transaction that is to see the structure, the caller runs [`SETTINGS`], then each of
//! [`QUERIES`], hands all rows to [`document`] and hashes it with [`fingerprint`]. The settings
//! last until the transaction ends: inside a job's transaction, wrap the reading in a savepoint and
//! roll back to it, so that the job's own SQL does not meet an empty search path.
//!
//! **Counted**: schemas, extensions with their version, languages, types, sequences, tables,
//! partitioning, columns, constraints, indexes with their validity, extended statistics, views,
//! functions, aggregates, operators and their classes and families, casts, collations, text
//! search, triggers, event triggers, rules, policies, privileges that differ from the built-in
//! ones, comments on the usual objects, foreign wrappers, servers and tables, publications.
//! **Not counted**: data, sequence values, owners, grantors, planner statistics, objects that an
//! extension brought, system and temporary schemas, the schema `countersign`, security labels,
//! subscriptions, conversions, access methods, transforms, comments on other kinds, the
//! privileges of the database itself, and the credentials of user mappings.
//!
//! The queries use only columns that `PostgreSQL` 13 to 18 have. What the catalog functions print
//! may differ between major versions, and for a few expressions (a list over `varchar`) between
//! the original and its restored dump: a fingerprint is compared with others of one database.
//! Nothing here ever changes, a test holds its hash; another model is another name.

use serde::Serialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The name of this algorithm.
pub const FORMAT: &str = "pgfp1";

/// One statement that fixes the session settings on which catalog texts depend, for the rest of
/// the transaction or savepoint.
pub const SETTINGS: &str = include_str!("../pgfp1/settings.sql");

/// One section of the document and the statement that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// The section's name.
    pub section: &'static str,
    /// One SELECT without parameters; every column is text or NULL.
    pub sql: &'static str,
}

macro_rules! queries {
    ($($section:literal),+ $(,)?) => {
        &[$(Query {
            section: $section,
            sql: include_str!(concat!("../pgfp1/", $section, ".sql")),
        }),+]
    };
}

/// All sections, in the order of the document.
pub const QUERIES: &[Query] = queries![
    "schemas",
    "extensions",
    "languages",
    "types",
    "sequences",
    "tables",
    "columns",
    "constraints",
    "indexes",
    "statistics",
    "views",
    "functions",
    "aggregates",
    "operators",
    "operator_classes",
    "operator_families",
    "casts",
    "collations",
    "text_search",
    "triggers",
    "event_triggers",
    "rules",
    "policies",
    "grants",
    "comments",
    "foreign",
    "publications",
];

/// One row as `PostgreSQL` answered it.
pub type Row = Vec<Option<String>>;

/// Why rows are not a document.
#[derive(Debug, Error)]
pub enum DocumentError {
    /// There must be one answer to each of [`QUERIES`], no more and no less.
    #[error("{found} sections were read, {} are needed", QUERIES.len())]
    SectionCount {
        /// Sections given.
        found: usize,
    },
    /// The answers come in the order of [`QUERIES`].
    #[error("section {expected} is needed here, found {found}")]
    SectionOrder {
        /// The name at this place in [`QUERIES`].
        expected: &'static str,
        /// The name given.
        found: String,
    },
    /// The rows of one section have the same number of columns.
    #[error("rows of different width in section {section}")]
    RaggedRows {
        /// The section.
        section: &'static str,
    },
    /// The rows could not be written as JSON.
    #[error("the document could not be written")]
    Encoding(#[source] serde_json::Error),
}

#[derive(Serialize)]
struct Document<'a> {
    format: &'static str,
    sections: Vec<Section<'a>>,
}

#[derive(Serialize)]
struct Section<'a> {
    name: &'static str,
    rows: Vec<&'a Row>,
}

/// The canonical encoding of the answers to [`QUERIES`], given in their order: compact JSON
/// `{"format":"pgfp1","sections":[{"name":..,"rows":[[text or null,..],..]},..]}` with `\"`, `\\`
/// and control characters escaped as `serde_json` does, nothing else, and the rows of a section in
/// ascending byte order column by column, NULL first. The order they were read in does not count.
///
/// # Errors
/// If the sections are not those of [`QUERIES`].
pub fn document(sections: &[(&str, Vec<Row>)]) -> Result<Vec<u8>, DocumentError> {
    if sections.len() != QUERIES.len() {
        return Err(DocumentError::SectionCount { found: sections.len() });
    }
    let sections = QUERIES.iter().zip(sections).map(|(query, (name, rows))| {
        if query.section != *name {
            let found = (*name).to_owned();
            return Err(DocumentError::SectionOrder { expected: query.section, found });
        }
        let mut rows: Vec<&Row> = rows.iter().collect();
        if rows.windows(2).any(|pair| matches!(pair, [one, other] if one.len() != other.len())) {
            return Err(DocumentError::RaggedRows { section: query.section });
        }
        rows.sort_unstable();
        Ok(Section { name: query.section, rows })
    });
    let document = Document { format: FORMAT, sections: sections.collect::<Result<_, _>>()? };
    serde_json::to_vec(&document).map_err(DocumentError::Encoding)
}

/// `pgfp1:` and the 64 hex digits of the SHA-256 of a document's bytes.
pub fn fingerprint(document: &[u8]) -> String {
    format!("{FORMAT}:{}", hex::encode(Sha256::digest(document)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not to be edited: a changed query is another algorithm under another name.
    const FROZEN: &str = "d595379b3a22c5a4aa948352156a7d079bbb685e68e2f24dd3fd67a1087aedce";

    fn empty() -> Vec<(&'static str, Vec<Row>)> {
        QUERIES.iter().map(|query| (query.section, Vec::new())).collect()
    }

    #[test]
    fn the_queries_and_settings_are_frozen() {
        let mut hash = Sha256::new();
        for text in QUERIES.iter().flat_map(|query| [query.section, query.sql]).chain([SETTINGS]) {
            hash.update(u64::try_from(text.len()).expect("a length").to_be_bytes());
            hash.update(text);
        }
        assert_eq!(hex::encode(hash.finalize()), FROZEN);
    }

    #[test]
    fn the_encoding_is_frozen() {
        let mut sections = empty();
        sections[0].1 = vec![
            vec![Some("b\"\\\n\u{1}é".to_owned()), None],
            vec![Some("a".to_owned()), Some(String::new())],
            vec![None, Some("z".to_owned())],
        ];
        let document = document(&sections).expect("a document");
        let text = String::from_utf8(document.clone()).expect("UTF-8");
        assert!(text.starts_with(
            r#"{"format":"pgfp1","sections":[{"name":"schemas","rows":[[null,"z"],["a",""],["b\"\\\n\u0001é",null]]},{"name":"extensions","rows":[]},"#
        ), "{text}");
        assert_eq!(
            fingerprint(&document),
            "pgfp1:9ca4f565de026381fddd368c7810e7c422480bfa08001ec457a4de9c91bf15ff"
        );
    }

    #[test]
    fn the_order_of_rows_does_not_count_but_every_value_does() {
        let rows = |texts: [&str; 2]| {
            let mut sections = empty();
            sections[5].1 = texts.map(|text| vec![Some(text.to_owned())]).to_vec();
            document(&sections).expect("a document")
        };
        assert_eq!(rows(["a", "b"]), rows(["b", "a"]));
        assert_ne!(rows(["a", "b"]), rows(["a", "c"]));
        assert_ne!(rows(["a", "b"]), document(&empty()).expect("a document"));
    }

    #[test]
    fn answers_that_do_not_fit_the_queries_are_refused() {
        let mut missing = empty();
        missing.pop();
        assert!(matches!(document(&missing), Err(DocumentError::SectionCount { found: 26 })));
        let mut swapped = empty();
        swapped.swap(0, 1);
        assert!(matches!(
            document(&swapped),
            Err(DocumentError::SectionOrder { expected: "schemas", .. })
        ));
        let mut ragged = empty();
        ragged[1].1 = vec![vec![None], vec![None, None]];
        assert!(matches!(
            document(&ragged),
            Err(DocumentError::RaggedRows { section: "extensions" })
        ));
    }

    #[test]
    fn every_query_is_one_select_that_names_the_catalog_in_full() {
        for query in QUERIES {
            assert!(query.sql.starts_with(&format!("-- pgfp1 {}", query.section)));
            let mut lines = query.sql.lines().filter(|line| !line.trim_start().starts_with("--"));
            assert!(lines.next().is_some_and(|line| line.starts_with("SELECT")));
            assert!(!lines.any(|line| line.contains(';')), "{}", query.section);
            assert!(crate::cut(query.sql.as_bytes()).is_ok(), "{}", query.section);
            let bare = query.sql.replace("pg_catalog.", "@");
            for word in ["FROM pg_", "JOIN pg_", "::text", "::regclass", " unnest(", "::\"char\""] {
                assert!(!bare.contains(word), "{}: {word}", query.section);
            }
        }
    }
}
