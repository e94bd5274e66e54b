//! Which statements cannot be part of our one transaction, decided from the syntax tree.
//!
//! The list is `PostgreSQL`'s own: what calls `PreventInTransactionBlock` in `tcop/utility.c` and
//! the commands. What depends on the database (a partitioned table in REINDEX or CLUSTER) cannot
//! be seen here: `PostgreSQL` refuses it, and the transaction fails whole.

use squawk_syntax::{SyntaxKind, SyntaxNode};

/// What is wrong with a statement, before its place is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Objection {
    TransactionControl(&'static str),
    NotTransactional(&'static str),
    CopyStdin,
    OwnedByCurrentRole,
}

/// What is wrong with `node` if it is a statement (or the part of one) that we do not take.
pub(crate) fn objection(node: &SyntaxNode) -> Option<Objection> {
    let kind = node.kind();
    transaction_control(kind)
        .map(Objection::TransactionControl)
        .or_else(|| never_transactional(kind).map(Objection::NotTransactional))
        .or_else(|| conditional(node))
}

fn transaction_control(kind: SyntaxKind) -> Option<&'static str> {
    Some(match kind {
        SyntaxKind::BEGIN => "BEGIN",
        SyntaxKind::COMMIT_TRANSACTION => "COMMIT",
        SyntaxKind::COMMIT_PREPARED => "COMMIT PREPARED",
        SyntaxKind::ROLLBACK_TRANSACTION => "ROLLBACK",
        SyntaxKind::ROLLBACK_TO_SAVEPOINT => "ROLLBACK TO SAVEPOINT",
        SyntaxKind::ROLLBACK_PREPARED => "ROLLBACK PREPARED",
        SyntaxKind::SAVEPOINT_CREATE => "SAVEPOINT",
        SyntaxKind::RELEASE_SAVEPOINT => "RELEASE SAVEPOINT",
        SyntaxKind::PREPARE_TRANSACTION => "PREPARE TRANSACTION",
        _ => return None,
    })
}

fn never_transactional(kind: SyntaxKind) -> Option<&'static str> {
    Some(match kind {
        SyntaxKind::VACUUM => "VACUUM",
        SyntaxKind::CREATE_DATABASE => "CREATE DATABASE",
        SyntaxKind::DROP_DATABASE => "DROP DATABASE",
        SyntaxKind::CREATE_TABLESPACE => "CREATE TABLESPACE",
        SyntaxKind::DROP_TABLESPACE => "DROP TABLESPACE",
        SyntaxKind::ALTER_SYSTEM => "ALTER SYSTEM",
        SyntaxKind::DETACH_CONCURRENTLY => "DETACH PARTITION CONCURRENTLY",
        SyntaxKind::DISCARD_ALL => "DISCARD ALL",
        // Whether it has a slot is known to the database only.
        SyntaxKind::DROP_SUBSCRIPTION => "DROP SUBSCRIPTION",
        SyntaxKind::REFRESH_PUBLICATION => "ALTER SUBSCRIPTION REFRESH PUBLICATION",
        SyntaxKind::REINDEX_TARGET_DATABASE => "REINDEX DATABASE",
        SyntaxKind::REINDEX_TARGET_SYSTEM => "REINDEX SYSTEM",
        SyntaxKind::REINDEX_TARGET_SCHEMA => "REINDEX SCHEMA",
        _ => return None,
    })
}

fn conditional(node: &SyntaxNode) -> Option<Objection> {
    let name = match node.kind() {
        SyntaxKind::CREATE_INDEX if is_concurrent(node) => "CREATE INDEX CONCURRENTLY",
        SyntaxKind::DROP_INDEX if is_concurrent(node) => "DROP INDEX CONCURRENTLY",
        SyntaxKind::REINDEX if reindexes_concurrently(node) => "REINDEX CONCURRENTLY",
        SyntaxKind::CLUSTER if names_nothing(node) => "CLUSTER without a table",
        SyntaxKind::REPACK if names_nothing(node) => "REPACK without a table",
        SyntaxKind::REPACK if repacks_concurrently(node) => "REPACK CONCURRENTLY",
        SyntaxKind::ALTER_DATABASE if has_child(node, SyntaxKind::SET_TABLESPACE) => {
            "ALTER DATABASE SET TABLESPACE"
        }
        SyntaxKind::CREATE_SUBSCRIPTION
            if !is_off(node, "create_slot") && !is_off(node, "connect") =>
        {
            "CREATE SUBSCRIPTION with a slot"
        }
        SyntaxKind::SET_PUBLICATION
        | SyntaxKind::ADD_PUBLICATION
        | SyntaxKind::DROP_SUBSCRIPTION_PUBLICATION
            if node.parent().is_some_and(|up| up.kind() == SyntaxKind::ALTER_SUBSCRIPTION)
                && !is_off(node, "refresh") =>
        {
            "ALTER SUBSCRIPTION with refresh"
        }
        SyntaxKind::COPY_STDIN | SyntaxKind::COPY_STDOUT => return Some(Objection::CopyStdin),
        SyntaxKind::DROP_OWNED | SyntaxKind::REASSIGN if names_current_role(node) => {
            return Some(Objection::OwnedByCurrentRole);
        }
        _ => return None,
    };
    Some(Objection::NotTransactional(name))
}

fn has_child(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    node.children().any(|child| child.kind() == kind)
}

fn is_concurrent(node: &SyntaxNode) -> bool {
    node.children_with_tokens().any(|child| child.kind() == SyntaxKind::CONCURRENTLY_KW)
}

/// REINDEX takes CONCURRENTLY after its target's kind and as an option with an optional value.
fn reindexes_concurrently(reindex: &SyntaxNode) -> bool {
    reindex.descendants().any(|part| match part.kind() {
        SyntaxKind::REINDEX_OPTION_CONCURRENTLY => !part.children().any(|value| says_no(&value)),
        SyntaxKind::REINDEX_TARGET_TABLE | SyntaxKind::REINDEX_TARGET_INDEX => is_concurrent(&part),
        _ => false,
    })
}

/// Any value of the option: whoever writes `(concurrently off)` can leave it out.
fn repacks_concurrently(repack: &SyntaxNode) -> bool {
    repack
        .descendants()
        .filter(|part| part.kind() == SyntaxKind::OPTION_ITEM_KEY)
        .any(|key| key.text().to_string().eq_ignore_ascii_case("concurrently"))
}

fn names_nothing(node: &SyntaxNode) -> bool {
    !node
        .children()
        .any(|part| !matches!(part.kind(), SyntaxKind::OPTION_ITEM_LIST | SyntaxKind::OPTION_ITEM))
}

/// Whether the WITH option `name` is written and set to false.
fn is_off(node: &SyntaxNode, name: &str) -> bool {
    node.descendants().filter(|part| part.kind() == SyntaxKind::ATTRIBUTE_OPTION).any(|option| {
        let named = option.children().any(|part| {
            part.kind() == SyntaxKind::ATTRIBUTE_NAME
                && part.text().to_string().eq_ignore_ascii_case(name)
        });
        named && option.children().any(|value| says_no(&value))
    })
}

fn says_no(value: &SyntaxNode) -> bool {
    let text = value.text().to_string();
    let word = text.trim().trim_matches('\'');
    ["false", "off", "0"].iter().any(|no| word.eq_ignore_ascii_case(no))
}

/// DROP OWNED and REASSIGN OWNED of the role that runs the file would take the journal along.
fn names_current_role(node: &SyntaxNode) -> bool {
    node.descendants().any(|part| {
        matches!(
            part.kind(),
            SyntaxKind::ROLE_REF_CURRENT_USER
                | SyntaxKind::ROLE_REF_CURRENT_ROLE
                | SyntaxKind::ROLE_REF_SESSION_USER
        )
    })
}
