//! Whether the edits of a plan fit the model, the sentences and each other, before anything is computed.

use super::step;
use crate::{
    Error, Result,
    applied::norm,
    capture::{missing, sites, width},
    dtype::Dtype,
    model::Config,
    plan::{Blocks, Edit, Op, Plan, Point, Positions, Schedule, Site, Unit, Vector},
    tokens::Encoded,
};

/// # Errors
/// [`Error::Plan`] with the edit's number in the plan, counted from 0, its op and its place.
pub(crate) fn check(plan: &Plan, config: &Config, sentences: &[Encoded]) -> Result<()> {
    for (index, edit) in plan.edits.iter().enumerate() {
        check_place(edit, config)
            .and_then(|()| check_schedule(edit))
            .and_then(|()| check_op(edit, config))
            .and_then(|()| check_reach(edit, sentences))
            .map_err(|why| {
                let name = Point::NAMES.iter().find(|(point, _)| *point == edit.point).map_or("?", |(_, name)| *name);
                Error::Plan { why: format!("edit {index} ({} at {name}): {why}", edit.op.name()) }
            })?;
    }
    Ok(())
}

type Checked = std::result::Result<(), String>;

fn check_place(edit: &Edit, config: &Config) -> Checked {
    let point = edit.point;
    let exists = |block: usize| match missing(Site::new(point, block), config) {
        _ if block == 0 || block > config.layers => {
            Err(format!("block {block}: the model has blocks 1 to {}", config.layers))
        }
        Some(why) => Err(why),
        None => Ok(()),
    };
    match (&edit.blocks, point.in_block()) {
        (Blocks::All, false) => missing(Site::new(point, 0), config).map_or(Ok(()), Err),
        (_, false) => Err("the place lies outside of the blocks; leave `blocks` out".to_owned()),
        (Blocks::All, true) if sites(config).iter().any(|site| site.point == point) => Ok(()),
        (Blocks::All, true) => exists(1),
        (Blocks::List(blocks), true) if blocks.is_empty() => Err("the list of blocks is empty".to_owned()),
        (Blocks::List(blocks), true) => blocks.iter().try_for_each(|block| exists(*block)),
        (Blocks::Range { first, last }, true) if first > last => {
            Err(format!("the range of blocks begins at {first} and ends at {last}"))
        }
        // The ends first: a range may be longer than any model.
        (Blocks::Range { first, last }, true) => {
            exists(*first).and_then(|()| exists(*last)).and_then(|()| (*first..=*last).try_for_each(exists))
        }
    }
}

fn check_op(edit: &Edit, config: &Config) -> Checked {
    let point = edit.point;
    let attention = matches!(point, Point::AttnScores | Point::AttnProbs);
    if attention != matches!(edit.op, Op::Cut { .. }) {
        return Err(if attention {
            "the place holds a square for each head, where `cut` alone applies".to_owned()
        } else {
            "edges are cut at attn_scores or attn_probs".to_owned()
        });
    }
    let width = width(point, config);
    let heads = if matches!(point, Point::K | Point::V) { config.kv_heads } else { config.heads };
    match &edit.op {
        Op::Add { vector, coefficient, unit, keep_norm } => {
            fits("the vector", vector, width)?;
            finite("the coefficient", *coefficient)?;
            if let Unit::Norm(length) = unit {
                direction("the vector", vector)?;
                if !(length.is_finite() && *length > 0.0) {
                    return Err(format!("the norm is {length}, expected a positive number"));
                }
            }
            let most = edit.schedule.as_ref().map_or(1.0, Schedule::largest);
            let added = step(vector, *coefficient, *unit).iter().fold(0f32, |top, x| top.max((most * x).abs()));
            if !added.is_finite() {
                return Err("the coefficient times the vector is beyond f32".to_owned());
            }
            // Rescaled to the norm of before, a sum is no larger than a state was.
            if config.compute == Dtype::F16 && added > LARGEST_F16 && !keep_norm && feeds_products(point) {
                return Err(format!(
                    "up to {added} is added to one number. The stream is f32 and holds it, but products read their \
                     operands in f16, whose largest number is {LARGEST_F16}: one that reads it would read infinity. \
                     Lower the coefficient, or load the model in bf16 or f32"
                ));
            }
            Ok(())
        }
        Op::Ablate { direction: d } => fits("the direction", d, width).and_then(|()| direction("the direction", d)),
        Op::Clamp { direction: d, value } => {
            fits("the direction", d, width)?;
            direction("the direction", d)?;
            finite("the value", *value)
        }
        Op::Replace { rows } if rows.is_empty() => Err("there are no rows".to_owned()),
        Op::Replace { rows } => rows.iter().try_for_each(|row| fits("a row", row, width)),
        Op::Scale { neurons, factor } => {
            finite("the factor", *factor)?;
            distinct("neurons", neurons)?;
            below("neuron", neurons, width)
        }
        Op::ScaleHeads { heads: which, factor } => {
            if !matches!(point, Point::Q | Point::K | Point::V | Point::Z) {
                return Err("heads stand side by side at q, k, v and z alone".to_owned());
            }
            finite("the factor", *factor)?;
            distinct("heads", which)?;
            below("head", which, heads)
        }
        Op::Cut { heads: None, .. } => Ok(()),
        Op::Cut { heads: Some(which), .. } => distinct("heads", which).and_then(|()| below("head", which, heads)),
    }
}

/// The largest number of f16.
const LARGEST_F16: f32 = 65504.0;

/// Whether a product with weights reads the numbers of a place, or sums and pointwise functions of them. In families that norm what a
/// product reads, the stream itself is never rounded; it is held to the same bound there, as the norm is no promise of a plan.
/// Scores and routing are f32 throughout, and nothing reads the logits.
fn feeds_products(point: Point) -> bool {
    !matches!(point, Point::Q | Point::K | Point::RouterLogits | Point::RouterWeights | Point::Logits)
}

fn check_schedule(edit: &Edit) -> Checked {
    let Some(schedule) = &edit.schedule else { return Ok(()) };
    if !matches!(edit.op, Op::Add { .. }) {
        return Err(
            "a schedule multiplies the coefficient of `add`, and this op has none; leave `schedule` out".to_owned()
        );
    }
    match schedule {
        Schedule::First(_) => Ok(()),
        Schedule::Halving(0) => Err("the schedule halves after 0 steps, expected at least 1".to_owned()),
        Schedule::Halving(_) => Ok(()),
        Schedule::Linear { to, .. } => finite("the factor at the end of the schedule", *to),
        Schedule::Factors(factors) if factors.is_empty() => Err("the schedule has no factors".to_owned()),
        Schedule::Factors(factors) => factors.iter().try_for_each(|factor| finite("a factor of the schedule", *factor)),
    }
}

fn check_reach(edit: &Edit, sentences: &[Encoded]) -> Checked {
    if let Some(which) = &edit.sentences {
        distinct("sentences", which)?;
        below("sentence", which, sentences.len())?;
    }
    check_form(&edit.positions)?;
    if let Op::Cut { keys, .. } = &edit.op {
        check_form(keys)?;
    }
    for (index, sentence) in sentences.iter().enumerate().filter(|(index, _)| edit.is_in(*index)) {
        check_inside(&edit.positions, sentence).map_err(|why| format!("sentence {index} {why}"))?;
        match &edit.op {
            Op::Cut { keys, .. } => check_inside(keys, sentence).map_err(|why| format!("sentence {index} {why}"))?,
            Op::Replace { rows } if rows.len() > 1 => {
                let places = places(&edit.positions, sentence)?;
                if places != rows.len() {
                    return Err(format!(
                        "sentence {index} has {places} such positions, and there are {} rows",
                        rows.len()
                    ));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_form(positions: &Positions) -> Checked {
    match positions {
        Positions::List(list) | Positions::FromEnd(list) => distinct("positions", list),
        Positions::Range { first, last } if first > last => {
            Err(format!("the range of positions begins at {first} and ends at {last}"))
        }
        _ => Ok(()),
    }
}

fn check_inside(positions: &Positions, sentence: &Encoded) -> Checked {
    let tokens = sentence.ids.len();
    let beyond =
        |position: usize| format!("has tokens 0 to {}, and position {position} is asked for", tokens.saturating_sub(1));
    match positions {
        Positions::List(list) => list.iter().find(|p| **p >= tokens).map_or(Ok(()), |p| Err(beyond(*p))),
        Positions::Range { last, .. } if *last >= tokens => Err(beyond(*last)),
        Positions::FromEnd(list) => match list.iter().find(|back| !(1..=tokens).contains(*back)) {
            Some(back) => {
                Err(format!("has {tokens} tokens, and number {back} from the end is asked for (1 is the last)"))
            }
            None => Ok(()),
        },
        Positions::From(first) if *first > tokens => Err(format!(
            "has {tokens} tokens, and positions from {first} on are asked for; from {tokens} on are the generated ones"
        )),
        Positions::FirstContent if sentence.bos >= tokens => Err("has no token behind BOS".to_owned()),
        _ => Ok(()),
    }
}

/// How many positions of a sentence are meant.
fn places(positions: &Positions, sentence: &Encoded) -> std::result::Result<usize, String> {
    match positions {
        Positions::List(list) | Positions::FromEnd(list) => Ok(list.len()),
        Positions::Range { first, last } => Ok(last - first + 1),
        Positions::Prompt => Ok(sentence.ids.len()),
        Positions::Last | Positions::FirstContent => Ok(1),
        Positions::All | Positions::Content | Positions::Generated | Positions::From(_) => {
            Err("several rows need positions whose number is known beforehand: list, from_end, range or prompt"
                .to_owned())
        }
    }
}

fn fits(what: &str, vector: &Vector, width: usize) -> Checked {
    if vector.len() != width {
        return Err(format!("{what} has {} numbers, the place has {width}", vector.len()));
    }
    match vector.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(format!("{what} holds {} at {at}, expected finite numbers", vector[at])),
        None => Ok(()),
    }
}

fn direction(what: &str, vector: &Vector) -> Checked {
    if norm(vector) > 0.0 { Ok(()) } else { Err(format!("{what} is zero, so it points nowhere")) }
}

fn finite(what: &str, number: f32) -> Checked {
    if number.is_finite() { Ok(()) } else { Err(format!("{what} is {number}, expected a finite number")) }
}

fn distinct(what: &str, numbers: &[usize]) -> Checked {
    if numbers.is_empty() {
        return Err(format!("the list of {what} is empty"));
    }
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("the list of {what} names {} twice", pair[0])),
        None => Ok(()),
    }
}

fn below(what: &str, numbers: &[usize], count: usize) -> Checked {
    match numbers.iter().find(|number| **number >= count) {
        Some(number) => Err(format!("{what} {number} is asked for, there are 0 to {}", count.saturating_sub(1))),
        None => Ok(()),
    }
}
