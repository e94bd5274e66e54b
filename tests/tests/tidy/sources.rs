//! What every Rust file has and none has.

use crate::repository::{Repository, is_test};
use crate::rust_text::is_word;

const LONGEST: usize = 500;

/// Spelled in two parts, so that this file does not break its own rules.
const MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
const UNFINISHED: &[&str] =
    &[concat!("unimple", "mented!"), concat!("not imple", "mented"), concat!("to", "do!")];
const STUB: &str = concat!("//! st", "ub");

/// Every file says in its first line what it is about.
fn files_say_what_they_are(repository: &Repository) -> Vec<String> {
    let files = repository.texts(".rs");
    let silent = files.filter(|(_, text)| !text.starts_with("//! ") || is_stub(text));
    silent.map(|(path, _)| format!("{path}:1: the first line is no //! sentence")).collect()
}

fn is_stub(text: &str) -> bool {
    text.lines().next().is_some_and(|line| line.trim_end() == STUB)
}

/// No file is too long to be read in one go, but for files of tests.
fn files_are_short(repository: &Repository) -> Vec<String> {
    let files = repository.texts(".rs").filter(|(path, _)| !is_test(path));
    let lengths = files.map(|(path, text)| (path, text.lines().count()));
    let long = lengths.filter(|(_, lines)| *lines > LONGEST);
    long.map(|(path, lines)| format!("{path}: {lines} lines, more than {LONGEST}: cut it"))
        .collect()
}

/// What is left to do names its issue (`#12`) on the same line.
fn marks_name_an_issue(repository: &Repository) -> Vec<String> {
    let mut found = Vec::new();
    for ending in [".rs", ".toml", ".sql", ".sh", ".ci/run", ".html", ".js"] {
        for (path, text) in repository.texts(ending) {
            for (number, line) in text.lines().enumerate() {
                let mark = line.split(|c| !is_word(c)).find(|word| MARKS.contains(word));
                if let Some(mark) = mark.filter(|_| !names_an_issue(line)) {
                    found.push(format!("{path}:{}: {mark} without an issue (#12)", number + 1));
                }
            }
        }
    }
    found
}

fn names_an_issue(line: &str) -> bool {
    line.split('#').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Nothing pretends to be there.
fn nothing_is_unfinished(repository: &Repository) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in repository.texts(".rs") {
        for (number, line) in text.lines().enumerate() {
            let lower = line.to_lowercase();
            let said = UNFINISHED.iter().find(|words| lower.contains(*words));
            found.extend(said.map(|words| format!("{path}:{}: {words}", number + 1)));
        }
    }
    found
}

#[test]
fn every_file_says_what_it_is() -> anyhow::Result<()> {
    Repository::here()?.keeps(files_say_what_they_are)
}

#[test]
fn no_file_is_long() -> anyhow::Result<()> {
    Repository::here()?.keeps(files_are_short)
}

#[test]
fn every_mark_names_an_issue() -> anyhow::Result<()> {
    Repository::here()?.keeps(marks_name_an_issue)
}

#[test]
fn everything_is_finished() -> anyhow::Result<()> {
    Repository::here()?.keeps(nothing_is_unfinished)
}

#[test]
fn a_file_without_a_sentence_is_found() {
    let example = Repository::of(&[
        ("a/src/lib.rs", "//! Says it.\n"),
        ("b/build.rs", "fn main() {}\n//! too late\n"),
        ("c/src/main.rs", &format!("{STUB}\nfn main() {{}}\n")),
    ]);
    assert_eq!(
        example.broken(files_say_what_they_are),
        "b/build.rs:1: the first line is no //! sentence\n\
         c/src/main.rs:1: the first line is no //! sentence"
    );
}

#[test]
fn a_long_file_is_found_and_a_long_test_is_not() {
    let long = "//! x\n".repeat(LONGEST + 1);
    let example = Repository::of(&[
        ("a/src/lib.rs", &"//! x\n".repeat(LONGEST)),
        ("b/src/lib.rs", &long),
        ("b/src/tests.rs", &long),
        ("b/tests/way.rs", &long),
        ("tests/src/lib.rs", &long),
    ]);
    assert_eq!(
        example.broken(files_are_short),
        "b/src/lib.rs: 501 lines, more than 500: cut it\n\
         tests/src/lib.rs: 501 lines, more than 500: cut it"
    );
}

#[test]
fn a_mark_without_an_issue_is_found() {
    for mark in MARKS {
        let text = format!("x\n// {mark}: later\n// {mark}(#12): later\n// mark{mark}\n");
        let example = Repository::of(&[("a.rs", &text)]);
        let expected = format!("a.rs:2: {mark} without an issue (#12)");
        assert_eq!(example.broken(marks_name_an_issue), expected);
    }
}

#[test]
fn words_of_pretence_are_found() {
    for words in UNFINISHED {
        let example = Repository::of(&[("a.rs", &format!("x\n// {}\n", words.to_uppercase()))]);
        assert_eq!(example.broken(nothing_is_unfinished), format!("a.rs:2: {words}"));
    }
}
