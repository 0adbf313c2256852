//! A small run made up by rule: every number on a screen can be traced to a line here, and no model is needed.

use std::path::PathBuf;

use babelscope::{
    manifest::{AlignInfo, CaptureInfo, CorpusInfo, LensInfo, Machine, Manifest, Program, Seconds},
    run::Run,
    spec::{ModelSpec, ProbeSpec, RunSpec},
};
use babelscope_core::{
    corpus::Corpus,
    engine::{EngineKind, ModelInfo},
    tokens::Piece,
};
use babelscope_probes::{
    align::{AlignCell, AlignReport, Centring, Estimate, Outcome},
    lens::{Candidate, LensCell, LensReport},
};

use crate::measured;

/// Blocks of the made-up model; layers run from 0 to this.
pub const LAYERS: usize = 6;
/// Rows of its unembedding.
pub const VOCABULARY: usize = 1000;

/// Six sentences in six languages of six scripts, all our own.
const SENTENCES: [(&str, [&str; 6]); 6] = [
    (
        "eng_Latn",
        [
            "The red bird sings in the garden.",
            "Two children drink cold water.",
            "My brother reads an old book.",
            "The market opens in the morning.",
            "A small cat sleeps on the chair.",
            "We walk to the river today.",
        ],
    ),
    (
        "arb_Arab",
        [
            "يغني الطائر الأحمر في الحديقة.",
            "يشرب طفلان ماءً باردًا.",
            "يقرأ أخي كتابًا قديمًا.",
            "يفتح السوق في الصباح.",
            "تنام قطة صغيرة على الكرسي.",
            "نمشي إلى النهر اليوم.",
        ],
    ),
    (
        "hin_Deva",
        [
            "लाल चिड़िया बगीचे में गाती है।",
            "दो बच्चे ठंडा पानी पीते हैं।",
            "मेरा भाई पुरानी किताब पढ़ता है।",
            "बाज़ार सुबह खुलता है।",
            "छोटी बिल्ली कुर्सी पर सोती है।",
            "हम आज नदी तक चलते हैं।",
        ],
    ),
    (
        "tha_Thai",
        [
            "นกสีแดงร้องเพลงในสวน",
            "เด็กสองคนดื่มน้ำเย็น",
            "พี่ชายของฉันอ่านหนังสือเก่า",
            "ตลาดเปิดในตอนเช้า",
            "แมวตัวเล็กนอนบนเก้าอี้",
            "วันนี้เราเดินไปที่แม่น้ำ",
        ],
    ),
    (
        "zho_Hans",
        [
            "红色的鸟在花园里唱歌。",
            "两个孩子喝冷水。",
            "我哥哥读一本旧书。",
            "市场早上开门。",
            "一只小猫睡在椅子上。",
            "我们今天走到河边。",
        ],
    ),
    (
        "deu_Latn",
        [
            "Der rote Vogel singt im Garten.",
            "Zwei Kinder trinken kaltes Wasser.",
            "Mein Bruder liest ein altes Buch.",
            "Der Markt öffnet am Morgen.",
            "Eine kleine Katze schläft auf dem Stuhl.",
            "Wir gehen heute zum Fluss.",
        ],
    ),
];

/// The corpus of the run.
pub fn corpus() -> Corpus {
    Corpus {
        name: "made up".to_owned(),
        languages: SENTENCES.iter().map(|(code, _)| (*code).to_owned()).collect(),
        sentences: SENTENCES.iter().map(|(_, lines)| lines.iter().map(|l| (*l).to_owned()).collect()).collect(),
        sha256: "0".repeat(64),
        notes: vec!["line 4 occurs once only".to_owned()],
    }
}

/// The run.
pub fn run() -> Run {
    let corpus = corpus();
    let align = align(&corpus);
    let lens = vec![lens("The red bird sings"), lens("يغني الطائر الأحمر")];
    let probe = vec![ProbeSpec::align("eng_Latn"), ProbeSpec::lens(lens.iter().map(|l| l.text.clone()).collect())];
    let mut spec = RunSpec::new("made-up", ModelSpec::new("lab"), probe);
    spec.data.limit = corpus.len();
    Run {
        folder: PathBuf::from("runs/made-up-0123abcd"),
        manifest: manifest(&corpus, &align, &lens),
        spec,
        corpus,
        measured: measured::measured(&align.cells),
        align: Some(align),
        lens,
        map: Some(measured::map()),
        details: Vec::new(),
    }
}

/// The same run with the lens on `text` alone, as the window asks for it.
pub fn lens_run(spec: &RunSpec, text: &str) -> Run {
    let lens = vec![lens(text)];
    let mut manifest = manifest(&corpus(), &AlignReport::default(), &lens);
    manifest.align = None;
    "lens".clone_into(&mut manifest.name);
    Run {
        folder: PathBuf::from("runs/lens-4567cdef"),
        spec: spec.clone(),
        manifest,
        corpus: corpus(),
        align: None,
        lens,
        measured: Vec::new(),
        map: None,
        details: Vec::new(),
    }
}

/// Cosines by rule: the true pair gains with the layer, and with the place of the language; every third sentence is hard.
fn outcome(language: usize, layer: usize, line: usize, centred: bool, lines: usize) -> Outcome {
    let gain = layer as f32 / LAYERS as f32 * (1.2 - 0.15 * language as f32) + if centred { 0.2 } else { 0.0 };
    let hard = if line.is_multiple_of(3) { 0.35 } else { 0.1 } + 0.07 * ((line * 5 + language * 3) % 7) as f32;
    let rival = (line + 1 + (layer + language) % (lines - 1)) % lines;
    let back = (line + 1 + (layer + 2 * language) % (lines - 1)) % lines;
    Outcome {
        cosine: (0.30 + 0.5 * gain).min(0.99),
        rival: rival as u32,
        rival_cosine: (0.30 + 0.5 * hard).min(0.98),
        rival_back: back as u32,
        rival_back_cosine: (0.28 + 0.55 * hard).min(0.98),
    }
}

fn align(corpus: &Corpus) -> AlignReport {
    let n = corpus.len();
    let mut cells = Vec::new();
    for (at, language) in corpus.languages.iter().enumerate().skip(1) {
        for layer in 0..=LAYERS {
            for centring in [Centring::Raw, Centring::Language] {
                let outcomes: Vec<Outcome> =
                    (0..n).map(|line| outcome(at, layer, line, centring == Centring::Language, n)).collect();
                let share = |hit: &dyn Fn(&Outcome) -> bool| {
                    let value = outcomes.iter().filter(|o| hit(o)).count() as f64 / n as f64;
                    Estimate { value, low: (value - 0.1).max(0.0), high: (value + 0.1).min(1.0) }
                };
                cells.push(AlignCell {
                    language: language.clone(),
                    pivot: "eng_Latn".to_owned(),
                    layer,
                    centring,
                    mexa: share(&Outcome::hit),
                    recall_from_pivot: share(&Outcome::found_from_pivot),
                    recall_to_pivot: share(&Outcome::found_to_pivot),
                    cosine_gap: 0.05 * layer as f64,
                    cosine_wrong: 0.3,
                    n,
                    outcomes,
                });
            }
        }
    }
    cells.sort_by(|a, b| (&a.language, a.layer, a.centring).cmp(&(&b.language, b.layer, b.centring)));
    let n = n as f64;
    AlignReport { cells, chance_mexa: 1.0 / (2.0 * n - 1.0), chance_recall: 1.0 / n, ..AlignReport::default() }
}

/// One token a word; the top token of layer l is the word of a language that changes with the layer.
fn lens(text: &str) -> LensReport {
    let words: Vec<&str> = text.split(' ').collect();
    let mut spans = vec![(0, 0)];
    let mut start = 0;
    for word in &words {
        spans.push((start.max(1) - 1, start + word.len()));
        start += word.len() + 1;
    }
    if let Some(first) = spans.get_mut(1) {
        first.0 = 0;
    }
    let candidate =
        |id: u32, piece: Piece, probability: f32, language: Option<u16>| Candidate { id, piece, probability, language };
    let mut tokens = vec![candidate(0, Piece::Special("<s>".to_owned()), 1.0, None)];
    tokens.extend((1..).zip(&words).map(|(id, word)| candidate(id, Piece::Word((*word).to_owned()), 1.0, None)));
    let pieces = [
        (Piece::Word("bird".to_owned()), Some(0)),
        (Piece::Word("طائر".to_owned()), Some(1)),
        (Piece::Word("चिड़िया".to_owned()), Some(2)),
        (Piece::Text("นก".to_owned()), Some(3)),
        (Piece::Text("鸟".to_owned()), Some(4)),
        (Piece::Bytes(vec![0xE0, 0xA4]), None),
        (Piece::Marks("\u{94d}".to_owned()), Some(2)),
        (Piece::Blank("\n".to_owned()), None),
    ];
    let cell = |layer: usize, token: usize| {
        let sure = 0.15 + 0.8 * layer as f32 / LAYERS as f32 - 0.02 * token as f32;
        let mut left = 1.0;
        let top = (0..5)
            .map(|rank| {
                let (piece, language) = pieces[(layer + 2 * token + rank * 3) % pieces.len()].clone();
                let probability = left * sure.clamp(0.05, 0.95);
                left -= probability;
                candidate((100 + layer * 20 + token * 5 + rank) as u32, piece, probability, language)
            })
            .collect();
        let english = 0.6 * (1.0 - (layer as f32 - 3.0).abs() / 6.0);
        LensCell {
            top,
            entropy: (1.0 - sure).max(0.0) * (VOCABULARY as f32).ln(),
            rank_of_final: if layer == LAYERS { 1 } else { 1 << (LAYERS - layer) },
            probability_of_final: sure * 0.5,
            kl_from_final: (LAYERS - layer) as f32 * 0.7,
            language_mass: vec![english, 0.3 * layer as f32 / LAYERS as f32, 0.04, 0.02, 0.03, 0.01],
            script_mass: vec![0.5, 0.2, 0.1, 0.05, 0.05, 0.1],
        }
    };
    LensReport {
        text: text.to_owned(),
        spans,
        layers: (0..=LAYERS).collect(),
        cells: (0..=LAYERS).map(|layer| (0..tokens.len()).map(|token| cell(layer, token)).collect()).collect(),
        tokens,
        languages: corpus().languages,
        language_rule: "made up".to_owned(),
        scripts: ["Latn", "Arab", "Deva", "Thai", "Hani", "Zyyy"].map(str::to_owned).to_vec(),
    }
}

fn manifest(corpus: &Corpus, align: &AlignReport, lens: &[LensReport]) -> Manifest {
    Manifest {
        schema: 1,
        identity: "0123abcd".repeat(8),
        name: "made-up".to_owned(),
        started: "2026-11-20T15:42:07Z".to_owned(),
        program: Program { name: "babelscope".to_owned(), version: "0.1.0".to_owned(), revision: None },
        machine: Machine { system: "linux-x86_64".to_owned(), threads: 2 },
        seconds: Seconds { total: 1.5, ..Seconds::default() },
        peak_memory_bytes: None,
        model: ModelInfo {
            reference: "lab".to_owned(),
            family: "llama".to_owned(),
            layers: LAYERS,
            width: 64,
            heads: 4,
            kv_heads: 4,
            vocabulary: VOCABULARY,
            context: 128,
            parameters: 500_000,
            tied: true,
            stored_dtype: "f32".to_owned(),
            compute_dtype: "f32".to_owned(),
            kernel: String::new(),
            engine: EngineKind::Native,
            device: "cpu".to_owned(),
            weights_sha256: "0".repeat(64),
            tokenizer_sha256: "0".repeat(64),
            config_sha256: "0".repeat(64),
            revision: None,
        },
        corpus: CorpusInfo {
            name: corpus.name.clone(),
            sha256: corpus.sha256.clone(),
            lines: corpus.len(),
            languages: corpus.languages.clone(),
            tokens: 240,
            notes: corpus.notes.clone(),
        },
        capture: CaptureInfo {
            layers: (0..=LAYERS).collect(),
            layer_convention: "0 = embeddings, l = after block l".to_owned(),
            post_final_norm: false,
            site: "resid_post".to_owned(),
            pooling: "mean".to_owned(),
            include_bos: false,
            skip_first: 0,
        },
        align: Some(AlignInfo {
            chance_mexa: align.chance_mexa,
            chance_recall: align.chance_recall,
            seed: 0,
            notes: Vec::new(),
        }),
        measured: Vec::new(),
        map: None,
        lens: lens
            .iter()
            .map(|l| LensInfo {
                text: l.text.clone(),
                layers: l.layers.clone(),
                languages: l.languages.clone(),
                language_rule: l.language_rule.clone(),
                scripts: l.scripts.clone(),
            })
            .collect(),
        notes: vec!["the sentences are made up".to_owned()],
        files: Vec::new(),
    }
}
