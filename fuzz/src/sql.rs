//! What must hold of files that are cut and of SQL that is shown.

use countersign_sql::escaped;
use sha2::{Digest, Sha256};

/// A file is cut into steps that put together are the file, each with its own digest, or refused with a reason.
pub fn cut(bytes: &[u8]) {
    let steps = match countersign_sql::cut(bytes) {
        Ok(steps) => steps,
        Err(refusal) => {
            assert!(!refusal.to_string().is_empty());
            return;
        }
    };
    let mut joined = Vec::new();
    for (step, ordinal) in steps.iter().zip(1..) {
        let part = bytes.get(step.range.clone()).expect("a step is a part of the file");
        assert_eq!((step.ordinal, &step.sha256), (ordinal, &hex::encode(Sha256::digest(part))));
        joined.extend_from_slice(part);
    }
    assert_eq!(joined, bytes);
    assert!(std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0));
}

/// What is shown is shown as it is, character by character, and holds nothing that acts.
pub fn display(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let shown = escaped(&text);
    assert_eq!(escaped(&shown), shown);
    assert!(!shown.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')));
    let mut apart = String::with_capacity(shown.len());
    for character in text.chars() {
        let one = escaped(character.encode_utf8(&mut [0; 4]));
        assert!(one.chars().eq([character]) || one == character.escape_unicode().to_string());
        apart.push_str(&one);
    }
    assert_eq!(apart, shown);
}
