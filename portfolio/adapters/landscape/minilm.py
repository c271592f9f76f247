"""all-MiniLM-L6-v2 with numpy alone: the forward pass of a six-layer BERT, mean pooling, unit length.

Source: Reimers & Gurevych 2019 (Sentence-BERT), model card of sentence-transformers/all-MiniLM-L6-v2.
"""

import json
import math
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

Floats = NDArray[np.float32]

SIZE: Final = 384
HEADS: Final = 12
LAYERS: Final = 6
MAX_TOKENS: Final = 256
ERF: Final = np.array([0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429], np.float32)


def erf(x: Floats) -> Floats:
    """Give the error function within 1.5e-7. Source: Abramowitz & Stegun 7.1.26."""
    size = np.abs(x)
    t = 1 / (1 + np.float32(0.3275911) * size)
    tail = ((((ERF[4] * t + ERF[3]) * t + ERF[2]) * t + ERF[1]) * t + ERF[0]) * t
    return np.asarray(np.sign(x) * (1 - tail * np.exp(-size * size)), np.float32)


def read_weights(path: Path) -> dict[str, Floats]:
    """Map the float32 tensors of a safetensors file by name, without reading them yet."""
    raw = np.memmap(path, np.uint8, "r")
    size = struct.unpack("<Q", raw[:8].tobytes())[0]
    head: dict[str, Any] = json.loads(raw[8 : 8 + size].tobytes())
    tensors = {}
    for name, entry in head.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            start, end = entry["data_offsets"]
            tensors[name] = raw[8 + size + start : 8 + size + end].view(np.float32).reshape(entry["shape"])
    return tensors


def as_factor(name: str, tensor: Floats) -> Floats:
    """Give a layer's matrix ready to stand on the right of a product; other tensors as they are."""
    is_matrix = name.endswith("weight") and tensor.ndim == 2 and "embeddings" not in name
    return np.ascontiguousarray(tensor.T) if is_matrix else tensor


class MiniLM:
    """A sentence encoder; one text at a time, so that no padding moves a vector."""

    def __init__(self, folder: Path) -> None:
        named = read_weights(folder / "model.safetensors").items()
        self.weights = {name.removeprefix("bert."): as_factor(name, tensor) for name, tensor in named}
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.no_padding()

    def encode(self, text: str) -> Floats:
        """Give the meaning of `text`: float32, (384,), unit length."""
        x = self._embed(np.array(self.tokenizer.encode(text).ids))
        for layer in range(LAYERS):
            name = f"encoder.layer.{layer}."
            attended = self._linear(self._attend(x, name), f"{name}attention.output.dense")
            x = self._norm(x + attended, f"{name}attention.output.LayerNorm")
            hidden = self._linear(x, f"{name}intermediate.dense")
            hidden *= np.float32(0.5) * (1 + erf(hidden / np.float32(math.sqrt(2))))
            x = self._norm(x + self._linear(hidden, f"{name}output.dense"), f"{name}output.LayerNorm")
        mean = x.mean(0)
        return np.asarray(mean / np.linalg.norm(mean), np.float32)

    def _embed(self, ids: NDArray[np.int64]) -> Floats:
        tables = [
            self.weights[f"embeddings.{kind}_embeddings.weight"]
            for kind in ("word", "position", "token_type")
        ]
        return self._norm(tables[0][ids] + tables[1][: len(ids)] + tables[2][0], "embeddings.LayerNorm")

    def _attend(self, x: Floats, name: str) -> Floats:
        heads = [
            self._linear(x, f"{name}attention.self.{part}").reshape(len(x), HEADS, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        ]
        scores = heads[0] @ heads[1].transpose(0, 2, 1) / np.float32(math.sqrt(heads[0].shape[-1]))
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        return np.asarray((shares @ heads[2]).transpose(1, 0, 2).reshape(len(x), -1), np.float32)

    def _norm(self, x: Floats, name: str) -> Floats:
        off = x - x.mean(-1, keepdims=True)
        scale = np.sqrt((off * off).mean(-1, keepdims=True) + np.float32(1e-12))
        return np.asarray(
            off / scale * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"], np.float32
        )

    def _linear(self, x: Floats, name: str) -> Floats:
        return np.asarray(x @ self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"], np.float32)
