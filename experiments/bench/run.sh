#!/usr/bin/env bash
# All comparisons in one command; writes a table (results.md) and every number (results.json).
#
#   CORPUS=FOLDER experiments/bench/run.sh [quick|full|all] [options of bench.py, as --only lens]
#
# quick takes about ten minutes on two cores, full about an hour; all reads the whole corpus (hours). Needs Python with torch, transformers,
# safetensors, tokenizers and numpy (PYTHON names it). Models of random weights and the text's token ids go to DATA (5 GB,
# made once), candle-mi's program is built below CANDLE_MI, outside of this workspace (or CANDLE_MI is that program; none leaves it out).
# PREFIX is put before every measured command: PREFIX="chrt -f 5" keeps other load away.
set -euo pipefail
cd "$(dirname "$0")/../.."

mode=${1:-quick}
shift || true
python=${PYTHON:-python3}
corpus=${CORPUS:?expected a folder with one file of sentences for each language}
data=${DATA:-${TMPDIR:-/tmp}/babelscope-bench}
candle_mi=${CANDLE_MI:-$data/candle-mi}

cargo build --release --workspace --example bench
ours=${CARGO_TARGET_DIR:-target}/release/examples/bench

peers=()
if [ -f "$candle_mi" ]; then
  peers=(--candle-mi "$candle_mi")
elif [ "$candle_mi" != none ]; then
  mkdir -p "$candle_mi/src"
  cp experiments/bench/candle_mi.rs "$candle_mi/src/main.rs"
  cat > "$candle_mi/Cargo.toml" <<'END'
[package]
name = "bench-candle-mi"
version = "0.0.0"
edition = "2024"
[workspace]
[dependencies]
candle-mi = { version = "=0.2.2", default-features = false, features = ["transformer"] }
candle-core = "0.11"
candle-nn = "0.11"
serde_json = "1"
END
  # Built the way its users build it; not in our target folder, whose features differ.
  (cd "$candle_mi" && CARGO_TARGET_DIR="$candle_mi/target" nice cargo build --release)
  peers=(--candle-mi "$candle_mi/target/release/bench-candle-mi")
fi

exec "$python" experiments/bench/bench.py --ours "$ours" --data "$data" --corpus "$corpus" --out "$data/out" --mode "$mode" \
  --prefix "${PREFIX:-}" "${peers[@]}" "$@"
