//! Text that cannot act on a terminal, in the spelling of each format. The letters are those that `sql::escaped` shows.

use serde_json::{Map, Value};

/// JSON text with every control, bidi and invisible character as `\uXXXX`: in JSON they stand only inside strings.
pub fn json(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                plain.extend(format!("\\u{unit:04x}").chars());
            }
        } else {
            plain.push(character);
        }
    }
    plain
}

/// YAML in which a string with such characters is quoted and shows them as escapes.
pub fn yaml(value: &Value) -> anyhow::Result<String> {
    let text = serde_json::to_string(value)?;
    // Stands for those strings while the rest is laid out, and occurs in no other.
    let mut mark = String::from("escaped-");
    while text.contains(&mark) {
        mark.insert(0, 'x');
    }
    let mut quoted = Vec::new();
    let laid_out = serde_yaml_ng::to_string(&marked(value, &mark, &mut quoted)?)?;
    let mut parts = laid_out.split(mark.as_str());
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (index, rest) = part.split_once('.').unwrap_or_default();
        let index: usize = index.parse()?;
        whole.push_str(quoted.get(index).map_or("", String::as_str));
        whole.push_str(rest);
    }
    Ok(whole.trim_end().to_owned())
}

/// The value with a mark in place of each string that needs quoting; these go to `quoted`.
fn marked(value: &Value, mark: &str, quoted: &mut Vec<String>) -> anyhow::Result<Value> {
    Ok(match value {
        Value::String(text) => Value::String(marked_text(text, mark, quoted)?),
        Value::Array(items) => {
            let items = items.iter().map(|item| marked(item, mark, quoted));
            Value::Array(items.collect::<anyhow::Result<_>>()?)
        }
        Value::Object(members) => {
            let mut plain = Map::new();
            for (name, member) in members {
                let name = marked_text(name, mark, quoted)?;
                plain.insert(name, marked(member, mark, quoted)?);
            }
            Value::Object(plain)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}

fn marked_text(text: &str, mark: &str, quoted: &mut Vec<String>) -> anyhow::Result<String> {
    if !text.chars().any(is_hidden) {
        return Ok(text.to_owned());
    }
    let mut plain = String::with_capacity(text.len());
    // YAML reads JSON's quoting, but for surrogate pairs.
    for character in serde_json::to_string(text)?.chars() {
        match u32::from(character) {
            _ if !is_hidden(character) => plain.push(character),
            code @ ..=0xffff => plain.extend(format!("\\u{code:04x}").chars()),
            code => plain.extend(format!("\\U{code:08x}").chars()),
        }
    }
    quoted.push(plain);
    Ok(format!("{mark}{}.", quoted.len().saturating_sub(1)))
}

fn is_hidden(character: char) -> bool {
    let mut bytes = [0; 4];
    let text: &str = character.encode_utf8(&mut bytes);
    !matches!(character, ' '..='~' | '\n' | '\t') && sql::escaped(text) != text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HOSTILE: &str =
        "a\u{9b}31m\u{7f}b\u{202e}c\u{200b}d\u{feff}e\u{e0041}f\u{1b}[2K\r\n\"\\'";

    fn value() -> Value {
        json!({"title": HOSTILE, "labels": {HOSTILE: "plain", "escaped-0.": "Zoë 日本 🙂"},
            "list": [HOSTILE, "two\nlines", "\u{85}"], "number": 7, "nothing": null})
    }

    fn is_plain(text: &str) -> bool {
        text.chars().all(|c| c == '\n' || !is_hidden(c))
    }

    #[test]
    fn json_shows_hidden_characters_as_escapes_and_reads_back_the_same() {
        for text in [value().to_string(), serde_json::to_string_pretty(&value()).unwrap()] {
            let shown = json(&text);
            assert!(is_plain(&shown), "{shown:?}");
            for escape in ["\\u009b", "\\u007f", "\\u202e", "\\u200b", "\\udb40\\udc41"] {
                assert!(shown.contains(escape), "{escape} is not in {shown}");
            }
            assert!(shown.contains("Zoë 日本 🙂"), "{shown}");
            assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value());
        }
    }

    #[test]
    fn yaml_shows_hidden_characters_as_escapes_and_reads_back_the_same() {
        let shown = yaml(&value()).unwrap();
        assert!(is_plain(&shown), "{shown:?}");
        for escape in ["\\u009b", "\\u007f", "\\u202e", "\\u200b", "\\U000e0041"] {
            assert!(shown.contains(escape), "{escape} is not in {shown}");
        }
        assert_eq!(serde_yaml_ng::from_str::<Value>(&shown).unwrap(), value());
    }

    #[test]
    fn yaml_without_such_characters_is_laid_out_as_ever() {
        assert_eq!(yaml(&json!([{"id": "chg_1"}])).unwrap(), "- id: chg_1");
    }
}
