//! What can go wrong with a request, and whether trying again could help.

use serde::{Deserialize, Serialize};

/// An RFC 9457 problem as both APIs send it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemBody {
    /// The HTTP status.
    pub status: u16,
    /// The stable code, `<context>.<reason>`.
    pub code: String,
    /// One line.
    pub title: String,
    /// What exactly, here.
    #[serde(default)]
    pub detail: Option<String>,
    /// To find it in the server's logs.
    #[serde(default)]
    pub trace_id: Option<String>,
    /// Per member of the body.
    #[serde(default)]
    pub errors: Vec<FieldError>,
}

/// What is wrong with one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// JSON pointer.
    pub pointer: String,
    /// The stable code.
    pub code: String,
    /// What exactly.
    pub detail: String,
}

/// Why a request was not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The service answered with a problem.
    #[error("{} ({})", .0.detail.as_deref().unwrap_or(&.0.title), .0.code)]
    Problem(Box<ProblemBody>),
    /// The service could not be reached, or the answer did not arrive whole.
    #[error("{url} cannot be reached")]
    Transport {
        /// Where.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The answer is not what the API documents.
    #[error("{url} answered {status} with something else than documented")]
    Answer {
        /// Where.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Why.
        source: serde_json::Error,
    },
    /// The request could not be made.
    #[error("the request could not be made: {0}")]
    Request(String),
}

impl ClientError {
    /// A refusal: the same request would be refused again. A body that came late, in flight, a lost race, too many
    /// requests, 5xx and lost answers are not.
    pub fn is_answer(&self) -> bool {
        match self {
            Self::Problem(problem) => {
                (400..500).contains(&problem.status)
                    && ![408, 429].contains(&problem.status)
                    && problem.code != "http.in_flight"
                    && problem.code != "log.conflict"
            }
            Self::Transport { .. } | Self::Answer { .. } | Self::Request(_) => false,
        }
    }

    /// The problem's code.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Problem(problem) => Some(&problem.code),
            Self::Transport { .. } | Self::Answer { .. } | Self::Request(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_would_be_refused_again_is_an_answer() {
        for (status, code, is_answer) in [
            (404, "changes.not_found", true),
            (409, "changes.ended", true),
            (422, "http.invalid_body", true),
            (408, "http.body_timeout", false),
            (409, "http.in_flight", false),
            (409, "log.conflict", false),
            (429, "a.proxy", false),
            (503, "log.outcome_unknown", false),
        ] {
            let problem = ProblemBody {
                status,
                code: code.to_owned(),
                title: String::new(),
                detail: None,
                trace_id: None,
                errors: Vec::new(),
            };
            assert_eq!(ClientError::Problem(Box::new(problem)).is_answer(), is_answer, "{code}");
        }
    }
}
