//! Reports with known values, for tests of figures.

use babelscope_core::tokens::Piece;
use babelscope_probes::{
    align::{AlignCell, AlignReport, Centring, Estimate},
    lens::{Candidate, LensCell, LensReport},
};

use super::Source;

pub(super) fn source() -> Source {
    Source { model: "tiny".to_owned(), corpus: "UDHR".to_owned() }
}

/// Curves that rise to the middle and fall, each language lower than the one before it; layers 0..=`blocks`.
pub(super) fn alignment(languages: &[&str], blocks: usize, n: usize) -> AlignReport {
    let estimate = |value: f64| Estimate { value, low: (value - 0.06).max(0.0), high: (value + 0.06).min(1.0) };
    let mut cells = Vec::new();
    for (rank, language) in languages.iter().enumerate() {
        for layer in 0..=blocks {
            for centring in [Centring::Raw, Centring::Language] {
                let place = layer as f64 / blocks as f64;
                let height = 1.0 - rank as f64 / languages.len() as f64;
                let hill = height * (0.1 + 0.9 * (std::f64::consts::PI * place.powf(0.8)).sin());
                let value = if centring == Centring::Raw { 0.6 * hill } else { hill };
                cells.push(AlignCell {
                    language: (*language).to_owned(),
                    pivot: "eng_Latn".to_owned(),
                    layer,
                    centring,
                    mexa: estimate(value),
                    recall_from_pivot: estimate(value),
                    recall_to_pivot: estimate(value),
                    cosine_gap: 0.1,
                    cosine_wrong: 0.5,
                    n,
                    outcomes: Vec::new(),
                });
            }
        }
    }
    let chance_mexa = 1.0 / (2.0 * n as f64 - 1.0);
    AlignReport { cells, chance_mexa, chance_recall: 1.0 / n as f64, ..AlignReport::default() }
}

/// Codes of languages that no registry knows.
pub(super) fn codes(count: usize) -> Vec<String> {
    let letter = |i: usize| char::from(b'a' + u8::try_from(i % 26).unwrap());
    (0..count).map(|i| format!("{}{}{}_Latn", ['x', 'y', 'z'][i / 676 % 3], letter(i / 26), letter(i))).collect()
}

fn candidate(piece: Piece, probability: f32, language: Option<u16>) -> Candidate {
    Candidate { id: 0, piece, probability, language }
}

fn grid(tokens: Vec<Piece>, said: &[Piece], blocks: usize) -> LensReport {
    let layers: Vec<usize> = (0..=blocks).collect();
    let cell = |layer: usize, token: usize| {
        let probability = (layer as f32 + 0.5) / (blocks as f32 + 1.0);
        let language = u16::try_from((layer + token) % 4).ok().filter(|l| *l < 3);
        LensCell {
            top: vec![candidate(said[(layer + token) % said.len()].clone(), probability, language)],
            entropy: 1.0,
            rank_of_final: 1,
            probability_of_final: probability,
            kl_from_final: 0.0,
            language_mass: Vec::new(),
            script_mass: Vec::new(),
        }
    };
    let cells = layers.iter().map(|&l| (0..tokens.len()).map(|t| cell(l, t)).collect()).collect();
    let visible = |piece: &Piece| match piece {
        Piece::Text(s) | Piece::Marks(s) | Piece::Blank(s) => s.clone(),
        Piece::Word(s) => format!(" {s}"),
        Piece::Special(_) | Piece::Bytes(_) => String::new(),
    };
    LensReport {
        text: tokens.iter().map(visible).collect::<String>().trim().to_owned(),
        spans: vec![(0, 0); tokens.len()],
        tokens: tokens.into_iter().map(|piece| candidate(piece, 1.0, None)).collect(),
        layers,
        cells,
        languages: ["eng_Latn", "arb_Arab", "hin_Deva"].map(str::to_owned).to_vec(),
        language_rule: "tokens seen in only this language of corpus UDHR".to_owned(),
        scripts: Vec::new(),
    }
}

/// A text of these words, every cell saying one of them.
pub(super) fn lens(words: &[&str], blocks: usize) -> LensReport {
    let pieces: Vec<_> = words.iter().map(|w| Piece::Word((*w).to_owned())).collect();
    grid(pieces.clone(), &pieces, blocks)
}

/// One token of each script and of each kind.
pub(super) fn every_script() -> LensReport {
    let words = "cat Ẹ káàárọ̀ Đường кошка γάτα القطة خوابیده ٹھیک הַחֲתוּלָה क्षत्रिय द्ध বিড়াল பூனை கொக்கு పిల్లి ಬೆಕ್ಕು പൂച്ച બિલાડી \
                 ਬਿੱਲੀ ବିଲେଇ පූසා แมว น้ำ ແມວ ဆြ မြန်မာ ស្រី སྒྲུབ ድመቷ კატა կատու ⵜⴰⵎⴰⵣⵉⵖⵜ 猫 貓 ネコ 고양이 ܫܠܡܐ ދިވެހި ߒߞߏ 𞤆𞤵𞤤𞤢𞤪 ᱥᱟᱱᱛᱟᱲᱤ ꯃꯤꯇꯩ ᏣᎳᎩ";
    let mut pieces: Vec<Piece> = words.split_whitespace().map(|w| Piece::Word(w.to_owned())).collect();
    let own = ToOwned::to_owned;
    pieces.extend([
        Piece::Special(own("<s>")),
        Piece::Bytes(vec![0xE0, 0xA4]),
        Piece::Bytes(vec![0xF0, 0x9F, 0x98, 0x80]),
        Piece::Marks(own("ि")),
        Piece::Marks(own("\u{64E}")),
        Piece::Marks(own("\u{E48}")),
        Piece::Text(own("्र")),
        Piece::Blank(own(" \n")),
        Piece::Blank(own("\u{200D}")),
        Piece::Text(own("،")),
        Piece::Text(own("12")),
        Piece::Word(own("internationalisation")),
        Piece::Word(own("الاستقلاليةوالحرية")),
    ]);
    grid(pieces.clone(), &pieces, 2)
}
