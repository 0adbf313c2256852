//! Differentiable operations that candle has no (fast) backward for: RMS norm, causal attention with rotary positions, the gated
//! activation, and the weighted cross entropy. CPU, f32.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Storage, Tensor, bail};
use rayon::prelude::*;

/// Rows of a norm whose gradients are added up by one thread.
const ROWS: usize = 64;

fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let CpuStorage::F32(all) = storage else { bail!("the laboratory trains in f32, got another dtype") };
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&all[from..to]),
        None => bail!("the laboratory's kernels expect contiguous tensors, got {layout:?}"),
    }
}

/// Hands the values of a CPU tensor in f32 to `f` without copying them when they are contiguous.
pub(super) fn with_values<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(f(values(storage, layout)?)),
        _ => bail!("the laboratory trains on the CPU"),
    }
}

/// `y = x / sqrt(mean(x^2) + eps) * g`.
///
/// # Shapes
/// `x` `[rows, width]`, `g` `[width]` to `[rows, width]`.
///
/// # Errors
/// Another dtype than f32, another device than the CPU, or shapes that do not fit.
pub fn rms_norm(x: &Tensor, gain: &Tensor, eps: f32) -> Result<Tensor> {
    x.apply_op2(gain, RmsNorm { eps })
}

struct RmsNorm {
    eps: f32,
}

impl RmsNorm {
    fn scale(&self, row: &[f32]) -> f32 {
        let square: f32 = row.iter().map(|v| v * v).sum();
        1.0 / (square / row.len() as f32 + self.eps).sqrt()
    }
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "lab-rms-norm"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, gain) = (values(s1, l1)?, values(s2, l2)?);
        let mut y = vec![0f32; x.len()];
        y.par_chunks_mut(gain.len()).zip(x.par_chunks(gain.len())).for_each(|(y, x)| {
            let scale = self.scale(x);
            for ((y, x), g) in y.iter_mut().zip(x).zip(gain) {
                *y = x * scale * g;
            }
        });
        Ok((CpuStorage::F32(y), l1.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, gain: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let width = gain.elem_count();
        let (dx, dg) = with_values(x, |x| {
            with_values(gain, |gain| {
                with_values(grad, |grad| {
                    let mut dx = vec![0f32; x.len()];
                    // Blocks of a fixed size, added up in their order: a sum that follows the threads would differ from one
                    // training to the next.
                    let block = width * ROWS;
                    let parts: Vec<Vec<f32>> = dx
                        .par_chunks_mut(block)
                        .zip(x.par_chunks(block).zip(grad.par_chunks(block)))
                        .map(|(dx, (x, grad))| {
                            let mut dg = vec![0f32; width];
                            let rows = dx.chunks_mut(width).zip(x.chunks(width).zip(grad.chunks(width)));
                            for (dx, (x, grad)) in rows {
                                let scale = self.scale(x);
                                let dot: f32 = (0..width).map(|i| grad[i] * gain[i] * x[i]).sum();
                                let back = dot * scale * scale * scale / width as f32;
                                for i in 0..width {
                                    dx[i] = grad[i] * gain[i] * scale - x[i] * back;
                                    dg[i] += grad[i] * x[i] * scale;
                                }
                            }
                            dg
                        })
                        .collect();
                    let dg = parts.into_iter().fold(vec![0f32; width], add);
                    (dx, dg)
                })
            })
        })???;
        let dx = Tensor::from_vec(dx, x.shape(), x.device())?;
        Ok((Some(dx), Some(Tensor::from_vec(dg, width, x.device())?)))
    }
}

fn add(mut a: Vec<f32>, b: Vec<f32>) -> Vec<f32> {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    a
}

/// `silu(gate) * up`.
///
/// # Shapes
/// `[rows, 2 * inner]`, the gate in front, to `[rows, inner]`.
///
/// # Errors
/// Another dtype than f32, another device than the CPU, or shapes that do not fit.
pub fn swiglu(gate_up: &Tensor) -> Result<Tensor> {
    gate_up.apply_op1(SwiGlu)
}

struct SwiGlu;

impl CustomOp1 for SwiGlu {
    fn name(&self) -> &'static str {
        "lab-swiglu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(storage, layout)?;
        let (rows, double) = layout.shape().dims2()?;
        let inner = double / 2;
        let mut y = vec![0f32; rows * inner];
        y.par_chunks_mut(inner).zip(x.par_chunks(double)).for_each(|(y, x)| {
            let (gate, up) = x.split_at(inner);
            for ((y, g), u) in y.iter_mut().zip(gate).zip(up) {
                *y = g / (1.0 + exp(-g)) * u;
            }
        });
        Ok((CpuStorage::F32(y), (rows, inner).into()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (_, double) = x.dims2()?;
        let inner = double / 2;
        let dx = with_values(x, |x| {
            with_values(grad, |grad| {
                let mut dx = vec![0f32; x.len()];
                dx.par_chunks_mut(double).zip(x.par_chunks(double)).zip(grad.par_chunks(inner)).for_each(
                    |((dx, x), grad)| {
                        let (gate, up) = x.split_at(inner);
                        let (dgate, dup) = dx.split_at_mut(inner);
                        for i in 0..inner {
                            let sigmoid = 1.0 / (1.0 + exp(-gate[i]));
                            let silu = gate[i] * sigmoid;
                            dup[i] = grad[i] * silu;
                            dgate[i] = grad[i] * up[i] * (sigmoid + silu * (1.0 - sigmoid));
                        }
                    },
                );
                dx
            })
        })??;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}

/// Causal self-attention with rotary positions (rotation of the two halves of a head, as Hugging Face's Llama does it); every row
/// of the batch is a document of `length` tokens that begins at position 0.
///
/// # Shapes
/// `[documents * length, 3 * width]`, queries, keys, values one after the other, to `[documents * length, width]`.
///
/// # Errors
/// Another dtype than f32, another device than the CPU, or shapes that do not fit.
pub fn attention(qkv: &Tensor, length: usize, heads: usize, theta: f32) -> Result<Tensor> {
    qkv.apply_op1(Attention { length, heads, theta })
}

struct Attention {
    length: usize,
    heads: usize,
    theta: f32,
}

/// One head of one document, positions along the rows; the transposed copies make every inner loop run over adjacent values.
struct Head {
    query: Vec<f32>,
    key: Vec<f32>,
    key_t: Vec<f32>,
    value: Vec<f32>,
    value_t: Vec<f32>,
}

impl Attention {
    /// Cosine and sine of the angle of each position and pair.
    fn angles(&self, half: usize) -> Vec<(f32, f32)> {
        (0..self.length * half)
            .map(|at| {
                let frequency = self.theta.powf(-((at % half) as f32) / half as f32);
                let angle = (at / half) as f32 * frequency;
                (angle.cos(), angle.sin())
            })
            .collect()
    }

    fn head(&self, document: &[f32], head: usize, width: usize, angles: &[(f32, f32)]) -> Head {
        let (length, size) = (self.length, width / self.heads);
        let take = |part: usize, rotate: bool| {
            let mut rows = vec![0f32; length * size];
            for (t, row) in rows.chunks_mut(size).enumerate() {
                let from = t * 3 * width + part * width + head * size;
                row.copy_from_slice(&document[from..from + size]);
                if rotate {
                    turn(row, &angles[t * size / 2..], 1.0);
                }
            }
            rows
        };
        let transpose =
            |rows: &[f32]| (0..length * size).map(|at| rows[(at % length) * size + at / length]).collect::<Vec<f32>>();
        let (query, key, value) = (take(0, true), take(1, true), take(2, false));
        Head { key_t: transpose(&key), value_t: transpose(&value), query, key, value }
    }

    /// Attention of position `at` to those up to it, into `probs[..=at]`.
    fn attend(&self, head: &Head, at: usize, probs: &mut [f32]) {
        let size = head.query.len() / self.length;
        let query = &head.query[at * size..(at + 1) * size];
        let probs = &mut probs[..=at];
        dots(query, &head.key_t, self.length, probs);
        let scale = 1.0 / (size as f32).sqrt();
        let top = probs.iter().fold(f32::MIN, |a, b| a.max(*b));
        let mut sum = 0.0;
        for p in probs.iter_mut() {
            *p = exp((*p - top) * scale);
            sum += *p;
        }
        probs.iter_mut().for_each(|p| *p /= sum);
    }
}

/// `out[j] = sum_c left[c] * right_t[c, j]`.
fn dots(left: &[f32], right_t: &[f32], length: usize, out: &mut [f32]) {
    out.fill(0.0);
    for (c, l) in left.iter().enumerate() {
        for (out, r) in out.iter_mut().zip(&right_t[c * length..]) {
            *out += l * r;
        }
    }
}

/// Rotates the pairs `(i, i + half)` of a row; `way` -1 turns back.
fn turn(row: &mut [f32], angles: &[(f32, f32)], way: f32) {
    let (low, high) = row.split_at_mut(row.len() / 2);
    for ((low, high), (cos, sin)) in low.iter_mut().zip(high).zip(angles) {
        let (x, y, sin) = (*low, *high, sin * way);
        *low = x * cos - y * sin;
        *high = y * cos + x * sin;
    }
}

fn axpy(factor: f32, x: &[f32], y: &mut [f32]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x);
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "lab-attention"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(storage, layout)?;
        let (rows, triple) = layout.shape().dims2()?;
        let (width, size) = (triple / 3, triple / 3 / self.heads);
        let angles = self.angles(size / 2);
        let mut out = vec![0f32; rows * width];
        out.par_chunks_mut(self.length * width).zip(x.par_chunks(self.length * triple)).for_each(|(out, x)| {
            let mut probs = vec![0f32; self.length];
            for h in 0..self.heads {
                let head = self.head(x, h, width, &angles);
                for t in 0..self.length {
                    self.attend(&head, t, &mut probs);
                    let out = &mut out[t * width + h * size..t * width + (h + 1) * size];
                    for (p, v) in probs[..=t].iter().zip(head.value.chunks(size)) {
                        axpy(*p, v, out);
                    }
                }
            }
        });
        Ok((CpuStorage::F32(out), (rows, width).into()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (_, triple) = x.dims2()?;
        let (length, width, size) = (self.length, triple / 3, triple / 3 / self.heads);
        let angles = self.angles(size / 2);
        let scale = 1.0 / (size as f32).sqrt();
        let document = |x: &[f32], grad: &[f32], dx: &mut [f32]| {
            let (mut probs, mut dprobs) = (vec![0f32; length], vec![0f32; length]);
            for h in 0..self.heads {
                let head = self.head(x, h, width, &angles);
                let [mut dq, mut dk, mut dv] = [(); 3].map(|()| vec![0f32; length * size]);
                for t in 0..length {
                    self.attend(&head, t, &mut probs);
                    let up = &grad[t * width + h * size..t * width + (h + 1) * size];
                    dots(up, &head.value_t, length, &mut dprobs[..=t]);
                    let mean: f32 = probs[..=t].iter().zip(&dprobs).map(|(p, d)| p * d).sum();
                    let query = &head.query[t * size..(t + 1) * size];
                    for j in 0..=t {
                        axpy(probs[j], up, &mut dv[j * size..(j + 1) * size]);
                        let dscore = probs[j] * (dprobs[j] - mean) * scale;
                        axpy(dscore, &head.key[j * size..(j + 1) * size], &mut dq[t * size..(t + 1) * size]);
                        axpy(dscore, query, &mut dk[j * size..(j + 1) * size]);
                    }
                }
                for (part, (rows, rotated)) in
                    [(&mut dq, true), (&mut dk, true), (&mut dv, false)].into_iter().enumerate()
                {
                    for (t, row) in rows.chunks_mut(size).enumerate() {
                        if rotated {
                            turn(row, &angles[t * size / 2..], -1.0);
                        }
                        let to = t * triple + part * width + h * size;
                        dx[to..to + size].copy_from_slice(row);
                    }
                }
            }
        };
        let dx = with_values(x, |x| {
            with_values(grad, |grad| {
                let mut dx = vec![0f32; x.len()];
                dx.par_chunks_mut(length * triple)
                    .zip(x.par_chunks(length * triple).zip(grad.par_chunks(length * width)))
                    .for_each(|(dx, (x, grad))| document(x, grad, dx));
                dx
            })
        })??;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}

/// `sum_r w_r (-log softmax(logits_r)[target_r]) / sum_r w_r`: a scalar. The gradient is computed with the value, as both
/// need the same exponentials.
///
/// # Shapes
/// `logits` `[rows, vocabulary]`; one target and one weight a row.
///
/// # Errors
/// Another dtype than f32, another device than the CPU, or shapes that do not fit.
pub fn cross_entropy(logits: &Tensor, targets: Vec<u32>, weights: Vec<f32>) -> Result<Tensor> {
    logits.apply_op1(CrossEntropy { targets, weights, gradient: Mutex::default() })
}

struct CrossEntropy {
    targets: Vec<u32>,
    weights: Vec<f32>,
    gradient: Mutex<Option<Vec<f32>>>,
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "lab-cross-entropy"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(storage, layout)?;
        let (rows, vocabulary) = layout.shape().dims2()?;
        if self.targets.len() != rows || self.weights.len() != rows {
            bail!("cross entropy: {rows} rows, {} targets, {} weights", self.targets.len(), self.weights.len());
        }
        let total: f32 = self.weights.iter().sum();
        let mut gradient = vec![0f32; x.len()];
        let loss: f64 = gradient
            .par_chunks_mut(vocabulary)
            .zip(x.par_chunks(vocabulary))
            .enumerate()
            .map(|(row, (grad, x))| {
                let (weight, target) = (self.weights[row] / total, self.targets[row] as usize);
                if weight == 0.0 {
                    return 0.0;
                }
                let top = x.iter().fold(f32::MIN, |a, b| a.max(*b));
                let mut sum = 0f32;
                for (grad, x) in grad.iter_mut().zip(x) {
                    *grad = exp(x - top);
                    sum += *grad;
                }
                grad.iter_mut().for_each(|g| *g *= weight / sum);
                grad[target] -= weight;
                f64::from(weight) * f64::from(sum.ln() + top - x[target])
            })
            .collect::<Vec<f64>>()
            .iter()
            .sum();
        if let Ok(mut kept) = self.gradient.lock() {
            *kept = Some(gradient);
        }
        Ok((CpuStorage::F32(vec![loss as f32]), Shape::from(())))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let kept = self.gradient.lock().ok().and_then(|mut kept| kept.take());
        let Some(gradient) = kept else { bail!("cross entropy: backward was asked for twice") };
        let gradient = Tensor::from_vec(gradient, x.shape(), x.device())?;
        let factor = f64::from(grad.to_scalar::<f32>()?);
        Ok(Some(if factor == 1.0 { gradient } else { (gradient * factor)? }))
    }
}

/// e^x to about 1e-7 of its value, without a call, so that loops over it become vector instructions.
#[inline]
fn exp(x: f32) -> f32 {
    // 2^(x / ln 2), split into whole and rest; the rest by the Cephes polynomial.
    let x = x.clamp(-87.0, 88.0);
    let whole = (x * std::f32::consts::LOG2_E + 12_582_912.0) - 12_582_912.0;
    let r = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let poly =
        ((((1.987_569_1e-4 * r + 1.398_2e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r + 0.166_666_65) * r + 0.5;
    (poly * r * r + r + 1.0) * f32::from_bits(((whole as i32 + 127) << 23) as u32)
}

#[cfg(test)]
mod tests {
    use candle_core::{D, Device, Var};

    use super::*;

    fn var(shape: &[usize], seed: u32) -> Var {
        let count: usize = shape.iter().product();
        let data: Vec<f32> =
            (0..count).map(|i| ((i as u32 * 2_654_435_761 + seed) as f32 / u32::MAX as f32 - 0.5) * 2.0).collect();
        Var::from_tensor(&Tensor::from_vec(data, shape, &Device::Cpu).unwrap()).unwrap()
    }

    fn apart(a: &Tensor, b: &Tensor) -> f32 {
        (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
    }

    /// Value and gradients of the fast operation equal those of its slow twin written with candle's own operations.
    fn twins(vars: &[&Var], fast: impl Fn() -> Result<Tensor>, slow: impl Fn() -> Result<Tensor>) {
        let (fast, slow) = (fast().unwrap(), slow().unwrap());
        assert!(apart(&fast, &slow) < 1e-5, "values differ by {}", apart(&fast, &slow));
        let weight = var(fast.dims(), 99);
        let grads = |y: &Tensor| y.mul(weight.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
        let (a, b) = (grads(&fast), grads(&slow));
        for v in vars {
            let apart = apart(a.get(v).unwrap(), b.get(v).unwrap());
            assert!(apart < 1e-4, "gradients differ by {apart}");
        }
    }

    #[test]
    fn exp_equals_the_standard_one() {
        for i in -800..800 {
            let x = i as f32 / 10.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 4e-7, "{x}: {} {}", exp(x), x.exp());
        }
    }

    #[test]
    fn the_gain_of_a_norm_is_the_same_whatever_the_threads_do() {
        let (x, g) = (var(&[1000, 32], 3), var(&[32], 4));
        let gradient = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let grads = rms_norm(&x, &g, 1e-5).unwrap().sqr().unwrap().sum_all().unwrap().backward().unwrap();
                grads.get(&g).unwrap().to_vec1::<f32>().unwrap()
            })
        };
        let one = gradient(1);
        for threads in [2, 3, 7] {
            assert_eq!(gradient(threads), one, "{threads} threads");
        }
    }

    #[test]
    fn rms_norm_equals_its_slow_twin() {
        let (x, g) = (var(&[5, 8], 1), var(&[8], 2));
        twins(
            &[&x, &g],
            || rms_norm(&x, &g, 1e-5),
            || {
                let mean = (x.sqr()?.mean_keepdim(D::Minus1)? + 1e-5)?;
                x.broadcast_div(&mean.sqrt()?)?.broadcast_mul(&g)
            },
        );
    }

    #[test]
    fn swiglu_equals_its_slow_twin() {
        let x = var(&[5, 8], 3);
        twins(&[&x], || swiglu(&x), || x.narrow(1, 0, 4)?.silu()?.mul(&x.narrow(1, 4, 4)?));
    }

    #[test]
    fn attention_equals_its_slow_twin() {
        let (documents, length, heads, width) = (2, 5, 2, 8);
        let (half, size) = (2, 4);
        let x = var(&[documents * length, 3 * width], 4);
        let slow = || {
            let angle: Vec<f32> = (0..length * half)
                .map(|i| (i / half) as f32 * 100f32.powf(-((i % half) as f32) / half as f32))
                .collect();
            let angle = Tensor::from_vec(angle, (1, 1, length, half), &Device::Cpu)?;
            let (cos, sin) = (angle.cos()?, angle.sin()?);
            let take = |part: usize| {
                x.narrow(1, part * width, width)?
                    .reshape((documents, length, heads, size))?
                    .transpose(1, 2)?
                    .contiguous()
            };
            let rotate = |x: Tensor| {
                let (a, b) = (x.narrow(3, 0, half)?, x.narrow(3, half, half)?);
                let low = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
                Tensor::cat(&[low, (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?], 3)
            };
            let scores = (rotate(take(0)?)?.matmul(&rotate(take(1)?)?.t()?)? / (size as f64).sqrt())?;
            let mask: Vec<f32> =
                (0..length * length).map(|i| if i % length > i / length { f32::NEG_INFINITY } else { 0.0 }).collect();
            let scores = scores.broadcast_add(&Tensor::from_vec(mask, (length, length), &Device::Cpu)?)?;
            let probs = scores.exp()?.broadcast_div(&scores.exp()?.sum_keepdim(D::Minus1)?)?;
            probs.matmul(&take(2)?)?.transpose(1, 2)?.reshape((documents * length, width))
        };
        twins(&[&x], || attention(&x, length, heads, 100.0), slow);
    }

    #[test]
    fn cross_entropy_equals_its_slow_twin() {
        let x = var(&[3, 6], 5);
        let slow = || {
            let log = x.exp()?.broadcast_div(&x.exp()?.sum_keepdim(1)?)?.log()?;
            let pick = Tensor::new(&[[1u32], [5], [0]], &Device::Cpu)?;
            let weights = Tensor::new(&[[1f32], [0.5], [0.0]], &Device::Cpu)?;
            (log.gather(&pick, 1)?.mul(&weights)?.sum_all()? / -1.5)?.reshape(())
        };
        twins(&[&x], || cross_entropy(&x, vec![1, 5, 0], vec![1.0, 0.5, 0.0]), slow);
    }
}
