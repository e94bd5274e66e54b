//! `trust/` and `statements/`: copies of what the log holds, in the form that other DSSE tools read.
//!
//! A verifier takes nothing from them: it makes them again from the log and compares.

use super::approvals;
use super::blobs::Blobs;
use super::evidence::Evidence;
use super::objection::Objection;
use ledger::{BundleFile, BundleSource, EntryKind};
use std::collections::BTreeMap;
use std::io::{self, Read as _};

/// The files by name. What cannot be made because a blob is missing is left out.
pub fn of(evidence: &Evidence, blobs: &dyn Blobs) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for ((tenant, version), root) in &evidence.roots {
        let name = format!("trust/{tenant}/{version}.json");
        files.extend(blobs.named(&root.envelope).ok().map(|bytes| (name, bytes)));
    }
    for ((tenant, approval), record) in &evidence.approvals {
        let name = |what: &str| format!("statements/{tenant}/{approval}.{what}.json");
        let manifest = record.opened.as_ref().and_then(|o| blobs.named(&o.manifest).ok());
        let change = manifest.and_then(|m| approvals::envelope(m, &record.signed).to_json().ok());
        files.extend(change.map(|bytes| (name("change"), bytes)));
        for (index, rejection) in record.rejections.iter().enumerate() {
            let bytes = blobs.named(rejection).ok();
            files.extend(bytes.map(|bytes| (name(&format!("decision-{}", index + 1)), bytes)));
        }
    }
    for ((tenant, job), record) in &evidence.jobs {
        let name = format!("statements/{tenant}/{job}.result.json");
        let result = record.finished.as_ref().and_then(|f| blobs.named(&f.said.result).ok());
        files.extend(result.map(|bytes| (name, bytes)));
    }
    files
}

/// Compares the copies of a bundle with the log's own; answers each that differs.
pub fn differing(
    source: &dyn BundleSource,
    own: &BTreeMap<String, Vec<u8>>,
) -> io::Result<Vec<(String, Objection)>> {
    let mut differing = Vec::new();
    for entry in source.entries()? {
        let is_copy = matches!(
            BundleFile::named(&entry.name),
            Some(BundleFile::Statement | BundleFile::Root)
        );
        if entry.kind != EntryKind::File || !is_copy {
            continue;
        }
        let objection = match own.get(&entry.name) {
            None => Some(Objection::CopyUnexplained),
            Some(expected) if !is_equal(source, &entry.name, expected)? => Some(Objection::Copy),
            Some(_) => None,
        };
        differing.extend(objection.map(|objection| (entry.name, objection)));
    }
    Ok(differing)
}

/// What [`differing`] finds in a bundle whose copies were made from `told`, where `own` is what its good commits say:
/// for evidence that no bundle was made of.
pub fn contradicted(
    told: &Evidence,
    own: &Evidence,
    blobs: &dyn Blobs,
) -> Vec<(String, Objection)> {
    let own = of(own, blobs);
    let told = of(told, blobs);
    let mut differing: Vec<_> = told
        .into_iter()
        .filter_map(|(name, bytes)| {
            let objection = match own.get(&name) {
                None => Objection::CopyUnexplained,
                Some(expected) if *expected != bytes => Objection::Copy,
                Some(_) => return None,
            };
            Some((name, objection))
        })
        .collect();
    // As a folder lists them.
    differing.sort_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
    differing
}

fn is_equal(source: &dyn BundleSource, name: &str, expected: &[u8]) -> io::Result<bool> {
    let limit = u64::try_from(expected.len()).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    source.open(name)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes == expected)
}

#[cfg(test)]
mod tests {
    use super::super::directory::Directory;
    use super::super::testimony::Testimony;
    use super::*;
    use std::fs;
    use std::path::Path;
    use trust::dsse::Envelope;

    fn written(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<()> {
        for (name, bytes) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(path, bytes)?;
        }
        Ok(())
    }

    #[test]
    fn the_copies_are_the_roots_the_signed_changes_and_the_results() {
        let testimony = Testimony::new().unwrap();
        let files = of(&testimony.evidence, &testimony.blobs);
        let ends: Vec<_> = files.keys().map(|name| name.rsplit('.').nth(1).unwrap()).collect();
        assert_eq!(ends, ["change", "result", "trust/acme/1"]);
        assert!(files.keys().all(|name| BundleFile::named(name).is_some()), "{files:?}");
        let change = files.values().next().unwrap();
        assert_eq!(Envelope::parse(change).unwrap().signatures().len(), 2);
    }

    #[test]
    fn a_rejection_is_copied_as_its_blob() {
        let mut testimony = Testimony::new().unwrap();
        testimony.reject(b"{}");
        let files = of(&testimony.evidence, &testimony.blobs);
        let (name, bytes) = files.iter().find(|(name, _)| name.contains("decision")).unwrap();
        assert!(name.ends_with(".decision-1.json"), "{name}");
        assert_eq!(bytes, b"{}");
    }

    #[test]
    fn a_copy_that_differs_or_that_nothing_explains_is_found() {
        let testimony = Testimony::new().unwrap();
        let own = of(&testimony.evidence, &testimony.blobs);
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), &own).unwrap();
        let source = Directory::new(folder.path());
        assert_eq!(differing(&source, &own).unwrap(), Vec::new());
        let extra = BTreeMap::from([
            ("statements/more.json".to_owned(), b"{}".to_vec()),
            ("trust/acme/1.json".to_owned(), b"{}".to_vec()),
        ]);
        written(folder.path(), &extra).unwrap();
        let mut found = differing(&source, &own).unwrap();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let expected = [
            ("statements/more.json".to_owned(), Objection::CopyUnexplained),
            ("trust/acme/1.json".to_owned(), Objection::Copy),
        ];
        assert_eq!(found, expected);
    }
}
