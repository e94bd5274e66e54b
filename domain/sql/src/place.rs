//! Where in a file something stands, as people count.

use std::fmt;

/// A position in a file. Lines end with `\n` (so CRLF is one line end); both numbers start at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters (Unicode scalar values, not bytes), from 1.
    pub column: u32,
}

impl Place {
    /// The first character of a file.
    pub const START: Self = Self { line: 1, column: 1 };

    /// The place of the byte at `offset`; beyond the end it is the end. Bytes that are not UTF-8
    /// are counted as one character each sequence that cannot be read.
    pub(crate) fn of(bytes: &[u8], offset: usize) -> Self {
        let before = bytes.get(..offset).unwrap_or(bytes);
        let line = before.split(|byte| *byte == b'\n');
        let (mut lines, mut last) = (0_u32, before);
        for part in line {
            lines = lines.saturating_add(1);
            last = part;
        }
        let column = String::from_utf8_lossy(last).chars().count();
        Self {
            line: lines.max(1),
            column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters() {
        let text = "é1\r\n2ß3\n";
        assert_eq!(Place::of(text.as_bytes(), 0), Place::START);
        assert_eq!(Place::of(text.as_bytes(), 2), Place { line: 1, column: 2 });
        assert_eq!(Place::of(text.as_bytes(), 5), Place { line: 2, column: 1 });
        assert_eq!(Place::of(text.as_bytes(), 8), Place { line: 2, column: 3 });
        assert_eq!(Place::of(text.as_bytes(), 999), Place { line: 3, column: 1 });
    }
}
