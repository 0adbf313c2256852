//! The only file that knows colours, sizes of type and spacing; light and dark, and the three colour maps.
//!
//! Every map is read together with a number or a letter code on screen, so colour is never alone.

use std::{collections::BTreeMap, sync::Arc};

use egui::{
    Color32, Context, CornerRadius, FontFamily, FontId, Margin, Stroke, Style, TextStyle, Theme, Vec2, Visuals,
};

/// Corner radius of cards, buttons and fields.
pub const RADIUS: u8 = 6;
/// Space between cards, and inside them.
pub const GAP: f32 = 10.0;
/// Size of running text in points.
pub const BODY: f32 = 14.0;
/// Size of notes, axis labels and cell texts.
pub const SMALL: f32 = 12.0;
/// Size of pane titles.
pub const TITLE: f32 = 17.0;

/// The named colours of one theme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Palette {
    /// Whether the ground is dark.
    pub dark: bool,
    /// Behind everything.
    pub ground: Color32,
    /// Bars at the edges.
    pub bar: Color32,
    /// Cards.
    pub card: Color32,
    /// Fields, and wells inside cards.
    pub well: Color32,
    /// Hairlines.
    pub line: Color32,
    /// Running text.
    pub text: Color32,
    /// Notes.
    pub weak: Color32,
    /// What can be acted on, and what is selected.
    pub accent: Color32,
    /// Behind a selected thing.
    pub accent_soft: Color32,
    /// On the accent.
    pub on_accent: Color32,
    /// Went well.
    pub good: Color32,
    /// A person should look.
    pub warn: Color32,
    /// Failed.
    pub bad: Color32,
    /// A value that does not exist.
    pub missing: Color32,
}

const DARK: Palette = Palette {
    dark: true,
    ground: Color32::from_rgb(14, 18, 24),
    bar: Color32::from_rgb(19, 24, 32),
    card: Color32::from_rgb(24, 30, 40),
    well: Color32::from_rgb(16, 21, 28),
    line: Color32::from_rgb(44, 53, 67),
    text: Color32::from_rgb(228, 233, 240),
    weak: Color32::from_rgb(150, 162, 179),
    accent: Color32::from_rgb(94, 176, 239),
    accent_soft: Color32::from_rgb(33, 62, 89),
    on_accent: Color32::from_rgb(8, 20, 32),
    good: Color32::from_rgb(86, 196, 143),
    warn: Color32::from_rgb(240, 178, 74),
    bad: Color32::from_rgb(244, 112, 104),
    missing: Color32::from_rgb(52, 58, 68),
};

const LIGHT: Palette = Palette {
    dark: false,
    ground: Color32::from_rgb(241, 244, 248),
    bar: Color32::from_rgb(250, 251, 253),
    card: Color32::from_rgb(255, 255, 255),
    well: Color32::from_rgb(246, 248, 251),
    line: Color32::from_rgb(217, 224, 232),
    text: Color32::from_rgb(26, 34, 46),
    weak: Color32::from_rgb(88, 101, 119),
    accent: Color32::from_rgb(19, 103, 184),
    accent_soft: Color32::from_rgb(214, 232, 248),
    on_accent: Color32::from_rgb(255, 255, 255),
    good: Color32::from_rgb(16, 118, 75),
    warn: Color32::from_rgb(152, 91, 0),
    bad: Color32::from_rgb(190, 42, 38),
    missing: Color32::from_rgb(214, 218, 224),
};

/// Viridis (van der Walt & Smith 2015) at nine equal steps: even in lightness, safe for the colour-blind.
const QUANTITY: [[u8; 3]; 9] = [
    [68, 1, 84],
    [71, 45, 123],
    [59, 82, 139],
    [44, 114, 142],
    [33, 145, 140],
    [40, 174, 128],
    [94, 201, 98],
    [173, 220, 48],
    [253, 231, 37],
];

/// Blue, near white, red-brown: ColorBrewer RdBu reversed at seven steps, safe for the colour-blind.
const DIVERGING: [[u8; 3]; 7] =
    [[33, 102, 172], [103, 169, 207], [209, 229, 240], [247, 247, 247], [253, 219, 199], [239, 138, 98], [178, 24, 43]];

/// The ends of an effect, less and more: the ends of [`DIVERGING`], and what is as bright on a dark card.
const EFFECT_LIGHT: [[u8; 3]; 2] = [[33, 102, 172], [178, 60, 10]];
const EFFECT_DARK: [[u8; 3]; 2] = [[103, 184, 255], [255, 160, 96]];

/// Twelve hues after Tol's and Okabe & Ito's sets, neighbours differing in lightness; readable on a dark ground.
const LANGUAGES_DARK: [[u8; 3]; 12] = [
    [86, 180, 233],
    [230, 159, 0],
    [0, 158, 115],
    [240, 228, 66],
    [213, 94, 0],
    [204, 121, 167],
    [136, 204, 238],
    [153, 153, 51],
    [170, 120, 240],
    [238, 153, 170],
    [68, 190, 170],
    [187, 187, 187],
];

/// The same order of hues, darkened to stand on white.
const LANGUAGES_LIGHT: [[u8; 3]; 12] = [
    [0, 114, 178],
    [190, 120, 0],
    [0, 128, 93],
    [148, 134, 0],
    [196, 78, 0],
    [168, 70, 125],
    [60, 150, 200],
    [110, 110, 30],
    [104, 60, 184],
    [200, 84, 108],
    [20, 138, 126],
    [110, 110, 110],
];

impl Palette {
    /// The colours of a theme.
    pub fn of(theme: Theme) -> &'static Self {
        match theme {
            Theme::Dark => &DARK,
            Theme::Light => &LIGHT,
        }
    }

    /// The colours of what is drawn now.
    pub fn current(ui: &egui::Ui) -> &'static Self {
        if ui.visuals().dark_mode { &DARK } else { &LIGHT }
    }

    /// Colour of a quantity on its fixed range: 0 is the lowest, 1 the highest; NaN has a colour of its own.
    pub fn quantity(&self, share: f32) -> Color32 {
        if share.is_nan() { self.missing } else { along(&QUANTITY, share) }
    }

    /// Colour of a signed quantity: -1 to 1 with its zero in the middle.
    pub fn diverging(&self, signed: f32) -> Color32 {
        if signed.is_nan() { self.missing } else { along(&DIVERGING, f32::midpoint(signed, 1.0)) }
    }

    /// Colour of an effect, -1 to 1: 0 is the card itself, so that nothing stands out where nothing happens. Blue and orange differ in
    /// lightness from the card alike and are told apart by the colour-blind.
    pub fn effect(&self, signed: f32) -> Color32 {
        if signed.is_nan() {
            return self.missing;
        }
        let [less, more] = if self.dark { EFFECT_DARK } else { EFFECT_LIGHT };
        let [r, g, b] = if signed < 0.0 { less } else { more };
        self.card.lerp_to_gamma(Color32::from_rgb(r, g, b), signed.abs().min(1.0))
    }

    /// Colour of the n-th language; from the thirteenth on they repeat, and [`line_pattern`] tells them apart.
    pub fn language(&self, index: usize) -> Color32 {
        let table = if self.dark { &LANGUAGES_DARK } else { &LANGUAGES_LIGHT };
        let [r, g, b] = table[index % table.len()];
        Color32::from_rgb(r, g, b)
    }

    /// Frame of a card.
    pub fn card_frame(&self) -> egui::Frame {
        egui::Frame::new()
            .fill(self.card)
            .stroke(Stroke::new(1.0, self.line))
            .corner_radius(CornerRadius::same(RADIUS + 2))
            .inner_margin(Margin::same(12))
    }

    /// Frame of a well inside a card.
    pub fn well_frame(&self) -> egui::Frame {
        egui::Frame::new()
            .fill(self.well)
            .stroke(Stroke::new(1.0, self.line))
            .corner_radius(CornerRadius::same(RADIUS))
            .inner_margin(Margin::symmetric(10, 8))
    }
}

/// Line pattern of the n-th language: solid for the first twelve, then dashed, then dotted.
pub fn line_pattern(index: usize) -> egui_plot::LineStyle {
    match index / LANGUAGES_DARK.len() {
        0 => egui_plot::LineStyle::Solid,
        1 => egui_plot::LineStyle::dashed_loose(),
        _ => egui_plot::LineStyle::dotted_loose(),
    }
}

/// Black or white, whichever reads better on `ground`: the switch lies where both give the same WCAG contrast.
pub fn ink_on(ground: Color32) -> Color32 {
    let linear = egui::Rgba::from(ground);
    let luminance = 0.2126 * linear.r() + 0.7152 * linear.g() + 0.0722 * linear.b();
    if luminance > 0.179 { Color32::BLACK } else { Color32::WHITE }
}

fn along(stops: &[[u8; 3]], share: f32) -> Color32 {
    let last = stops.len() - 1;
    let place = share.clamp(0.0, 1.0) * last as f32;
    let below = (place.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let part = place - below as f32;
    let mix = |channel: usize| {
        let (a, b) = (f32::from(stops[below][channel]), f32::from(stops[above][channel]));
        (a + (b - a) * part).round() as u8
    };
    Color32::from_rgb(mix(0), mix(1), mix(2))
}

/// Gives both themes to `ctx`.
pub fn install(ctx: &Context) {
    for theme in [Theme::Dark, Theme::Light] {
        ctx.set_style_of(theme, style(theme));
    }
}

fn style(theme: Theme) -> Arc<Style> {
    let colours = Palette::of(theme);
    let font = |size: f32| FontId::new(size, FontFamily::Proportional);
    let mut style = Style {
        text_styles: BTreeMap::from([
            (TextStyle::Small, font(SMALL)),
            (TextStyle::Body, font(BODY)),
            (TextStyle::Button, font(BODY)),
            (TextStyle::Heading, font(TITLE)),
            (TextStyle::Monospace, FontId::new(13.0, FontFamily::Monospace)),
        ]),
        visuals: visuals(colours),
        ..Style::default()
    };
    style.spacing.item_spacing = Vec2::new(8.0, 6.0);
    style.spacing.button_padding = Vec2::new(10.0, 5.0);
    style.spacing.interact_size.y = 28.0;
    style.spacing.menu_margin = Margin::same(8);
    style.spacing.window_margin = Margin::same(14);
    style.spacing.tooltip_width = 420.0;
    style.interaction.tooltip_delay = 0.25;
    style.interaction.selectable_labels = false;
    Arc::new(style)
}

fn visuals(colours: &Palette) -> Visuals {
    let mut visuals = if colours.dark { Visuals::dark() } else { Visuals::light() };
    let radius = CornerRadius::same(RADIUS);
    visuals.override_text_color = None;
    visuals.weak_text_color = Some(colours.weak);
    visuals.panel_fill = colours.ground;
    visuals.window_fill = colours.card;
    visuals.window_stroke = Stroke::new(1.0, colours.line);
    visuals.window_corner_radius = CornerRadius::same(RADIUS + 2);
    visuals.menu_corner_radius = CornerRadius::same(RADIUS + 2);
    visuals.extreme_bg_color = colours.well;
    visuals.faint_bg_color = colours.well;
    visuals.code_bg_color = colours.well;
    visuals.hyperlink_color = colours.accent;
    visuals.warn_fg_color = colours.warn;
    visuals.error_fg_color = colours.bad;
    visuals.selection.bg_fill = colours.accent_soft;
    visuals.selection.stroke = Stroke::new(1.0, colours.accent);
    let lift = |from: Color32, share: f32| from.lerp_to_gamma(colours.text, share);
    let states = [
        (&mut visuals.widgets.noninteractive, colours.card, colours.line, colours.text),
        (&mut visuals.widgets.inactive, lift(colours.card, 0.06), lift(colours.line, 0.05), colours.text),
        (&mut visuals.widgets.hovered, lift(colours.card, 0.12), colours.accent, colours.text),
        (&mut visuals.widgets.active, colours.accent_soft, colours.accent, colours.text),
        (&mut visuals.widgets.open, lift(colours.card, 0.09), colours.accent, colours.text),
    ];
    for (state, fill, edge, ink) in states {
        state.bg_fill = fill;
        state.weak_bg_fill = fill;
        state.bg_stroke = Stroke::new(1.0, edge);
        state.fg_stroke = Stroke::new(1.0, ink);
        state.corner_radius = radius;
        state.expansion = 0.0;
    }
    visuals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(colour: Color32) -> f32 {
        let c = egui::Rgba::from(colour);
        0.2126 * c.r() + 0.7152 * c.g() + 0.0722 * c.b()
    }

    fn contrast(a: Color32, b: Color32) -> f32 {
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn text_reads_on_every_ground_of_both_themes() {
        for theme in [Theme::Dark, Theme::Light] {
            let p = Palette::of(theme);
            for ground in [p.ground, p.bar, p.card, p.well] {
                for ink in [p.text, p.weak, p.bad, p.warn, p.good, p.accent] {
                    assert!(
                        contrast(ink, ground) >= 4.5,
                        "{theme:?}: {ink:?} on {ground:?} has {}",
                        contrast(ink, ground)
                    );
                }
            }
        }
    }

    #[test]
    fn ink_reads_on_every_colour_of_every_map() {
        let p = Palette::of(Theme::Dark);
        for step in 0..=100 {
            let share = step as f32 / 100.0;
            let signed = 2.0 * share - 1.0;
            let effects = [DARK, LIGHT].map(|theme| theme.effect(signed));
            for ground in [p.quantity(share), p.diverging(signed)].into_iter().chain(effects) {
                assert!(contrast(ink_on(ground), ground) >= 4.5, "{ground:?}");
            }
        }
    }

    #[test]
    fn the_quantity_map_rises_in_lightness() {
        let p = Palette::of(Theme::Light);
        let steps: Vec<f32> = (0..=64).map(|i| luminance(p.quantity(i as f32 / 64.0))).collect();
        assert!(steps.windows(2).all(|w| w[1] >= w[0] - 1e-4), "{steps:?}");
    }

    #[test]
    fn language_colours_stand_out_from_the_card_and_from_each_other() {
        for theme in [Theme::Dark, Theme::Light] {
            let p = Palette::of(theme);
            for i in 0..12 {
                assert!(contrast(p.language(i), p.card) >= 3.0, "{theme:?} {i}: {}", contrast(p.language(i), p.card));
                for j in 0..i {
                    assert_ne!(p.language(i), p.language(j));
                }
            }
        }
    }

    #[test]
    fn no_effect_is_the_card_and_both_ends_stand_out_from_it() {
        for theme in [Theme::Dark, Theme::Light] {
            let p = Palette::of(theme);
            assert_eq!((p.effect(0.0), p.effect(f32::NAN)), (p.card, p.missing));
            for end in [-1.0, 1.0] {
                assert!(contrast(p.effect(end), p.card) >= 4.5, "{theme:?} {end}");
            }
        }
    }

    #[test]
    fn nan_has_a_colour_outside_the_maps() {
        let p = Palette::of(Theme::Dark);
        assert_eq!(p.quantity(f32::NAN), p.missing);
        assert_eq!(p.diverging(f32::NAN), p.missing);
    }
}
