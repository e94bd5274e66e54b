//! Checked texts: ids, slugs, hashes and fingerprints as they stand in statements.
//!
//! Each type holds only what its rule allows, so that a name cannot carry anything else into a subject or a query.
//! Source: PROTOCOL.md, "Ids", sections 1 and 3.

use crate::encoding::lower_hex_32;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A text that does not follow the rule of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {what}")]
pub struct NameError {
    /// The kind that was asked for.
    pub what: &'static str,
}

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                let rule: fn(&str) -> bool = $rule;
                if rule(&text) { Ok(Self(text)) } else { Err(NameError { what: $what }) }
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_text!(
    /// A tenant's slug: `^[a-z0-9][a-z0-9-]{0,62}$`.
    TenantSlug,
    "a slug of 1 to 63 of a-z, 0-9 and inner '-'",
    is_slug
);
checked_text!(
    /// A log's origin: `^[a-z0-9][a-z0-9.-]{0,126}$`.
    Origin,
    "an origin of 1 to 127 of a-z, 0-9, '.' and '-'",
    is_origin
);
checked_text!(
    /// A change: `chg_` and 26 digits of base 32 (`TypeID`).
    ChangeId,
    "a change id (chg_...)",
    |text| is_type_id(text, "chg_")
);
checked_text!(
    /// A job: `job_` and 26 digits of base 32 (`TypeID`).
    JobId,
    "a job id (job_...)",
    |text| is_type_id(text, "job_")
);
checked_text!(
    /// A data source: `dsc_` and 26 digits of base 32 (`TypeID`).
    DataSourceId,
    "a data source id (dsc_...)",
    |text| is_type_id(text, "dsc_")
);
checked_text!(
    /// A person or service: `prn_` and 26 digits of base 32 (`TypeID`).
    PrincipalId,
    "a principal id (prn_...)",
    |text| is_type_id(text, "prn_")
);
checked_text!(
    /// The hash of a commit: `blake3:` and 64 lower-case hexadecimal digits.
    CommitHash,
    "a commit hash (blake3:<64 hex>)",
    |text| text.strip_prefix("blake3:").is_some_and(|hex| lower_hex_32(hex).is_some())
);
checked_text!(
    /// A schema fingerprint of the model `pgfp1`: `pgfp1:` and 64 lower-case hexadecimal digits.
    Fingerprint,
    "a fingerprint (pgfp1:<64 hex>)",
    |text| text.strip_prefix("pgfp1:").is_some_and(|hex| lower_hex_32(hex).is_some())
);

/// The tenant slug rule, also for every segment that may reach a subject.
pub fn is_slug(text: &str) -> bool {
    starts_plain(text, 63, |b| b == b'-')
}

/// The origin rule.
pub fn is_origin(text: &str) -> bool {
    starts_plain(text, 127, |b| matches!(b, b'.' | b'-'))
}

fn starts_plain(text: &str, longest: usize, also: impl Fn(u8) -> bool) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    match text.as_bytes() {
        [first, rest @ ..] => {
            text.len() <= longest && plain(*first) && rest.iter().all(|b| plain(*b) || also(*b))
        }
        [] => false,
    }
}

fn is_type_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(is_type_id_suffix)
}

/// What follows a `TypeID`'s prefix. 26 digits of Crockford's base 32 hold 130 bits: the first is at most 7.
pub fn is_type_id_suffix(suffix: &str) -> bool {
    suffix.len() == 26
        && suffix.bytes().next().is_some_and(|b| (b'0'..=b'7').contains(&b))
        && suffix.bytes().all(is_base_32)
}

/// A digit of Crockford's base 32, in lower case: no i, l, o, u.
fn is_base_32(byte: u8) -> bool {
    byte.is_ascii_digit() || byte.is_ascii_lowercase() && !matches!(byte, b'i' | b'l' | b'o' | b'u')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_another_form_is_refused() {
        assert!("acme-2".parse::<TenantSlug>().is_ok());
        for wrong in ["", "-acme", "Acme", "a_b", "a.b", "a>b", "a*", &"a".repeat(64)] {
            assert!(wrong.parse::<TenantSlug>().is_err(), "{wrong}");
        }
        assert!("log.example.org".parse::<Origin>().is_ok());
        assert!(".log".parse::<Origin>().is_err());
        assert!("chg_01j5a3z9xv7q0c4n8k2m6t1r3w".parse::<ChangeId>().is_ok());
        for wrong in [
            "chg_01j5a3z9xv7q0c4n8k2m6t1r3",
            "chg_81j5a3z9xv7q0c4n8k2m6t1r3w",
            "chg_01J5a3z9xv7q0c4n8k2m6t1r3w",
            "chg_01i5a3z9xv7q0c4n8k2m6t1r3w",
            "job_01j5a3z9xv7q0c4n8k2m6t1r3w",
        ] {
            assert!(wrong.parse::<ChangeId>().is_err(), "{wrong}");
        }
        let hex = "ab".repeat(32);
        assert!(format!("pgfp1:{hex}").parse::<Fingerprint>().is_ok());
        assert!(format!("pgfp2:{hex}").parse::<Fingerprint>().is_err());
        assert!(format!("blake3:{hex}").parse::<CommitHash>().is_ok());
        assert!(format!("blake3:{}", hex.to_uppercase()).parse::<CommitHash>().is_err());
    }
}
