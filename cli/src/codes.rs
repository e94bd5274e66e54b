//! The codes of the command line, in one list.

/// Every code of the command line itself: a list for tests, which hold it against the error catalogue.
#[cfg_attr(not(test), expect(dead_code, reason = "read by tests, here and of the repository"))]
pub const CODES: &[&str] = &[
    "cli.answer_unreadable",
    "cli.api_unreachable",
    "cli.approval_mismatch",
    "cli.bundle_tampered",
    "cli.bundle_unreadable",
    "cli.config_invalid",
    "cli.confirmation_needed",
    "cli.failed",
    "cli.file_exists",
    "cli.file_unreadable",
    "cli.file_unwritable",
    "cli.interrupted",
    "cli.key_file_open_to_others",
    "cli.key_invalid",
    "cli.log_unknown",
    "cli.no_token",
    "cli.not_confirmed",
    "cli.not_open_for_approval",
    "cli.policy_invalid",
    "cli.port_taken",
    "cli.randomness",
    "cli.request_invalid",
    "cli.rotation_invalid",
    "cli.sql_too_large",
    "cli.timed_out",
    "cli.witness_state_damaged",
    "cli.witness_state_in_use",
    "cli.witness_state_of_another",
];
