//! What a store does not protect against.

use std::fmt;

/// One protection that a store of the archive lacks; prints as one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weakness {
    /// It is a folder: write once is a rule that only our own code keeps.
    Folder,
    /// The bucket has no object lock.
    ObjectLockOff,
    /// The bucket could lock, but locks nothing by itself.
    NoDefaultRetention,
    /// Locked in mode GOVERNANCE, which whoever has the permission may bypass.
    GovernanceRetention,
    /// Our identity may not ask (`s3:GetBucketObjectLockConfiguration`).
    ObjectLockUnknown,
}

impl fmt::Display for Weakness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Folder => "the archive is a folder: whoever may write there can change it",
            Self::ObjectLockOff => "object lock is off",
            Self::NoDefaultRetention => "object lock has no default retention",
            Self::GovernanceRetention => "object lock can be bypassed: its mode is GOVERNANCE",
            Self::ObjectLockUnknown => "object lock is unknown: we may not ask the bucket",
        })
    }
}
