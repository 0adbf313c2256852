use babelscope::lab::{quick, recipe::Recipe, train::Training, model::Model};
fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    if args[1] == "eval" {
        let dir = std::path::Path::new(&args[2]);
        let recipe: Recipe = toml::from_str(&std::fs::read_to_string(dir.join("checkpoint/recipe.toml"))?)?;
        let tmp = tempfile::tempdir()?;
        std::fs::create_dir(tmp.path().join("x"))?;
        for e in std::fs::read_dir(dir.join("checkpoint"))? { let e = e?; std::fs::create_dir_all(tmp.path().join("x/checkpoint"))?; std::fs::copy(e.path(), tmp.path().join("x/checkpoint").join(e.file_name()))?; }
        let t = Training::open(&tmp.path().join("x"), &recipe)?;
        println!("{}", std::fs::read_to_string(dir.join("checkpoint/progress.json"))?);
        println!("{}", quick::table(t.model(), t.tokenizer(), 240)?);
        return Ok(());
    }
    let mut v = toml::Value::try_from(Recipe::small())?;
    for kv in &args[2..] {
        let (k, val) = kv.split_once('=').unwrap();
        let val: toml::Value = toml::from_str::<toml::Table>(&format!("x = {val}"))?.remove("x").unwrap();
        let mut at = &mut v;
        for part in k.split('.') { at = at.get_mut(part).unwrap(); }
        *at = val;
    }
    let recipe: Recipe = v.try_into()?;
    let out = std::path::Path::new(&args[1]);
    let mut t = Training::open(out, &recipe)?;
    println!("vocab {}", t.tokenizer().get_vocab_size(true));
    println!("untrained\n{}", quick::table(&Model::new(&recipe.shape, t.tokenizer().get_vocab_size(true), 5)?, t.tokenizer(), 240)?);
    let every = recipe.steps / 5;
    let start = std::time::Instant::now();
    for part in 1..=5 {
        t.run_until(part * every)?;
        println!("step {} {:.0}s\n{}", part * every, start.elapsed().as_secs_f64(), quick::table(t.model(), t.tokenizer(), 240)?);
    }
    Ok(())
}
