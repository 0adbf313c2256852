#!/usr/bin/env bash
# Everything that needs a GPU, in one call: parity of all families in f32, bf16 and f16, the device's measured matrix peak, and pooled
# capture of all layers beside transformers on the same device. Tables and JSON go to $OUT (default: target/gpu-check).
#
#   experiments/gpu_check.sh pack            # where the program is built: programs and wheels to target/gpu, below 64 MiB
#   experiments/gpu_check.sh                 # on the machine with the GPU, from the repository's root, with target/gpu there
#   DEVICE=cpu experiments/gpu_check.sh --dry   # the same steps, small, on the processor, out of the ordinary build
#
# A machine that is lent by the call: run `pack`, then carry target/gpu. PYTHON is a Python with torch (python3).
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
device=${DEVICE:-cuda:0}
out=${OUT:-target/gpu-check}
packed=target/gpu
mode=${1:-run}

# The newest test program of a target folder.
newest() { find "$1" -maxdepth 1 -name "$2-*" -type f -perm -u+x -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2; }

if [ "$mode" = pack ]; then
    target=${TARGET:-target/cuda}
    # shellcheck source=experiments/cuda_env.sh
    source experiments/cuda_env.sh "${CUDA_TREE:-target/cuda-home}"
    cargo build --release --workspace --features cuda --target-dir "$target" --test engines --example bench
    mkdir -p "$packed/wheels"
    for program in "$(newest "$target/release/deps" engines)" "$target/release/examples/bench"; do
        name=$(basename "$program")
        strip -o "$packed/${name%%-*}" "$program"
        xz -9 -T2 -f "$packed/${name%%-*}"
    done
    "$python" -m pip download --quiet --no-deps --dest "$packed/wheels" --python-version 3.12 --only-binary=:all: \
        transformers==5.23.0 tokenizers safetensors huggingface_hub regex filelock packaging tqdm pyyaml typer-slim
    du -sh "$packed"
    exit
fi

mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "$mode" = --dry ]; then
    target=${TARGET:-${CARGO_TARGET_DIR:-target}}
    cargo build --release --workspace --test engines --example bench
    engines=$(newest "$target/release/deps" engines) bench=$target/release/examples/bench
    small=(--shapes llama-100m --sentences 48 --turns 2 --sizes 16 --peak 1024 --dtype float32)
else
    for name in engines bench; do
        xz -dc "$packed/$name.xz" >"$work/$name"
        chmod +x "$work/$name"
    done
    engines=$work/engines bench=$work/bench small=()
    if ! "$python" -c 'import transformers' 2>"$work/why"; then
        "$python" -m pip install --quiet --no-deps --no-index --target "$work/site" "$packed"/wheels/*.whl
        export PYTHONPATH=$work/site${PYTHONPATH:+:$PYTHONPATH}
    fi
    # The CUDA libraries that came with torch.
    libraries=$("$python" -c 'import nvidia; print(":".join(p + "/cu13/lib" for p in nvidia.__path__))')
    export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi

failed=0
echo "== parity on $device"
# The golden models lie in the repository, wherever it is now.
CARGO_MANIFEST_DIR=$PWD/tests BABELSCOPE_DEVICE=$device "$engines" --nocapture --test-threads 1 2>&1 | tee "$out/parity.txt" || failed=1
"$python" - "$out" <<'END'
import json, re, sys
tables, rows = {}, None
for line in open(f"{sys.argv[1]}/parity.txt", encoding="utf-8"):
    if re.match(r"(candle|torch) \S+ against", line):
        rows = tables.setdefault(line.strip(), [])
    elif rows is not None and (found := re.match(r"(\S+/\S+)\s+(.+?)\s+([0-9.e+-]+|inf|NaN)$", line)):
        rows.append(dict(family=found[1], site=found[2].strip(), difference=float(found[3])))
json.dump(tables, open(f"{sys.argv[1]}/parity.json", "w"), indent=1)
print({title: max(row["difference"] for row in rows) for title, rows in tables.items() if rows})
END
echo "== speed on $device"
"$python" experiments/bench/gpu.py --ours "$bench" --work "$work" --out "$out" --device "$device" "${small[@]}" || failed=1
[ "$failed" = 0 ] || { echo "gpu_check: something failed; see above and $out" >&2; exit 1; }
