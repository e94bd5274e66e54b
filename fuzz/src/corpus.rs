//! The checked-in inputs of a target, and damage done to them.

use std::io;
use std::panic::catch_unwind;
use std::path::Path;

/// One edit of [`damaged`]: what is done, where, with which byte and over how many bytes.
pub type Edit = (u8, u16, u8, u8);

/// The check of one input.
pub type Check = fn(&[u8]);

/// Every input of these targets with its name and the check of its target.
pub fn inputs(targets: &[(&str, Check)]) -> io::Result<Vec<(Check, String, Vec<u8>)>> {
    // From a crate of the domain's own folder.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut found = Vec::new();
    for (target, check) in targets {
        let before = found.len();
        for entry in folder.join(target).read_dir()? {
            let path = entry?.path();
            found.push((*check, path.display().to_string(), std::fs::read(&path)?));
        }
        if found.len() == before {
            return Err(io::ErrorKind::NotFound.into());
        }
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(found)
}

/// Checks every input; gives the names of those that its check does not survive.
pub fn replay(targets: &[(&str, Check)]) -> io::Result<Vec<String>> {
    let inputs = inputs(targets)?.into_iter();
    let broken = inputs.filter(|(check, _, bytes)| catch_unwind(|| check(bytes)).is_err());
    Ok(broken.map(|(_, name, _)| name).collect())
}

/// The tests that every set of targets has: the corpus, any bytes, and damaged inputs are answered.
#[macro_export]
macro_rules! answers {
    ($targets:expr, $corpus:path) => {
        use $corpus as answered;

        #[test]
        fn the_corpus_is_answered_without_a_panic() {
            assert_eq!(answered::replay(&$targets).unwrap(), Vec::<String>::new());
        }

        proptest::proptest! {
            #![proptest_config(proptest::prelude::ProptestConfig::with_cases(100))]

            #[test]
            fn any_bytes_are_answered(
                bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), text: String,
            ) {
                for (_, check) in $targets {
                    check(&bytes);
                    check(text.as_bytes());
                }
            }

            #[test]
            fn damaged_inputs_are_answered(
                pick in proptest::prelude::any::<proptest::sample::Index>(),
                edits in proptest::collection::vec(proptest::prelude::any::<answered::Edit>(), 1..5),
            ) {
                let inputs = answered::inputs(&$targets).unwrap();
                let (check, _, bytes) = &inputs[pick.index(inputs.len())];
                check(&answered::damaged(bytes, &edits));
            }
        }
    };
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
