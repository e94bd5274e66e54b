//! Hostile files: the inputs of the fuzz targets and damaged ones are cut whole or refused, and shown as they are.

#[path = "../../../fuzz/src/corpus.rs"]
mod corpus;
#[expect(clippy::expect_used, reason = "a check of the fuzz targets fails by panicking")]
#[path = "../../../fuzz/src/sql.rs"]
mod parsers;

use corpus::{Check, Edit, damaged, inputs, replay};
use proptest::prelude::*;
use proptest::sample::Index;

const TARGETS: [(&str, Check); 2] = [("cut", parsers::cut), ("display", parsers::display)];

#[test]
fn the_corpus_is_answered_without_a_panic() {
    assert_eq!(replay(&TARGETS).unwrap(), Vec::<String>::new());
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
        let inputs = inputs(&TARGETS).unwrap();
        let (check, _, bytes) = &inputs[pick.index(inputs.len())];
        check(&damaged(bytes, &edits));
    }
}
