"""Read one request as JSON on standard input, write one answer as JSON on standard output."""

import base64
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from .features import centred, places
from .groups import group, nearest
from .minilm import SIZE, Floats, MiniLM

Json = dict[str, Any]

EVIDENCE: Final = 0.15
REASONS: Final = 3


def packed(vector: Floats) -> str:
    """Give a vector as base64 of little-endian float32."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def unpacked(text: str) -> Floats:
    """Give back what `packed` was given."""
    return np.frombuffer(base64.b64decode(text), "<f4")


class Encoder:
    """Meanings by text; each text is encoded once in its life, known ones never again."""

    def __init__(self, folder: str, known: Mapping[str, str]) -> None:
        self.folder = Path(folder)
        self.known = {name: unpacked(vector) for name, vector in known.items()}
        self.fresh: dict[str, Floats] = {}
        self.model: MiniLM | None = None

    def meanings(self, texts: Sequence[str]) -> Floats:
        """Give the meaning of each text: float32, (n, 384), unit length."""
        return np.array([self._meaning(text) for text in texts], np.float32).reshape(len(texts), SIZE)

    def _meaning(self, text: str) -> Floats:
        if text not in self.known:
            self.model = self.model or MiniLM(self.folder)
            self.known[text] = self.fresh[text] = self.model.encode(text)
        return self.known[text]


class Chart:
    """The signals of one request as places and groups."""

    def __init__(self, request: Json, encoder: Encoder) -> None:
        self.request, self.encoder = request, encoder
        self.points: list[Json] = request["points"]
        mean = np.array(request["mean"], np.float32)
        self.meanings = centred(encoder.meanings([point["text"] for point in self.points]), mean=mean)
        self.places = places(
            self.meanings,
            words=[point["words"] for point in self.points],
            address=[point["address"] for point in self.points],
        )

    def groups(self) -> list[Json]:
        """Give each group of two or more: members, why each is in, centre and margins."""
        stored = self.request["stored"]
        names: dict[Any, int] = {}
        start = [
            names.setdefault(stored.get(point["key"], (index,)), index)
            for index, point in enumerate(self.points)
        ]
        labels = group(self.places, start=start)
        rows = (np.flatnonzero(labels == label) for label in range(int(labels.max(initial=-1)) + 1))
        return [self._group(members) for members in rows if len(members) > 1]

    def _group(self, rows: Any) -> Json:
        alike = self.places[rows] @ self.places[rows].T
        np.fill_diagonal(alike, 0)
        similarity = alike.sum(1, dtype=np.float64) / (len(rows) - 1)
        is_evidence = similarity >= EVIDENCE
        core = rows[is_evidence] if is_evidence.any() else rows
        near = nearest(self.places[rows], count=min(REASONS, len(rows) - 1))
        members = [
            {
                "key": self.points[row]["key"],
                "similarity": round(float(similarity[index]), 4),
                "is_evidence": bool(is_evidence[index]),
                "nearest": [
                    [self.points[rows[other]]["key"], round(float(alike[index, other]), 4)]
                    for other in near[index]
                ],
            }
            for index, row in enumerate(rows)
        ]
        return {"members": members, "centre": packed(self._centre(core)), "margins": self._margins(core)}

    def _centre(self, rows: Any) -> Floats:
        total = self.meanings[rows].sum(0, dtype=np.float64)
        return np.asarray(total / max(float(np.linalg.norm(total)), 1e-9), np.float32)

    def _margins(self, rows: Any) -> dict[str, float]:
        if len(rows) < self.request["smallest"]:
            return {}
        return margins([self.points[row]["plain"] for row in rows], self.request["prototypes"], self.encoder)


def margins(texts: Sequence[str], prototypes: Json, encoder: Encoder) -> dict[str, float]:
    """Give how much nearer `texts` stand to each field than to ordinary business, on average."""
    if not prototypes["fields"]:
        return {}
    meanings = encoder.meanings(texts)
    ordinary = (meanings @ encoder.meanings(prototypes["ordinary"]).T).max(1)
    return {
        field: round(
            float(((meanings @ encoder.meanings(sentences).T).max(1) - ordinary).mean(dtype=np.float64)), 4
        )
        for field, sentences in sorted(prototypes["fields"].items())
    }


def likenesses(groups: Sequence[Json], older: Mapping[str, str]) -> Json:
    """Give the cosines of the groups' centres among each other and to the older ones, by name."""
    if not groups:
        return {"among": [], "older": {}}
    centres = np.array([unpacked(entry["centre"]) for entry in groups])
    old = {name: (centres @ unpacked(centre)).round(4).tolist() for name, centre in sorted(older.items())}
    return {"among": (centres @ centres.T).round(4).tolist(), "older": old}


def chart(request: Json, encoder: Encoder) -> Json:
    """Give the groups of the points of a request."""
    groups = Chart(request, encoder).groups()
    return {"groups": groups, **likenesses(groups, request["older"])}


def sketch(request: Json, encoder: Encoder) -> Json:
    """Give centre, margins and likeness to older opportunities of one lone text."""
    meaning = centred(encoder.meanings([request["text"]]), mean=np.array(request["mean"], np.float32))[0]
    older = {name: round(float(meaning @ unpacked(centre)), 4) for name, centre in request["older"].items()}
    found = margins([request["text"]], request["prototypes"], encoder)
    return {"centre": packed(meaning), "margins": found, "older": older}


def mean(request: Json, encoder: Encoder) -> Json:
    """Give the mean meaning of a sample of texts."""
    return {"mean": encoder.meanings(request["texts"]).mean(0, dtype=np.float64).round(6).tolist()}


VERBS: Final = {"chart": chart, "sketch": sketch, "mean": mean}


def answer(request: Json) -> Json:
    """Give the answer to one request, with the meanings that were read anew."""
    encoder = Encoder(request["model"], request["known"])
    reply = VERBS[request["verb"]](request, encoder)
    return {**reply, "vectors": {text: packed(vector) for text, vector in encoder.fresh.items()}}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(answer(json.load(sys.stdin))))
