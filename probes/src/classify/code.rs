//! The online code: how many bits it takes to send the classes to someone who has the states and trains the same probe.
//!
//! The sentences come in a random order, cut at fractions of 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.25, 12.5, 25, 50 and 100 % (Voita and Titov
//! 2020, section 3.2; sentences of one cut coincide where there are few). The first block is sent with `log2 K` bits a row; every later
//! one with `-log2 p(class)` under the probe trained on all rows before it, its penalty chosen on those rows alone:
//!
//! `codelength = t_1 log2 K - sum_i sum_(rows of block i + 1) log2 p_i(y | x)`, `compression = n log2 K / codelength`.
//!
//! Blocks are whole groups of sentences. The probability is mixed with a uniform one (see [`bits`]), which keeps the code finite where a
//! class comes for the first time.

use rayon::prelude::*;

use super::{
    deal::Split,
    validate::{Bench, bits},
};
use crate::Result;

/// Bits of the classes of one task at one layer.
pub(crate) struct Code {
    pub(crate) online: f64,
    /// Without any probe.
    pub(crate) uniform: f64,
}

/// The length of the online code and of the uniform one.
///
/// # Errors
/// Cancelled; principal components that are not found.
pub(crate) fn code(bench: &Bench<'_>, blocks: &[Split]) -> Result<Code> {
    let classes = bench.task.classes.len();
    let each = (classes as f64).log2();
    let block = |split: &Split| -> Result<f64> {
        let (train, test) = (bench.rows_of(&split.train), bench.rows_of(&split.test));
        if train.is_empty() {
            return Ok(test.len() as f64 * each);
        }
        let (inputs, tests) = bench.inputs(&train, &test)?;
        let inner = split.inner.repeat(bench.task.languages.len());
        let chosen = bench.choose(inputs.as_ref(), &bench.truth(&train), &inner)?;
        let probabilities = chosen.calm().probabilities(tests.as_ref());
        let sent = bench.truth(&test).into_iter().zip(probabilities.outer_iter());
        Ok(-sent.map(|(class, p)| bits(p[class as usize], train.len(), classes)).sum::<f64>())
    };
    let lengths: Vec<f64> = blocks.par_iter().map(block).collect::<Result<_>>()?;
    Ok(Code { online: lengths.iter().sum(), uniform: bench.task.truth.len() as f64 * each })
}
