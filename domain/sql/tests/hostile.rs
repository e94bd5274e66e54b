//! Hostile files: the inputs of the fuzz targets and damaged ones are cut whole or refused, and shown as they are.

#[path = "../../../fuzz/src/corpus.rs"]
mod corpus;
#[expect(clippy::expect_used, reason = "a check of the fuzz targets fails by panicking")]
#[path = "../../../fuzz/src/sql.rs"]
mod parsers;

use corpus::{Edit, damaged, files, replay};
use proptest::prelude::*;
use proptest::sample::Index;
use std::io;
use std::path::PathBuf;

type Check = fn(&[u8]);

const TARGETS: [(&str, Check); 2] = [("cut", parsers::cut), ("display", parsers::display)];

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

/// Every input of every target, and the check of its target.
fn inputs() -> io::Result<Vec<(Check, Vec<u8>)>> {
    let mut found = Vec::new();
    for (target, check) in TARGETS {
        found.extend(files(&corpus(), target)?.into_iter().map(|(_, bytes)| (check, bytes)));
    }
    Ok(found)
}

#[test]
fn the_corpus_is_answered_without_a_panic() {
    for (target, check) in TARGETS {
        assert_eq!(replay(&corpus(), target, check).unwrap(), Vec::<String>::new());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>, text: String) {
        for (_, check) in TARGETS {
            check(&bytes);
            check(text.as_bytes());
        }
    }

    #[test]
    fn damaged_inputs_are_answered(
        pick in any::<Index>(), edits in prop::collection::vec(any::<Edit>(), 1..5),
    ) {
        let inputs = inputs().unwrap();
        let (check, bytes) = &inputs[pick.index(inputs.len())];
        check(&damaged(bytes, &edits));
    }
}
