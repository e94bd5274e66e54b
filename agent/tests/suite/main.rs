//! The agent against a real `PostgreSQL`: judge, execute, journal, answer.

mod approvals;
mod deferred;
mod faults;
mod introspection;
mod migrations;
mod path;
mod proxy;
mod queue;
mod ready;
mod refusals;
mod results;
mod site;
mod transactions;
