//! The one place where the command line reads the time of day.

use chrono::Utc;
use trust::encoding::Timestamp;

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "chassis::Clock would bring its web server into the forensic build"
)]
pub fn now() -> Timestamp {
    Timestamp::new(Utc::now())
}
