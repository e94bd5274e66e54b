//! The text encodings of the wire: canonical base64, lower-case hex digests, times.
//!
//! Source: PROTOCOL.md, "Encoding, everywhere".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Datelike as _, NaiveDate, SecondsFormat, Timelike as _, Utc};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::str::FromStr;

/// What is wrong with an encoded value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// Not padded standard base64 in its canonical form.
    #[error("not canonical padded base64")]
    Base64,
    /// Not 64 lower-case hexadecimal digits.
    #[error("not 64 lower-case hexadecimal digits")]
    Digest,
    /// Not an RFC 3339 UTC time with six decimals and `Z`.
    #[error("not an RFC 3339 UTC time with six decimals and Z")]
    Time,
}

/// Encodes bytes as padded standard base64 (RFC 4648 section 4).
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes padded standard base64; any non-canonical form is refused.
pub fn from_base64(text: &str) -> Result<Vec<u8>, EncodingError> {
    // The engine refuses missing padding and non-zero trailing bits, so decoding is injective.
    STANDARD.decode(text).map_err(|_| EncodingError::Base64)
}

/// A SHA-256 digest, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest([u8; 32]);

impl Sha256Digest {
    /// The digest of these exact bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The raw 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From raw bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_lower_hex(f, &self.0)
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256Digest {
    type Err = EncodingError;

    fn from_str(text: &str) -> Result<Self, EncodingError> {
        lower_hex_32(text).map(Self).ok_or(EncodingError::Digest)
    }
}

impl Serialize for Sha256Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

/// Reads a text and parses it where it stands, without a copy of its own.
pub fn parsed<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    struct Parsed<T>(PhantomData<T>);

    impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Parsed<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Parsed(PhantomData))
}

/// Writes 32 bytes as 64 lower-case hexadecimal digits.
pub fn write_lower_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8; 32]) -> fmt::Result {
    let mut text = [0_u8; 64];
    hex::encode_to_slice(bytes, &mut text).map_err(|_| fmt::Error)?;
    f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
}

/// 32 bytes from exactly 64 lower-case hexadecimal digits.
pub fn lower_hex_32(text: &str) -> Option<[u8; 32]> {
    let lower = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let mut out = [0_u8; 32];
    (lower && hex::decode_to_slice(text, &mut out).is_ok()).then_some(out)
}

/// How a time is written, with zeros for its digits.
const TIME: [u8; 27] = *b"0000-00-00T00:00:00.000000Z";
/// Where its numbers stand: year, month, day, hour, minute, second, microsecond.
const NUMBERS: [Range<usize>; 7] = [0..4, 5..7, 8..10, 11..13, 14..16, 17..19, 20..26];

/// A moment: RFC 3339 UTC with exactly six decimals and `Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// Truncates to microseconds, the precision of the wire.
    pub fn new(time: DateTime<Utc>) -> Self {
        let micros = time.timestamp_micros();
        Self(DateTime::from_timestamp_micros(micros).unwrap_or(time))
    }

    /// As a chrono time.
    pub fn datetime(&self) -> DateTime<Utc> {
        self.0
    }

    /// Later by whole seconds; unchanged where the wire could not carry it (RFC 3339 has years of four digits).
    #[must_use]
    pub fn plus_seconds(&self, seconds: i64) -> Self {
        chrono::Duration::try_seconds(seconds)
            .and_then(|d| self.0.checked_add_signed(d))
            .filter(|time| (0..=9999).contains(&time.year()))
            .map_or(*self, Self)
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self::new(time)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, mut text) = (&self.0, TIME);
        let Some(year) = u32::try_from(time.year()).ok().filter(|year| *year <= 9999) else {
            return f.write_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true));
        };
        let (date, clock) = ([year, time.month(), time.day()], [time.hour(), time.minute()]);
        let seconds = [time.second(), time.timestamp_subsec_micros()];
        let numbers = date.into_iter().chain(clock).chain(seconds);
        for (place, mut number) in NUMBERS.into_iter().zip(numbers) {
            for digit in text.get_mut(place).into_iter().flatten().rev() {
                *digit = b'0'.saturating_add(u8::try_from(number % 10).unwrap_or_default());
                number /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = EncodingError;

    /// One spelling only: no leap second, no other precision, no year that needs a sign.
    fn from_str(text: &str) -> Result<Self, EncodingError> {
        time_of(text.as_bytes()).map(Self).ok_or(EncodingError::Time)
    }
}

fn time_of(text: &[u8]) -> Option<DateTime<Utc>> {
    let fits = |(byte, form): (&u8, &u8)| match form {
        b'0' => byte.is_ascii_digit(),
        mark => byte == mark,
    };
    if text.len() != TIME.len() || !text.iter().zip(&TIME).all(fits) {
        return None;
    }
    let number = |place: &Range<usize>| {
        let digits = text.get(place.clone()).into_iter().flatten();
        digits.fold(0_u32, |number, digit| number * 10 + u32::from(digit.saturating_sub(b'0')))
    };
    let [year, month, day, hour, minute, second, micro] = NUMBERS.each_ref().map(number);
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    Some(date.and_hms_micro_opt(hour, minute, second, micro)?.and_utc())
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

/// Serde form of bytes: canonical base64 (`#[serde(with = "as_base64")]`).
pub mod as_base64 {
    use super::{Deserialize, Deserializer, Serializer, from_base64, to_base64};
    use serde::de::Error as _;

    /// Writes the bytes.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_base64(bytes))
    }

    /// Reads the bytes.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        from_base64(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Serde form of a member that must be present: canonical base64 or null.
pub mod as_base64_or_null {
    use super::{Deserialize, Deserializer, Serialize as _, Serializer, from_base64, to_base64};
    use serde::de::Error as _;

    /// Writes the bytes or null.
    pub fn serialize<B: AsRef<[u8]>, S: Serializer>(
        bytes: &Option<B>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(|bytes| to_base64(bytes.as_ref())).serialize(serializer)
    }

    /// Reads the bytes or null; an absent member is refused.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| from_base64(&text).map_err(D::Error::custom)).transpose()
    }
}

/// Reads a member that must be present and may be null: serde takes an absent `Option` for `None` otherwise.
pub fn or_null<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_one_spelling() {
        assert_eq!(from_base64("AA==").unwrap(), vec![0]);
        for wrong in ["AA", "AB==", "AA=", "A A=", "_-==", "AA==\n"] {
            assert_eq!(from_base64(wrong), Err(EncodingError::Base64), "{wrong}");
        }
    }

    #[test]
    fn a_time_has_one_spelling() {
        let good = "2026-11-20T07:00:00.000000Z";
        assert_eq!(good.parse::<Timestamp>().unwrap().to_string(), good);
        for wrong in [
            "2026-11-20T07:00:00Z",
            "2026-11-20T07:00:00.000Z",
            "2026-11-20t07:00:00.000000z",
            "2026-11-20T07:00:00.000000+00:00",
            "2026-11-20T07:00:60.000000Z",
            "2026-13-20T07:00:00.000000Z",
            "+12026-11-20T07:00:00.000000Z",
            "-0001-11-20T07:00:00.000000Z",
            "+2026-11-20T07:00:00.00000Z",
            "2026-02-29T07:00:00.000000Z",
            "2026-11-20T24:00:00.000000Z",
            "2026-11-20T07:00:00.0000000",
            "2026-11-20T07:00:00.00000\u{661}",
        ] {
            assert_eq!(wrong.parse::<Timestamp>(), Err(EncodingError::Time), "{wrong}");
        }
    }

    #[test]
    fn a_digest_is_lower_case() {
        let digest = Sha256Digest::of(b"abc");
        assert_eq!(digest.to_string().parse::<Sha256Digest>().unwrap(), digest);
        assert!(digest.to_string().to_uppercase().parse::<Sha256Digest>().is_err());
    }
}
