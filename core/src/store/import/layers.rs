//! Which layer each tensor of a file is: known from its name, said by the caller, or refused.

use candle_core::DType;

use super::{Choice, LayerOf, Part, fail, files::Foreign};
use crate::{
    Result,
    plan::{Point, Site},
};

/// The tensor that holds token ids.
pub(super) const TOKEN_IDS: &str = "token_ids";

/// The layers of a file, with its number of rows and their width.
pub(super) struct Layers {
    pub(super) parts: Vec<Part>,
    pub(super) rows: usize,
    pub(super) width: usize,
    pub(super) dtype: DType,
}

impl Layers {
    pub(super) fn of(file: &Foreign, choice: &Choice) -> Result<Self> {
        let refuse = |why: String| fail(&file.path, why);
        if let Some(name) = choice.tensors.iter().find(|name| !file.tensors.contains_key(*name)) {
            let there: Vec<&str> = file.tensors.keys().map(String::as_str).collect();
            return Err(refuse(format!("there is no tensor {name}; there are {}", there.join(", "))));
        }
        let chosen = |name: &str| choice.tensors.is_empty() || choice.tensors.iter().any(|tensor| tensor == name);
        let mut states: Vec<(&String, &Vec<usize>, DType)> = (file.tensors.iter())
            .filter(|(name, (_, dtype))| chosen(name) && *name != TOKEN_IDS && dtype.is_float())
            .map(|(name, (shape, dtype))| (name, shape, *dtype))
            .collect();
        // layer.10 comes behind layer.9.
        states.sort_by_key(|(name, ..)| numbers(name));
        let Some((first, shape, dtype)) = states.first().cloned() else {
            return Err(refuse("no tensor of floating-point numbers was found".to_owned()));
        };
        let (parts, rows, width) = match (shape.as_slice(), states.len()) {
            ([_, _, _], 1) => stack(file, choice, first, shape)?,
            ([_, _], _) => {
                if let Some((name, other, _)) = states.iter().find(|(_, other, _)| *other != shape) {
                    return Err(refuse(format!(
                        "{first} has the shape {shape:?} and {name} {other:?}; choose some with --tensor"
                    )));
                }
                let names: Vec<&str> = states.iter().map(|(name, ..)| name.as_str()).collect();
                (named(file, choice, &names)?, shape[0], shape[1])
            }
            (_, count) => {
                let why = format!(
                    "{first} has the shape {shape:?} and is one of {count} tensors; expected one [layers, rows, width], or one \
                     [rows, width] for each layer; choose with --tensor, or pool and reshape"
                );
                return Err(refuse(why));
            }
        };
        if let Some((name, _, other)) = states.iter().find(|(_, _, other)| *other != dtype) {
            return Err(refuse(format!("{first} is {dtype:?} and {name} is {other:?}; expected one number format")));
        }
        let mut parts = parts;
        parts.sort_by_key(|part| part.site);
        if let Some(pair) = parts.windows(2).find(|pair| pair[0].site == pair[1].site) {
            return Err(refuse(format!(
                "{} comes twice, from {} and {}",
                pair[0].site, pair[0].tensor, pair[1].tensor
            )));
        }
        Ok(Self { parts, rows, width, dtype })
    }
}

/// One tensor of three dimensions.
fn stack(file: &Foreign, choice: &Choice, name: &str, shape: &[usize]) -> Result<(Vec<Part>, usize, usize)> {
    let refuse = |why: String| fail(&file.path, why);
    // What vLLM writes: tokens first.
    let usual = usize::from(file.tensors.contains_key(TOKEN_IDS) && name == "hidden_states");
    let axis = choice.layer_axis.unwrap_or(usual);
    if axis > 1 {
        return Err(refuse(format!(
            "--layer-axis {axis}: expected 0 for [layers, rows, width] or 1 for [rows, layers, width]"
        )));
    }
    let count = shape[axis];
    let numbers: Vec<usize> = match (choice.layers.as_slice(), choice.layer_of) {
        ([], None) => return Err(refuse(format!("{name} holds {count} layers, and nothing says which; {SAY}"))),
        ([], Some(_)) => (0..count).collect(),
        (some, _) if some.len() == count => some.to_vec(),
        (some, _) => {
            let other = shape[1 - axis];
            let hint = if other == some.len() {
                format!(", but {other} along the other axis; say --layer-axis {}", 1 - axis)
            } else {
                String::new()
            };
            return Err(refuse(format!(
                "{name} holds {count} layers along axis {axis}, {} are named{hint}",
                some.len()
            )));
        }
    };
    // A whole tuple says how many blocks there are.
    let whole = choice.layers.is_empty().then(|| count.saturating_sub(1));
    let sites = sites(choice, &numbers, whole).map_err(refuse)?;
    let part = |(index, site)| Part { site, tensor: name.to_owned(), slice: Some((axis, index)) };
    Ok((sites.into_iter().enumerate().map(part).collect(), shape[1 - axis], shape[2]))
}

/// One tensor of two dimensions for each layer.
fn named(file: &Foreign, choice: &Choice, names: &[&str]) -> Result<Vec<Part>> {
    let refuse = |why: String| fail(&file.path, why);
    let part = |(name, site): (&&str, Site)| Part { site, tensor: (*name).to_owned(), slice: None };
    let known: Vec<Site> = names.iter().filter_map(|name| name.parse().ok()).collect();
    if known.len() == names.len() && choice.layers.is_empty() && choice.layer_of.is_none() {
        return Ok(names.iter().zip(known).map(part).collect());
    }
    let indices: Vec<usize> = if let ([_], [one]) = (names, choice.layers.as_slice()) {
        vec![*one]
    } else {
        let mut indices = Vec::with_capacity(names.len());
        for name in names {
            match numbers(name).0.as_slice() {
                [one] => indices.push(*one),
                _ => {
                    return Err(refuse(format!(
                        "no layer can be read from the name {name}; {SAY}, or rename it as `layer.4`"
                    )));
                }
            }
        }
        if !choice.layers.is_empty() && choice.layers != indices {
            return Err(refuse(format!("the names say {indices:?}, --layers says {:?}", choice.layers)));
        }
        indices
    };
    if choice.layer_of.is_none() && choice.layers.is_empty() {
        return Err(refuse(format!("nothing says what the numbers in the names count ({}); {SAY}", names.join(", "))));
    }
    Ok(names.iter().zip(sites(choice, &indices, None).map_err(refuse)?).map(part).collect())
}

const SAY: &str =
    "say --layer-of hidden_states (of transformers), --layer-of layer (0 = embeddings), --layer-of block, or --layers";

/// The sites that numbers mean. `whole`: the blocks of the model, where the numbers are those of a whole tuple.
fn sites(choice: &Choice, numbers: &[usize], whole: Option<usize>) -> std::result::Result<Vec<Site>, String> {
    if let (Some(whole), Some(blocks)) = (whole, choice.blocks)
        && choice.layer_of == Some(LayerOf::HiddenStates)
        && whole != blocks
    {
        return Err(format!("{} hidden_states were found, a model of {blocks} blocks has {}", whole + 1, blocks + 1));
    }
    let site = |number: &usize| match choice.layer_of.unwrap_or(LayerOf::Layer) {
        LayerOf::Layer => Ok(Site::layer(*number)),
        LayerOf::Block => Ok(Site::layer(number + 1)),
        LayerOf::HiddenStates => {
            let blocks = whole.or(choice.blocks).ok_or(
                "the last of hidden_states is behind the final norm, and nothing says which is the last; say --blocks, the number \
                 of blocks of the model (num_hidden_layers)",
            )?;
            match number.cmp(&blocks) {
                std::cmp::Ordering::Less => Ok(Site::layer(*number)),
                std::cmp::Ordering::Equal if choice.no_final_norm => Ok(Site::layer(*number)),
                std::cmp::Ordering::Equal => Ok(Site::new(Point::FinalNorm, 0)),
                std::cmp::Ordering::Greater => {
                    Err(format!("hidden_states[{number}] does not exist in a model of {blocks} blocks"))
                }
            }
        }
    };
    numbers.iter().map(site).collect()
}

/// The whole numbers in a name, then the name.
fn numbers(name: &str) -> (Vec<usize>, &str) {
    let digits = name.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    (digits.filter_map(|part| part.parse().ok()).collect(), name)
}
