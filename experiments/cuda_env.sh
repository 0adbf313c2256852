#!/usr/bin/env bash
# Sets up what `--features cuda` needs out of PyPI packages, without a GPU, a driver or root: compiler, headers, libraries and a
# stand-in for the driver's library (the real one comes with the driver of the machine that runs the program). About 1.2 GB.
#
#   source experiments/cuda_env.sh [FOLDER]     # default: target/cuda-home; sets CUDA_HOME and the rest for this shell
#   cargo build --release --workspace --features babelscope/cuda --bin babelscope --target-dir target/cuda
#
# BABELSCOPE_PYTHON names a Python with pip (python3), CUDA_COMPUTE_CAP the GPU (90 is Hopper; 80 Ampere, 89 Ada).

_cuda_env() {
    local root python packages home sources names
    root=${1:-target/cuda-home}
    python=${BABELSCOPE_PYTHON:-python3}
    mkdir -p "$root" || return
    root=$(cd "$root" && pwd) || return
    packages=$root/packages home=$root/home
    if [ ! -x "$packages/nvidia/cu13/bin/nvcc" ]; then
        "$python" -m pip install --quiet --no-deps --target "$packages" \
            nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-cuda-cccl==13.0.85 \
            nvidia-cuda-runtime==13.0.96 nvidia-cublas==13.1.1.3 nvidia-curand==10.4.0.35 \
            nvidia-cuda-nvrtc==13.0.88 || return
    fi
    mkdir -p "$home/lib64/stubs" || return
    ln -sfn "$packages"/nvidia/cu13/{bin,include,nvvm} "$home/" || return
    # The packages carry libraries under their versions only; the linker asks for plain names.
    local library path
    for library in cudart cublas cublasLt curand nvrtc; do
        for path in "$packages/nvidia/cu13/lib/lib$library".so.*; do
            ln -sfn "$path" "$home/lib64/lib$library.so" || return
        done
    done
    ln -sfn "$packages/nvidia/cu13/lib/libcudart_static.a" "$packages/nvidia/cu13/lib/libcudadevrt.a" "$home/lib64/" || return
    if [ ! -e "$home/lib64/stubs/libcuda.so" ]; then
        # Every function of the driver that the bindings may ask for, as a name that does nothing: enough to link.
        cargo fetch --quiet --locked || return
        sources=$(ls -d "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/cudarc-*/src/driver/sys/mod.rs | tail -n 1)
        names=$(grep -oE '\bcu[A-Z][A-Za-z0-9_]+' "$sources" | sort -u)
        [ -n "$names" ] || { echo "cuda_env: no names of the driver's functions in $sources" >&2; return 1; }
        sed 's/.*/void &(void) {}/' <<<"$names" >"$home/lib64/stubs/cuda.c" || return
        ${CC:-cc} -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$home/lib64/stubs/libcuda.so" "$home/lib64/stubs/cuda.c" || return
        ln -sfn libcuda.so "$home/lib64/stubs/libcuda.so.1" || return
    fi
    export CUDA_HOME=$home NVCC=$home/bin/nvcc PATH=$home/bin:$PATH
    export LIBRARY_PATH=$home/lib64:$home/lib64/stubs${LIBRARY_PATH:+:$LIBRARY_PATH}
    export CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-90} CUDAFORGE_THREADS=${CUDAFORGE_THREADS:-2}
    echo "cuda_env: $("$NVCC" --version | tail -n 2 | head -n 1), CUDA_HOME=$CUDA_HOME"
}
_cuda_env "$@"
