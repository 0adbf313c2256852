//! What the colour of a point means.

use babelscope_core::lang;
use babelscope_probes::project::MapReport;
use egui::{Color32, Id, Ui};
use serde::{Deserialize, Serialize};

use crate::{
    data::{Loaded, colour_index, language_name, script},
    order::family,
    theme::Palette,
    widgets::{legend, pane},
};

/// What the colour of a point means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Paint {
    /// Its language.
    Language,
    /// The family of its language.
    Family,
    /// The script of its language.
    Script,
    /// How many resources its language has.
    Resource,
}

/// The richest class of Joshi et al. 2020.
const RICHEST: u8 = 5;
/// Languages, families or scripts that the legend has room for.
const NAMED: usize = 24;

impl Paint {
    /// All, in the order of the chooser.
    pub const ALL: [Self; 4] = [Self::Language, Self::Family, Self::Script, Self::Resource];

    /// The name in the chooser.
    pub fn name(self) -> &'static str {
        match self {
            Self::Language => "by language",
            Self::Family => "by family",
            Self::Script => "by script",
            Self::Resource => "by resources",
        }
    }

    fn group(self, code: &str) -> &str {
        match self {
            Self::Family => family(code),
            Self::Script => script(code),
            Self::Language | Self::Resource => code,
        }
    }

    fn group_name(self, group: &str) -> &str {
        match self {
            Self::Language | Self::Resource => language_name(group),
            Self::Script => lang::script_name(group).unwrap_or(group),
            Self::Family if group.is_empty() => "family not known",
            Self::Family => group,
        }
    }
}

/// The looks of all languages, and the legend; made anew only when the key changes.
#[derive(Debug)]
pub(super) struct Looks {
    pub(super) key: Id,
    paint: Paint,
    /// Colour and mark of the points of each language.
    pub(super) of: Vec<(Color32, u8)>,
    /// Name and colour of each group.
    groups: Vec<(String, Color32)>,
}

impl Looks {
    pub(super) fn refresh(
        slot: &mut Option<Self>,
        paint: Paint,
        loaded: &Loaded,
        report: &MapReport,
        colours: &Palette,
    ) {
        let key = Id::unique((loaded.stamp, paint, colours.dark));
        if slot.as_ref().is_some_and(|looks| looks.key == key) {
            return;
        }
        let mut names: Vec<&str> = report.languages.iter().map(|code| paint.group(code)).collect();
        if paint != Paint::Language {
            names.sort_unstable();
        }
        names.dedup();
        let index = |group: &str| match paint {
            Paint::Language => colour_index(&loaded.run.corpus, group),
            _ => names.iter().position(|name| *name == group).unwrap_or_default(),
        };
        let look = |code: &String| {
            if paint == Paint::Resource {
                let class = lang::find(code).and_then(|l| l.resource);
                let share = class.map_or(f32::NAN, |class| f32::from(class) / f32::from(RICHEST));
                return (colours.quantity(share), class.unwrap_or_default());
            }
            // From the thirteenth on colours come again, and the mark tells them apart.
            let index = index(paint.group(code));
            (colours.language(index), (index / 12) as u8)
        };
        let groups = names.iter().map(|name| (paint.group_name(name).to_owned(), colours.language(index(name))));
        *slot = Some(Self { key, paint, of: report.languages.iter().map(look).collect(), groups: groups.collect() });
    }

    /// The legend.
    pub(super) fn legend(&self, ui: &mut Ui) {
        let colours = *Palette::current(ui);
        ui.horizontal_wrapped(|ui| {
            if self.paint == Paint::Resource {
                legend::bar(ui, "resource class", "0", "5", &|share| colours.quantity(share));
                legend::chip(ui, colours.missing, "not known");
                return;
            }
            for (name, colour) in self.groups.iter().take(NAMED) {
                legend::chip(ui, *colour, name);
            }
            if self.groups.len() > NAMED {
                pane::note(ui, format!("and {} more; the pointer says which", self.groups.len() - NAMED));
            }
        });
    }
}
