//! The archive in a folder and in a bucket of a real S3-compatible server with object lock.

mod folders;
mod locked;
mod round_trip;
mod world;
mod write_once;
