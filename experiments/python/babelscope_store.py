"""Read what Babelscope stored. Needs numpy, nothing else.

    from babelscope_store import Store, Shard
    store = Store("runs/flores-1a2b3c4d")          # a folder with index.json
    for shard in store:
        print(shard.meta["language"], shard.meta["layers"], shard.rows["line"][:3])
        states = shard.layer(4)                     # [rows, width], float32

f32 and f16 layers are views of the mapped file where `raw=True`; bf16, which numpy does not have, comes as float32. Every tensor is
read as it is; `shard.verify()` compares the file with the SHA-256 of its record.
"""

import hashlib
import json
import os
import struct
import sys

import numpy as np

SCHEMA = 1
POOLED = 0xFFFFFFFF  # position and token of a row that stands for a whole sentence


class Shard:
    """One shard: `meta` (what determines its numbers), `record` (hashes, how it was made), `rows`, `layer(l)`."""

    def __init__(self, record_path):
        self.path = os.fspath(record_path)
        with open(self.path, encoding="utf-8") as file:
            self.record = json.load(file)
        if self.record["schema"] > SCHEMA:
            raise ValueError(f"{self.path}: written by a newer Babelscope (layout {self.record['schema']})")
        self.meta = self.record["meta"]
        self.file = os.path.join(os.path.dirname(self.path), os.path.basename(self.record["file"]))
        size = os.path.getsize(self.file)
        if size != self.record["bytes"]:
            raise ValueError(f"{self.file}: has {size} bytes, its record says {self.record['bytes']}: damaged")
        with open(self.file, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length + 8 > size:
                raise ValueError(f"{self.file}: the header claims {length} bytes: damaged")
            self._header = json.loads(file.read(length))
        self._start = 8 + length
        self._map = np.memmap(self.file, dtype=np.uint8, mode="r")

    def _tensor(self, name, raw=False):
        info = self._header[name]
        begin, end = (self._start + offset for offset in info["data_offsets"])
        data = self._map[begin:end]
        if info["dtype"] == "BF16":
            halves = np.frombuffer(data, dtype="<u2")
            values = (halves.astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(data, dtype={"F32": "<f4", "F16": "<f2", "U32": "<u4"}[info["dtype"]])
            if info["dtype"] == "F16" and not raw:
                values = values.astype(np.float32)
        return values.reshape(info["shape"])

    @property
    def rows(self):
        """What each row stands for: `line`, `position` and `token` (POOLED for a sentence), `start`, `end` (bytes)."""
        return {name: self._tensor("rows." + name) for name in ("line", "position", "token", "start", "end")}

    @property
    def layers(self):
        return self.meta["layers"]

    def layer(self, layer, raw=False):
        """[rows, width]; 0 = embeddings, l = output of block l."""
        if layer not in self.layers:
            raise KeyError(f"{self.file}: there is no layer {layer}; it has {self.layers}")
        return self._tensor(f"layer.{layer:03}", raw)

    def verify(self):
        """Reads the whole file and compares it with the SHA-256 of the record."""
        digest = hashlib.sha256()
        with open(self.file, "rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
        if digest.hexdigest() != self.record["sha256"]:
            raise ValueError(f"{self.file}: SHA-256 is {digest.hexdigest()}, its record says {self.record['sha256']}: damaged")


class Store:
    """A folder with index.json. Shards open when they are asked for."""

    def __init__(self, root):
        self.root = os.fspath(root)
        with open(os.path.join(self.root, "index.json"), encoding="utf-8") as file:
            self.index = json.load(file)
        if self.index["metadata"].get("schema", 0) > SCHEMA:
            raise ValueError(f"{self.root}: written by a newer Babelscope")

    def __len__(self):
        return len(self.index["shards"])

    def __getitem__(self, at):
        entry = self.index["shards"][at]
        folder = os.path.dirname(os.path.join(self.root, *entry["file"].split("/")))
        return Shard(os.path.join(folder, entry["key"] + ".json"))

    def states(self, language, layer, **wanted):
        """[lines, width] of all shards of a language, by line; `wanted` are fields of the index, as `model="..."`."""
        entries = [(e["first_line"], at) for at, e in enumerate(self.index["shards"])
                   if e["language"] == language and all(e[key] == value for key, value in wanted.items())]
        if not entries:
            raise KeyError(f"{self.root}: no shard of {language} with {wanted}")
        starts = [first for first, _ in entries]
        if len(set(starts)) != len(starts):
            raise ValueError(f"{self.root}: several shards of {language} begin at one line; say which model, site or pooling")
        return np.concatenate([self[at].layer(layer) for _, at in sorted(entries)])


if __name__ == "__main__":
    for shard in Store(sys.argv[1]) if os.path.isdir(sys.argv[1]) else [Shard(sys.argv[1])]:
        shard.verify()
        shapes = {name: list(info["shape"]) for name, info in shard._header.items() if name.startswith("layer.")}
        print(json.dumps({"meta": shard.meta, "shapes": shapes}))
