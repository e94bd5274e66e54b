//! What a setting of a stream lets happen when it is not as wanted: the one judgement of doctor, and of the appender that
//! records how the log's streams are configured.

use std::fmt;

/// What can happen to the messages of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weakness {
    /// They can be lost: by age, number, size, or a server that fails.
    Loses,
    /// They can be deleted, purged, rolled up, or expire.
    Erasable,
    /// They can come from elsewhere, be changed on the way, or not come.
    Sources,
}

impl Weakness {
    /// Of a setting, by the server's name for it; none if it weakens nothing.
    pub fn of(setting: &str) -> Option<Self> {
        match setting {
            "max_age"
            | "max_msgs"
            | "max_bytes"
            | "max_msgs_per_subject"
            | "max_msg_size"
            | "discard"
            | "discard_new_per_subject"
            | "retention"
            | "storage"
            | "num_replicas"
            | "persist_mode"
            | crate::inspect::MISSING => Some(Self::Loses),
            "deny_delete"
            | "deny_purge"
            | "allow_rollup_hdrs"
            | "allow_msg_ttl"
            | "subject_delete_marker_ttl" => Some(Self::Erasable),
            "subjects"
            | "sources"
            | "mirror"
            | "republish"
            | "subject_transform"
            | "no_ack"
            | "sealed"
            | "first_seq"
            | "allow_msg_counter"
            | "allow_msg_schedules" => Some(Self::Sources),
            _ => None,
        }
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loses => "messages can be lost",
            Self::Erasable => "messages can be erased",
            Self::Sources => "messages can come from elsewhere, or not come",
        })
    }
}
