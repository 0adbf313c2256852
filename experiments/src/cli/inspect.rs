//! `babelscope inspect MODEL`.

use std::path::PathBuf;

use anyhow::Result;
use babelscope::inspect::Report;
use babelscope_core::{dtype::Dtype, engine::LoadOptions};
use clap::Args;

use crate::terminal::{self, table::Table};

#[derive(Args)]
pub(super) struct Arguments {
    /// `lab` (embedded), a folder with config.json, tokenizer.json and safetensors, or a Hub id in the local cache
    model: String,
    /// Revision of a Hub id
    #[arg(long)]
    revision: Option<String>,
    /// Number format of the operands of matrix products: f32 (default), bf16, f16
    #[arg(long)]
    dtype: Option<Dtype>,
    /// An option of config.json that is not known here and that you know to change no number
    #[arg(long, value_name = "KEY")]
    ignore_option: Vec<String>,
    /// Parallel sentences: say what reading them would cost
    #[arg(long, value_name = "CORPUS")]
    corpus: Option<PathBuf>,
    /// Only the first lines of the corpus; 0 is all
    #[arg(long, default_value_t = 0, value_name = "LINES")]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn main(arguments: &Arguments) -> Result<()> {
    let options = LoadOptions {
        revision: arguments.revision.clone(),
        dtype: arguments.dtype,
        ignore_options: arguments.ignore_option.clone(),
        ..LoadOptions::default()
    };
    let corpus = arguments.corpus.as_deref().map(|path| (path, arguments.limit));
    let report = Report::of(&arguments.model, &options, corpus)?;
    if arguments.json {
        terminal::print(&serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    terminal::print(&model(&report));
    terminal::print(&format!("\n{}", sites(&report)));
    terminal::print(&format!("\n{}", needs(&report)));
    Ok(())
}

fn model(report: &Report) -> String {
    let m = &report.model;
    let mut table = Table::new(["model".to_owned(), m.reference.clone()]);
    if let Some(revision) = &m.revision {
        table.row(["revision", revision]);
    }
    let kind = if m.causal { "decoder" } else { "encoder" };
    let heads = if m.kv_heads == m.heads { String::new() } else { format!(", {} for keys and values", m.kv_heads) };
    let experts = m.experts.map_or_else(
        || format!("feed-forward part of {}", m.intermediate),
        |(count, chosen)| format!("{count} experts of {} ({chosen} a token)", m.intermediate),
    );
    table.row(["family".to_owned(), format!("{}, {kind}", m.family)]);
    table.row(["blocks".to_owned(), format!("{} of width {}, {experts}", m.layers, m.width)]);
    table.row(["heads".to_owned(), format!("{} of width {}{heads}", m.heads, m.head_dim)]);
    table.row(["context".to_owned(), format!("{} tokens", m.context)]);
    let tied = if m.tied { ", tied" } else { "" };
    table.row(["vocabulary".to_owned(), format!("{} rows{tied}; the tokenizer has {}", m.vocabulary, m.tokens)]);
    let files = if m.files == 1 { "file" } else { "files" };
    let disk = format!("{} in {} {files}, {}", size(m.file_bytes), m.files, m.stored_dtype);
    table.row(["parameters".to_owned(), format!("{} ({disk})", count(m.parameters))]);
    table.row(["chat template", if m.chat_template { "yes" } else { "no" }]);
    table.to_string()
}

fn sites(report: &Report) -> String {
    let mut table = Table::new(["site", "blocks", "shape"]);
    for site in &report.model.sites {
        let shape =
            site.width.map_or_else(|| format!("[{}, n, n]", report.model.heads), |width| format!("[n, {width}]"));
        table.row([site.name.clone(), ranges(&site.blocks), shape]);
    }
    format!("{table}\nn = the tokens of a sentence")
}

fn needs(report: &Report) -> String {
    let mut table = Table::new(["needs", "estimate"]);
    table.row(["weights in memory".to_owned(), size(report.model.weight_bytes)]);
    let logits = size(report.batch_with_logits_bytes);
    table.row(["one batch".to_owned(), format!("{} ({logits} with logits)", size(report.batch_bytes))]);
    if let Some(c) = &report.corpus {
        let what = format!("{}: {} languages, {} lines, {} tokens", c.name, c.languages, c.lines, c.tokens);
        table.row(["corpus".to_owned(), what]);
        table.row(["all layers, pooled".to_owned(), size(c.pooled_bytes)]);
        table.row(["all layers, every token".to_owned(), size(c.token_bytes)]);
        let speed = report.speed.flops_per_second / 1e9;
        table.row(["one pass".to_owned(), format!("{} (products at {speed:.0} GFLOP/s)", time(c.seconds))]);
        if c.too_long > 0 {
            table.row(["too long".to_owned(), format!("{} sentences exceed the context", c.too_long)]);
        }
    }
    let machine = match (report.machine_bytes, report.fits) {
        (Some(bytes), Some(true)) => format!(" of {}: fits", size(bytes as usize)),
        (Some(bytes), _) => format!(" of {}: does not fit", size(bytes as usize)),
        (None, _) => String::new(),
    };
    table.row(["peak memory".to_owned(), format!("{}{machine}", size(report.peak_bytes))]);
    table.to_string()
}

/// `1-4, 6`
fn ranges(blocks: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for block in blocks {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *block => *last = *block,
            _ => runs.push((*block, *block)),
        }
    }
    let run =
        |(first, last): &(usize, usize)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    runs.iter().map(run).collect::<Vec<_>>().join(", ")
}

fn size(bytes: usize) -> String {
    let bytes = bytes as f64;
    match bytes {
        b if b >= 1e9 => format!("{:.2} GB", b / 1e9),
        b if b >= 1e6 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.0} kB", b / 1e3),
    }
}

fn count(number: usize) -> String {
    let number = number as f64;
    match number {
        n if n >= 1e9 => format!("{:.2} billion", n / 1e9),
        n if n >= 1e6 => format!("{:.1} million", n / 1e6),
        n => format!("{n}"),
    }
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 7200.0 => format!("{:.1} hours", s / 3600.0),
        s if s >= 120.0 => format!("{:.0} minutes", s / 60.0),
        s if s >= 1.0 => format!("{s:.1} s"),
        s => format!("{s:.2} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::{count, ranges, size, time};

    #[test]
    fn numbers_read_as_a_person_says_them() {
        assert_eq!(ranges(&[1, 2, 3, 5, 7, 8]), "1-3, 5, 7-8");
        assert_eq!(ranges(&[]), "");
        assert_eq!(
            (size(999), size(1_500_000), size(2_250_000_000)),
            ("1 kB".into(), "1.5 MB".into(), "2.25 GB".into())
        );
        assert_eq!(count(494_032_768), "494.0 million");
        assert_eq!((time(0.25), time(600.0), time(9000.0)), ("0.25 s".into(), "10 minutes".into(), "2.5 hours".into()));
    }
}
