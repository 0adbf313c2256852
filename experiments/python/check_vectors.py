"""Whether other programs read our steering vectors. Needs numpy and gguf; says what it leaves out where torch, repeng or steering-vectors are missing.

    cargo run --release -p babelscope-probes --example vector_files -- FOLDER
    python check_vectors.py FOLDER

FOLDER then holds `toy.safetensors` and `toy.gguf`: layers 2 to 4 of width 8, `direction[l][j] = l + j / 8`, and `all.safetensors` with layers 1 to 4.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import convert_vector as convert


def direction(layer):
    return (layer + np.arange(8) / 8).astype(np.float32)


def same(layers, wanted):
    assert sorted(layers) == sorted(wanted), f"layers {sorted(layers)}, expected {sorted(wanted)}"
    for layer in wanted:
        assert np.array_equal(layers[layer], direction(layer)), f"layer {layer} differs"


def own(folder):
    card, layers = convert.read_own(folder / "toy.safetensors")
    same(layers, [2, 3, 4])
    assert card["name"] == "toy" and card["model_layers"] == 4
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "own.safetensors"
        convert.write_own(path, card, layers)
        same(convert.read_own(path)[1], [2, 3, 4])


def gguf_package(folder):
    from gguf import GGUFReader

    reader = GGUFReader(folder / "toy.gguf")
    text = lambda key: str(bytes(reader.get_field(key).parts[-1]), "utf-8")
    assert text("general.architecture") == "controlvector" and text("controlvector.model_hint") == "llama"
    assert reader.get_field("controlvector.layer_count").parts[-1][0] == 3
    same({int(t.name.split(".")[1]) + 1: t.data for t in reader.tensors}, [2, 3, 4])


def repeng_package(folder):
    from repeng import ControlVector

    vector = ControlVector.import_gguf(folder / "toy.gguf")
    assert vector.model_type == "llama"
    same({block + 1: values for block, values in vector.directions.items()}, [2, 3, 4])


def other_layouts(folder):
    """What each program keeps, without torch: there and back, and what is refused."""
    card, layers = convert.read_own(folder / "all.safetensors")
    for name in convert.FORMATS:
        same(convert.from_format(name, convert.to_format(name, card, layers)), [1, 2, 3, 4])
    _, some = convert.read_own(folder / "toy.safetensors")
    assert list(convert.to_format("steering-vectors", card, some)["layer_activations"]) == [1, 2, 3]
    entry = convert.to_format("lm-eval", card, some, coefficient=4.0, hookpoint="h.{}")["h.2"]
    assert entry["steering_coefficient"] == 4.0 and np.array_equal(entry["steering_vector"], direction(3)) and entry["bias"] is None
    assert convert.to_format("hotwire", card, some, fill=True).shape == (4, 8)
    for name, wrong in [("clas-bench", some), ("steering-vectors", {0: direction(0)}), ("hotwire", {1: np.array([np.nan])})]:
        try:
            convert.to_format(name, card, wrong)
        except ValueError:
            continue
        raise AssertionError(f"{name} took what it cannot hold")


def torch_files(folder):
    import torch

    with tempfile.TemporaryDirectory() as scratch:
        for name in convert.FORMATS:
            out, back = (str(Path(scratch) / f"{name}{ending}") for ending in [".pt", ".safetensors"])
            convert.main(["to", name, str(folder / "all.safetensors"), out])
            convert.main(["from", name, out, back])
            same(convert.read_own(back)[1], [1, 2, 3, 4])
        # As each program opens them.
        clas = torch.load(Path(scratch) / "clas-bench.pt", map_location="cpu")
        assert clas["steering_vectors"].shape == (4, 8) and clas["token_counts"].dtype == torch.int64
        assert torch.load(Path(scratch) / "hotwire.pt", weights_only=True).shape == (4, 8)
        steered = torch.load(Path(scratch) / "lm-eval.pt", weights_only=False)
        assert list(steered) == ["layers.0", "layers.1", "layers.2", "layers.3"] and steered["layers.1"]["action"] == "add"


def steering_vectors_package(folder):
    import torch
    from steering_vectors import SteeringVector

    with tempfile.TemporaryDirectory() as scratch:
        out, pickled, back = (str(Path(scratch) / name) for name in ["out.pt", "pickled.pt", "back.safetensors"])
        convert.main(["to", "steering-vectors", str(folder / "toy.safetensors"), out])
        vector = SteeringVector(**torch.load(out))
        same({block + 1: values.numpy() for block, values in vector.layer_activations.items()}, [2, 3, 4])
        torch.save(vector, pickled)
        convert.main(["from", "steering-vectors", pickled, back])
        same(convert.read_own(back)[1], [2, 3, 4])


def main(folder):
    for check in [own, gguf_package, repeng_package, other_layouts, torch_files, steering_vectors_package]:
        try:
            check(Path(folder))
        except ImportError as error:
            print(f"left out: {check.__name__} ({error})")
        else:
            print(f"ok: {check.__name__}")


if __name__ == "__main__":
    main(sys.argv[1])
