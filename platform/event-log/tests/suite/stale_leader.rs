//! A leader that was stopped in time and goes on as if nothing had happened.
