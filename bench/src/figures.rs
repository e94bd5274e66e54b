//! The generated section of `docs/figures.md`, between two marks. Everything outside them is left as it is.

use crate::output::{HEADER, cells, machine};
use crate::report::Report;
use anyhow::Context as _;
use std::path::PathBuf;

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// The page.
pub fn page() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/figures.md"))
}

/// Writes a report into the page.
pub fn write(report: &Report) -> anyhow::Result<()> {
    let page = page();
    let text = std::fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let text = replaced(&text, &section(report))?;
    std::fs::write(&page, text).with_context(|| page.display().to_string())
}

fn replaced(page: &str, section: &str) -> anyhow::Result<String> {
    let (before, rest) = page.split_once(BEGIN).context("the page has no mark to begin at")?;
    let (_, after) = rest.split_once(END).context("the page has no mark to end at")?;
    Ok(format!("{before}{BEGIN}\n{section}{END}{after}"))
}

fn section(report: &Report) -> String {
    let mut lines = vec![machine(report), String::new()];
    let mut last = "";
    for figure in &report.figures {
        if figure.measurement != last {
            last = figure.measurement;
            lines.push(format!("\n### {last}\n"));
            lines.push(row(HEADER.iter().skip(1).map(|name| (*name).to_owned())));
            lines.push(row(HEADER.iter().skip(1).map(|_| "---".to_owned())));
        }
        lines.push(row(cells(figure).into_iter().skip(1)));
    }
    let missed = report.missed();
    lines.push(format!("\n{} figures, {missed} of them miss a target.", report.figures.len()));
    lines.iter().fold(String::new(), |text, line| text + line + "\n").replace("\n\n\n", "\n\n")
}

fn row(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<_> = cells.map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let written = replaced(&page, "new\n").unwrap();
        assert_eq!(written, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert_eq!(replaced(&written, "new\n").unwrap(), written);
        assert!(replaced("a", "new").is_err());
    }

    #[test]
    fn the_page_has_its_marks() {
        let text = std::fs::read_to_string(page()).unwrap();
        assert!(replaced(&text, "").is_ok());
    }
}
