"""The place of each signal: its meaning, its letters and the words of its address, as one vector."""

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from .minilm import Floats

# Frozen: measured on labelled signals with the groups under test held out. No file scanned may move them.
MEANING_SHARE: Final = 0.65
LETTERS_SHARE: Final = 0.30
ADDRESS_SHARE: Final = 0.05
LETTERS_SIZE: Final = 1024
ADDRESS_SIZE: Final = 512
BUCKETS: Final = 65536


def grams(words: Iterable[str]) -> Counter[int]:
    """Count the runs of 3 to 5 letters of `" word "`, each by its crc32 (Python's own hash is salted)."""
    counts: Counter[int] = Counter()
    for word in words:
        padded = f" {word} "
        for size in (3, 4, 5):
            for start in range(len(padded) - size + 1):
                counts[zlib.crc32(padded[start : start + size].encode())] += 1
    return counts


def letters(texts: Sequence[Sequence[str]], *, size: int) -> Floats:
    """Give each list of words as signed dimensions of its weighted letter runs: float32, (n, size)."""
    counted = [grams(words) for words in texts]
    spread = Counter(bucket for counts in counted for bucket in {gram % BUCKETS for gram in counts})
    rows = np.zeros((len(texts), size), np.float32)
    for row, counts in zip(rows, counted, strict=True):
        weights = {
            gram: (1 + math.log(times)) * (math.log((1 + len(texts)) / (1 + spread[gram % BUCKETS])) + 1)
            for gram, times in sorted(counts.items())
        }
        length = math.sqrt(math.fsum(weight * weight for weight in weights.values())) or 1.0
        for gram, weight in weights.items():
            place = gram * 2654435761 % 2**32
            row[(place >> 8) % size] += (1 if place & 128 else -1) * weight / length
    return rows


def centred(meanings: Floats, *, mean: Floats) -> Floats:
    """Give what is special in each meaning: the reference mean taken away, unit length again."""
    off = meanings - mean
    return np.asarray(off / np.maximum(np.linalg.norm(off, axis=1, keepdims=True), 1e-9), np.float32)


def places(meanings: Floats, *, words: Sequence[Sequence[str]], address: Sequence[Sequence[str]]) -> Floats:
    """Give the vectors whose dot product is the similarity of two signals: float32, (n, 1920).

    Args:
        meanings: centred, unit length, (n, 384).
        words: what each text speaks of; the letters part also reads the words of the address.
        address: the words of each address.
    """
    both = [[*told, *named] for told, named in zip(words, address, strict=True)]
    parts = (
        math.sqrt(MEANING_SHARE) * meanings,
        math.sqrt(LETTERS_SHARE) * letters(both, size=LETTERS_SIZE),
        math.sqrt(ADDRESS_SHARE) * letters(address, size=ADDRESS_SIZE),
    )
    return np.concatenate(parts, axis=1).astype(np.float32)
