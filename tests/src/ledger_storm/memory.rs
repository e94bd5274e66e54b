//! A bundle in memory, whose lines are shared until somebody changes them.

use ledger::{BundleSource, Entry, EntryKind, Line};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Cursor};
use std::sync::Arc;

/// The files of a bundle; `commits.ndjson` line by line.
#[derive(Clone)]
pub struct Memory {
    /// The log, each line with its newline.
    pub lines: Vec<Arc<[u8]>>,
    /// Every other file.
    pub files: BTreeMap<String, Arc<[u8]>>,
}

impl Memory {
    /// Puts a file.
    pub fn put(&mut self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.files.insert(name.to_owned(), bytes.into().into());
    }

    /// The bytes of a file, none if it is not there.
    pub fn file(&self, name: &str) -> Vec<u8> {
        self.files.get(name).map(|bytes| bytes.to_vec()).unwrap_or_default()
    }

    /// Keeps the blobs that these messages name, and no others: an attacker leaves no trace there.
    pub fn keep_named_blobs<'a>(&mut self, lines: impl Iterator<Item = &'a Line>) {
        let label = r#""sha256":""#;
        let mut named = BTreeSet::new();
        for line in lines {
            let text = String::from_utf8_lossy(&line.payload);
            let digests = text.split(label).skip(1).filter_map(|rest| rest.get(..64));
            named.extend(digests.map(str::to_owned));
        }
        self.files.retain(|name, _| {
            name.strip_prefix("blobs/").is_none_or(|sha256| named.contains(sha256))
        });
    }
}

impl BundleSource for Memory {
    fn entries(&self) -> io::Result<Vec<Entry>> {
        let names = self.files.keys().cloned().chain(["commits.ndjson".to_owned()]);
        Ok(names.map(|name| Entry { name, kind: EntryKind::File }).collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn BufRead + '_>> {
        if name == "commits.ndjson" {
            return Ok(Box::new(Cursor::new(self.lines.concat())));
        }
        let bytes = self.files.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(&**bytes))
    }
}
