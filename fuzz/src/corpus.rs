//! The checked-in inputs of a target, and damage done to them.

use std::io;
use std::panic::catch_unwind;
use std::path::Path;

/// One edit of [`damaged`]: what is done, where, with which byte and over how many bytes.
pub type Edit = (u8, u16, u8, u8);

/// Names and bytes of a target's inputs, by name; `folder` is the `corpus` folder.
pub fn files(folder: &Path, target: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in folder.join(target).read_dir()? {
        let path = entry?.path();
        found.push((path.display().to_string(), std::fs::read(&path)?));
    }
    found.sort();
    if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
}

/// Checks every input of a target; gives the names of those that the check does not survive.
pub fn replay(folder: &Path, target: &str, check: fn(&[u8])) -> io::Result<Vec<String>> {
    let inputs = files(folder, target)?.into_iter();
    let broken = inputs.filter(|(_, bytes)| catch_unwind(|| check(bytes)).is_err());
    Ok(broken.map(|(name, _)| name).collect())
}

/// The bytes after some edits: a byte changed, put in, taken out, repeated, or a part taken out, repeated or exchanged
/// for what means something to one of the formats.
pub fn damaged(bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (kind, place, byte, length) in edits {
        let place = usize::from(*place) % (bytes.len() + 1);
        let end = bytes.len().min(place + usize::from(*length));
        let put: Vec<u8> = match kind % 6 {
            0 => vec![*byte],
            1 => Vec::new(),
            2 => bytes.get(place..end).unwrap_or_default().repeat(2),
            3 => bytes.get(place..end).unwrap_or_default().iter().rev().copied().collect(),
            _ => {
                let words = WORDS.iter().cycle();
                words.skip(usize::from(*byte)).take(1).flat_map(|word| word.bytes()).collect()
            }
        };
        // The last kind puts a word in where the one before exchanges.
        let end = if kind % 6 == 5 { place } else { end };
        bytes.splice(place..end, put);
    }
    bytes
}

/// What JSON, our texts and SQL give a meaning to.
const WORDS: &[&str] = &[
    "null",
    "true",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\\",
    "\\u0000",
    "\\ud800",
    "\\u0061",
    "-0",
    "0",
    "1e1",
    "1.0",
    "9007199254740992",
    "18446744073709551615",
    "-1",
    " ",
    "\n",
    "\r\n",
    "\u{feff}",
    "\u{0}",
    "\u{202e}",
    "=",
    "==",
    "+",
    "-",
    ".",
    "_",
    "/",
    "'",
    "''",
    "E'",
    "$$",
    "$a$",
    "--",
    "/*",
    "*/",
    ";",
    "(",
    ")",
    "::",
    "commit;",
    "begin",
    "atomic",
    "end",
    "countersign",
    "U&\"",
    "copy t from stdin;",
    "\u{130}",
];
