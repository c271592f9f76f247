"""What quality needs from outside: gates that measure one copy of a product."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from factory.quality.rules.criteria import Criterion
from factory.quality.rules.evidence import Evidence


@dataclass(frozen=True)
class Build:
    """One copy of a product to be measured; measuring may leave files in `tree`.

    `skeleton` is the folder it was made from, `python` runs its environment; `added` are cases of a reviewer,
    which block only where the product breaks; `lock_reasons` names why a package may differ from the
    skeleton's lock.
    """

    tree: Path
    skeleton: Path
    python: Path
    criteria: tuple[Criterion, ...]
    added: tuple[Criterion, ...] = ()
    lock_reasons: Mapping[str, str] = field(default_factory=dict)


class Gate(Protocol):
    """One thing that must be true of a build."""

    def __call__(self, build: Build, /) -> Evidence:
        """Measure `build`; what cannot be measured has not passed."""
