//! Lists: page after page, up to as many items as were asked for.

use crate::error::CliError;
use client::Client;
use client::reads::Page;
use serde::de::DeserializeOwned;

/// The server's largest page.
const PAGE: usize = 200;

/// The first `limit` items of a list, and whether there are more.
pub async fn items<T: DeserializeOwned>(
    query: &Client,
    path: &str,
    filter: &[(&str, Option<&str>)],
    limit: usize,
) -> Result<(Vec<T>, bool), CliError> {
    let mut items = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let size = limit.saturating_sub(items.len()).clamp(1, PAGE).to_string();
        let given = filter.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
        let page = [("page_size", size.as_str())];
        let after = token.as_deref().map(|token| ("page_token", token));
        let path = with_query(path, given.chain(page).chain(after));
        let mut page: Page<T> = query.get(&path).await?;
        items.append(&mut page.items);
        token = page.next_page_token;
        if token.is_none() || items.len() >= limit {
            return Ok((items, token.is_some()));
        }
    }
}

/// The path with these parameters.
pub fn with_query<'a>(path: &str, members: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let members: Vec<String> =
        members.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if members.is_empty() { path.to_owned() } else { format!("{path}?{}", members.join("&")) }
}

/// Percent-encoded: only unreserved characters stay (RFC 3986 section 2.3).
fn encoded(value: &str) -> String {
    let stays = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let spelled = |byte| match byte {
        byte if stays(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    value.bytes().map(spelled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_cannot_add_parameters() {
        let path = with_query("/v1/changes", [("state", "a&page_size=9"), ("b", "ö")].into_iter());
        assert_eq!(path, "/v1/changes?state=a%26page_size%3D9&b=%C3%B6");
        assert_eq!(with_query("/v1/agents", std::iter::empty()), "/v1/agents");
    }
}
