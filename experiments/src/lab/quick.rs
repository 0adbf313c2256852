use anyhow::Result;
use candle_core::Tensor;
use super::{languages, model::{Batch, Model}, tokenizer, world::held_out};
use tokenizers::Tokenizer;

pub fn pooled(model: &Model, tok: &Tokenizer, code: &str, n: usize) -> Result<Vec<Vec<Vec<f32>>>> {
    let lang = languages::find(code).unwrap();
    let mut out: Vec<Vec<Vec<f32>>> = vec![vec![]; model.shape.layers + 1];
    for m in held_out(0, n) {
        let mut ids = vec![0];
        ids.extend(tokenizer::ids(tok, &languages::sentence(lang, &m))?);
        let length = ids.len();
        for (l, s) in model.states(&Batch { ids, length })?.iter().enumerate() {
            let v: Vec<f32> = s.narrow(0, 1, length - 1)?.mean(0)?.to_vec1()?;
            out[l].push(v);
        }
    }
    Ok(out)
}
fn norm(v: &[Vec<f32>], centre: bool) -> Result<Tensor> {
    let t = Tensor::new(v.to_vec(), &candle_core::Device::Cpu)?;
    let t = if centre { t.broadcast_sub(&t.mean_keepdim(0)?)? } else { t };
    Ok(t.broadcast_div(&t.sqr()?.sum_keepdim(1)?.sqrt()?)?)
}
pub fn mexa(a: &[Vec<f32>], b: &[Vec<f32>], centre: bool) -> Result<f64> {
    let s: Vec<Vec<f32>> = norm(a, centre)?.matmul(&norm(b, centre)?.t()?)?.to_vec2()?;
    let n = s.len();
    let hit = (0..n).filter(|&i| (0..n).all(|j| j == i || (s[i][i] > s[i][j] && s[i][i] > s[j][i]))).count();
    Ok(hit as f64 / n as f64)
}
pub fn table(model: &Model, tok: &Tokenizer, n: usize) -> Result<String> {
    let mut text = String::new();
    let en = pooled(model, tok, "eng_Latn", n)?;
    for l in &languages::ALL[1..] {
        let x = pooled(model, tok, l.code, n)?;
        text += l.code;
        for (a, b) in en.iter().zip(&x) { text += &format!("  {:.3}/{:.3}", mexa(a, b, false)?, mexa(a, b, true)?); }
        text += "\n";
    }
    Ok(text)
}
