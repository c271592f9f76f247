"""The landscape read by a child process: numpy and the model live there and end with each question."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any, Final

from portfolio.errors import LandscapeFailed, ModelMissing
from portfolio.rules.landscape import (
    SMALLEST_OPPORTUNITY,
    Chart,
    Point,
    Prototypes,
    ReferenceMean,
    Sketch,
    chart_of,
)

FOLDER: Final = Path(__file__).parent
MODEL_FILES: Final = ("model.safetensors", "tokenizer.json")
START: Final = (
    "import runpy, sys; sys.path.append(sys.argv[1]); runpy.run_module('landscape', run_name='__main__')"
)
# Threads of the number library spin when the cores are busy: one is faster than two.
ONE_THREAD: Final = {
    f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM")
}


class ChildLandscape:
    """A landscape whose every question is one child process that knows nothing of the factory.

    The meanings of the prototypes, which every question needs and which stay the same, are read by the first one.
    """

    def __init__(
        self, *, model: Path, mean: ReferenceMean, prototypes: Prototypes, seconds: float = 3600
    ) -> None:
        self.model, self.mean, self.prototypes, self.seconds = model, mean, prototypes, seconds
        self.sentences = {*prototypes.ordinary, *chain.from_iterable(prototypes.fields.values())}
        self.read: dict[str, str] = {}

    def chart(
        self,
        points: Sequence[Point],
        *,
        stored: Mapping[str, str],
        older: Mapping[str, str],
        known: Mapping[str, str],
    ) -> Chart:
        """Give the groups of `points`. Raises: ModelMissing, LandscapeFailed."""
        charted = [asdict(point) for point in points]
        return chart_of(
            self._ask(verb="chart", points=charted, stored=dict(stored), older=dict(older), known=known)
        )

    def sketch(self, text: str, *, older: Mapping[str, str], known: Mapping[str, str]) -> Sketch:
        """Give where a lone text stands. Raises: ModelMissing, LandscapeFailed."""
        answer = self._ask(verb="sketch", text=text, older=dict(older), known=known)
        return Sketch(answer["centre"], answer["margins"], answer["older"], answer["vectors"])

    def mean_of(self, texts: Sequence[str], *, known: Mapping[str, str]) -> tuple[float, ...]:
        """Give the mean meaning of a sample: how a reference mean is made, never by a scan."""
        return tuple(self._ask(verb="mean", texts=list(texts), known=known)["mean"])

    def _ask(self, *, known: Mapping[str, str], **question: Any) -> dict[str, Any]:
        """Ask one process; it is given no environment and finds nothing on its path but libraries and itself."""
        self._check_model()
        asked = {
            **question,
            "known": {**self.read, **known},
            "model": str(self.model),
            "mean": self.mean.values,
            "prototypes": asdict(self.prototypes),
            "smallest": SMALLEST_OPPORTUNITY,
        }
        command = [sys.executable, "-I", "-c", START, str(FOLDER)]
        try:
            done = subprocess.run(  # noqa: S603 -- our own interpreter and our own file
                command,
                input=json.dumps(asked).encode(),
                capture_output=True,
                env=ONE_THREAD,
                timeout=self.seconds,
                check=True,
            )
            answer: dict[str, Any] = json.loads(done.stdout)
        except subprocess.CalledProcessError as error:
            last = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise LandscapeFailed(said=" ".join(last)) from error
        except (subprocess.TimeoutExpired, json.JSONDecodeError, OSError) as error:
            raise LandscapeFailed(said=type(error).__name__) from error
        self.read |= {text: answer["vectors"][text] for text in self.sentences & answer["vectors"].keys()}
        return answer

    def _check_model(self) -> None:
        if not all((self.model / name).is_file() for name in MODEL_FILES):
            raise ModelMissing(folder=self.model)
