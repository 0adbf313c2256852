//! Colours that survive a black-and-white printer and colour-blind eyes.

use std::fmt;

/// A colour in sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rgb(pub(super) u8, pub(super) u8, pub(super) u8);

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// Eleven equidistant colours of viridis (Smith and van der Walt 2015, matplotlib, CC0).
const VIRIDIS: [Rgb; 11] = [
    Rgb(0x44, 0x01, 0x54),
    Rgb(0x48, 0x24, 0x75),
    Rgb(0x41, 0x44, 0x87),
    Rgb(0x35, 0x5f, 0x8d),
    Rgb(0x2a, 0x78, 0x8e),
    Rgb(0x21, 0x91, 0x8c),
    Rgb(0x22, 0xa8, 0x84),
    Rgb(0x44, 0xbf, 0x70),
    Rgb(0x7a, 0xd1, 0x51),
    Rgb(0xbd, 0xdf, 0x26),
    Rgb(0xfd, 0xe7, 0x25),
];

/// The colour of a quantity in 0..=1; values outside are shown as the nearer end.
pub(crate) fn quantity(value: f64) -> Rgb {
    let last = VIRIDIS.len() - 1;
    let place = value.clamp(0.0, 1.0) * last as f64;
    let at = (place as usize).min(last - 1);
    between(VIRIDIS[at], VIRIDIS[at + 1], place - at as f64)
}

/// Five of the eleven colours of PuOr (Brewer 2003, Apache 2), from the middle outwards on either side.
const BELOW: [Rgb; 5] =
    [Rgb(0xf7, 0xf7, 0xf7), Rgb(0xd8, 0xda, 0xeb), Rgb(0xb2, 0xab, 0xd2), Rgb(0x80, 0x73, 0xac), Rgb(0x54, 0x27, 0x88)];
const ABOVE: [Rgb; 5] =
    [Rgb(0xf7, 0xf7, 0xf7), Rgb(0xfe, 0xe0, 0xb6), Rgb(0xfd, 0xb8, 0x63), Rgb(0xe0, 0x82, 0x14), Rgb(0xb3, 0x58, 0x06)];

/// The colour of an effect in -1..=1: paper at 0, violet below, orange above; values outside are shown as the nearer end.
pub(crate) fn signed(value: f64) -> Rgb {
    let side = if value < 0.0 { &BELOW } else { &ABOVE };
    let place = value.abs().min(1.0) * (side.len() - 1) as f64;
    let at = (place as usize).min(side.len() - 2);
    between(side[at], side[at + 1], place - at as f64)
}

fn between(a: Rgb, b: Rgb, part: f64) -> Rgb {
    let mix = |a: u8, b: u8| (f64::from(a) + part * (f64::from(b) - f64::from(a))).round() as u8;
    Rgb(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

/// Thirteen colours for languages: neighbours differ in hue and in lightness, all dark enough for a line on white paper.
const LANGUAGES: [Rgb; 13] = [
    Rgb(0x1f, 0x2a, 0x7a),
    Rgb(0xd9, 0x5f, 0x02),
    Rgb(0x00, 0x6d, 0x5b),
    Rgb(0xe0, 0x4f, 0x8f),
    Rgb(0x5b, 0x3a, 0x1e),
    Rgb(0x3b, 0x9a, 0xd9),
    Rgb(0x8e, 0x12, 0x3a),
    Rgb(0x5e, 0xa1, 0x1f),
    Rgb(0x6a, 0x3d, 0x9a),
    Rgb(0xb8, 0x86, 0x0b),
    Rgb(0x2e, 0x4a, 0x2e),
    Rgb(0x8c, 0x8c, 0x8c),
    Rgb(0xd0, 0x3a, 0x2a),
];

/// The colour of the language at this place of a list. The list may be longer than the table: never colour alone.
pub(super) fn language(at: usize) -> Rgb {
    LANGUAGES[at % LANGUAGES.len()]
}

/// The colour mixed with white: `strength` 1 is the colour itself.
pub(super) fn tint(colour: Rgb, strength: f64) -> Rgb {
    let mix = |c: u8| (255.0 - strength * (255.0 - f64::from(c))).round() as u8;
    Rgb(mix(colour.0), mix(colour.1), mix(colour.2))
}

/// An ink mixed with its ground: signs that step back.
pub(super) fn faded(ink: Rgb, ground: Rgb) -> Rgb {
    let mix = |a: u8, b: u8| ((u16::from(a) * 6 + u16::from(b) * 4) / 10) as u8;
    Rgb(mix(ink.0, ground.0), mix(ink.1, ground.1), mix(ink.2, ground.2))
}

/// Relative luminance (WCAG 2).
fn luminance(colour: Rgb) -> f64 {
    let linear = |c: u8| {
        let c = f64::from(c) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(colour.0) + 0.7152 * linear(colour.1) + 0.0722 * linear(colour.2)
}

/// Black or white, whichever is easier to read on this ground.
pub(crate) fn ink_on(ground: Rgb) -> Rgb {
    // At luminance 0.179 black and white have the same contrast ratio.
    if luminance(ground) > 0.179 { Rgb(0x10, 0x10, 0x10) } else { Rgb(0xff, 0xff, 0xff) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn quantity_gets_lighter_with_every_step() {
        let steps: Vec<f64> = (0..=100).map(|i| luminance(quantity(f64::from(i) / 100.0))).collect();
        assert!(steps.windows(2).all(|w| w[0] < w[1]), "{steps:?}");
        assert_eq!((quantity(0.0), quantity(1.0)), (VIRIDIS[0], VIRIDIS[10]));
        assert_eq!((quantity(-3.0), quantity(7.0)), (VIRIDIS[0], VIRIDIS[10]));
    }

    #[test]
    fn text_on_every_cell_has_the_contrast_that_wcag_asks_for() {
        for i in 0..=100 {
            let ground = quantity(f64::from(i) / 100.0);
            assert!(contrast(ground, ink_on(ground)) >= 4.0, "{ground}");
        }
    }

    #[test]
    fn neighbouring_languages_differ_in_lightness_and_all_stand_out_from_paper() {
        for at in 0..LANGUAGES.len() {
            assert!(contrast(language(at), Rgb(255, 255, 255)) >= 2.5, "{}", language(at));
            assert!(contrast(language(at), language(at + 1)) >= 1.25, "{} {}", language(at), language(at + 1));
        }
    }
}
