//! Exit codes: the ones of PROTOCOL.md section 6 and no others.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It went as asked.
    Ok = 0,
    /// It did not.
    Failure = 1,
    /// It was asked in a wrong way.
    Usage = 2,
    /// What was asked for does not exist.
    NotFound = 3,
    /// Refused: by permission, by policy, or by a person who rejected it.
    Refused = 4,
    /// Conflict, or what the caller knew is stale.
    Conflict = 5,
    /// The job failed, or nobody knows how it ended.
    JobFailed = 6,
    /// Verification failed: somebody tampered.
    VerificationFailed = 7,
    /// Verification is incomplete: something is missing.
    VerificationIncomplete = 8,
}

impl Exit {
    /// For a problem's HTTP status.
    pub fn of_status(status: u16) -> Self {
        match status {
            404 => Self::NotFound,
            403 => Self::Refused,
            409 | 412 => Self::Conflict,
            _ => Self::Failure,
        }
    }

    /// For the state in which a change ended.
    pub fn of_ended(state: &str) -> Self {
        match state {
            "applied" => Self::Ok,
            "failed" | "unknown" => Self::JobFailed,
            "rejected" => Self::Refused,
            _ => Self::Failure,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_ends_with_the_code_of_its_status() {
        for (status, code) in [
            (404, 3),
            (403, 4),
            (409, 5),
            (412, 5),
            (400, 1),
            (401, 1),
            (422, 1),
            (500, 1),
            (503, 1),
        ] {
            assert_eq!(Exit::of_status(status) as u8, code, "{status}");
        }
    }

    #[test]
    fn a_watched_change_ends_with_the_code_of_its_state() {
        for (state, code) in
            [("applied", 0), ("failed", 6), ("unknown", 6), ("rejected", 4), ("cancelled", 1)]
        {
            assert_eq!(Exit::of_ended(state) as u8, code, "{state}");
        }
    }
}
