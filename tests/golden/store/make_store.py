"""Writes the files that tests/import.rs imports, each with the library that people write it with. Needs numpy, torch, safetensors,
datasets (any recent version); run once, the files are committed.

    python tests/golden/store/make_store.py

Every number is f(layer, row, column) = ((31 layer + 7 row + column) mod 64) / 4 - 5, exact in f16 and bf16.
"""

import os
import shutil
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH = 6


def states(layers, rows, dtype=np.float32):
    layer, row, column = np.meshgrid(layers, np.arange(rows), np.arange(WIDTH), indexing="ij")
    return (((31 * layer + 7 * row + column) % 64) / 4 - 5).astype(dtype)


def place(name):
    return os.path.join(HERE, name)


def with_numpy():
    # All hidden_states of a model of 3 blocks, pooled: entry 3 is behind the final norm.
    np.savez(place("stack.npz"), states=states(range(4), 5))
    np.savez(place("named.npz"), layer_2=states([2], 5, np.float16)[0], layer_10=states([10], 5, np.float16)[0])
    np.savez_compressed(place("compressed.npz"), layer_2=states([2], 5)[0])
    np.save(place("one.npy"), states([4], 5, np.float64)[0])


def with_torch():
    import torch
    from safetensors.torch import save_file

    of = lambda layer, rows=5: torch.from_numpy(states([layer], rows)[0].copy())
    torch.save({f"hidden_states.{l}": of(l).bfloat16() for l in range(4)}, place("hidden_states.pt"))
    torch.save([of(0), of(1)], place("list.pt"))
    torch.save({"blocks.1.hook_resid_post": of(2), "blocks.3.hook_resid_post": of(4)}, place("lens.pt"))
    save_file({"embeddings": of(0), "resid_post.3": of(3)}, place("sites.safetensors"))
    # As vLLM's ExampleHiddenStatesConnector: a file a request, tokens first.
    for at, ids in enumerate([[5, 6, 7], [8, 9]]):
        hidden = torch.from_numpy(states([1, 3], len(ids)).transpose(1, 0, 2).copy()).bfloat16()
        save_file({"hidden_states": hidden, "token_ids": torch.tensor(ids)}, place(f"vllm-{at}.safetensors"))


def with_datasets():
    from datasets import Array2D, Dataset, Features, Sequence, Value

    # As SAELens's CacheActivationsRunner: a row is a context of 4 tokens.
    contexts, size = 3, 4
    hook = "blocks.1.hook_resid_post"
    values = states([2], contexts * size)[0].reshape(contexts, size, WIDTH)
    ids = np.arange(contexts * size, dtype=np.int32).reshape(contexts, size) + 100
    features = Features({hook: Array2D(shape=(size, WIDTH), dtype="float32"), "token_ids": Sequence(Value("int32"), length=size)})
    shutil.rmtree(place("saelens"), ignore_errors=True)
    data = Dataset.from_dict({hook: list(values), "token_ids": ids.tolist()}, features=features)
    data.save_to_disk(place("saelens"), num_shards=2)


for part in sys.argv[1:] or ["numpy", "torch", "datasets"]:
    {"numpy": with_numpy, "torch": with_torch, "datasets": with_datasets}[part]()
