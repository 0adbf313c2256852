#!/usr/bin/env bash
# Builds the libtorch engine against the PyTorch that is installed and compares it, site by site, with transformers and with the
# native engine over all golden families and oracles. Prints the tables; about four minutes of one core for the build.
#
#   PYTHON=VENV/bin/python experiments/torch_check.sh [FOLDER OF THE TABLES]
#
# Needs PyTorch 2.13 (pip install torch==2.13.0), which tch 0.26 is made for. TARGET is cargo's folder (target/tch).
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
out=${1:-${OUT:-target/torch-check}}
target=${TARGET:-target/tch}
mkdir -p "$out"

libraries=$("$python" -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), "lib"))')
version=$("$python" -c 'import torch; print(torch.__version__.split("+")[0])')
case $version in
2.13.*) ;;
*) echo "torch_check: PyTorch $version is installed, expected 2.13; pip install torch==2.13.0" >&2; exit 1 ;;
esac
# torch-sys asks the first `python3` of the path where PyTorch lies.
PATH=$(dirname "$(command -v "$python")"):$PATH
export PATH LIBTORCH_USE_PYTORCH=1 LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

cargo test --release --workspace --features tch --target-dir "$target" --test engines -- --nocapture --test-threads 1 |
    tee "$out/engines.txt"
