//! Markup that cannot be broken by a text: the only ways into [`Html`] are escaping and elements with fixed names.

use babelscope_core::lang::{self, Direction};

use crate::figures::bcp47;

/// A piece of a page.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Html(String);

impl Html {
    pub(super) fn into_string(self) -> String {
        self.0
    }

    pub(super) fn push(&mut self, more: Self) {
        self.0.push_str(&more.0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Self> for Html {
    fn from_iter<T: IntoIterator<Item = Self>>(parts: T) -> Self {
        let mut all = Self::default();
        parts.into_iter().for_each(|part| all.push(part));
        all
    }
}

/// Text as it is, inert. Control characters, which HTML forbids, become U+FFFD.
pub(super) fn text(raw: impl AsRef<str>) -> Html {
    let raw = raw.as_ref();
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(c),
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    Html(out)
}

/// An element. Names of elements and attributes are the program's own; every value is escaped.
pub(super) fn element(name: &'static str, attributes: &[(&'static str, &str)], inner: Html) -> Html {
    let attributes: String = attributes.iter().map(|(key, value)| format!(" {key}=\"{}\"", text(value).0)).collect();
    if matches!(name, "img" | "meta") {
        return Html(format!("<{name}{attributes}>"));
    }
    let line =
        if matches!(name, "p" | "tr" | "table" | "section" | "figure" | "li" | "details" | "dd") { "\n" } else { "" };
    Html(format!("<{name}{attributes}>{}</{name}>{line}", inner.0))
}

/// An element without attributes around text.
pub(super) fn plain(name: &'static str, inner: impl AsRef<str>) -> Html {
    element(name, &[], text(inner))
}

/// The contents of `<style>` and `<script>`, which are never escaped: only the program's own constants.
pub(super) fn raw(name: &'static str, constant: &'static str) -> Html {
    Html(format!("<{name}>{constant}</{name}>\n"))
}

/// Text in the language of a FLORES code, with its direction, kept apart from the text around it.
pub(super) fn foreign(code: &str, words: &str) -> Html {
    let direction = match lang::direction(code) {
        Direction::Ltr => "ltr",
        Direction::Rtl => "rtl",
    };
    element("bdi", &[("lang", bcp47(code).as_deref().unwrap_or("und")), ("dir", direction)], text(words))
}

/// Text of a language that nobody named: the first strong letter decides the direction.
pub(super) fn unknown(words: &str) -> Html {
    element("bdi", &[("lang", "und"), ("dir", "auto")], text(words))
}

/// `Arabic` and, in its own letters, its own name.
pub(super) fn language(code: &str) -> Html {
    let Some(known) = lang::find(code) else { return text(code) };
    let mut out = text(known.name);
    if known.autonym != known.name {
        out.push(text(" "));
        out.push(element("span", &[("class", "own")], foreign(code, known.autonym)));
    }
    out
}

/// The English name with the code, as plain text.
pub(super) fn spoken(code: &str) -> String {
    lang::find(code).map_or_else(|| code.to_owned(), |l| format!("{} ({code})", l.name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_keeps_its_language_and_direction() {
        assert_eq!(foreign("arb_Arab", "سلام").0, r#"<bdi lang="arb-Arab" dir="rtl">سلام</bdi>"#);
        assert_eq!(foreign("tha_Thai", "น้ำ").0, r#"<bdi lang="tha-Thai" dir="ltr">น้ำ</bdi>"#);
        assert_eq!(foreign("odd\"code", "a").0, r#"<bdi lang="und" dir="ltr">a</bdi>"#);
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_element(words in any::<String>()) {
            let words = format!("{words}<script>alert('1')</script>\"><img src=x onerror=a>\u{0}");
            let page = element("p", &[("title", &words)], text(&words)).0;
            let inside = page.strip_prefix("<p title=\"").and_then(|p| p.strip_suffix("</p>\n")).unwrap();
            let (attribute, content) = inside.split_once("\">").unwrap();
            for part in [attribute, content] {
                prop_assert!(!part.contains(['<', '>', '"', '\'', '\u{0}']), "{part}");
                prop_assert!(part.split('&').skip(1).all(|p| ["amp;", "lt;", "gt;", "quot;", "#39;"].iter().any(|e| p.starts_with(e))));
            }
        }
    }
}
