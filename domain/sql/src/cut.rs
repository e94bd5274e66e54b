//! Cut a submitted file into the steps that are signed, run and journaled.
//!
//! The bytes are never normalised: line ends, comments and whitespace belong to the step, and the
//! steps put together are the file. For now a file is exactly one transactional step; what cannot
//! run so is refused by name.
//!
//! All of it is decided from the syntax tree, so neither comments nor strings mislead it. What it
//! cannot judge: the inside of DO blocks and function bodies (they are searched only for the
//! reserved name as a word), SQL built as text at run time, and server settings that change how
//! SQL is read. The agent therefore sets `standard_conforming_strings = on` and, before it commits,
//! checks that the transaction is still the one it began.

use std::ops::Range;

use sha2::{Digest, Sha256};
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode};

use crate::statements::{Objection, objection};
use crate::{CutError, Place, journal, nesting};

/// The largest file taken, in bytes (4 MiB).
pub const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;

/// Stack of the parse thread, in bytes: 10,000 nested tokens were measured to fit in a debug
/// build, the file is bounded to 4,000. It is reserved, not used, until something nests.
const PARSE_STACK_BYTES: usize = 64 * 1024 * 1024;

/// One contiguous range of the file that is run as one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Position in the file, from 1.
    pub ordinal: u32,
    /// The bytes of the file that it is.
    pub range: Range<usize>,
    /// Whether it runs inside a transaction.
    pub transactional: bool,
    /// 64 hex of the SHA-256 of exactly those bytes.
    pub sha256: String,
}

/// Cut `file` into steps, in file order; concatenated they are the file.
///
/// A full-size file takes seconds (measured: 7 in a debug build): call it off the async threads.
///
/// # Errors
/// The first thing in the file that we do not take, as a [`CutError`].
pub fn cut(file: &[u8]) -> Result<Vec<Step>, CutError> {
    let text = readable(file)?;
    if let Some(offset) = nesting::too_deep_at(text) {
        return Err(CutError::TooDeep { place: Place::of(file, offset) });
    }
    on_deep_stack(text)?;
    Ok(vec![Step {
        ordinal: 1,
        range: 0..file.len(),
        transactional: true,
        sha256: hex::encode(Sha256::digest(file)),
    }])
}

fn readable(file: &[u8]) -> Result<&str, CutError> {
    if file.len() > MAX_FILE_BYTES {
        return Err(CutError::TooLarge { bytes: file.len() });
    }
    if file.starts_with(b"\xef\xbb\xbf") {
        return Err(CutError::ByteOrderMark);
    }
    if let Some(offset) = file.iter().position(|byte| *byte == 0) {
        return Err(CutError::Nul { place: Place::of(file, offset) });
    }
    std::str::from_utf8(file)
        .map_err(|error| CutError::NotUtf8 { place: Place::of(file, error.valid_up_to()) })
}

/// The parser, the tree's walk and its drop recurse; a caller's stack may be small.
fn on_deep_stack(text: &str) -> Result<(), CutError> {
    let gave_up =
        || CutError::Syntax { place: Place::START, message: "the parser gave up".to_owned() };
    std::thread::scope(|scope| {
        let parsing = std::thread::Builder::new()
            .name("parse-sql".to_owned())
            .stack_size(PARSE_STACK_BYTES)
            .spawn_scoped(scope, || judge(text));
        // A parser's own panic is an answer too: the file is not taken.
        parsing.map_err(|_| gave_up())?.join().unwrap_or_else(|_| Err(gave_up()))
    })
}

fn judge(text: &str) -> Result<(), CutError> {
    let parse = SourceFile::parse(text);
    let root = parse.syntax_node();
    if let Some(place) = deep_body(&root, text) {
        return Err(CutError::TooDeep { place });
    }
    let found = first_objection(&root, text);
    if let Some(error) = parse.errors().first() {
        // The rows after COPY FROM STDIN never parse: name the cause, not the symptom.
        let start = usize::from(error.range().start());
        return Err(match found {
            Some((offset, refusal @ CutError::CopyStdin { .. })) if offset <= start => refusal,
            _ => CutError::Syntax {
                place: Place::of(text.as_bytes(), start),
                message: error.message().to_owned(),
            },
        });
    }
    if let Some((_, refusal)) = found {
        return Err(refusal);
    }
    let is_empty = root.children().all(|statement| statement.kind() == SyntaxKind::EMPTY_STMT);
    if is_empty { Err(CutError::Empty) } else { Ok(()) }
}

/// Bodies of SQL functions are parsed as part of [`squawk_syntax::Parse::errors`].
fn deep_body(root: &SyntaxNode, text: &str) -> Option<Place> {
    root.descendants()
        .filter_map(ast::AsDefinition::cast)
        .filter_map(|body| body.literal())
        .find(|body| body.string_value().is_some_and(|sql| nesting::too_deep_at(&sql).is_some()))
        .map(|body| Place::of(text.as_bytes(), usize::from(body.syntax().text_range().start())))
}

fn first_objection(root: &SyntaxNode, text: &str) -> Option<(usize, CutError)> {
    let at = |offset| Place::of(text.as_bytes(), offset);
    let statement = root.descendants().find_map(|node| {
        let objection = objection(&node)?;
        let offset = usize::from(node.text_range().start());
        let place = at(offset);
        let refusal = match objection {
            Objection::TransactionControl(statement) => {
                CutError::TransactionControl { place, statement }
            }
            Objection::NotTransactional(statement) => {
                CutError::NotTransactional { place, statement }
            }
            Objection::CopyStdin => CutError::CopyStdin { place },
            Objection::OwnedByCurrentRole => CutError::TouchesJournal { place },
        };
        Some((offset, refusal))
    });
    let journal = |offset| (offset, CutError::TouchesJournal { place: at(offset) });
    let string = |offset| (offset, CutError::AmbiguousString { place: at(offset) });
    [
        statement,
        journal::identifier_at(text).map(journal),
        journal::string_at(root).map(journal),
        ambiguous_string(root).map(string),
    ]
    .into_iter()
    .flatten()
    .min_by_key(|(offset, _)| *offset)
}

/// `PostgreSQL` reads the further parts of an `E''` string with its backslash escapes, the parser
/// does not: in `E'a'\n'b\'';COMMIT;--'` only one of them sees a COMMIT (tried on 15.18).
fn ambiguous_string(root: &SyntaxNode) -> Option<usize> {
    let mut in_escape_string = false;
    let tokens =
        root.descendants_with_tokens().filter_map(squawk_syntax::SyntaxElement::into_token);
    for token in tokens.filter(|token| !token.kind().is_trivia()) {
        match token.kind() {
            SyntaxKind::ESC_STRING => in_escape_string = true,
            SyntaxKind::STRING if in_escape_string => {
                if token.text().contains('\\') {
                    return Some(usize::from(token.text_range().start()));
                }
            }
            _ => in_escape_string = false,
        }
    }
    None
}
