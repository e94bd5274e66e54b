//! A bundle in a folder. Links are never followed, not even to find out what they are.

use crate::files;
use ledger::{BundleSource, Entry, EntryKind};
use std::fs::{self, Metadata};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// A folder.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Looks at nothing yet.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn list(&self, below: &str, entries: &mut Vec<Entry>) -> io::Result<()> {
        let mut here: Vec<_> = fs::read_dir(self.root.join(below))?.collect::<Result<_, _>>()?;
        here.sort_by_key(fs::DirEntry::file_name);
        for entry in here {
            let file_name = entry.file_name();
            let metadata = fs::symlink_metadata(entry.path())?;
            // A name that is not UTF-8 belongs to no bundle: it is shown as well as it can be.
            let kind =
                if file_name.to_str().is_some() { kind(&metadata) } else { EntryKind::Other };
            let own = file_name.to_string_lossy();
            let name = if below.is_empty() { own.into_owned() } else { format!("{below}/{own}") };
            entries.push(Entry { name: name.clone(), kind });
            if kind == EntryKind::Directory {
                self.list(&name, entries)?;
            }
        }
        Ok(())
    }
}

fn kind(metadata: &Metadata) -> EntryKind {
    if metadata.is_file() {
        EntryKind::File
    } else if metadata.is_dir() {
        EntryKind::Directory
    } else {
        EntryKind::Other
    }
}

impl BundleSource for Directory {
    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        self.list("", &mut entries)?;
        Ok(entries)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn BufRead + '_>> {
        let mut path = self.root.clone();
        for part in name.split('/') {
            path.push(part);
            if fs::symlink_metadata(&path)?.is_symlink() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a link"));
            }
        }
        Ok(Box::new(BufReader::new(files::open_itself(&path)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    #[test]
    fn files_are_found_at_any_depth() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("blobs")).unwrap();
        fs::write(folder.path().join("bundle.json"), "{}").unwrap();
        fs::write(folder.path().join("blobs/a"), "blob").unwrap();
        let source = Directory::new(folder.path());
        let names: Vec<_> =
            source.entries().unwrap().into_iter().map(|e| (e.name, e.kind)).collect();
        let expected = [
            ("blobs".to_owned(), EntryKind::Directory),
            ("blobs/a".to_owned(), EntryKind::File),
            ("bundle.json".to_owned(), EntryKind::File),
        ];
        assert_eq!(names, expected);
        let mut text = String::new();
        source.open("blobs/a").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "blob");
    }

    #[test]
    fn a_link_is_neither_followed_nor_opened() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "hush").unwrap();
        symlink(outside.path().join("secret"), folder.path().join("bundle.json")).unwrap();
        symlink(outside.path(), folder.path().join("blobs")).unwrap();
        let source = Directory::new(folder.path());
        let entries = source.entries().unwrap();
        assert_eq!(entries.len(), 2);
        assert!(entries.iter().all(|entry| entry.kind == EntryKind::Other), "{entries:?}");
        assert!(source.open("bundle.json").is_err());
        assert!(source.open("blobs/secret").is_err());
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        files::make_fifo(&folder.path().join("commits.ndjson")).unwrap();
        let source = Directory::new(folder.path());
        assert_eq!(source.entries().unwrap()[0].kind, EntryKind::Other);
        assert!(source.open("commits.ndjson").is_err());
    }
}
