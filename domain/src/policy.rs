//! Policies: who must sign what, on top of root and site. Until Rego policies come, one is built in.

use crate::vocabulary::{PolicyRef, Requirement, Stage};
use trust::encoding::Sha256Digest;

/// The built-in policy's name.
pub const BUILTIN_QUORUM: &str = "builtin/quorum";

/// The built-in policy's text; its digest is in every manifest made under it, so the text never changes.
pub const BUILTIN_QUORUM_TEXT: &str = "\
builtin/quorum version 1
Every change needs one stage: as many distinct people as the trust root's quorum for the environment asks for
(one more where the author is only asserted), and every requirement of the root for that environment.
The author is never counted. Nothing is added, nothing is approved automatically.
";

/// The built-in policy as manifests name it.
pub fn builtin_quorum() -> PolicyRef {
    PolicyRef {
        name: BUILTIN_QUORUM.to_owned(),
        version: 1,
        sha256: Sha256Digest::of(BUILTIN_QUORUM_TEXT.as_bytes()),
    }
}

/// The stages that the built-in policy asks for.
pub fn builtin_stages(quorum: u32, requirements: Vec<Requirement>) -> Vec<Stage> {
    vec![Stage { name: "countersign".to_owned(), quorum, requirements }]
}
