//! Prompts under many sets of edits at once: each set changes its own copies of the prompts.

use std::ops::ControlFlow;

use babelscope_core::{
    engine::Engine,
    generate::{Generate, Generated},
    monitor::Monitor,
    plan::{Edit, Plan},
    tokens::Encoded,
};

use crate::Result;

/// Sequences of one call: the engine looks up for each of them which edits are its own.
const TOGETHER: usize = 256;

/// Prompts and what is done while they go on.
pub(super) struct Set {
    pub(super) prompts: Vec<Encoded>,
    pub(super) edits: Vec<Edit>,
}

/// What each set's prompts become; where a state overflowed, the sentence that says so.
pub(super) fn speak(
    engine: &Engine,
    sets: &[Set],
    options: &Generate,
    monitor: &Monitor,
) -> Result<Vec<std::result::Result<Vec<Generated>, String>>> {
    let mut spoken = Vec::with_capacity(sets.len());
    while spoken.len() < sets.len() {
        let mut sequences = 0;
        let rest = &sets[spoken.len()..];
        let fits = rest.iter().take_while(|set| {
            sequences += set.prompts.len();
            sequences <= TOGETHER
        });
        let group = &rest[..fits.count().max(1)];
        match together(engine, group, options, monitor) {
            Ok(outputs) => spoken.extend(outputs.into_iter().map(Ok)),
            Err(crate::Error::Core(babelscope_core::Error::Cancelled)) => {
                return Err(babelscope_core::Error::Cancelled.into());
            }
            // One set that is too strong must not silence the others.
            Err(_) => {
                for set in group {
                    spoken.push(match together(engine, std::slice::from_ref(set), options, monitor) {
                        Ok(outputs) => Ok(outputs.into_iter().flatten().collect()),
                        Err(e @ crate::Error::Core(babelscope_core::Error::Cancelled)) => return Err(e),
                        // Without an edit nothing can be too strong: the prompts themselves cannot be continued.
                        Err(e) if set.edits.is_empty() => return Err(e),
                        Err(e) => Err(e.to_string()),
                    });
                }
            }
        }
    }
    Ok(spoken)
}

fn together(engine: &Engine, sets: &[Set], options: &Generate, monitor: &Monitor) -> Result<Vec<Vec<Generated>>> {
    let prompts: Vec<Encoded> = sets.iter().flat_map(|set| set.prompts.iter().cloned()).collect();
    let mut edits = Vec::new();
    let mut first = 0;
    for set in sets {
        let own: Vec<usize> = (first..first + set.prompts.len()).collect();
        edits.extend(set.edits.iter().map(|edit| Edit { sentences: Some(own.clone()), ..edit.clone() }));
        first += set.prompts.len();
    }
    let plan = Plan { edits, ..Plan::default() };
    let mut go_on = |_: babelscope_core::generate::Step<'_>| ControlFlow::Continue(());
    let all = engine.generate(&prompts, options, &plan, &mut go_on, &monitor.quiet())?.sequences;
    let mut rest = all.into_iter();
    Ok(sets.iter().map(|set| rest.by_ref().take(set.prompts.len()).collect()).collect())
}

#[cfg(test)]
mod tests {
    use babelscope_core::{
        engine::LoadOptions,
        plan::{Op, Site, Unit},
    };

    use super::*;

    fn add(coefficient: f32) -> Edit {
        let vector = vec![1.0; 128].into();
        Edit::at(Site::layer(2), Op::Add { vector, coefficient, unit: Unit::Raw, keep_norm: false })
    }

    #[test]
    fn a_set_is_the_same_alone_and_beside_others_and_one_that_overflows_is_said_to() {
        let monitor = Monitor::silent();
        let engine = Engine::load("lab", &LoadOptions::default(), &monitor).unwrap();
        let prompts = engine.tokenizer().encode_all(&["Anna lives", "Who has"]).unwrap();
        let set = |edits: Vec<Edit>| Set { prompts: prompts.clone(), edits };
        let options = Generate { max_new_tokens: 5, ..Generate::default() };
        let sets = [set(Vec::new()), set(vec![add(2.0)]), set(vec![add(3e38), add(3e38)])];
        let found = speak(&engine, &sets, &options, &monitor).unwrap();
        assert!(found[2].is_err(), "{:?}", found[2]);
        for (set, found) in sets.iter().zip(&found).take(2) {
            let alone = speak(&engine, std::slice::from_ref(set), &options, &monitor).unwrap();
            assert_eq!(alone[0].as_ref().unwrap(), found.as_ref().unwrap());
        }
        assert_ne!(found[0], found[1]);
    }
}
