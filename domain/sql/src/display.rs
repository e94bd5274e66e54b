//! SQL as it may be shown: nothing on the screen moves, hides or turns around.

/// `text` with every character that a terminal or a font could act on, hide or reorder written as
/// `\u{..}`, so that what a person reads is what they sign. Newlines and tabs stay; a carriage
/// return is shown, as it lets a line be overwritten. For display only: a backslash in the text
/// stays as it is, so this cannot be undone.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_shown_escaped(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

fn is_shown_escaped(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        _ => {
            character.is_control()
                || HIDDEN.iter().any(|(from, to)| (*from..=*to).contains(&character))
        }
    }
}

/// Ranges, both ends included, after Unicode 16: general category Cf (format), Zl, Zp, Co (private
/// use), the spaces other than U+0020 (Zs), `Default_Ignorable_Code_Point`, the blank letters that
/// are drawn as nothing, noncharacters, and the replacement character.
const HIDDEN: &[(char, char)] = &[
    ('\u{a0}', '\u{a0}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{2000}', '\u{200f}'),
    ('\u{2028}', '\u{202f}'),
    ('\u{205f}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{e000}', '\u{f8ff}'),
    ('\u{fdd0}', '\u{fdef}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{ffff}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{10ffff}'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_shown() {
        assert_eq!(
            escaped("a\u{1b}[2Kb\u{7}\u{8}\u{7f}\u{9b}"),
            "a\\u{1b}[2Kb\\u{7}\\u{8}\\u{7f}\\u{9b}"
        );
        assert_eq!(escaped("-- x\rdrop\r\n"), "-- x\\u{d}drop\\u{d}\n");
    }

    #[test]
    fn what_reorders_or_hides_is_shown() {
        let hidden = "\u{200b}\u{200d}\u{200e}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{feff}\
                      \u{ad}\u{61c}\u{fe0f}\u{e0041}\u{e0100}\u{180e}\u{3164}\u{2028}\u{a0}\u{e000}\
                      \u{2800}\u{fff9}\u{fffd}\u{85}\u{0}\u{10ffff}\u{17b4}\u{115f}\u{1d173}";
        for character in hidden.chars() {
            let shown = escaped(&format!("a{character}b"));
            assert_eq!(shown, format!("a\\u{{{:x}}}b", u32::from(character)));
        }
    }

    #[test]
    fn plain_text_of_any_script_stays() {
        let text = "SELECT 'é ß 漢字 עברית हिन्दी 😀' -- \\d\n\tFROM t;\n";
        assert_eq!(escaped(text), text);
    }

    proptest::proptest! {
        #[test]
        fn nothing_hidden_is_left(text: String) {
            let shown = escaped(&text);
            proptest::prop_assert!(!shown.chars().any(is_shown_escaped));
        }
    }
}
