//! The analyses that a spec may ask for: one kind each, with the parameters of its measure.

use babelscope_probes::{
    align::AlignParams,
    classify::{ClassifyParams, Target},
    neurons::NeuronParams,
    patch::{
        AttributedParams, Concept, CrossParams, CrossPrompt, DlaParams, Edges, GridParams, KnockoutParams, PairSpec,
        PatchParams, PromptSpec, Tokens, TraceParams, Translation,
    },
    project::MapParams,
    relate::TaskParams,
    retrieval::RetrievalParams,
    similarity::SimilarityParams,
    steer::{LearnParams, Position, SteerParams},
    subspace::StructureParams,
    tokenizer::TokenizerParams,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CompareSpec, CotSpec, HintsSpec, LearnSpec, SelectSpec, VectorSpec, keys::ANY, repeated};

/// An analysis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ProbeSpec {
    /// MEXA and recall by exact cosines, with the outcome of every sentence.
    Align(AlignParams),
    /// The logit lens on texts. The token sets of its languages are made from the corpus.
    Lens(LensSpec),
    /// Everything by nearest neighbours: other similarities, ranks, margins, hubs.
    Retrieval(RetrievalParams),
    /// How alike two spaces are: CKA, CCA, RSA, Procrustes, neighbours.
    Similarity(SimilarityParams),
    /// The subspace of language: its share, its coordinates, and what removing it does.
    Structure(StructureParams),
    /// Neurons that fire for one language.
    Neurons(NeuronParams),
    /// What a linear probe reads from the states.
    Classify(ClassifyParams),
    /// Sentences in the plane, layer by layer.
    Map(MapParams),
    /// What the tokenizer does to each language.
    Tokenizer(TokenizerParams),
    /// How alignment goes along with scores of tasks, with premium and with resources.
    Tasks(TaskParams),
    /// Steering vectors, and how well they hold on what was kept apart.
    Vector(VectorSpec),
    /// A vector that is learned by gradient.
    Learn(LearnSpec),
    /// What language vectors do, beside their controls and their price.
    Steer(SteerParams),
    /// A direction for a behaviour, found among many by what it does.
    Select(SelectSpec),
    /// One prompt answered plainly, steered, and with a random vector.
    Compare(CompareSpec),
    /// What changes in the answer when a state, an edge or a component changes.
    Patch(PatchParams),
    /// Chains of thought as graphs, compared across languages, with what the model knew along them.
    Cot(CotSpec),
    /// Questions with and without a hint at a wrong answer, and whether the answers say what they followed.
    Hints(HintsSpec),
}

/// The lens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LensSpec {
    /// The texts.
    pub texts: Vec<String>,
    /// How many tokens are kept in each cell.
    #[serde(default = "default_top_k")]
    pub top_k: usize,
}

fn default_top_k() -> usize {
    5
}

/// What a probe reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The pooled states of all sentences.
    States,
    /// The model itself.
    Model,
    /// What other probes of the run found.
    Probes,
}

impl ProbeSpec {
    /// Every kind, in the order in which they are documented.
    pub const KINDS: [&str; 18] = [
        "align",
        "lens",
        "retrieval",
        "similarity",
        "structure",
        "neurons",
        "classify",
        "map",
        "tokenizer",
        "tasks",
        "vector",
        "learn",
        "steer",
        "select",
        "compare",
        "patch",
        "cot",
        "hints",
    ];

    /// Those whose rows `tasks` relates.
    pub(crate) const RELATED: [&str; 4] = ["align", "retrieval", "similarity", "structure"];

    /// Alignment with one pivot and every default.
    pub fn align(pivot: impl Into<String>) -> Self {
        Self::Align(AlignParams { pivots: vec![pivot.into()], ..AlignParams::default() })
    }

    /// The lens with the default number of tokens a cell.
    pub fn lens(texts: Vec<String>) -> Self {
        Self::Lens(LensSpec { texts, top_k: default_top_k() })
    }

    /// The analysis of this kind with every default; `None` for another word. The lens has no text then.
    pub fn of_kind(kind: &str) -> Option<Self> {
        Some(match kind {
            "align" => Self::align("eng_Latn"),
            "lens" => Self::lens(Vec::new()),
            "retrieval" => Self::Retrieval(RetrievalParams::default()),
            "similarity" => Self::Similarity(SimilarityParams::default()),
            "structure" => Self::Structure(StructureParams::default()),
            "neurons" => Self::Neurons(NeuronParams::default()),
            "classify" => Self::Classify(ClassifyParams::default()),
            "map" => Self::Map(MapParams::default()),
            "tokenizer" => Self::Tokenizer(TokenizerParams::default()),
            "tasks" => Self::Tasks(TaskParams::default()),
            "vector" => Self::Vector(VectorSpec::default()),
            "learn" => Self::Learn(LearnSpec::default()),
            "steer" => Self::Steer(SteerParams::default()),
            "select" => Self::Select(SelectSpec::default()),
            "compare" => Self::Compare(CompareSpec::default()),
            "patch" => Self::Patch(PatchParams::Grid(GridParams::default())),
            "cot" => Self::Cot(CotSpec::default()),
            "hints" => Self::Hints(HintsSpec::default()),
            _ => return None,
        })
    }

    /// Probes with every key that a spec may have: one of each kind, and one of each experiment.
    pub(super) fn complete() -> Vec<Self> {
        let prompts = || vec![PromptSpec::default()];
        let cross = CrossParams {
            concepts: vec![Concept { words: [(ANY.to_owned(), Vec::new())].into(), ..Concept::default() }],
            prompts: vec![CrossPrompt::default()],
            translation: Some(Translation::default()),
            ..CrossParams::default()
        };
        let edges = vec![Edges { queries: Tokens::List(vec![0]), keys: Tokens::List(vec![0]) }];
        let experiments = [
            PatchParams::Grid(GridParams { pairs: vec![PairSpec::default()], ..GridParams::default() }),
            PatchParams::Trace(TraceParams { prompts: prompts(), ..TraceParams::default() }),
            PatchParams::Cross(cross),
            PatchParams::Knockout(KnockoutParams { prompts: prompts(), edges, ..KnockoutParams::default() }),
            PatchParams::Dla(DlaParams { prompts: prompts(), ..DlaParams::default() }),
            PatchParams::Attribution(AttributedParams::default()),
        ];
        let from_end = VectorSpec { position: Position::FromEnd(2), ..VectorSpec::default() };
        let all = Self::KINDS.into_iter().filter_map(Self::of_kind).chain(experiments.map(Self::Patch));
        let requests = [(ANY.to_owned(), String::new())].into();
        let steer = SteerParams { relevance_layer: Some(0), requests, ..SteerParams::default() };
        let learning = LearnParams { target_layer: Some(0), max_norm: Some(1.0), ..LearnParams::default() };
        let learn = LearnSpec { learning, ..LearnSpec::default() };
        all.chain([Self::Vector(from_end), Self::Steer(steer), Self::Learn(learn), Self::Cot(CotSpec::complete())])
            .chain([Self::Hints(HintsSpec::complete())])
            .chain(CompareSpec::complete().map(Self::Compare))
            .collect()
    }

    /// The name in the spec.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Align(_) => "align",
            Self::Lens(_) => "lens",
            Self::Retrieval(_) => "retrieval",
            Self::Similarity(_) => "similarity",
            Self::Structure(_) => "structure",
            Self::Neurons(_) => "neurons",
            Self::Classify(_) => "classify",
            Self::Map(_) => "map",
            Self::Tokenizer(_) => "tokenizer",
            Self::Tasks(_) => "tasks",
            Self::Vector(_) => "vector",
            Self::Learn(_) => "learn",
            Self::Steer(_) => "steer",
            Self::Select(_) => "select",
            Self::Compare(_) => "compare",
            Self::Patch(_) => "patch",
            Self::Cot(_) => "cot",
            Self::Hints(_) => "hints",
        }
    }

    /// What it reads.
    pub fn reads(&self) -> Reads {
        match self {
            Self::Align(_)
            | Self::Retrieval(_)
            | Self::Similarity(_)
            | Self::Structure(_)
            | Self::Classify(_)
            | Self::Map(_) => Reads::States,
            Self::Vector(spec) if spec.of_languages() => Reads::States,
            Self::Lens(_)
            | Self::Neurons(_)
            | Self::Tokenizer(_)
            | Self::Vector(_)
            | Self::Learn(_)
            | Self::Steer(_)
            | Self::Select(_)
            | Self::Compare(_)
            | Self::Patch(_)
            | Self::Cot(_)
            | Self::Hints(_) => Reads::Model,
            Self::Tasks(_) => Reads::Probes,
        }
    }

    /// How many languages it needs.
    pub fn languages(&self) -> usize {
        match self {
            Self::Lens(_) | Self::Tokenizer(_) | Self::Select(_) | Self::Patch(_) | Self::Cot(_) | Self::Hints(_) => 1,
            Self::Vector(spec) if !spec.of_languages() => 1,
            Self::Compare(spec) if !spec.vector.is_empty() => 1,
            _ => 2,
        }
    }

    /// The languages that it compares the others with; empty where it has none, or takes all.
    pub fn pivots(&self) -> &[String] {
        match self {
            Self::Align(params) => &params.pivots,
            Self::Retrieval(params) => &params.pivots,
            Self::Similarity(params) => &params.pivots,
            Self::Structure(params) => &params.pivots,
            Self::Tokenizer(params) => &params.pivots,
            Self::Tasks(params) => &params.pivots,
            _ => &[],
        }
    }

    /// The same, to be written out or replaced; `None` where it has none.
    pub fn pivots_mut(&mut self) -> Option<&mut Vec<String>> {
        match self {
            Self::Align(params) => Some(&mut params.pivots),
            Self::Retrieval(params) => Some(&mut params.pivots),
            Self::Similarity(params) => Some(&mut params.pivots),
            Self::Structure(params) => Some(&mut params.pivots),
            Self::Tokenizer(params) => Some(&mut params.pivots),
            Self::Tasks(params) => Some(&mut params.pivots),
            _ => None,
        }
    }

    /// Files that it reads, by the name of their key.
    pub fn files_mut(&mut self) -> Vec<(&'static str, &mut String)> {
        match self {
            Self::Classify(params) => vec![("labels", &mut params.labels)],
            Self::Tokenizer(params) => vec![("compare", &mut params.compare)],
            Self::Tasks(params) => vec![("scores", &mut params.scores)],
            Self::Vector(spec) => vec![
                ("pairs", &mut spec.pairs),
                ("positive_texts", &mut spec.positive_texts),
                ("negative_texts", &mut spec.negative_texts),
            ],
            Self::Learn(spec) => vec![("answers", &mut spec.answers)],
            Self::Select(spec) => vec![("with", &mut spec.with), ("without", &mut spec.without)],
            Self::Compare(spec) => vec![("vector", &mut spec.vector)],
            Self::Cot(spec) => spec.files_mut(),
            Self::Hints(spec) => vec![("problems", &mut spec.problems)],
            _ => Vec::new(),
        }
    }

    /// Why this makes no sense by itself; `languages` are those that the spec names, empty for all.
    pub(super) fn problem(&self, languages: &[String]) -> Option<String> {
        if let Some(twice) = repeated(self.pivots()) {
            return Some(format!("`pivots` names {twice} twice"));
        }
        let own = match self {
            Self::Align(params) => params.problem(),
            Self::Lens(spec) => spec.problem(),
            Self::Retrieval(params) => params.problem(),
            Self::Similarity(params) => params.problem(),
            Self::Structure(params) => params.problem(),
            Self::Neurons(params) => params.problem(),
            Self::Classify(params) => params.problem().or_else(|| labels_problem(params)),
            Self::Map(params) => params.problem(),
            Self::Tokenizer(params) => params.problem(),
            Self::Tasks(params) => params.problem(),
            Self::Vector(spec) => spec.problem(languages),
            Self::Learn(spec) => spec.problem(languages),
            Self::Steer(params) => params.problem(),
            Self::Select(spec) => spec.problem(),
            Self::Compare(spec) => spec.problem(languages),
            Self::Patch(params) => params.problem(),
            Self::Cot(spec) => spec.problem(),
            Self::Hints(spec) => spec.problem(),
        };
        if own.is_some() {
            return own;
        }
        if (1..self.languages()).contains(&languages.len()) {
            let kind = self.kind();
            return Some(format!("`data.languages` has one language; `{kind}` compares at least two"));
        }
        let outside = self.pivots().iter().find(|p| !languages.is_empty() && !languages.contains(p))?;
        Some(format!("the pivot {outside} is not among `data.languages`; add it there"))
    }
}

/// Labels and the target that reads them come together.
fn labels_problem(params: &ClassifyParams) -> Option<String> {
    match (params.labels.is_empty(), params.targets.contains(&Target::Label)) {
        (true, true) => Some("`label` is among the `targets`, but `labels` names no file; name it there".to_owned()),
        (false, false) => {
            Some("`labels` names a file that no target reads; add `label` to the `targets`, or leave it out".to_owned())
        }
        _ => None,
    }
}

impl LensSpec {
    fn problem(&self) -> Option<String> {
        if self.texts.is_empty() {
            return Some("`texts` is empty; the lens needs at least one text".to_owned());
        }
        if let Some(at) = self.texts.iter().position(|t| t.trim().is_empty()) {
            return Some(format!("text {} of the lens is empty", at + 1));
        }
        (self.top_k == 0 || self.top_k > 1000).then(|| format!("`top_k` is {}; expected 1 to 1000", self.top_k))
    }
}
