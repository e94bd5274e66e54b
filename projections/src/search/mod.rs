//! Audit search: every event of the log as one document of a Tantivy index.
//!
//! [`keep`] follows the log and writes; [`Search`] reads in another process. The index carries its own position, with the
//! commit's hash, in the payload of each of its commits: what is searched and how far it is change at one moment. What is
//! not beyond the position is there already, so that a repeated batch changes nothing.

mod document;
mod fields;
mod index;
mod keep;
mod query;
mod reader;

pub use index::{IndexError, SearchIndex};
pub use keep::keep;
pub use query::{LONGEST_QUERY, MOST_CLAUSES, QueryError};
pub use reader::{Filter, Found, Reached, Scope, Search, SearchError, Searched};
