//! The frame of a page: one file that fetches nothing, in light, dark and on paper.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    faces,
    markup::{Html, element, plain, raw, text},
};

/// Says that a file is ours and may be replaced. In the first hundred bytes.
pub(super) const MARKER: &str = r#"<meta name="generator" content="babelscope report">"#;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// A whole page.
pub(super) fn page(title: &str, body: Html) -> String {
    // Even if a text became markup, the browser runs no script but this one and fetches nothing.
    let policy = format!(
        "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; script-src '{}'",
        digest(SCRIPT.as_bytes())
    );
    let head: Html = [
        element("meta", &[("http-equiv", "Content-Security-Policy"), ("content", &policy)], Html::default()),
        element("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")], Html::default()),
        element("meta", &[("name", "color-scheme"), ("content", "light dark")], Html::default()),
        plain("title", title),
        raw("style", STYLE),
    ]
    .into_iter()
    .collect();
    let body: Html = [element("main", &[], body), raw("script", SCRIPT)].into_iter().collect();
    let body = element("body", &[], body).into_string();
    let faces = faces::style(&body);
    let head = head.into_string();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">{MARKER}\n{head}<style>{faces}</style></head>\n{body}\n</html>\n"
    )
}

/// A script's name in a content security policy.
fn digest(bytes: &[u8]) -> String {
    let hex = babelscope_core::hash::sha256(bytes);
    let pairs =
        hex.as_bytes().chunks(2).filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    format!("sha256-{}", STANDARD.encode(pairs.collect::<Vec<u8>>()))
}

/// A picture inside the page.
pub(super) fn picture(png: &[u8], alt: &str, caption: &str) -> Html {
    let data = format!("data:image/png;base64,{}", STANDARD.encode(png));
    // The figures have two pixels for each of their units, see figures/png.rs.
    let width = png.get(16..20).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes) / 2;
    let width = width.max(1).to_string();
    let image =
        element("img", &[("src", &data), ("alt", alt), ("width", &width), ("loading", "lazy")], Html::default());
    element("figure", &[], [image, plain("figcaption", caption)].into_iter().collect())
}

/// What a person should know before the first number; nothing where there is nothing.
pub(super) fn notes(all: &[String]) -> Html {
    if all.is_empty() {
        return Html::default();
    }
    let items = all.iter().map(|note| plain("li", note)).collect();
    let title = if all.len() == 1 { "One thing to know first" } else { "Things to know first" };
    element("section", &[("class", "notes")], [plain("h2", title), element("ul", &[], items)].into_iter().collect())
}

/// Links to the sections of the page.
pub(super) fn contents<'a>(sections: impl IntoIterator<Item = (&'a str, &'a str)>) -> Html {
    let link = |(anchor, name): (&str, &str)| element("a", &[("href", &format!("#{anchor}"))], text(name));
    element("nav", &[("aria-label", "Sections")], sections.into_iter().map(link).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648's alphabet over FIPS 180-4's digest of "abc".
    #[test]
    fn the_policy_names_the_script_as_browsers_do() {
        assert_eq!(digest(b"abc"), "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }

    #[test]
    fn a_page_fetches_nothing_and_begins_with_the_marker() {
        let page = page("t", plain("p", "x"));
        assert!(page.find(MARKER).unwrap() < 100);
        for word in ["http://", "https://", "src=\"/", "@import", "url("] {
            assert!(!page.contains(word), "{word}");
        }
    }
}
