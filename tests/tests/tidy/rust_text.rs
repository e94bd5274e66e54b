//! Rust text without what is not code, so that rules do not match comments and literals.

use std::iter::Peekable;
use std::str::Chars;

/// The code, line by line as it was, with comments and the insides of string literals gone.
pub fn code(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    while let Some(next) = chars.next() {
        match (next, chars.peek()) {
            ('/', Some('/')) => skip_line(&mut chars),
            ('/', Some('*')) => skip_block(&mut chars, &mut kept),
            ('"', _) => skip_string(&mut chars, &mut kept),
            ('r', Some('"' | '#')) if !is_word(before) || before == 'b' => {
                kept.push('r');
                skip_raw(&mut chars, &mut kept);
            }
            ('\'', _) => skip_char(&mut chars, &mut kept),
            _ => kept.push(next),
        }
        before = next;
    }
    kept
}

/// The words and the punctuation of some code, in order; `::` is one token.
pub fn tokens(code: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut word = String::new();
    for next in code.chars().chain(std::iter::once(' ')) {
        if is_word(next) {
            word.push(next);
            continue;
        }
        if !word.is_empty() {
            found.push(std::mem::take(&mut word));
        }
        match found.last_mut() {
            Some(last) if next == ':' && last == ":" => last.push(':'),
            _ if next.is_whitespace() => {}
            _ => found.push(next.to_string()),
        }
    }
    found
}

/// Whether a character can be in a word.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn skip_line(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| *c != '\n').is_some() {}
}

fn skip_block(chars: &mut Peekable<Chars<'_>>, kept: &mut String) {
    let mut depth = 1;
    chars.next();
    while let (Some(next), true) = (chars.next(), depth > 0) {
        match (next, chars.peek()) {
            ('*', Some('/')) => depth -= 1,
            ('/', Some('*')) => depth += 1,
            ('\n', _) => {
                kept.push('\n');
                continue;
            }
            _ => continue,
        }
        chars.next();
        if depth == 0 {
            break;
        }
    }
}

fn skip_string(chars: &mut Peekable<Chars<'_>>, kept: &mut String) {
    kept.push('"');
    while let Some(next) = chars.next() {
        match next {
            '\\' => drop(chars.next()),
            '"' => break,
            '\n' => kept.push('\n'),
            _ => {}
        }
    }
    kept.push('"');
}

/// After the `r` of a raw string or of a raw identifier.
fn skip_raw(chars: &mut Peekable<Chars<'_>>, kept: &mut String) {
    let mut hashes = 0;
    while chars.next_if_eq(&'#').is_some() {
        hashes += 1;
    }
    if chars.next_if_eq(&'"').is_none() {
        return;
    }
    kept.push('"');
    let mut closing = None;
    for next in chars.by_ref() {
        closing = match (next, closing) {
            ('"', _) => Some(0),
            ('#', Some(seen)) => Some(seen + 1),
            _ => None,
        };
        if next == '\n' {
            kept.push('\n');
        }
        if closing == Some(hashes) {
            break;
        }
    }
    kept.push('"');
}

/// After a quote: a character literal loses its inside, a lifetime stays.
fn skip_char(chars: &mut Peekable<Chars<'_>>, kept: &mut String) {
    let mut ahead = chars.clone();
    let is_literal = match ahead.next() {
        Some('\\') => true,
        Some(_) => ahead.next() == Some('\''),
        None => false,
    };
    kept.push('\'');
    if !is_literal {
        return;
    }
    let mut escaped = false;
    for next in chars.by_ref() {
        if next == '\'' && !escaped {
            break;
        }
        escaped = next == '\\' && !escaped;
    }
    kept.push('\'');
}

#[test]
fn comments_and_the_insides_of_literals_are_not_code() {
    assert_eq!(code("a // b\nc"), "a \nc");
    assert_eq!(code("a /* b /* c */\n d */ e"), "a \n e");
    assert_eq!(code(r#"f("crate::x \" y", z)"#), r#"f("", z)"#);
    assert_eq!(code("r#\"a \" // b\"# c"), "r\"\" c");
    assert_eq!(code("['\\'', '\"', 'x'] fn f<'a>()"), "['', '', ''] fn f<'a>()");
    assert_eq!(code("for r in bar\"x\" {}"), "for r in bar\"\" {}");
}

#[test]
fn tokens_keep_paths_together() {
    assert_eq!(
        tokens("use crate::{a, b_1};"),
        ["use", "crate", "::", "{", "a", ",", "b_1", "}", ";"]
    );
}
