//! What is told, and how the program ends.

use super::*;
use crate::codes::CODES;
use client::ProblemBody;

fn problem(status: u16, code: &str) -> ClientError {
    ClientError::Problem(Box::new(ProblemBody {
        status,
        code: code.to_owned(),
        title: "the approval has been decided".to_owned(),
        detail: None,
        trace_id: Some("4bf92f3577b34da6".to_owned()),
        errors: vec![FieldError {
            pointer: "/sql".to_owned(),
            code: "sql.syntax".to_owned(),
            detail: "line 1\u{1b}[2K".to_owned(),
        }],
    }))
}

#[test]
fn a_problem_is_one_line_with_its_code_and_its_members() {
    let error = CliError::from(problem(409, "approvals.closed"));
    assert_eq!(
        error.told(),
        "error: the approval has been decided (approvals.closed)\n  /sql: line 1\\u{1b}[2K (sql.syntax)"
    );
    assert_eq!(error.exit(), Exit::Conflict);
    let inside = CliError::from(anyhow::Error::from(problem(403, "auth.forbidden")));
    assert_eq!((inside.code(), inside.exit()), ("auth.forbidden", Exit::Refused));
}

#[test]
fn a_hostile_code_or_path_cannot_move_the_cursor() {
    let error = CliError::from(problem(409, "x\u{1b}[2K\n\u{9b}\u{202e}\u{7f}"));
    let first = error.told().lines().next().unwrap().to_owned();
    let shown = "(x\\u{1b}[2K \\u{9b}\\u{202e}\\u{7f})";
    assert_eq!(first, format!("error: the approval has been decided {shown}"));
    let error = CliError::KeyMode { path: "a\u{1b}[2K".into(), mode: 0o644 };
    assert!(!error.told().contains('\u{1b}'), "{:?}", error.told());
}

#[test]
fn an_unknown_outcome_says_how_to_send_it_again() {
    let unknown =
        CliError::Command { key: "k-1".to_owned(), source: problem(503, "log.outcome_unknown") };
    assert!(unknown.told().contains("--idempotency-key k-1"), "{}", unknown.told());
    let refused = CliError::Command { key: "k-1".to_owned(), source: problem(422, "x.y") };
    assert!(!refused.told().contains("k-1"), "{}", refused.told());
}

#[tokio::test]
async fn an_api_that_is_not_there_is_named_with_what_to_do() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let credential = client::Credential::Token("t".to_owned());
    let client = client::Client::new(&format!("http://{address}"), credential).unwrap();
    let error = CliError::from(client.bytes("/v1/whoami").await.unwrap_err());
    let told = error.told();
    assert!(told.starts_with("error: http://127.0.0.1:"), "{told}");
    assert!(told.contains("(cli.api_unreachable)") && told.contains("countersign dev"), "{told}");
    assert_eq!(error.exit(), Exit::Failure);
}

#[test]
fn every_code_of_ours_is_listed_once_in_order() {
    assert!(CODES.is_sorted());
    let errors = [
        CliError::NoToken,
        CliError::NotConfirmed,
        CliError::ConfirmationNeeded,
        CliError::LogUnknown,
        CliError::NoLine { after: 1 },
        CliError::Exists { path: "a".into() },
        CliError::KeyMode { path: "a".into(), mode: 0o644 },
        CliError::Other(anyhow::anyhow!("x")),
    ];
    assert!(errors.iter().all(|error| CODES.contains(&error.code())));
}
