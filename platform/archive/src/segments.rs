//! The lines of a segment, without a copy.

use bytes::Bytes;

/// The lines of a segment, each with its newline, as `ledger::Line::parse` reads them. A last one without a newline is
/// given as it is, for the parser to refuse.
pub fn lines(segment: Bytes) -> Lines {
    Lines { rest: segment }
}

/// See [`lines`].
#[derive(Debug, Clone)]
pub struct Lines {
    rest: Bytes,
}

impl Iterator for Lines {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|byte| *byte == b'\n').map(|newline| newline + 1);
        Some(self.rest.split_to(end.unwrap_or(self.rest.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_in_one_line() {
        let split = |text: &'static str| {
            lines(Bytes::from_static(text.as_bytes())).map(|line| line.to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(split("a\n\nbc\nd"), [&b"a\n"[..], b"\n", b"bc\n", b"d"]);
        assert!(split("").is_empty());
    }
}
