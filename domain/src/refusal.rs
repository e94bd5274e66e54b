//! Refusals: why a command was not accepted, each with a stable code.

use std::fmt;

/// What kind of refusal it is; the HTTP status follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The thing does not exist (404).
    NotFound,
    /// The caller may not (403).
    Forbidden,
    /// The state does not allow it (409).
    Conflict,
    /// The input is wrong (422).
    Invalid,
}

/// A refusal has a code `<context>.<reason>` that never changes once released.
pub trait Refusal: std::error::Error {
    /// The stable code.
    fn code(&self) -> &'static str;
    /// The kind.
    fn kind(&self) -> Kind;
}

/// One line of the error catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The stable code.
    pub code: &'static str,
    /// The kind.
    pub kind: Kind,
    /// The sentence shown to people.
    pub sentence: &'static str,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found",
            Self::Forbidden => "forbidden",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
        })
    }
}

/// Declares an aggregate's refusals: variant, code, kind and sentence on one line, and the catalogue of them.
macro_rules! refusals {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $code:literal, $kind:ident, $sentence:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        pub enum $name {
            $(
                #[doc = concat!("`", $code, "`: ", $sentence, ".")]
                #[error($sentence)]
                $variant,
            )+
        }

        impl $name {
            /// Every refusal of this aggregate.
            pub const CATALOGUE: &'static [$crate::refusal::Entry] = &[
                $($crate::refusal::Entry {
                    code: $code, kind: $crate::refusal::Kind::$kind, sentence: $sentence,
                },)+
            ];
        }

        impl $crate::refusal::Refusal for $name {
            fn code(&self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            fn kind(&self) -> $crate::refusal::Kind {
                match self { $(Self::$variant => $crate::refusal::Kind::$kind,)+ }
            }
        }
    };
}
pub(crate) use refusals;

/// Every refusal of every aggregate, for the error catalogue.
pub fn catalogue() -> Vec<Entry> {
    [
        crate::identity::TenantError::CATALOGUE,
        crate::identity::PrincipalError::CATALOGUE,
        crate::identity::TrustRootError::CATALOGUE,
        crate::catalog::DataSourceError::CATALOGUE,
        crate::changes::ChangeError::CATALOGUE,
        crate::approvals::ApprovalError::CATALOGUE,
        crate::jobs::JobError::CATALOGUE,
        crate::agents::AgentError::CATALOGUE,
        crate::ledger::LogError::CATALOGUE,
    ]
    .concat()
}
