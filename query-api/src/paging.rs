//! `page_size` and `page_token`: the token is opaque, versioned, and bound to tenant, list and filter.

use crate::problem::PAGE_TOKEN_INVALID;
use crate::reading::Reading;
use chassis::Problem;
use client::reads::Page;
use projections::{Listed, PageRequest};
use trust::encoding::Sha256Digest;

const DEFAULT_SIZE: u32 = 50;
const LARGEST_SIZE: u32 = 200;
const VERSION: &str = "1";

/// One list of one tenant under one filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    binding: String,
    page: PageRequest,
}

impl Paging {
    /// The page that a request asks for; 0 or no `page_size` is 50, more than 200 is 200.
    pub fn of(
        reading: &Reading,
        list: &str,
        filter: &[Option<&str>],
        page_size: Option<u64>,
        page_token: Option<&str>,
    ) -> Result<Self, Problem> {
        let binding = binding(&reading.tenant, list, filter);
        let before = page_token.map(|token| read(token, &binding)).transpose()?;
        let size = match page_size {
            None | Some(0) => DEFAULT_SIZE,
            Some(size) => u32::try_from(size).unwrap_or(LARGEST_SIZE).min(LARGEST_SIZE),
        };
        Ok(Self { binding, page: PageRequest { before, size } })
    }

    /// What to read.
    pub fn request(&self) -> PageRequest {
        self.page
    }

    /// What was read, with the token of the next page.
    pub fn page<T>(&self, listed: Listed<T>) -> Page<T> {
        let next = listed.next_before.map(|before| format!("{VERSION}.{}.{before}", self.binding));
        Page { items: listed.items, next_page_token: next }
    }
}

/// 32 hexadecimal digits that stand for tenant, list and filter; parts are length-prefixed.
fn binding(tenant: &str, list: &str, filter: &[Option<&str>]) -> String {
    let mut bytes = Vec::new();
    for part in [Some(tenant), Some(list)].iter().chain(filter) {
        let length = part.map_or(u64::MAX, |text| u64::try_from(text.len()).unwrap_or(u64::MAX));
        bytes.extend(length.to_be_bytes());
        bytes.extend(part.unwrap_or_default().as_bytes());
    }
    Sha256Digest::of(&bytes).to_string().chars().take(32).collect()
}

fn read(token: &str, binding: &str) -> Result<u64, Problem> {
    let parts: Vec<&str> = token.split('.').collect();
    let sequence = match parts.as_slice() {
        [VERSION, bound, sequence] if *bound == binding => sequence.parse().ok(),
        _ => None,
    };
    sequence.ok_or_else(|| Problem::of(&PAGE_TOKEN_INVALID))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_page_token_is_read_or_refused(text: String, near in "[12]\\.[0-9a-f]{0,33}\\.[-0-9]{0,22}") {
            let own = binding("acme", "changes", &[]);
            for text in [&text, &near, &format!("1.{own}.{text}")] {
                if let Ok(sequence) = read(text, &own) {
                    prop_assert_eq!(text.split('.').next_back().and_then(|s| s.parse().ok()), Some(sequence));
                }
            }
        }
    }

    #[test]
    fn a_token_is_bound_to_its_tenant_list_and_filter() {
        let own = binding("acme", "changes", &[Some("draft"), None]);
        let token = format!("1.{own}.42");
        assert_eq!(read(&token, &own).unwrap(), 42);
        for other in [
            binding("globex", "changes", &[Some("draft"), None]),
            binding("acme", "jobs", &[Some("draft"), None]),
            binding("acme", "changes", &[None, Some("draft")]),
            binding("acme", "changes", &[Some("draft"), Some("")]),
        ] {
            assert_eq!(read(&token, &other).unwrap_err().code(), "query.page_token_invalid");
        }
        for malformed in
            ["", "42", &format!("2.{own}.42"), &format!("1.{own}.-1"), &format!("{token}.1")]
        {
            assert!(read(malformed, &own).is_err(), "{malformed}");
        }
    }
}
