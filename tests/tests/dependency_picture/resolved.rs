//! What is really built on Linux, from `cargo tree`: `cargo metadata` lists weak optional
//! dependencies too (ring, through rustls-webpki), which no build contains.

use crate::picture::cargo;
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};

/// Trees so large, or so much in the types of an interface, that there is one copy of each.
const ONE_COPY: &[&str] = &["sqlx-core", "rustls", "tonic", "prost", "reqwest", "axum", "hyper"];

/// A second cryptography beside aws-lc-rs.
const NEVER: &[&str] = &["ring", "openssl-sys", "native-tls"];

/// What an auditor's command line does not carry.
const NOT_FORENSIC: &[&str] = &["async-nats", "sqlx", "sqlx-core", "axum", "tantivy"];

/// What a witness does without: it sees sizes and hashes, never the log or a database.
const NOT_A_WITNESS: &[&str] = &["async-nats", "sqlx", "sqlx-core", "tantivy", "tokio-postgres"];

/// Versions by package.
type Built = BTreeMap<String, BTreeSet<String>>;

fn built(words: &[&str]) -> Result<Built> {
    let plain = ["tree", "--locked", "--target=x86_64-unknown-linux-gnu", "--prefix=none"];
    Ok(parsed(&cargo(&[&plain, words].concat())?))
}

/// Lines such as `axum v0.8.9` or `countersign-agent v0.1.0 (/work) (*)`.
fn parsed(tree: &str) -> Built {
    let mut found = Built::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            found.entry(name.to_owned()).or_default().insert(version.to_owned());
        }
    }
    found
}

fn second_copies(built: &Built) -> Vec<String> {
    let heavy = built.iter().filter(|(name, _)| ONE_COPY.contains(&name.as_str()));
    let twice = heavy.filter(|(_, versions)| versions.len() > 1);
    twice
        .map(|(name, versions)| {
            let versions: Vec<_> = versions.iter().map(String::as_str).collect();
            format!("{name} is built in {} versions: {}", versions.len(), versions.join(", "))
        })
        .collect()
}

fn present(built: &Built, unwanted: &[&str]) -> Vec<String> {
    let names = unwanted.iter().filter(|name| built.contains_key(**name));
    names.map(|name| format!("{name} is built: cargo tree -i {name} says for whom")).collect()
}

fn nothing(broken: &[String]) -> Result<()> {
    if broken.is_empty() { Ok(()) } else { bail!("\n{}", broken.join("\n")) }
}

#[test]
fn heavy_trees_are_built_once() -> Result<()> {
    let everything = built(&["--workspace", "--edges=normal,build,dev"])?;
    assert!(ONE_COPY.iter().all(|name| everything.contains_key(*name)), "a tree is not seen");
    nothing(&second_copies(&everything))
}

#[test]
fn there_is_one_cryptography() -> Result<()> {
    let everything = built(&["--workspace", "--edges=normal,build,dev"])?;
    assert!(everything.contains_key("aws-lc-rs"), "the tree is not seen");
    nothing(&present(&everything, NEVER))
}

#[test]
fn the_auditors_command_line_has_no_server_in_it() -> Result<()> {
    let forensic =
        built(&["--package=countersign-cli", "--no-default-features", "--edges=normal,build"])?;
    assert!(forensic.contains_key("countersign-ledger"), "the tree is not seen");
    nothing(&present(&forensic, NOT_FORENSIC))
}

#[test]
fn a_witness_has_a_web_server_and_nothing_of_the_log() -> Result<()> {
    let words = ["--package=countersign-cli", "--no-default-features", "--features=witness"];
    let witness = built(&[&words[..], &["--edges=normal,build"]].concat())?;
    assert!(witness.contains_key("axum"), "the tree is not seen");
    nothing(&present(&witness, NOT_A_WITNESS))
}

#[test]
fn a_second_copy_is_found() {
    let tree =
        "axum v0.8.9\nhyper v1.12.0\nsyn v2.0.1\nsyn v3.0.9\naxum v0.7.0 (*)\naxum v0.8.9 (*)";
    assert_eq!(second_copies(&parsed(tree)), ["axum is built in 2 versions: v0.7.0, v0.8.9"]);
}

#[test]
fn an_unwanted_library_is_found() {
    for name in NEVER.iter().chain(NOT_FORENSIC) {
        let built = parsed(&format!("countersign-cli v0.1.0 (/work/cli)\n\n{name} v0.17.14"));
        let expected = [format!("{name} is built: cargo tree -i {name} says for whom")];
        assert_eq!(present(&built, &[name]), expected);
    }
    assert!(present(&parsed("stringify v1.0.0\nspring v0.1.0"), NEVER).is_empty());
}
