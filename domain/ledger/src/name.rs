//! The names a commit may carry, each checked when it is made: no unchecked text reaches a subject or a commit.
//!
//! Source: PROTOCOL.md, "Ids" and section 1, "Stream".

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use trust::names::{is_origin, is_slug, is_type_id_suffix};

/// Which rule a name breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not `^[a-z0-9][a-z0-9.-]{0,126}$`.
    #[error("not an origin: 1 to 127 of a-z 0-9 . - starting with a letter or digit")]
    Origin,
    /// Not `^[a-z0-9][a-z0-9-]{0,62}$`.
    #[error("not a slug: 1 to 63 of a-z 0-9 - starting with a letter or digit")]
    Slug,
    /// Not a `TypeID` in its text form.
    #[error("not a TypeID: a lower-case prefix, an underscore and 26 base32 digits")]
    Id,
    /// Not `^[a-z][a-z0-9_]{0,62}$`.
    #[error("not a word: 1 to 63 of a-z 0-9 _ starting with a letter")]
    Word,
    /// Not at least two words joined by dots, together at most 127 bytes.
    #[error("not an event type: words joined by dots")]
    EventType,
}

fn starts_and_goes_on(
    text: &str,
    longest: usize,
    starts: fn(u8) -> bool,
    goes_on: fn(u8) -> bool,
) -> bool {
    text.len() <= longest
        && text.bytes().next().is_some_and(starts)
        && text.bytes().skip(1).all(goes_on)
}

fn lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_word(text: &str) -> bool {
    starts_and_goes_on(text, 63, |b| b.is_ascii_lowercase(), |b| lower_or_digit(b) || b == b'_')
}

fn is_event_type(text: &str) -> bool {
    text.len() <= 127 && text.contains('.') && text.split('.').all(is_word)
}

/// `TypeID` 0.3.
fn is_id(text: &str) -> bool {
    let Some((prefix, suffix)) = text.rsplit_once('_') else { return false };
    let prefix_ok = starts_and_goes_on(
        prefix,
        63,
        |b| b.is_ascii_lowercase(),
        |b| b.is_ascii_lowercase() || b == b'_',
    ) && !prefix.ends_with('_');
    prefix_ok && is_type_id_suffix(suffix)
}

macro_rules! name {
    ($(#[$docs:meta])* $type:ident, $rule:path, $error:expr) => {
        $(#[$docs])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if $rule(text) { Ok(Self(text.to_owned())) } else { Err($error) }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                trust::encoding::parsed(deserializer)
            }
        }
    };
}

name!(
    /// The name of one log, `^[a-z0-9][a-z0-9.-]{0,126}$`.
    Origin, is_origin, NameError::Origin
);
name!(
    /// A tenant or a shard, `^[a-z0-9][a-z0-9-]{0,62}$`.
    Slug, is_slug, NameError::Slug
);
name!(
    /// A `TypeID` in its text form, such as `chg_01j...`; which prefix belongs where is checked beside its use.
    IdText, is_id, NameError::Id
);
name!(
    /// An aggregate type or a command type, such as `data_source` or `submit_change`.
    Word, is_word, NameError::Word
);
name!(
    /// An event type: words joined by dots, such as `schema.execution.result`.
    EventType, is_event_type, NameError::EventType
);

impl IdText {
    /// What stands before the last underscore: `chg` of `chg_01j...`.
    pub fn prefix(&self) -> &str {
        self.0.rsplit_once('_').map_or("", |(prefix, _)| prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<T: FromStr<Err = NameError>>(texts: &[&str], error: NameError) -> bool {
        texts.iter().all(|text| text.parse::<T>().err() == Some(error))
    }

    #[test]
    fn names_that_could_widen_a_subject_are_refused() {
        let long = "a".repeat(64);
        for hostile in ["", ".", "*", ">", "a.b", "a b", "A", "-a", "a\n", "ä", long.as_str()] {
            assert!(refused::<Slug>(&[hostile], NameError::Slug), "{hostile:?}");
            assert!(refused::<Word>(&[hostile], NameError::Word), "{hostile:?}");
            assert!(refused::<IdText>(&[hostile], NameError::Id), "{hostile:?}");
        }
        assert!(refused::<Origin>(&["", ".a", "a/b", "a:b", &"a".repeat(128)], NameError::Origin));
        let event_types = ["", "a", "a.", ".a", "a..b", "a.*", "a.B"];
        assert!(refused::<EventType>(&event_types, NameError::EventType));
    }

    #[test]
    fn an_id_is_a_type_id() {
        let id: IdText = "data_source_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        assert_eq!(id.prefix(), "data_source");
        assert!(refused::<IdText>(
            &[
                "chg_81h455vb4pex5vsknk084sn02q",
                "chg_01h455vb4pex5vsknk084sn02u",
                "chg_01h455vb4pex5vsknk084sn02",
                "chg_01H455VB4PEX5VSKNK084SN02Q",
                "_01h455vb4pex5vsknk084sn02q",
                "chg__01h455vb4pex5vsknk084sn02q",
                "01h455vb4pex5vsknk084sn02q",
            ],
            NameError::Id
        ));
    }
}
