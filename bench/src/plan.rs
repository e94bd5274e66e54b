//! How much is measured: everything in five runs, or little in one.

/// Sizes of one run of the program.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Whether it is the whole measurement.
    pub is_full: bool,
    /// Runs of each figure.
    pub runs: usize,
    /// Commands of one run with one caller, 16 and 64.
    pub commands: [(usize, usize); 3],
    /// Requests of one run over HTTP.
    pub requests: usize,
    /// Changes from approval to applied.
    pub changes: usize,
    /// Commits projected in one run, in memory.
    pub projected: usize,
    /// Commits that followers catch up with.
    pub caught_up: usize,
    /// How often they do: it takes long.
    pub catch_ups: usize,
    /// Documents of the index that is searched.
    pub documents: usize,
    /// Searches of one run.
    pub searches: usize,
    /// Commits of a backlog that is sealed.
    pub sealed: usize,
    /// Commands whose commits are waited for until they are sealed.
    pub waited: usize,
    /// Commits verified in one run.
    pub verified: usize,
    /// Aggregates in the log.
    pub aggregates: &'static [usize],
}

impl Plan {
    /// The whole measurement.
    pub fn full() -> Self {
        Self {
            is_full: true,
            runs: 5,
            commands: [(1, 1_600), (16, 6_400), (64, 12_800)],
            requests: 1_600,
            changes: 20,
            projected: 10_000,
            caught_up: 200_000,
            catch_ups: 1,
            documents: 500_000,
            searches: 2_000,
            sealed: 100_000,
            waited: 25_600,
            verified: 30_000,
            aggregates: &[10_000, 100_000, 1_000_000],
        }
    }

    /// A look, in less than five minutes.
    pub fn quick() -> Self {
        Self {
            is_full: false,
            runs: 1,
            commands: [(1, 1_000), (16, 4_800), (64, 9_600)],
            requests: 1_000,
            changes: 4,
            projected: 10_000,
            caught_up: 20_000,
            catch_ups: 1,
            documents: 60_000,
            searches: 1_000,
            sealed: 20_000,
            waited: 6_400,
            verified: 10_000,
            aggregates: &[10_000, 100_000],
        }
    }
}
