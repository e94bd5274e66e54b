//! C2SP signed notes: a text, a blank line, and one line for each signature, in bounded size.
//!
//! A signature line is `— <key name> <base64 of the 4-byte key hash and the signature>`. Signatures of keys that a
//! reader does not know are ignored, as the format asks. Source: <https://c2sp.org/signed-note>.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::str::FromStr;
use trust::encoding::{Sha256Digest, from_base64, to_base64};
use trust::keys::{PrivateKey, PublicKey};

/// Longest note that is read, bytes.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;
/// Most signatures on a note that is read.
pub const MAX_NOTE_SIGNATURES: usize = 64;
/// Longest key name, bytes.
pub const MAX_KEY_NAME_BYTES: usize = 255;
const LINE_START: &str = "\u{2014} ";

/// Why bytes are not a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum NoteError {
    /// More than [`MAX_NOTE_BYTES`].
    #[error("a note has at most 65536 bytes")]
    TooLarge,
    /// Not UTF-8, or control characters in it.
    #[error("a note is UTF-8 without control characters but newlines")]
    Text,
    /// No blank line between a text and signatures, or no newline at the end.
    #[error("a note is a text, a blank line and lines of signatures")]
    Shape,
    /// A signature line that is not one.
    #[error("a line of a note is no signature")]
    Signature,
    /// More than [`MAX_NOTE_SIGNATURES`].
    #[error("a note has at most 64 signatures")]
    TooMany,
    /// Not the name of a key.
    #[error("a key name is 1 to 255 bytes without spaces, pluses and control characters")]
    KeyName,
}

/// The name of a key that signs notes: the origin for a log's key, a witness's own name for its key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let is_allowed = |c: char| !c.is_whitespace() && !c.is_control() && c != '+';
        if (1..=MAX_KEY_NAME_BYTES).contains(&text.len()) && text.chars().all(is_allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoteError::KeyName)
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for KeyName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What a key signs, as its hash says it. So a signature of one kind is never read as one of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureKind {
    /// 0x01: Ed25519 over the text.
    Plain,
    /// 0x04: Ed25519 over a time and the text ([`crate::cosignature`]).
    Cosignature,
}

impl SignatureKind {
    /// As keys are hashed with it.
    pub fn byte(self) -> u8 {
        match self {
            Self::Plain => 0x01,
            Self::Cosignature => 0x04,
        }
    }
}

/// SHA-256(name || 0x0a || kind || 32-byte key), the first 4 bytes: a hint at the key, not its identity.
pub fn key_hash(name: &str, kind: SignatureKind, key: &PublicKey) -> [u8; 4] {
    let hashed = [name.as_bytes(), b"\n", &[kind.byte()], key.point().as_slice()].concat();
    let [a, b, c, d, ..] = *Sha256Digest::of(&hashed).as_bytes();
    [a, b, c, d]
}

/// One signature line, verified or not.
#[derive(Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Who is said to have signed.
    pub name: KeyName,
    /// The hint at the key.
    pub key_hash: [u8; 4],
    /// What follows it, at least one byte.
    pub signature: Vec<u8>,
}

impl NoteSignature {
    /// Signs a note's text plainly.
    pub fn sign(text: &str, name: &KeyName, key: &PrivateKey) -> Self {
        Self {
            name: name.clone(),
            key_hash: key_hash(name.as_str(), SignatureKind::Plain, &key.public()),
            signature: key.sign(text.as_bytes()).to_vec(),
        }
    }

    /// Whether it claims to be of this key, which is no proof of anything.
    pub fn claims(&self, name: &str, kind: SignatureKind, key: &PublicKey) -> bool {
        self.name.as_str() == name && self.key_hash == key_hash(name, kind, key)
    }

    /// Whether it is this key's plain signature on the text.
    pub fn verifies(&self, text: &str, name: &str, key: &PublicKey) -> bool {
        self.claims(name, SignatureKind::Plain, key)
            && key.verifies(text.as_bytes(), &self.signature)
    }
}

impl fmt::Display for NoteSignature {
    /// The line without its newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.key_hash.as_slice(), &self.signature].concat();
        write!(f, "{LINE_START}{} {}", self.name, to_base64(&bytes))
    }
}

impl fmt::Debug for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSignature({:?}, {})", self.name, hex::encode(self.key_hash))
    }
}

impl FromStr for NoteSignature {
    type Err = NoteError;

    /// Reads a line without its newline.
    fn from_str(line: &str) -> Result<Self, NoteError> {
        if line.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLarge);
        }
        let line = line.strip_prefix(LINE_START).ok_or(NoteError::Signature)?;
        let (name, base64) = line.split_once(' ').ok_or(NoteError::Signature)?;
        let name = name.parse().map_err(|_| NoteError::Signature)?;
        let bytes = from_base64(base64).map_err(|_| NoteError::Signature)?;
        let (key_hash, signature) = bytes.split_first_chunk::<4>().ok_or(NoteError::Signature)?;
        if signature.is_empty() {
            return Err(NoteError::Signature);
        }
        Ok(Self { name, key_hash: *key_hash, signature: signature.to_vec() })
    }
}

/// A text and the signatures on it, none of which is believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// A text that ends with a newline, and signatures on it; at least one.
    pub fn new(text: String, signatures: Vec<NoteSignature>) -> Result<Self, NoteError> {
        let note = Self { text, signatures };
        // What the parser would refuse is not a note.
        let again = Self::parse(note.to_string().as_bytes())?;
        if again == note { Ok(note) } else { Err(NoteError::Shape) }
    }

    /// Parses the exact bytes of a note.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLarge);
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::Text)?;
        if note.chars().any(|c| c.is_ascii_control() && c != '\n') {
            return Err(NoteError::Text);
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Shape)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Shape)?;
        let signatures: Vec<_> = lines
            .split('\n')
            .take(MAX_NOTE_SIGNATURES.saturating_add(1))
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        if signatures.len() > MAX_NOTE_SIGNATURES {
            return Err(NoteError::TooMany);
        }
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    /// What is signed: every line, the last newline included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Every signature line, in its order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature line at the end; one that is already there is not added again.
    pub fn add(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        if self.signatures.contains(&signature) {
            return Ok(());
        }
        let mut more = self.signatures.clone();
        more.push(signature);
        *self = Self::new(self.text.clone(), more)?;
        Ok(())
    }
}

impl fmt::Display for Note {
    /// The exact bytes of the note.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Note {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?.as_bytes()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification, which is Go's.
    const EXAMPLE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn the_example_of_the_specification_verifies() {
        let spki = [
            &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..],
            &from_base64("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap()[1..],
        ];
        let key = PublicKey::from_spki(&spki.concat()).unwrap();
        let note = Note::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(note.to_string(), EXAMPLE);
        assert_eq!(hex::encode(note.signatures()[0].key_hash), "c74f20a3");
        assert!(note.signatures()[0].verifies(note.text(), "PeterNeumann", &key));
        assert!(!note.signatures()[0].verifies(note.text(), "PeterNeuman", &key));
        assert!(!note.signatures()[0].verifies("another text\n", "PeterNeumann", &key));
    }

    #[test]
    fn what_is_not_a_note_is_refused() {
        let line = EXAMPLE.lines().last().unwrap();
        let many = format!("a\n\n{}", format!("{line}\n").repeat(65));
        for (wrong, error) in [
            ("", NoteError::Shape),
            ("a\n", NoteError::Shape),
            ("a\n\n", NoteError::Shape),
            ("a\n\n\u{2014} a AAAA\n", NoteError::Signature),
            ("a\n\n\u{2014} a AAAAAA=\n", NoteError::Signature),
            ("a\n\n\u{2014} a+b AAAAAAA=\n", NoteError::Signature),
            ("a\n\n\u{2014}  AAAAAAA=\n", NoteError::Signature),
            ("a\n\n- a AAAAAAA=\n", NoteError::Signature),
            ("a\n\n\u{2014} a AAAAAAA=", NoteError::Shape),
            ("a\r\n\n\u{2014} a AAAAAAA=\n", NoteError::Text),
            (many.as_str(), NoteError::TooMany),
        ] {
            assert_eq!(Note::parse(wrong.as_bytes()), Err(error), "{wrong:?}");
        }
        assert_eq!(Note::parse(&vec![b'a'; MAX_NOTE_BYTES + 1]), Err(NoteError::TooLarge));
        assert_eq!(Note::parse(b"\xff\n\n"), Err(NoteError::Text));
        assert!(Note::new("no newline".to_owned(), vec![line.parse().unwrap()]).is_err());
        assert!(Note::new("text\n".to_owned(), vec![]).is_err());
    }
}
