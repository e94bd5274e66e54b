//! Whether a file names the schema of the agent's journal.
//!
//! The name is reserved: any identifier that `PostgreSQL` would read as `countersign` counts, so
//! that no form of a statement (search paths, `CREATE SCHEMA AUTHORIZATION`, `DROP OWNED BY`) has
//! to be listed. Strings count where `PostgreSQL` reads names from them: configuration values,
//! casts to `reg*` types, and the functions of [`READS_NAMES`].

use squawk_lexer::{Token, TokenKind, tokenize};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::unescape::{escape_unicode_esc_str, uescape_char};
use squawk_syntax::{SyntaxKind, SyntaxNode};

/// The reserved name.
const JOURNAL: &str = "countersign";

/// Functions that take names, or a search path, in a string.
const READS_NAMES: &[&str] = &[
    "currval",
    "nextval",
    "set_config",
    "setval",
    "to_regclass",
    "to_regnamespace",
    "to_regoper",
    "to_regoperator",
    "to_regproc",
    "to_regprocedure",
    "to_regtype",
];

/// The byte offset of the first identifier in `text` that reads as the reserved name.
pub(crate) fn identifier_at(text: &str) -> Option<usize> {
    let mut tokens = Significant { tokens: tokenize(text), text, offset: 0 }.peekable();
    while let Some((offset, token, word)) = tokens.next() {
        let name = match token.kind {
            TokenKind::Ident => folded(word),
            TokenKind::QuotedIdent { uescape: false, .. } => unquoted(word),
            TokenKind::QuotedIdent { uescape: true, .. } => {
                let mut escape = '\\';
                if tokens.next_if(|(.., word)| word.eq_ignore_ascii_case("uescape")).is_some()
                    && let Some((.., quoted)) = tokens.peek()
                {
                    escape = uescape_char(quoted).unwrap_or(escape);
                }
                unescaped(word, escape)
            }
            _ => continue,
        };
        if name == JOURNAL {
            return Some(offset);
        }
    }
    None
}

/// The byte offset of the first string under `root` that names the journal where `PostgreSQL` reads
/// names from strings, or of the first function body or DO block that has the name in it.
///
/// Bodies are looked at word by word only: what they build as text and execute cannot be judged.
pub(crate) fn string_at(root: &SyntaxNode) -> Option<usize> {
    root.descendants()
        .filter_map(ast::Literal::cast)
        .find(|literal| {
            let Some(text) = literal.string_value() else { return false };
            if is_body(literal.syntax()) {
                identifier_at(&text).is_some()
            } else {
                list_names_journal(&text) && is_read_as_name(literal.syntax())
            }
        })
        .map(|literal| usize::from(literal.syntax().text_range().start()))
}

fn is_body(literal: &SyntaxNode) -> bool {
    literal
        .parent()
        .is_some_and(|up| matches!(up.kind(), SyntaxKind::AS_DEFINITION | SyntaxKind::DO))
}

/// Whether one of the (qualified) names in a comma-separated list is the reserved one.
fn list_names_journal(text: &str) -> bool {
    text.contains('"') && identifier_at(text).is_some()
        || text
            .split([',', '.', '(', ')', '[', ']'])
            .any(|part| folded(part.trim_matches(|c: char| c.is_whitespace())) == JOURNAL)
}

fn is_read_as_name(literal: &SyntaxNode) -> bool {
    literal.ancestors().any(|up| match up.kind() {
        SyntaxKind::SET_SCHEMA_VALUE => true,
        SyntaxKind::TO_CONFIG_VALUE => up.parent().is_some_and(|set| sets_search_path(&set)),
        SyntaxKind::CAST_EXPR => up
            .children()
            .filter(|part| part.kind() == SyntaxKind::PATH_TYPE)
            .any(|part| last_name(&part).starts_with("reg")),
        SyntaxKind::CALL_EXPR => up
            .first_child()
            .is_some_and(|callee| READS_NAMES.contains(&last_name(&callee).as_str())),
        _ => false,
    })
}

fn sets_search_path(set: &SyntaxNode) -> bool {
    set.children()
        .filter(|part| part.kind() == SyntaxKind::CONFIG_PARAMETER_REF)
        .any(|name| last_name(&name) == "search_path")
}

/// The last identifier in a (qualified) name, as `PostgreSQL` reads it.
fn last_name(node: &SyntaxNode) -> String {
    let text = node.text().to_string();
    let mut last = String::new();
    for (_, token, word) in (Significant { tokens: tokenize(&text), text: &text, offset: 0 }) {
        last = match token.kind {
            TokenKind::Ident => folded(word),
            TokenKind::QuotedIdent { uescape: false, .. } => unquoted(word),
            TokenKind::QuotedIdent { uescape: true, .. } => unescaped(word, '\\'),
            _ => continue,
        };
    }
    last
}

/// `PostgreSQL` folds ASCII only, except that a server with a single-byte Turkish encoding folds
/// the dotted capital I to `i`.
fn folded(word: &str) -> String {
    word.replace('\u{130}', "i").to_ascii_lowercase()
}

fn unquoted(word: &str) -> String {
    let inner = word.strip_prefix('"').unwrap_or(word);
    inner.strip_suffix('"').unwrap_or(inner).replace("\"\"", "\"")
}

fn unescaped(word: &str, escape: char) -> String {
    let mut name = String::new();
    let quoted = word.get(2..).unwrap_or_default();
    escape_unicode_esc_str(&unquoted(quoted), escape, |_, read| name.extend(read.ok()));
    name
}

/// Tokens with their offset and text, without whitespace and comments.
struct Significant<'a, I> {
    tokens: I,
    text: &'a str,
    offset: usize,
}

impl<'a, I: Iterator<Item = Token>> Iterator for Significant<'a, I> {
    type Item = (usize, Token, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let token = self.tokens.next()?;
            let start = self.offset;
            self.offset = start.saturating_add(usize::try_from(token.len).unwrap_or(usize::MAX));
            if !matches!(
                token.kind,
                TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. }
            ) {
                return Some((start, token, self.text.get(start..self.offset).unwrap_or_default()));
            }
        }
    }
}
