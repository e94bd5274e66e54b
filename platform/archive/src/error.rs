//! Why the archive did not do what it was asked.

use crate::config::ConfigError;
use std::path::PathBuf;

/// A cause of another crate.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong. Paths are below the archive's root.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Another content is there under the name of a write-once object: somebody changed the archive, or two wrote it.
    #[error("{path} is in the archive with other bytes")]
    Differs {
        /// The object.
        path: String,
    },
    /// The bytes of a blob are not those that its name promises.
    #[error("{path} does not hold the bytes of its name")]
    WrongBlob {
        /// The object.
        path: String,
    },
    /// It must be there and is not.
    #[error("{path} is missing from the archive")]
    Missing {
        /// The object.
        path: String,
    },
    /// Larger than any such object may be; nothing was put, or nothing read.
    #[error("{path} has {found} bytes, more than {limit}")]
    TooLarge {
        /// The object.
        path: String,
        /// Its size, bytes.
        found: u64,
        /// The most that it may have, bytes.
        limit: u64,
    },
    /// Something that is no file stands where an object belongs.
    #[error("{path} is not a regular file")]
    NotAFile {
        /// The object.
        path: String,
    },
    /// It was there when it was to be put, and gone when it was to be compared, again and again.
    #[error("{path} comes and goes: something else deletes it")]
    Vanishing {
        /// The object.
        path: String,
    },
    /// The configuration contradicts itself.
    #[error("the archive's configuration is refused")]
    Config(#[from] ConfigError),
    /// The secret key of the bucket was not read.
    #[error("cannot read the secret key of the archive from {}", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The folder of the archive cannot be used.
    #[error("cannot use the archive's folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file system does not say that it is on the disk.
    #[error("cannot make {path} durable")]
    NotDurable {
        /// The object.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The store refused or cannot be reached.
    #[error("cannot {what} {path}")]
    Store {
        /// What was tried.
        what: &'static str,
        /// The object or folder.
        path: String,
        /// What happened.
        #[source]
        source: object_store::Error,
    },
    /// The bucket could not be asked for its object lock.
    #[error("cannot ask the bucket for its object lock")]
    AskLock(#[source] BoxError),
    /// The bucket answered a question about its object lock in a way that nobody knows.
    #[error("the bucket answered {status} ({code}) when asked for its object lock")]
    LockAnswer {
        /// HTTP status.
        status: u16,
        /// S3 error code, empty if there is none.
        code: String,
    },
}
