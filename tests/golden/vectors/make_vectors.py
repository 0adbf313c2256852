"""Writes repeng.gguf with repeng's own exporter: directions 1 to 3 of width 4, direction[i][j] = i + j / 8. Needs repeng 0.4.0 (with torch).

    python make_vectors.py
"""

from pathlib import Path

import numpy as np
from repeng import ControlVector

directions = {i: (i + np.arange(4) / 8).astype(np.float32) for i in (3, 2, 1)}
ControlVector(model_type="mistral", directions=directions).export_gguf(Path(__file__).with_name("repeng.gguf"))
