//! The query syntax: words and phrases that must all occur, fields, and what must not occur.
//!
//! `create "note text" -drop actor:prn_... action:approval.* ord*`. Few clauses, no patterns, and prefixes only where few
//! values are or by few words: what a query costs is bounded by what it may say. What would leave something out is refused.

use super::fields::Fields;
use super::reader::SearchError;
use std::collections::BTreeSet;
use std::ops::Bound;
use tantivy::query::{AllQuery, BooleanQuery, Occur, PhraseQuery, Query, RangeQuery, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Index, Searcher, Term};

/// Longest query, bytes.
pub const LONGEST_QUERY: usize = 1_000;
/// Most clauses of a query.
pub const MOST_CLAUSES: usize = 20;
/// Most words that a prefix stands for.
const EXPANSIONS: usize = 256;
/// Shortest prefix, characters.
const SHORTEST_PREFIX: usize = 2;
const FIELDS: [&str; 4] = ["actor", "action", "type", "entity"];

/// Why a query cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Too long.
    #[error("the query is longer than {LONGEST_QUERY} bytes")]
    TooLong,
    /// Too much of it.
    #[error("the query has more than {MOST_CLAUSES} parts")]
    TooManyClauses,
    /// A quote without its other end.
    #[error("the quote at character {at} has no end")]
    OpenQuote {
        /// Of the opening quote, from 1.
        at: usize,
    },
    /// Not a field.
    #[error(
        "{name:?} at character {at} is not a field: only actor, action, type and entity are; quote the text to look for it"
    )]
    UnknownField {
        /// As written.
        name: String,
        /// Where, from 1.
        at: usize,
    },
    /// Nothing to look for.
    #[error("there is nothing to look for at character {at}")]
    Empty {
        /// Where, from 1.
        at: usize,
    },
    /// A prefix that stands for too much.
    #[error("the prefix at character {at} is shorter than {SHORTEST_PREFIX} characters")]
    ShortPrefix {
        /// Where, from 1.
        at: usize,
    },
    /// A prefix of what has too many values, or of more than one word.
    #[error("{name:?} at character {at} takes no prefix: only action, type and single words do")]
    NoPrefix {
        /// The field, or `text`.
        name: &'static str,
        /// Where, from 1.
        at: usize,
    },
    /// A prefix that stands for too much.
    #[error("more than {EXPANSIONS} words begin like the one at character {at}: write more of it")]
    TooManyWords {
        /// Where, from 1.
        at: usize,
    },
    /// Only what must not occur.
    #[error("the query only says what must not occur: say what to look for too")]
    OnlyNegative,
}

/// What must and must not be.
pub(crate) type Clauses = Vec<(Occur, Box<dyn Query>)>;

/// One part of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Clause {
    negative: bool,
    field: Option<&'static str>,
    text: String,
    prefix: bool,
    at: usize,
}

/// The query of a text; everything if there is none.
pub(crate) fn parse(
    text: &str,
    index: &Index,
    searcher: &Searcher,
    fields: &Fields,
) -> Result<Clauses, SearchError> {
    let clauses = clauses(text)?;
    if !clauses.is_empty() && clauses.iter().all(|clause| clause.negative) {
        return Err(QueryError::OnlyNegative.into());
    }
    clauses
        .iter()
        .map(|clause| {
            let occur = if clause.negative { Occur::MustNot } else { Occur::Must };
            let query = match clause.field {
                Some(name) => named(name, clause, fields)?,
                None => words(clause, index, searcher, fields.text)?,
            };
            Ok((occur, query))
        })
        .collect()
}

/// Exactly this value.
pub(crate) fn exactly(field: Field, value: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, value), IndexRecordOption::Basic))
}

/// This value, or what begins so if it ends in `*`: for fields with few values.
pub(crate) fn like(field: Field, value: &str) -> Box<dyn Query> {
    value.strip_suffix('*').map_or_else(|| exactly(field, value), |start| beginning(field, start))
}

/// What begins so, of a field with few values.
fn beginning(field: Field, prefix: &str) -> Box<dyn Query> {
    if prefix.is_empty() {
        return Box::new(AllQuery);
    }
    let from = Bound::Included(Term::from_field_text(field, prefix));
    let to = Bound::Excluded(Term::from_field_text(field, &format!("{prefix}\u{10ffff}")));
    Box::new(RangeQuery::new(from, to))
}

fn named(
    name: &'static str,
    clause: &Clause,
    fields: &Fields,
) -> Result<Box<dyn Query>, QueryError> {
    let field = match name {
        "action" => fields.action,
        "type" => fields.kind,
        _ if clause.prefix => return Err(QueryError::NoPrefix { name, at: clause.at }),
        "actor" => fields.actor,
        _ => fields.entity,
    };
    let find = if clause.prefix { beginning } else { exactly };
    Ok(find(field, &clause.text))
}

fn words(
    clause: &Clause,
    index: &Index,
    searcher: &Searcher,
    field: Field,
) -> Result<Box<dyn Query>, SearchError> {
    let option = IndexRecordOption::WithFreqsAndPositions;
    let at = clause.at;
    let terms = terms(&clause.text, index, field)?;
    match terms.as_slice() {
        [] => Err(QueryError::Empty { at }.into()),
        [one] if clause.prefix => {
            let found = expanded(one, searcher)?;
            if found.len() > EXPANSIONS {
                return Err(QueryError::TooManyWords { at }.into());
            }
            // No word begins so: the prefix itself finds nothing.
            let found = if found.is_empty() { BTreeSet::from([one.clone()]) } else { found };
            let any = found.into_iter().map(|term| {
                (Occur::Should, Box::new(TermQuery::new(term, option)) as Box<dyn Query>)
            });
            Ok(Box::new(BooleanQuery::new(any.collect())))
        }
        _ if clause.prefix => Err(QueryError::NoPrefix { name: "text", at }.into()),
        [one] => Ok(Box::new(TermQuery::new(one.clone(), option))),
        // `public.orders` is two words beside each other, as it is in the index.
        _ => Ok(Box::new(PhraseQuery::new(terms))),
    }
}

/// The words of the index that begin so; one more than may be is enough to know.
fn expanded(prefix: &Term, searcher: &Searcher) -> tantivy::Result<BTreeSet<Term>> {
    let mut found = BTreeSet::new();
    let bytes = prefix.serialized_value_bytes();
    for segment in searcher.segment_readers() {
        let words = segment.inverted_index(prefix.field())?;
        let mut stream = words.terms().range().ge(bytes).into_stream()?;
        while found.len() <= EXPANSIONS && stream.advance() && stream.key().starts_with(bytes) {
            let word = String::from_utf8_lossy(stream.key());
            found.insert(Term::from_field_text(prefix.field(), &word));
        }
    }
    Ok(found)
}

/// The words as the index has them.
fn terms(text: &str, index: &Index, field: Field) -> tantivy::Result<Vec<Term>> {
    let mut analyzer = index.tokenizer_for_field(field)?;
    let mut stream = analyzer.token_stream(text);
    let mut terms = Vec::new();
    while stream.advance() {
        terms.push(Term::from_field_text(field, &stream.token().text));
    }
    Ok(terms)
}

fn clauses(text: &str) -> Result<Vec<Clause>, QueryError> {
    if text.len() > LONGEST_QUERY {
        return Err(QueryError::TooLong);
    }
    let mut characters = text.chars().enumerate().peekable();
    let mut clauses = Vec::new();
    loop {
        while characters.next_if(|(_, character)| character.is_whitespace()).is_some() {}
        let Some((start, _)) = characters.peek().copied() else { return Ok(clauses) };
        if clauses.len() == MOST_CLAUSES {
            return Err(QueryError::TooManyClauses);
        }
        let at = start + 1;
        let negative = characters.next_if(|(_, character)| *character == '-').is_some();
        let mut field = None;
        let mut word = String::new();
        let mut phrase = false;
        while let Some((place, character)) =
            characters.next_if(|(_, character)| !character.is_whitespace())
        {
            match character {
                '"' if word.is_empty() => {
                    phrase = true;
                    word =
                        quoted(&mut characters).ok_or(QueryError::OpenQuote { at: place + 1 })?;
                    break;
                }
                ':' if field.is_none() && !word.is_empty() => {
                    let known = FIELDS.into_iter().find(|known| *known == word);
                    let name = word.clone();
                    field = Some(known.ok_or(QueryError::UnknownField { name, at })?);
                    word.clear();
                }
                other => word.push(other),
            }
        }
        let prefix = !phrase && word.ends_with('*');
        if prefix {
            word.pop();
            if word.chars().count() < SHORTEST_PREFIX {
                return Err(QueryError::ShortPrefix { at });
            }
        }
        if word.trim().is_empty() {
            return Err(QueryError::Empty { at });
        }
        clauses.push(Clause { negative, field, text: word, prefix, at });
    }
}

/// Up to the closing quote; `\"` and `\\` stand for themselves.
fn quoted(characters: &mut impl Iterator<Item = (usize, char)>) -> Option<String> {
    let mut text = String::new();
    while let Some((_, character)) = characters.next() {
        match character {
            '"' => return Some(text),
            '\\' => text.push(characters.next()?.1),
            other => text.push(other),
        }
    }
    None
}

/// All of these.
pub(crate) fn all(clauses: Clauses) -> Box<dyn Query> {
    if clauses.is_empty() { Box::new(AllQuery) } else { Box::new(BooleanQuery::new(clauses)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(query: &str) -> Vec<(bool, Option<&'static str>, String, bool)> {
        let clauses = clauses(query).unwrap().into_iter();
        clauses.map(|c| (c.negative, c.field, c.text, c.prefix)).collect()
    }

    #[test]
    fn words_phrases_fields_prefixes_and_what_must_not_occur_are_told_apart() {
        let clause =
            |negative, field, text: &str, prefix| (negative, field, text.to_owned(), prefix);
        assert_eq!(
            texts(r#" create "note \"text\"" -drop action:approval.* entity:"chg_1" ord* a-b "#),
            [
                clause(false, None, "create", false),
                clause(false, None, "note \"text\"", false),
                clause(true, None, "drop", false),
                clause(false, Some("action"), "approval.", true),
                clause(false, Some("entity"), "chg_1", false),
                clause(false, None, "ord", true),
                clause(false, None, "a-b", false),
            ]
        );
        assert!(texts("  ").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_understood_or_refused(text: String, more in "[-a:*\"\\\\ ]{0,60}") {
            for query in [text, more] {
                if let Ok(clauses) = clauses(&query) {
                    prop_assert!(clauses.len() <= MOST_CLAUSES);
                    prop_assert!(clauses.iter().all(|clause| !clause.text.trim().is_empty()));
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_understood_is_named_with_its_place() {
        let refused = |query: &str| clauses(query).unwrap_err();
        assert_eq!(refused("a \"b"), QueryError::OpenQuote { at: 3 });
        let unknown = QueryError::UnknownField { name: "who".to_owned(), at: 3 };
        assert_eq!(refused("a who:ada"), unknown);
        assert_eq!(refused("a -"), QueryError::Empty { at: 3 });
        assert_eq!(refused("actor:"), QueryError::Empty { at: 1 });
        assert_eq!(refused("\"\""), QueryError::Empty { at: 1 });
        assert_eq!(refused("x a*"), QueryError::ShortPrefix { at: 3 });
        assert_eq!(refused(&"a ".repeat(21)), QueryError::TooManyClauses);
        assert_eq!(refused(&"a".repeat(1_001)), QueryError::TooLong);
    }
}
