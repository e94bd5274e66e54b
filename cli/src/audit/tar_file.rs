//! A bundle in a tar. Nothing is unpacked: files are read where they lie.

use crate::files;
use ledger::{BundleSource, Entry, EntryKind};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use tar::{Archive, EntryType};

/// A tar and where its files lie.
#[derive(Debug, Clone)]
pub struct TarFile {
    path: PathBuf,
    entries: Vec<Entry>,
    places: BTreeMap<String, Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    size: u64,
}

impl TarFile {
    /// Reads the headers.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut archive = Archive::new(files::open(path)?);
        let (mut entries, mut places) = (Vec::new(), BTreeMap::new());
        let mut has_root = false;
        for entry in archive.entries_with_seek()? {
            let entry = entry?;
            let kind = match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => EntryKind::File,
                EntryType::Directory => EntryKind::Directory,
                _ => EntryKind::Other,
            };
            let bytes = entry.path_bytes();
            let (name, kind) = match std::str::from_utf8(&bytes) {
                Ok(name) => (plain(name, kind), kind),
                Err(_) => (String::from_utf8_lossy(&bytes).into_owned(), EntryKind::Other),
            };
            // The folder itself; a second one stays as a name that no bundle has.
            if name.is_empty() && kind == EntryKind::Directory && !has_root {
                has_root = true;
                continue;
            }
            if kind == EntryKind::File {
                // The first of two is the one that is read; the verifier refuses the second.
                let place = Place { offset: entry.raw_file_position(), size: entry.size() };
                places.entry(name.clone()).or_insert(place);
            }
            entries.push(Entry { name, kind });
        }
        Ok(Self { path: path.to_owned(), entries, places })
    }
}

/// Without the `./` that tar puts before names of `tar -C folder .`, and without a folder's last slash.
fn plain(name: &str, kind: EntryKind) -> String {
    let mut name = name;
    while let Some(rest) = name.strip_prefix("./") {
        name = rest;
    }
    if kind == EntryKind::Directory {
        name = name.strip_suffix('/').unwrap_or(name);
        name = if name == "." { "" } else { name };
    }
    name.to_owned()
}

impl BundleSource for TarFile {
    fn entries(&self) -> io::Result<Vec<Entry>> {
        Ok(self.entries.clone())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn BufRead + '_>> {
        let Place { offset, size } = *self.places.get(name).ok_or(io::ErrorKind::NotFound)?;
        let mut file = files::open(&self.path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(BufReader::new(file).take(size)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{BundleFile, Manifest};
    use std::fs::File;
    use tar::{Builder, Header};

    fn header(kind: EntryType, size: usize) -> anyhow::Result<Header> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(u64::try_from(size)?);
        header.set_mode(0o644);
        Ok(header)
    }

    /// Writes a name as it is: the builder itself refuses hostile ones.
    fn named(header: &mut Header, name: &str) {
        let old = header.as_old_mut();
        old.name = [0; 100];
        old.name.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
        header.set_cksum();
    }

    fn archive(
        entries: &[(&str, EntryType, &[u8])],
    ) -> anyhow::Result<(tempfile::TempDir, TarFile)> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("b.tar");
        let mut builder = Builder::new(File::create(&path)?);
        for (name, kind, bytes) in entries {
            let mut header = header(*kind, bytes.len())?;
            if !matches!(kind, EntryType::Regular | EntryType::Directory) {
                header.set_link_name("/etc/passwd")?;
            }
            named(&mut header, name);
            builder.append(&header, *bytes)?;
        }
        builder.into_inner()?.sync_all()?;
        let opened = TarFile::open(&path)?;
        Ok((folder, opened))
    }

    fn text(source: &TarFile, name: &str) -> anyhow::Result<String> {
        let mut text = String::new();
        source.open(name)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn files_are_read_where_they_lie() {
        let (_folder, source) = archive(&[
            ("./", EntryType::Directory, b""),
            ("./blobs/", EntryType::Directory, b""),
            ("./bundle.json", EntryType::Regular, b"{}"),
            ("blobs/a", EntryType::Regular, b"blob"),
        ])
        .unwrap();
        let names: Vec<_> =
            source.entries().unwrap().into_iter().map(|e| (e.name, e.kind)).collect();
        let expected = [
            ("blobs".to_owned(), EntryKind::Directory),
            ("bundle.json".to_owned(), EntryKind::File),
            ("blobs/a".to_owned(), EntryKind::File),
        ];
        assert_eq!(names, expected);
        assert_eq!(text(&source, "bundle.json").unwrap(), "{}");
        assert_eq!(text(&source, "blobs/a").unwrap(), "blob");
    }

    #[test]
    fn links_are_no_files_and_names_that_lead_out_stay_visible() {
        let (_folder, source) = archive(&[
            ("bundle.json", EntryType::Symlink, b""),
            ("commits.ndjson", EntryType::Link, b""),
            ("blobs/../bundle.json", EntryType::Regular, b"{}"),
            ("/bundle.json", EntryType::Regular, b"{}"),
        ])
        .unwrap();
        let entries = source.entries().unwrap();
        assert_eq!(entries.len(), 4);
        for entry in &entries {
            let is_file_of_a_bundle =
                entry.kind == EntryKind::File && BundleFile::named(&entry.name).is_some();
            assert!(!is_file_of_a_bundle, "{entry:?}");
        }
        assert!(source.open("bundle.json").is_err());
    }

    #[test]
    fn a_hostile_bundle_is_tampered_and_not_read() {
        let manifest = Manifest::unsealed("a.b".parse().unwrap(), 0, crate::clock::now());
        let manifest = manifest.encode().unwrap();
        let (_folder, source) = archive(&[
            ("bundle.json", EntryType::Regular, &manifest),
            ("commits.ndjson", EntryType::Regular, b""),
            ("../escape", EntryType::Regular, b"x"),
            ("blobs/link", EntryType::Symlink, b""),
            ("./bundle.json", EntryType::Regular, b"{}"),
        ])
        .unwrap();
        let testimony = super::super::testimony::Testimony::new().unwrap();
        let policy = testimony.policy().unwrap();
        let report =
            ledger::verify_bundle(&source, &policy, &"main".parse().unwrap(), None).unwrap();
        let foreign: Vec<_> =
            report.findings.iter().filter(|f| f.fault.code() == "foreign_file").collect();
        assert_eq!(foreign.len(), 3, "{:?}", report.findings);
        assert_eq!(report.exit_code(), 7);
    }

    fn judged(source: &TarFile) -> anyhow::Result<ledger::Report> {
        let policy = super::super::testimony::Testimony::new()?.policy()?;
        Ok(ledger::verify_bundle(source, &policy, &"main".parse()?, None)?)
    }

    #[test]
    fn a_second_entry_of_a_name_is_tampering_whatever_it_is() {
        let manifest = Manifest::unsealed("a.b".parse().unwrap(), 0, crate::clock::now());
        let manifest = manifest.encode().unwrap();
        let plain: [(&str, EntryType, &[u8]); 4] = [
            ("./", EntryType::Directory, b""),
            ("blobs/", EntryType::Directory, b""),
            ("bundle.json", EntryType::Regular, &manifest),
            ("commits.ndjson", EntryType::Regular, b""),
        ];
        let (_folder, source) = archive(&plain).unwrap();
        // An empty log lacks its first message, and nothing else is wrong.
        assert_eq!(judged(&source).unwrap().exit_code(), 8);
        for second in [
            ("./", EntryType::Directory, &b""[..]),
            ("blobs", EntryType::Directory, b""),
            ("blobs", EntryType::Regular, b""),
            ("bundle.json", EntryType::Directory, b""),
            ("bundle.json", EntryType::Symlink, b""),
            ("commits.ndjson", EntryType::Link, b""),
            ("commits.ndjson", EntryType::Regular, b""),
            ("empty/", EntryType::Directory, b""),
        ] {
            let (_folder, source) = archive(&[&plain[..], &[second]].concat()).unwrap();
            let report = judged(&source).unwrap();
            assert_eq!(report.exit_code(), 7, "{second:?}: {:?}", report.findings);
            assert_eq!(report.first_bad().unwrap().fault.code(), "foreign_file", "{second:?}");
        }
    }

    #[test]
    fn a_tar_that_ends_early_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.tar");
        std::fs::write(&path, [b'x'; 700]).unwrap();
        assert!(TarFile::open(&path).is_err());
    }
}
