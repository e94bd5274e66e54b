//! The archive: the durable, write-once store of one sealed log, in a folder or in an S3 bucket with object lock.
//!
//! It knows nothing of NATS, of Merkle trees or of signatures: names and bytes. Below `<root>/<origin>/`:
//!
//! | object | what it is |
//! |---|---|
//! | `checkpoint` | the newest signed note; the only object that is ever replaced |
//! | `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]` | the tree, as C2SP tlog-tiles serves it |
//! | `checkpoints/<size>` | every signed note |
//! | `commits/<from>-<to>.ndjson` | the exact evidence lines of the sequences `from + 1` to `to` |
//! | `blobs/<sha256>` | large values |
//! | `heads/<size>` | the ends of all chains at a checkpoint, opaque here |
//!
//! Sizes in names have 20 digits, so that a listing is in their order. A segment of commits lies between two
//! neighbours in the list `checkpoints/` ([`Archive::segments`]): a sealer that was killed may leave a segment beside
//! them that no checkpoint names, and nobody reads it.
//!
//! [`Archive::put_once`] never overwrites, says when what is there differs ([`ArchiveError::Differs`]), and answers
//! only when the bytes survive the loss of power, as far as the store can promise that. Which protections a store
//! lacks is asked of the store itself: [`Archive::weaknesses`].

mod archive;
mod bucket;
mod config;
mod error;
mod folder;
mod name;
mod place;
mod segments;
mod tiles;
mod weakness;

pub use archive::{Archive, Put};
pub use config::{ArchiveConfig, ArchiveUrl, ConfigError, Endpoint};
pub use error::{ArchiveError, BoxError};
pub use name::{Level, MAX_SEGMENT_BYTES, NameError, ObjectName, Segment, Width};
pub use segments::{Lines, lines};
pub use weakness::Weakness;
