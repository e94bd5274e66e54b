//! What a search finds.

use trust::encoding::Timestamp;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// `evt_...`
    pub event: String,
    /// Whose.
    pub tenant: String,
    /// The commit's place in the log.
    pub sequence: u64,
    /// The commit's hash.
    pub hash: String,
    /// When it was decided.
    pub at: Timestamp,
    /// Who acted.
    pub actor: String,
    /// The event's type.
    pub action: String,
    /// The aggregate's type.
    pub aggregate_type: String,
    /// The aggregate's id.
    pub aggregate_id: String,
    /// Where the words are, in the text around them; the beginning of the text if it was not looked for by words.
    pub fragments: Vec<Fragment>,
}

/// A piece of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// As recorded: it may hold anything that people wrote.
    pub text: String,
    /// It was looked for.
    pub matches: bool,
}

/// How often a value occurs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The value.
    pub value: String,
    /// In how many events.
    pub count: u64,
}

/// The most frequent values among everything found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facets {
    /// Who acted.
    pub actors: Vec<Counted>,
    /// Types of events.
    pub actions: Vec<Counted>,
    /// Types of aggregates.
    pub types: Vec<Counted>,
}

/// A page of hits, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The hits.
    pub hits: Vec<Hit>,
    /// Where the next page starts, if there is one.
    pub next_before: Option<u64>,
    /// Counted if it was asked for.
    pub facets: Option<Facets>,
}
