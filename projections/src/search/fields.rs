//! The fields of a document. Another shape is another [`FORMAT`]: the index is made anew from the log then.
//!
//! Nearly every document brings words that no other has: digests and ids. Two thirds of the time of indexing went into
//! Tantivy's own dictionary of words, which keeps every character of them in an automaton. Its feature `quickwit` has one of
//! sorted blocks instead: written in a fraction of the time, read in twice the time, which is still below a millisecond.

use std::path::{Path, PathBuf};
use tantivy::Index;
use tantivy::schema::{
    DateOptions, DateTimePrecision, FAST, FacetOptions, Field, IndexRecordOption, STORED, Schema,
    TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{LowerCaser, RemoveLongFilter, SimpleTokenizer, TextAnalyzer};

/// Of the index; raised whenever fields or their contents change.
pub(crate) const FORMAT: u32 = 2;

/// Longest word, bytes: digests are words.
const LONGEST_WORD: usize = 160;
const WORDS: &str = "audit";
/// Tantivy's own: a value is one word.
const WHOLE: &str = "raw";

/// Where the index of this format is: older ones are left alone, so that whoever still reads one goes on.
pub(crate) fn folder(search_dir: &Path) -> PathBuf {
    search_dir.join(format!("v{FORMAT}"))
}

/// Teaches an index what a word is.
pub(crate) fn prepare(index: Index) -> Index {
    let words = TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(LONGEST_WORD))
        .filter(LowerCaser)
        .build();
    index.tokenizers().register(WORDS, words);
    index
}

/// Names of the fields that sort.
pub(crate) const ORDER: &str = "order";
pub(crate) const FACET: &str = "facet";

/// The fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    /// `evt_...`: nobody looks for it.
    pub id: Field,
    /// Whose.
    pub tenant: Field,
    /// Who acted, by id.
    pub actor: Field,
    /// The event's type.
    pub action: Field,
    /// The aggregate's type.
    pub kind: Field,
    /// The aggregate's id.
    pub entity: Field,
    /// Sequence and place in the commit: newer is larger.
    pub order: Field,
    /// When it was decided.
    pub time: Field,
    /// The commit's hash.
    pub hash: Field,
    /// Everything that can be found by words.
    pub text: Field,
    /// The beginning of it, to be shown.
    pub shown: Field,
    /// What can be counted: `/actor/...`, `/action/...`, `/type/...`.
    pub facet: Field,
}

impl Fields {
    /// The schema and its fields.
    pub(crate) fn schema() -> (Schema, Self) {
        let mut schema = Schema::builder();
        // Newest first is the only order: how long a text is weighs nothing.
        let indexing = TextFieldIndexing::default().set_fieldnorms(false);
        let whole =
            indexing.clone().set_tokenizer(WHOLE).set_index_option(IndexRecordOption::Basic);
        let value = TextOptions::default().set_indexing_options(whole).set_stored();
        let words = indexing
            .set_tokenizer(WORDS)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let text = TextOptions::default().set_indexing_options(words);
        // Not in whole seconds, which is the default: a bound between two events of one second would not hold.
        let time = DateOptions::default().set_precision(DateTimePrecision::Microseconds);
        let time = time.set_fast().set_stored();
        let fields = Self {
            id: schema.add_text_field("id", STORED),
            tenant: schema.add_text_field("tenant", value.clone()),
            actor: schema.add_text_field("actor", value.clone()),
            action: schema.add_text_field("action", value.clone()),
            kind: schema.add_text_field("type", value.clone()),
            entity: schema.add_text_field("entity", value),
            // Ranges of it are read from the column that sorts.
            order: schema.add_u64_field(ORDER, FAST | STORED),
            time: schema.add_date_field("time", time),
            hash: schema.add_text_field("hash", STORED),
            text: schema.add_text_field("text", text),
            shown: schema.add_text_field("shown", STORED),
            facet: schema.add_facet_field(FACET, FacetOptions::default()),
        };
        (schema.build(), fields)
    }
}
