//! A small SVG writer. Text stays text, with language, direction and font family.

use std::fmt::Write as _;

use super::{
    colour::Rgb,
    typeset::{Line, Reading, line},
};

/// Where a line stands relative to its x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// The ink of ordinary text.
pub(super) const INK: Rgb = Rgb(0x22, 0x22, 0x22);
/// Text and lines that step back.
pub(super) const GREY: Rgb = Rgb(0x66, 0x66, 0x66);
/// Frames and grid lines.
pub(super) const HAIR: Rgb = Rgb(0xd0, 0xd0, 0xd0);
/// Paper.
pub(super) const WHITE: Rgb = Rgb(0xff, 0xff, 0xff);

/// An SVG that grows.
#[derive(Debug, Default)]
pub(super) struct Svg {
    body: String,
    missing: Vec<String>,
}

/// At most two decimals, no trailing zeros: the same bytes for the same number everywhere.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Escapes text for element content and attributes. Characters that XML 1.0 forbids become U+FFFD.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

impl Svg {
    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing into a String cannot fail.
        let _ = self.body.write_fmt(element);
        self.body.push('\n');
    }

    /// A filled rectangle.
    pub(super) fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, fill: Rgb) {
        let (x, y, w, h) = (number(x), number(y), number(width), number(height));
        self.add(format_args!(r#"<rect x="{x}" y="{y}" width="{w}" height="{h}" fill="{fill}"/>"#));
    }

    /// A filled rectangle that says what it shows when a viewer points at it. Without smoothing, or the paper shines through
    /// between neighbours.
    pub(super) fn cell(&mut self, x: f64, y: f64, width: f64, height: f64, fill: Rgb, title: &str) {
        let (x, y, w, h) = (number(x), number(y), number(width), number(height));
        let title = escape(title);
        self.add(format_args!(
            r#"<rect x="{x}" y="{y}" width="{w}" height="{h}" fill="{fill}" shape-rendering="crispEdges"><title>{title}</title></rect>"#
        ));
    }

    /// The outline of a rectangle.
    pub(super) fn frame(&mut self, x: f64, y: f64, width: f64, height: f64, stroke: Rgb, radius: f64) {
        let (x, y, w, h, r) = (number(x), number(y), number(width), number(height), number(radius));
        self.add(format_args!(
            r#"<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="{r}" fill="none" stroke="{stroke}" stroke-width="0.7"/>"#
        ));
    }

    /// A straight line; `dash` in SVG's syntax, empty for a solid one.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Rgb, width: f64, dash: &str) {
        self.path(&[from, to], stroke, width, dash);
    }

    /// A line through points.
    pub(super) fn path(&mut self, points: &[(f64, f64)], stroke: Rgb, width: f64, dash: &str) {
        let (d, width) = (course(points), number(width));
        let dash = if dash.is_empty() { String::new() } else { format!(r#" stroke-dasharray="{dash}""#) };
        self.add(format_args!(
            r#"<path d="{d}" fill="none" stroke="{stroke}" stroke-width="{width}" stroke-linejoin="round"{dash}/>"#
        ));
    }

    /// A filled area.
    pub(super) fn area(&mut self, points: &[(f64, f64)], fill: Rgb, opacity: f64) {
        let (d, opacity) = (course(points), number(opacity));
        self.add(format_args!(r#"<path d="{d}Z" fill="{fill}" fill-opacity="{opacity}"/>"#));
    }

    /// A line of text with its baseline at `y`. `language` is a FLORES code or empty.
    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, line: &Line, fill: Rgb, language: &str) {
        self.missing.extend_from_slice(&line.missing);
        let left = match anchor {
            Anchor::Start => x,
            Anchor::Middle => x - line.width / 2.0,
            Anchor::End => x - line.width,
        };
        let lang = bcp47(language).map_or_else(String::new, |tag| format!(r#" xml:lang="{tag}""#));
        let group = line.items.len() > 1;
        if group {
            let (direction, whole) = (direction(line.rtl), escape(&line.text));
            self.add(format_args!(r#"<g{lang} direction="{direction}" aria-label="{whole}">"#));
        }
        for item in &line.items {
            // A viewer with other fonts draws a piece wider or narrower: the anchor says where it may grow to.
            let (at, side) = match anchor {
                _ if group => (left + item.x + item.width / 2.0, "middle"),
                Anchor::Middle => (left + item.x + item.width / 2.0, "middle"),
                // `start` is the right edge of right-to-left text in browsers, and the left edge in other renderers.
                _ if item.rtl => (left + item.x + item.width / 2.0, "middle"),
                Anchor::Start => (left + item.x, "start"),
                Anchor::End => (left + item.x + item.width, "end"),
            };
            let lang = if group { "" } else { lang.as_str() };
            let direction = if item.rtl { r#" direction="rtl""# } else { "" };
            let (at, y, size, text) = (number(at), number(y), number(line.size), escape(&item.text));
            let family = item.family;
            self.add(format_args!(
                r#"<text x="{at}" y="{y}" font-size="{size}" font-family="'{family}', sans-serif" text-anchor="{side}" fill="{fill}"{lang}{direction}>{text}</text>"#
            ));
        }
        if group {
            self.add(format_args!("</g>"));
        }
    }

    /// A line of English text, laid out here.
    pub(super) fn say(&mut self, x: f64, y: f64, anchor: Anchor, size: f64, fill: Rgb, text: &str) {
        self.text(x, y, anchor, &line(text, size, Reading { direction: None, script: Some("Latn") }), fill, "");
    }

    /// The whole file. Clusters that no face could draw are named in a comment, so that a box on paper can be explained.
    pub(super) fn finish(self, width: f64, height: f64, title: &str) -> String {
        let (w, h, title) = (number(width.ceil()), number(height.ceil()), escape(title));
        let mut missing = self.missing;
        missing.sort_unstable();
        missing.dedup();
        let codes =
            |cluster: &String| cluster.chars().map(|c| format!("U+{:04X}", u32::from(c))).collect::<Vec<_>>().join(" ");
        let note = if missing.is_empty() {
            String::new()
        } else {
            format!("<!-- no face has: {} -->\n", missing.iter().map(codes).collect::<Vec<_>>().join(", "))
        };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" xml:lang=\"en\" role=\"img\">\n\
             <title>{title}</title>\n{note}<rect width=\"{w}\" height=\"{h}\" fill=\"{WHITE}\"/>\n{}</svg>\n",
            self.body
        )
    }
}

fn course(points: &[(f64, f64)]) -> String {
    let mut d = String::new();
    for (at, (x, y)) in points.iter().enumerate() {
        let _ = write!(d, "{}{} {}", if at == 0 { 'M' } else { 'L' }, number(*x), number(*y));
    }
    d
}

fn direction(rtl: bool) -> &'static str {
    if rtl { "rtl" } else { "ltr" }
}

/// `arb_Arab` is `arb-Arab` on the web. Codes of another form give none, as an invalid tag is worse than none.
pub(crate) fn bcp47(code: &str) -> Option<String> {
    let (language, script) = code.split_once('_')?;
    let valid = |part: &str, len: usize| part.len() == len && part.bytes().all(|b| b.is_ascii_alphabetic());
    (valid(language, 3) && valid(script, 4)).then(|| format!("{language}-{script}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_its_language_direction_and_characters() {
        let mut svg = Svg::default();
        let reading = Reading::of_language("arb_Arab");
        svg.text(50.0, 20.0, Anchor::Middle, &line("سلام", 10.0, reading), INK, "arb_Arab");
        svg.say(50.0, 40.0, Anchor::Start, 10.0, INK, "a < b & \"c\"");
        let file = svg.finish(100.0, 50.0, "Greeting");
        let tree = resvg::usvg::roxmltree::Document::parse(&file).unwrap();
        let texts: Vec<_> = tree.descendants().filter(|n| n.has_tag_name("text")).collect();
        assert_eq!(texts[0].text(), Some("سلام"));
        assert_eq!(texts[0].attribute("direction"), Some("rtl"));
        let lang = ("http://www.w3.org/XML/1998/namespace", "lang");
        assert_eq!(texts[0].attribute(lang), Some("arb-Arab"));
        assert!(texts[0].attribute("font-family").unwrap().contains("Noto Sans Arabic"));
        assert_eq!(texts[1].text(), Some("a < b & \"c\""));
    }

    #[test]
    fn characters_that_xml_forbids_do_not_break_the_file() {
        let mut svg = Svg::default();
        svg.cell(0.0, 0.0, 1.0, 1.0, INK, "a\u{0}b\u{1B}\u{FFFF}]]>");
        assert!(resvg::usvg::roxmltree::Document::parse(&svg.finish(9.0, 9.0, "x\u{8}")).is_ok());
    }

    #[test]
    fn numbers_are_short_and_never_minus_zero() {
        assert_eq!([1.0, 0.5, -0.001, 12.346, 100.0].map(number), ["1", "0.5", "0", "12.35", "100"]);
    }
}
