"""Steering vectors of Babelscope to the files of other programs, and back. Needs numpy; torch only where a file is a .pt.

    python convert_vector.py to   FORMAT vector.safetensors OUT [--coefficient 4] [--action add] [--hookpoint layers.{}] [--layers L]
    python convert_vector.py from FORMAT IN vector.safetensors [--model NAME] [--name NAME]

| FORMAT | file | layers |
| --- | --- | --- |
| steering-vectors | .pt or .safetensors: `layer_activations` {block: [width]} and `layer_type` ("decoder_block"), the fields of its SteeringVector | any but the embeddings |
| clas-bench | .pt: `steering_vectors` [blocks, width], `token_counts`, `num_tokens` | all blocks |
| hotwire | .pt: [blocks, width] | all blocks |
| lm-eval | .pt: {hookpoint: {steering_vector, steering_coefficient, action, bias, head_index}} for the model type `steered` | any but the embeddings |

They count blocks from 0 and mean the output of the block; we count from 1, as layer 0 is the embeddings: our layer l is their l - 1.
Files of blocks by number have a row for each, so with `--fill` the blocks without a direction get zeros, which change nothing.

    from steering_vectors import SteeringVector
    vector = SteeringVector(**torch.load("vector.pt"))
"""

import argparse
import json
import struct
import sys

import numpy as np

FORMAT = "babelscope steering vector 1"
INDEX_BASE = "0 = embeddings, l = output of block l (counted from 1), before the final norm"
FORMATS = ("steering-vectors", "clas-bench", "hotwire", "lm-eval")


def read_safetensors(path):
    """Metadata and the f32 tensors of a file."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < 8 or 8 + struct.unpack("<Q", data[:8])[0] > len(data):
        raise ValueError(f"{path}: no safetensors, or damaged")
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, info in header.items():
        if info["dtype"] != "F32":
            raise ValueError(f"{path}: {name} is {info['dtype']}, expected F32")
        begin, end = (8 + length + at for at in info["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], dtype="<f4").reshape(info["shape"])
    return metadata, tensors


def write_safetensors(path, metadata, tensors):
    header, at = {"__metadata__": metadata}, 0
    for name, values in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [at, at + 4 * values.size]}
        at += 4 * values.size
    head = json.dumps(header, ensure_ascii=False).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for values in tensors.values():
            file.write(np.ascontiguousarray(values, dtype="<f4").tobytes())


def read_own(path):
    """The card and {canonical layer: [width]} of a file of ours."""
    metadata, tensors = read_safetensors(path)
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path}: its format is {metadata.get('format')!r}, expected {FORMAT!r}")
    return json.loads(metadata["card"]), {int(name.removeprefix("layer.")): values for name, values in tensors.items()}


def write_own(path, card, layers):
    check(layers)
    metadata = {"card": json.dumps(card, ensure_ascii=False), "format": FORMAT, "index_base": INDEX_BASE}
    write_safetensors(path, metadata, {f"layer.{layer}": layers[layer] for layer in sorted(layers)})


def check(layers):
    if not layers:
        raise ValueError("there is no direction")
    widths = {values.shape for values in layers.values()}
    if len(widths) != 1 or len(next(iter(widths))) != 1:
        raise ValueError(f"expected one number of columns, got the shapes {sorted(widths)}")
    for layer, values in layers.items():
        if not np.isfinite(values).all():
            raise ValueError(f"layer {layer} holds numbers that are not finite")


def blocks(layers):
    """{block from 0: [width]}."""
    if 0 in layers:
        raise ValueError("layer 0 is the embeddings, which the other programs have no block for; leave it out")
    return {layer - 1: values for layer, values in sorted(layers.items())}


def table(layers, count, fill):
    """[blocks, width] of all blocks of a model."""
    own = blocks(layers)
    count = count or max(own) + 1
    missing = [block for block in range(count) if block not in own]
    if missing and not fill:
        raise ValueError(f"blocks {missing} (from 0) of {count} have no direction; train all layers, or say --fill for zeros there")
    if max(own) >= count:
        raise ValueError(f"there is a direction for block {max(own)} (from 0) of {count}")
    out = np.zeros((count, len(next(iter(own.values())))), dtype=np.float32)
    for block, values in own.items():
        out[block] = values
    return out


def to_format(name, card, layers, coefficient=1.0, action="add", hookpoint="layers.{}", count=None, fill=False):
    """What the other program keeps, with numpy arrays for its tensors."""
    check(layers)
    count = count or card.get("model_layers") or None
    if name == "steering-vectors":
        return {"layer_activations": blocks(layers), "layer_type": "decoder_block"}
    if name == "clas-bench":
        rows = table(layers, count, fill)
        texts = int(card.get("pairs", 0))
        # It divides by nothing: the counts are for people, and here they are of texts.
        return {"steering_vectors": rows, "token_counts": np.full(len(rows), texts, dtype=np.int64), "num_tokens": texts}
    if name == "hotwire":
        return table(layers, count, fill)
    if name == "lm-eval":
        if action not in ("add", "clamp"):
            raise ValueError(f"action is {action!r}, expected add or clamp")
        entry = {"steering_coefficient": float(coefficient), "action": action, "bias": None, "head_index": None}
        return {hookpoint.format(block): {"steering_vector": values, **entry} for block, values in blocks(layers).items()}
    raise ValueError(f"format {name!r}, expected one of {', '.join(FORMATS)}")


def from_format(name, kept):
    """{canonical layer: [width]} of what the other program keeps."""
    flat = lambda values: np.asarray(values, dtype=np.float32)
    if name == "steering-vectors":
        if not isinstance(kept, dict):
            kept = vars(kept)
        if kept.get("layer_type", "decoder_block") != "decoder_block":
            raise ValueError(f"layer_type is {kept['layer_type']!r}; only decoder_block is a layer of the residual stream")
        layers = {int(block) + 1: flat(values) for block, values in kept["layer_activations"].items()}
    elif name == "clas-bench":
        layers = {block + 1: row for block, row in enumerate(flat(kept["steering_vectors"]))}
    elif name == "hotwire":
        layers = {block + 1: row for block, row in enumerate(flat(kept))}
    elif name == "lm-eval":
        layers = {}
        for hookpoint, entry in kept.items():
            block = hookpoint.rpartition(".")[2]
            if entry["action"] != "add" or entry.get("head_index") is not None or not block.isdigit():
                raise ValueError(f"{hookpoint}: only `add` to the output of a whole block (`layers.3`) is a vector of a layer")
            layers[int(block) + 1] = flat(entry["steering_vector"]) * np.float32(entry.get("steering_coefficient", 1.0))
    else:
        raise ValueError(f"format {name!r}, expected one of {', '.join(FORMATS)}")
    # Zeros stand for a block without a direction, and a direction of length 0 points nowhere.
    layers = {layer: values for layer, values in layers.items() if values.any()}
    check(layers)
    return layers


def torch():
    try:
        import torch
    except ImportError:
        raise SystemExit("a .pt file is written and read by torch, which is not installed: pip install torch, or take .safetensors")
    return torch


def tensors(kept, library):
    if isinstance(kept, np.ndarray):
        return library.from_numpy(np.array(kept))
    return {key: tensors(value, library) for key, value in kept.items()} if isinstance(kept, dict) else kept


def arrays(kept, library):
    if isinstance(kept, library.Tensor):
        return kept.detach().cpu().to(library.float32).numpy() if kept.is_floating_point() else kept.cpu().numpy()
    return {key: arrays(value, library) for key, value in kept.items()} if isinstance(kept, dict) else kept


def write(path, name, kept):
    if path.endswith(".safetensors"):
        if name != "steering-vectors":
            raise SystemExit(f"{name} reads .pt files; give the output that ending")
        activations = {f"layer_activations.{block}": values for block, values in kept["layer_activations"].items()}
        return write_safetensors(path, {"layer_type": kept["layer_type"]}, activations)
    torch().save(tensors(kept, torch()), path)


def read(path, name):
    if path.endswith(".safetensors"):
        metadata, found = read_safetensors(path)
        activations = {name.removeprefix("layer_activations."): values for name, values in found.items()}
        return {"layer_activations": activations, "layer_type": metadata.get("layer_type", "decoder_block")}
    library = torch()
    allowed = []
    if name == "steering-vectors":
        try:
            from steering_vectors import SteeringVector
            allowed = [SteeringVector]
        except ImportError:
            pass
    # Nothing of the file is executed but the classes that are named here.
    with library.serialization.safe_globals(allowed):
        kept = library.load(path, map_location="cpu", weights_only=True)
    return arrays(kept if isinstance(kept, (dict, library.Tensor)) else vars(kept), library)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=["to", "from"])
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--coefficient", type=float, default=1.0, help="lm-eval: how much is added")
    parser.add_argument("--action", default="add", help="lm-eval: add or clamp")
    parser.add_argument("--hookpoint", default="layers.{}", help="lm-eval: name of block {} below the base model; GPT-2 has h.{}")
    parser.add_argument("--layers", type=int, help="blocks of the model, where the card does not say it")
    parser.add_argument("--fill", action="store_true", help="zeros for blocks without a direction")
    parser.add_argument("--model", default="", help="from: the model that the vector is of")
    parser.add_argument("--name", default="", help="from: what it is called")
    given = parser.parse_args(arguments)
    try:
        if given.way == "to":
            card, layers = read_own(given.input)
            kept = to_format(given.format, card, layers, given.coefficient, given.action, given.hookpoint, given.layers, given.fill)
            write(given.output, given.format, kept)
        else:
            layers = from_format(given.format, read(given.input, given.format))
            note = f"read from a file of {given.format}, which does not say which weights, estimator or texts it is of"
            card = {"name": given.name or given.format, "model": given.model, "site": "resid_post", "notes": [note]}
            write_own(given.output, card, layers)
    except (ValueError, KeyError, OSError) as error:
        raise SystemExit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
