//! The evidence bundle: the files that hold a log, and how a reader gets at them.
//!
//! The readers are pure: a caller brings a [`BundleSource`] over a directory or a tar. Names are refused here that
//! could lead out of a bundle. Source: PROTOCOL.md section 1, "Evidence bundle".

use crate::name::{IdText, Origin};
use crate::tree::MAX_TREE_SIZE;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::io::{self, BufRead};
use std::str::FromStr;
use trust::encoding::{Sha256Digest, Timestamp};
use trust::strict::{self, StrictError};

/// The value of `format`.
pub const BUNDLE_FORMAT: &str = "countersign-evidence/1";
/// The `scope` of a whole log.
pub const SCOPE_LOG: &str = "log";
/// What the bundle says about itself; unattested.
pub const MANIFEST_FILE: &str = "bundle.json";
/// The log, one [`crate::Line`] per line.
pub const COMMITS_FILE: &str = "commits.ndjson";
/// Largest `bundle.json`, bytes.
pub const MAX_MANIFEST_BYTES: u64 = 64 * 1024;
/// The signed note that seals the log.
pub const CHECKPOINT_FILE: &str = "checkpoint";
/// Inclusion proofs of a part's lines, one [`crate::ProofLine`] per line, in the order of the lines.
pub const PROOFS_FILE: &str = "proofs.ndjson";

/// Why a bundle cannot be read at all. Damage to what it holds is a finding of the verifier instead.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The list of files could not be read.
    #[error("cannot list the bundle's files")]
    List(#[source] io::Error),
    /// A file could not be read.
    #[error("cannot read {name} of the bundle")]
    Read {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No `bundle.json`.
    #[error("not an evidence bundle: it has no bundle.json")]
    NoManifest,
    /// A link, a pipe or a folder where a file belongs, or two entries of its name: a bundle has none of these.
    #[error("{0} of the bundle is not one regular file")]
    NotAFile(&'static str),
    /// `bundle.json` is not a manifest.
    #[error("bundle.json is not a bundle's manifest")]
    Manifest(#[source] StrictError),
    /// Another format or scope.
    #[error("bundle.json has the {member} {found:?}, which this reader does not know")]
    Unsupported {
        /// `format` or `scope`.
        member: &'static str,
        /// What it says.
        found: String,
    },
}

/// `bundle.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`BUNDLE_FORMAT`].
    pub format: String,
    /// The origin of the log.
    pub log: Origin,
    /// Size of the tree under `checkpoint`; the last sequence of an unsealed log.
    pub tree_size: u64,
    /// Text of a [`Scope`]; [`SCOPE_LOG`] for a whole log.
    pub scope: String,
    /// When it was exported.
    pub created_at: Timestamp,
}

impl Manifest {
    /// The manifest of a whole log that no checkpoint seals.
    pub fn unsealed(log: Origin, last_sequence: u64, created_at: Timestamp) -> Self {
        Self {
            format: BUNDLE_FORMAT.to_owned(),
            log,
            tree_size: last_sequence,
            scope: SCOPE_LOG.to_owned(),
            created_at,
        }
    }

    /// The file's bytes, newline at the end.
    pub fn encode(&self) -> Result<Vec<u8>, BundleError> {
        let mut bytes = serde_json::to_vec(self)
            .map_err(|error| BundleError::Manifest(StrictError::Json(error.to_string())))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The manifest of a whole log or of a part of it under a checkpoint of this size.
    pub fn sealed(log: Origin, tree_size: u64, scope: &Scope, created_at: Timestamp) -> Self {
        Self { scope: scope.to_string(), ..Self::unsealed(log, tree_size, created_at) }
    }

    /// Parses the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let manifest: Self = strict::parse_exact(bytes).map_err(BundleError::Manifest)?;
        if manifest.format != BUNDLE_FORMAT {
            return Err(BundleError::Unsupported { member: "format", found: manifest.format });
        }
        manifest.scope()?;
        Ok(manifest)
    }

    /// What part of the log the bundle holds.
    pub fn scope(&self) -> Result<Scope, BundleError> {
        let unsupported =
            |_| BundleError::Unsupported { member: "scope", found: self.scope.clone() };
        self.scope.parse().map_err(unsupported)
    }
}

/// What part of a log a bundle holds.
///
/// A part needs a `checkpoint`, and a proof for each of its lines. Links to messages outside of the part are not
/// checked: the tree holds the lines in their places, and the chain only shows what comes after what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// `log`: every sequence from 1 to `tree_size`.
    Log,
    /// `range:<from>-<to>`: these sequences, both ends included, without a gap.
    Range {
        /// The first, from 1.
        from: u64,
        /// The last.
        to: u64,
    },
    /// `change:<chg id>`: all commits of one change, and whatever else of the log its evidence needs.
    Change(IdText),
}

/// Not the text of a [`Scope`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a scope: log, range:<from>-<to> or change:<chg id>")]
pub struct ScopeError;

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log => f.write_str(SCOPE_LOG),
            Self::Range { from, to } => write!(f, "range:{from}-{to}"),
            Self::Change(id) => write!(f, "change:{id}"),
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let scope = match text.split_once(':') {
            None if text == SCOPE_LOG => Self::Log,
            Some(("range", range)) => {
                let (from, to) = range.split_once('-').ok_or(ScopeError)?;
                let number = |text: &str| text.parse::<u64>().map_err(|_| ScopeError);
                let (from, to) = (number(from)?, number(to)?);
                if from == 0 || from > to || to > MAX_TREE_SIZE {
                    return Err(ScopeError);
                }
                Self::Range { from, to }
            }
            Some(("change", id)) => {
                let id: IdText = id.parse().map_err(|_| ScopeError)?;
                if id.prefix() != "chg" {
                    return Err(ScopeError);
                }
                Self::Change(id)
            }
            _ => return Err(ScopeError),
        };
        // One spelling: no plus sign, no leading zeros.
        if scope.to_string() == text { Ok(scope) } else { Err(ScopeError) }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What kind of thing a bundle's entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic or hard link, a device or anything else: refused.
    Other,
}

/// One entry of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path inside the bundle, with `/` between its parts.
    pub name: String,
    /// What it is; a source must not follow links to find out.
    pub kind: EntryKind,
}

/// Where a bundle's files come from: a directory, a tar, memory.
pub trait BundleSource {
    /// Every entry, at any depth.
    fn entries(&self) -> io::Result<Vec<Entry>>;

    /// Opens a file by the name that [`Self::entries`] gave; is asked for checked names of regular files only.
    fn open(&self, name: &str) -> io::Result<Box<dyn BufRead + '_>>;
}

/// What a file of a bundle is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleFile {
    /// `bundle.json`.
    Manifest,
    /// `commits.ndjson`.
    Commits,
    /// `checkpoint`.
    Checkpoint,
    /// `proofs.ndjson`.
    Proofs,
    /// `blobs/<sha256>`.
    Blob(Sha256Digest),
    /// Below `statements/`.
    Statement,
    /// Below `trust/`.
    Root,
}

impl BundleFile {
    /// What the file of this name is for; `None` if a bundle has no such file or the name could lead out of it.
    pub fn named(name: &str) -> Option<Self> {
        if !is_safe_name(name) {
            return None;
        }
        match (name, name.split_once('/')) {
            (MANIFEST_FILE, _) => Some(Self::Manifest),
            (COMMITS_FILE, _) => Some(Self::Commits),
            (CHECKPOINT_FILE, _) => Some(Self::Checkpoint),
            (PROOFS_FILE, _) => Some(Self::Proofs),
            (_, Some(("blobs", sha256))) => sha256.parse().ok().map(Self::Blob),
            (_, Some(("statements", _))) => Some(Self::Statement),
            (_, Some(("trust", _))) => Some(Self::Root),
            _ => None,
        }
    }
}

/// Whether a bundle has a directory of this name.
pub fn is_bundle_directory(name: &str) -> bool {
    let below = |parent: &str| name.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'));
    is_safe_name(name)
        && (matches!(name, "blobs" | "statements" | "trust")
            || below("statements")
            || below("trust"))
}

/// The name of a blob's file, `blobs/<sha256>`.
pub fn blob_file(sha256: &Sha256Digest) -> String {
    format!("blobs/{sha256}")
}

/// Whether a name stays inside a bundle on every system: plain relative parts, no `..`, no drive, no control bytes.
pub fn is_safe_name(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    name.len() <= 255 && name.split('/').all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_a_bundle_are_refused() {
        for hostile in [
            "../bundle.json",
            "blobs/../bundle.json",
            "/etc/passwd",
            "blobs//a",
            "./bundle.json",
            "statements/..",
            "trust/a\\..\\b",
            "C:bundle.json",
            "trust/a\0",
            "",
        ] {
            assert!(!is_safe_name(hostile), "{hostile:?}");
            assert_eq!(BundleFile::named(hostile), None, "{hostile:?}");
        }
    }

    #[test]
    fn a_bundle_has_only_its_own_directories() {
        for name in ["blobs", "statements", "trust", "trust/acme", "statements/acme/more"] {
            assert!(is_bundle_directory(name), "{name}");
        }
        for name in ["", "empty", "blobs/more", "trusts", "trust/..", "bundle.json", "/blobs"] {
            assert!(!is_bundle_directory(name), "{name:?}");
        }
    }

    #[test]
    fn a_scope_has_one_spelling() {
        for text in ["log", "range:1-1", "range:7-900", "change:chg_01h455vb4pex5vsknk084sn02q"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "Log",
            "log:",
            "range:",
            "range:0-1",
            "range:2-1",
            "range:01-2",
            "range:1-+2",
            "range:1-9007199254740992",
            "range:1",
            "change:",
            "change:job_01h455vb4pex5vsknk084sn02q",
            "change:chg_1",
        ] {
            assert_eq!(wrong.parse::<Scope>(), Err(ScopeError), "{wrong}");
        }
    }

    #[test]
    fn every_file_of_a_bundle_is_known_by_its_name() {
        let sha256 = Sha256Digest::of(b"blob");
        assert_eq!(BundleFile::named(&blob_file(&sha256)), Some(BundleFile::Blob(sha256)));
        assert_eq!(BundleFile::named("trust/1.json"), Some(BundleFile::Root));
        assert_eq!(BundleFile::named("statements/a/b.json"), Some(BundleFile::Statement));
        for stranger in ["blobs/abc", "blobs", "notes.txt", "commits.ndjson.bak"] {
            assert_eq!(BundleFile::named(stranger), None, "{stranger}");
        }
    }
}
