//! The page about rotations: every line of it is understood, and what needs no server is run as it stands there.

use super::{read, rotate};
use crate::args::{Arguments, KeyVerb, Noun};
use crate::keys;
use crate::logs::LogVerb;
use crate::output::{Format, Output};
use anyhow::Context as _;
use clap::Parser as _;
use std::path::{Path, PathBuf};

/// The words of a line as a shell gives them, where quotes hold whole words.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('"').enumerate();
    let words = parts.flat_map(|(n, part)| {
        if n % 2 == 1 {
            vec![part.to_owned()]
        } else {
            part.split_whitespace().map(str::to_owned).collect()
        }
    });
    words.collect()
}

fn lines() -> Vec<Vec<String>> {
    let page = include_str!("../../../docs/how-to/rotate-a-key.md");
    let lines = page.lines().map(str::trim).filter(|line| line.starts_with("countersign "));
    lines.map(words).collect()
}

#[test]
fn the_commands_of_the_page_do_what_it_says() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let output = Output::new(Format::Name);
    let inside = |path: &Path| folder.path().join(path);
    let made = |path: &PathBuf| -> anyhow::Result<()> {
        if !inside(path).exists() {
            keys::run(&KeyVerb::Generate { out: inside(path) }, &output)?;
        }
        Ok(())
    };
    let (mut rotated, mut submitted, mut revoked) = (0, 0, 0);
    for line in lines() {
        let parsed = Arguments::try_parse_from(&line).with_context(|| line.join(" "))?;
        match parsed.noun {
            Noun::Key(KeyVerb::Generate { out }) => made(&out)?,
            Noun::Key(KeyVerb::Rotate(mut asked)) => {
                made(&asked.old)?;
                made(&asked.new)?;
                for path in [&mut asked.old, &mut asked.new, &mut asked.out] {
                    *path = inside(path);
                }
                rotate(&asked, &output)?;
                rotated += 1;
            }
            Noun::Log(LogVerb::RotateKey { rotation, .. }) => {
                let rotation = read(&inside(&rotation))?;
                anyhow::ensure!(rotation.log.as_str() == "main.log.example");
                submitted += 1;
            }
            Noun::Log(LogVerb::RevokeKey(_)) => revoked += 1,
            other => anyhow::bail!("{other:?} is not of this page"),
        }
    }
    assert_eq!((rotated, submitted, revoked), (3, 3, 1));
    Ok(())
}
