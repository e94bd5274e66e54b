//! The only file that prints: data on standard output, talk on standard error, never a colour, and no character that
//! acts on a terminal.

use crate::plain;
use anyhow::Context as _;
use clap::ValueEnum;
use client::ReceiptBody;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;
use std::io::{self, IsTerminal as _, Write as _};

/// How data is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For people who prefer it.
    Yaml,
    /// Ids only, one per line.
    Name,
}

/// Where and how things are shown.
#[derive(Debug, Clone)]
pub struct Output {
    format: Format,
}

/// Data in every form in which it can be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    value: Value,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    names: Vec<String>,
}

impl Document {
    /// A list: one row and one name for each item.
    pub fn list(value: Value, header: &[&'static str], rows: Vec<(String, Vec<String>)>) -> Self {
        let (names, rows) = rows.into_iter().unzip();
        Self { value, header: header.to_vec(), rows, names }
    }

    /// One thing: its members below each other. Empty ones are left out.
    pub fn record(value: Value, name: &str, members: &[(&'static str, &str)]) -> Self {
        let given = members.iter().filter(|(_, text)| !text.is_empty());
        let rows = given.map(|(name, text)| vec![(*name).to_owned(), (*text).to_owned()]).collect();
        Self { value, header: Vec::new(), rows, names: vec![name.to_owned()] }
    }

    /// A command's receipt.
    pub fn receipt(receipt: &ReceiptBody) -> anyhow::Result<Self> {
        let value = serde_json::to_value(receipt)?;
        let sequence = receipt.sequence.to_string();
        let version = receipt.version.to_string();
        let members = [
            ("id", receipt.aggregate.id.as_str()),
            ("log", &receipt.log),
            ("sequence", &sequence),
            ("version", &version),
            ("hash", &receipt.hash),
            ("time", &receipt.time),
        ];
        Ok(Self::record(value, &receipt.aggregate.id, &members))
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if !self.header.is_empty() {
            table.set_header(self.header.iter().map(|name| name.to_uppercase()));
        }
        for row in &self.rows {
            table.add_row(row.iter().map(|cell| sql::escaped(cell)));
        }
        let lines = table.lines().map(|line| line.trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }

    fn text(&self, format: Format) -> anyhow::Result<String> {
        Ok(match format {
            Format::Table => self.table(),
            Format::Json => plain::json(&serde_json::to_string_pretty(&self.value)?),
            Format::Yaml => plain::yaml(&self.value)?,
            Format::Name => sql::escaped(&self.names.join("\n")),
        })
    }
}

#[expect(clippy::unused_self, reason = "whoever may print holds an Output")]
impl Output {
    /// In this format.
    pub fn new(format: Format) -> Self {
        Self { format }
    }

    /// The format asked for.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether programs read it.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Shows data.
    pub fn document(&self, document: &Document) -> anyhow::Result<()> {
        let text = document.text(self.format).context("the answer cannot be shown")?;
        if text.is_empty() { Ok(()) } else { self.line(&text) }
    }

    /// Shows a line of data: JSON where that is the format. What acts on a terminal is shown as an escape.
    ///
    /// A reader that went away is no failure, and does not change what the program comes to.
    pub fn line(&self, text: &str) -> anyhow::Result<()> {
        let text = if self.is_json() { plain::json(text) } else { sql::escaped(text) };
        let mut stdout = io::stdout().lock();
        match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }

    /// Says something to the person at the terminal. What acts on a terminal is shown as an escape.
    pub fn talk(&self, text: &str) {
        let text = sql::escaped(text);
        // Nobody can be told that telling failed.
        drop(writeln!(io::stderr().lock(), "{text}"));
    }

    /// Asks a question; `None` where nobody is at a terminal to answer.
    pub fn ask(&self, question: &str) -> anyhow::Result<Option<bool>> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Ok(None);
        }
        let mut stderr = io::stderr().lock();
        write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush())?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(Some(matches!(answer.trim(), "y" | "Y" | "yes")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document() -> Document {
        let row = ("chg_1".to_owned(), vec!["chg_1".to_owned(), "red\u{1b}[31m".to_owned()]);
        Document::list(json!([{"id": "chg_1"}]), &["id", "title"], vec![row])
    }

    #[test]
    fn every_format_shows_the_same_data() {
        let document = document();
        assert_eq!(document.text(Format::Name).unwrap(), "chg_1");
        assert_eq!(document.text(Format::Yaml).unwrap(), "- id: chg_1");
        let json: Value = serde_json::from_str(&document.text(Format::Json).unwrap()).unwrap();
        assert_eq!(json, json!([{"id": "chg_1"}]));
        assert!(document.text(Format::Table).unwrap().contains("ID"));
    }

    #[test]
    fn a_table_cannot_move_the_cursor() {
        let table = document().text(Format::Table).unwrap();
        assert!(!table.contains('\u{1b}') && table.contains("red\\u{1b}[31m"), "{table}");
    }

    #[test]
    fn no_format_of_a_hostile_answer_can_move_the_cursor() {
        let title = "a\u{9b}2K\u{7f}\u{202e}\u{200b}";
        let row = (title.to_owned(), vec![title.to_owned()]);
        let document = Document::list(json!([{"title": title}]), &["title"], vec![row]);
        for format in [Format::Table, Format::Json, Format::Yaml, Format::Name] {
            let text = document.text(format).unwrap();
            assert!(text.is_ascii() && !text.contains('\u{7f}'), "{format:?}: {text:?}");
        }
    }
}
