//! `cargo xtask openapi`: the `OpenAPI` documents, as the two APIs print them.

use crate::generated::{self, Files};
use crate::{builds, environment, openapi_lint, steps};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::process::Command;

/// Writes the files, or compares them.
pub fn run(check: bool) -> Result<()> {
    let built = builds::apis()?;
    let name = if check { "openapi --check" } else { "openapi" };
    steps::step(name, &format!("cargo xtask {name}"), || {
        let mut files = Files::new();
        let mut broken = Vec::new();
        for api in ["command-api", "query-api"] {
            let text = steps::printed(Command::new(built.path(api)?).arg("openapi"))?;
            let text = document(&text).with_context(|| format!("printed by {api}"))?;
            let said = openapi_lint::broken(&serde_json::from_str(&text)?);
            broken.extend(said.into_iter().map(|what| format!("{api}: {what}")));
            files.insert(format!("schemas/openapi/{api}.json"), text);
        }
        if !broken.is_empty() {
            bail!("{}\nhow a route is documented: docs/how-to/add-a-route.md", broken.join("\n"));
        }
        generated::settle(&environment::root(), &files, check, "cargo xtask openapi")
    })
}

/// The document as it is checked in: the API's own text, with one line feed at its end.
fn document(text: &str) -> Result<String> {
    let value: Value = serde_json::from_str(text).context("the OpenAPI document is not JSON")?;
    let version = value.get("openapi").and_then(Value::as_str).unwrap_or_default();
    if !version.starts_with("3.1") {
        bail!("the OpenAPI document is of version {version:?}, not 3.1");
    }
    Ok(format!("{}\n", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_ends_with_one_line_feed() {
        let text = "{\n  \"openapi\": \"3.1.0\"\n}\n\n";
        assert_eq!(document(text).unwrap(), "{\n  \"openapi\": \"3.1.0\"\n}\n");
    }

    #[test]
    fn another_version_or_no_json_is_refused() {
        assert!(document(r#"{"openapi": "3.0.3"}"#).is_err());
        assert!(document("{").is_err());
    }
}
