"""Chance without chance: every choice is a digest of the seed, a label and the words that were said."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self, TypeVar

T = TypeVar("T")
_PASSING = re.compile(r"/(?:tmp|var|home|root|work)/\S+|\b[0-9a-f-]*\d[0-9a-f-]{7,}\b|\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Seed:
    """Which world of chance this is, and how it may err: read from `NUMBER[:FLAG[,FLAG]]`.

    Flags: `clean` plants no defect, `defect=NAME` plants that one wherever it fits,
    `broken=N` spoils every N-th structured answer and tool call (by digest).
    """

    number: int
    is_clean: bool = False
    defect: str = ""
    broken_every: int | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """The seed that `text` spells.

        Raises:
            ValueError: no number, or a flag that does not exist.
        """
        number, _, rest = text.partition(":")
        flags = {name: value for name, _, value in (flag.partition("=") for flag in rest.split(",") if flag)}
        if unknown := flags.keys() - {"clean", "defect", "broken"}:
            why = f"unknown flags of the seed: {sorted(unknown)}"
            raise ValueError(why)
        broken = int(flags["broken"]) if "broken" in flags else None
        return cls(int(number), "clean" in flags, flags.get("defect", ""), broken)


@dataclass(frozen=True)
class Dice:
    """Choices that follow from `seed`, `salt` and `text`; ids, times, ports and paths in the text do not count."""

    seed: int
    text: str
    salt: str = ""

    @cached_property
    def ground(self) -> str:
        """The text without what changes from run to run."""
        return _PASSING.sub("#", self.text)

    def number(self, label: str) -> int:
        """A whole number below 2**64."""
        raw = f"{self.seed}\0{self.salt}\0{label}\0{self.ground}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "big")

    def hits(self, label: str, *, share: float) -> bool:
        """True for about `share` (0 to 1) of all texts."""
        return self.number(label) < share * 2**64

    def pick(self, label: str, options: Sequence[T]) -> T:
        """One of `options`."""
        return options[self.number(label) % len(options)]
