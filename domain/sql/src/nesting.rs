//! How deep a parse of a text could recurse, from its tokens alone.
//!
//! `squawk-syntax` recurses without a limit (measured: 1,000 parentheses exhaust 2 MiB in a
//! debug build), and a stack overflow cannot be caught. So the depth is bounded before parsing.

use squawk_lexer::{TokenKind, tokenize};

/// Tokens that may still be open at once. Views with long `OR` chains stay far below; the parse
/// thread's stack ([`mod@crate::cut`]) was measured to hold more than twice as many.
const MAX_OPEN_TOKENS: usize = 4_000;

/// Words that start or chain a query without brackets, so that the commas of a select list do
/// not end the recursion they stand in.
const CHAINING: &[&str] = &[
    "atomic",
    "begin",
    "case",
    "copy",
    "create",
    "declare",
    "delete",
    "do",
    "except",
    "execute",
    "explain",
    "insert",
    "intersect",
    "merge",
    "prepare",
    "select",
    "table",
    "union",
    "update",
    "values",
    "with",
];

/// One open bracket, or the top level.
#[derive(Default)]
struct Level {
    since_comma: usize,
    chained: usize,
}

/// The byte offset at which more tokens are open than we let a parser see, if any.
///
/// Open are all tokens since the last comma or semicolon on each bracket level (a parser goes at
/// most one level deeper per token it takes), and the chaining words, which commas do not close.
pub(crate) fn too_deep_at(text: &str) -> Option<usize> {
    let mut outer: Vec<Level> = Vec::new();
    let mut level = Level::default();
    let (mut open, mut offset) = (0_usize, 0_usize);
    for token in tokenize(text) {
        let end = offset.saturating_add(usize::try_from(token.len).unwrap_or(usize::MAX));
        match token.kind {
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. } => {}
            TokenKind::Comma => {
                open = open.saturating_sub(level.since_comma);
                level.since_comma = 0;
            }
            TokenKind::Semi => {
                open = open.saturating_sub(level.since_comma.saturating_add(level.chained));
                level = Level::default();
            }
            TokenKind::OpenParen | TokenKind::OpenBracket | TokenKind::OpenCurly => {
                open = open.saturating_add(1);
                level.since_comma = level.since_comma.saturating_add(1);
                outer.push(std::mem::take(&mut level));
            }
            TokenKind::CloseParen | TokenKind::CloseBracket | TokenKind::CloseCurly => {
                if let Some(below) = outer.pop() {
                    open = open.saturating_sub(level.since_comma.saturating_add(level.chained));
                    level = below;
                }
            }
            TokenKind::Ident if is_chaining(text.get(offset..end).unwrap_or_default()) => {
                open = open.saturating_add(1);
                level.chained = level.chained.saturating_add(1);
            }
            _ => {
                open = open.saturating_add(1);
                level.since_comma = level.since_comma.saturating_add(1);
            }
        }
        if open > MAX_OPEN_TOKENS {
            return Some(offset);
        }
        offset = end;
    }
    None
}

fn is_chaining(word: &str) -> bool {
    CHAINING.iter().any(|chaining| word.eq_ignore_ascii_case(chaining))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nests_is_bounded() {
        for (open, repeated) in [
            ("select ", "("),
            ("select ", "not "),
            ("select 1", "+1"),
            ("select 1, 2", " union select 1, 2"),
            ("select ", "case when "),
            ("select ", "f(1, "),
            ("select array", "[1, "),
        ] {
            let text = format!("{open}{}", repeated.repeat(5_000));
            assert!(too_deep_at(&text).is_some(), "{open}{repeated}...");
        }
    }

    #[test]
    fn what_is_long_but_flat_is_not_deep() {
        for (open, repeated) in [
            ("insert into t values (1)", ", (1, 'x', (select 2))"),
            ("", "create table t (a int, b text default 'x' || 'y');\n"),
            ("-- ", "((((("),
            ("select '", "((((("),
        ] {
            let text = format!("{open}{}", repeated.repeat(20_000));
            assert_eq!(too_deep_at(&text), None, "{open}{repeated}...");
        }
    }
}
