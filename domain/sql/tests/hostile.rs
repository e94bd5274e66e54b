//! Hostile files: the inputs of the fuzz targets and damaged ones are cut whole or refused, and shown as they are.

#[path = "../../../fuzz/src/corpus.rs"]
mod corpus;
#[expect(clippy::expect_used, reason = "a check of the fuzz targets fails by panicking")]
#[path = "../../../fuzz/src/sql.rs"]
mod parsers;

use corpus::Check;

const TARGETS: [(&str, Check); 2] = [("cut", parsers::cut), ("display", parsers::display)];

answers!(TARGETS, corpus);
