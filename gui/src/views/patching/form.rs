//! The form for a new pair: two prompts, the answer, a wrong answer, and what is patched.

use babelscope::spec::{ModelSpec, ProbeSpec, RunSpec};
use babelscope_probes::patch::{GridParams, GridSite, Metric, PairSpec, PatchParams};
use egui::{RichText, Ui, vec2};

use crate::{
    data::Loaded,
    theme::Palette,
    widgets::{
        choose::one_of,
        pane,
        prompt::{Field, Prompt},
    },
};

/// What can be patched, by name.
const SITES: [(GridSite, &str, &str); 5] = [
    (GridSite::Resid, "residual stream", "By layer and token"),
    (GridSite::Attn, "attention", "What attention adds, by layer and token"),
    (GridSite::Mlp, "feed-forward", "What the feed-forward part adds, by layer and token"),
    (GridSite::Head, "heads", "Single heads, by layer"),
    (GridSite::Neurons, "neurons", "The neurons that differ most, by layer and how many"),
];

const METRICS: [(Metric, &str, &str); 5] = [
    (Metric::LogitDifference, "logit difference", "Of answer and wrong answer"),
    (Metric::LogProb, "log-probability", "Of the answer"),
    (Metric::Prob, "probability", "Of the answer"),
    (Metric::Kl, "KL", "From the clean run; needs no answer"),
    (Metric::Rank, "rank", "Of the answer"),
];

/// The fields.
#[derive(Debug, Default)]
pub(super) struct Form {
    clean: Prompt,
    corrupt: Prompt,
    answer: Prompt,
    wrong: Prompt,
    metric: Metric,
    /// In the order of [`SITES`]; none is the first one.
    sites: [bool; SITES.len()],
}

/// One word a line. A space in front means something to the tokenizer, so it stays.
fn words(text: &str) -> Vec<String> {
    text.lines().map(str::trim_end).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

impl Form {
    /// The spec of the grid, with the model of the run that is open.
    pub(super) fn spec(&self, base: Option<&Loaded>) -> RunSpec {
        let chosen = SITES.iter().zip(self.sites).filter(|(_, wanted)| *wanted).map(|((site, ..), _)| *site);
        let mut sites: Vec<GridSite> = chosen.collect();
        if sites.is_empty() {
            sites.push(GridSite::Resid);
        }
        let pair = PairSpec {
            clean: self.clean.text.trim().to_owned(),
            corrupt: self.corrupt.text.trim().to_owned(),
            answer: words(&self.answer.text),
            wrong: words(&self.wrong.text),
            ..PairSpec::default()
        };
        let grid = GridParams { pairs: vec![pair], sites, metric: self.metric, bootstrap: 0, ..GridParams::default() };
        let base = base.map(|loaded| &loaded.run.spec);
        let model = base.and_then(|spec| spec.model.first().cloned()).unwrap_or_else(|| ModelSpec::new("lab"));
        let mut spec = RunSpec::new("patch", model, vec![ProbeSpec::Patch(PatchParams::Grid(grid))]);
        if let Some(base) = base {
            spec.data = base.data.clone();
            spec.seed = base.seed;
        }
        spec
    }

    /// What is missing.
    fn wanted(&self) -> Option<&'static str> {
        let empty = |prompt: &Prompt| prompt.text.trim().is_empty();
        match self.metric {
            _ if empty(&self.clean) || empty(&self.corrupt) => Some("write both prompts"),
            Metric::Kl => None,
            _ if empty(&self.answer) => Some("name the answer of the clean prompt"),
            Metric::LogitDifference if empty(&self.wrong) => Some("name a wrong answer, or take another metric"),
            _ => None,
        }
    }
}

/// Draws the form; gives whether the pair shall be patched.
pub(super) fn show(ui: &mut Ui, form: &mut Form, spec: &RunSpec, base: Option<&Loaded>) -> bool {
    let colours = *Palette::current(ui);
    let mut ordered = false;
    ui.columns(2, |columns| {
        let [left, right] = columns else { return };
        let sides = [
            (
                left,
                &mut form.clean,
                &mut form.answer,
                "Clean prompt",
                "Answer",
                "the prompt whose answer is asked about",
            ),
            (
                right,
                &mut form.corrupt,
                &mut form.wrong,
                "Corrupt prompt",
                "Wrong answer",
                "the same with a word exchanged",
            ),
        ];
        for (ui, prompt, words, name, answer, hint) in sides {
            let width = ui.available_width();
            ordered |= prompt.field(ui, Field { name, hint, rows: 2, width, enter: true });
            prompt.preview(ui);
            let hint = if answer == "Answer" {
                "what the model shall say next, one word a line"
            } else {
                "what it shall not say"
            };
            ordered |= words.field(ui, Field { name: answer, hint, rows: 1, width, enter: true });
            words.preview(ui);
        }
    });
    ui.horizontal_wrapped(|ui| {
        pane::note(ui, "patch");
        if form.sites == [false; SITES.len()] {
            form.sites[0] = true;
        }
        for (wanted, (_, name, tip)) in form.sites.iter_mut().zip(SITES) {
            ui.checkbox(wanted, name).on_hover_text(tip);
        }
        pane::note(ui, "judged by");
        one_of(ui, "metric of the patch", &mut form.metric, &METRICS, 150.0);
        let wrong = form.wanted().map(str::to_owned).or_else(|| spec.check().err().map(|why| format!("{why:#}")));
        let button = egui::Button::new(RichText::new("Patch").strong()).min_size(vec2(92.0, 30.0));
        let button = ui.add_enabled(wrong.is_none(), button.fill(colours.accent_soft));
        ordered = (ordered || button.clicked()) && wrong.is_none();
        if let Some(why) = &wrong {
            pane::note(ui, why.as_str());
        }
    });
    let model = base.map_or("the built-in model", |loaded| loaded.run.manifest.model.reference.as_str());
    pane::note(ui, format!("with {model}; both prompts need as many tokens, so exchange words of one length"));
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_a_grid_of_one_pair() {
        let form = Form {
            clean: Prompt::new("Anna lives in the "),
            corrupt: Prompt::new("Otto lives in the"),
            answer: Prompt::new(" village\n\n town "),
            wrong: Prompt::new("city"),
            ..Form::default()
        };
        let spec = form.spec(None);
        assert_eq!(RunSpec::parse(&spec.to_toml().unwrap()).unwrap(), spec);
        let [ProbeSpec::Patch(PatchParams::Grid(grid))] = spec.probe.as_slice() else { panic!("no grid") };
        assert_eq!((grid.sites.as_slice(), grid.pairs.len()), (&[GridSite::Resid][..], 1));
        assert_eq!(grid.pairs[0].answer, [" village", " town"]);
        assert_eq!(form.wanted(), None);
        assert!(Form::default().wanted().is_some());
    }
}
