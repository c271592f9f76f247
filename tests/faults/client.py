"""Start the fault server, tell it what to do, and ask what it billed."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from core.adapters.tls import trusted
from tests.faults.play import Play

Json = dict[str, Any]
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Faults:
    """A running provider; `url` is the base address of both protocols."""

    url: str

    def plan(self, *plays: Play) -> None:
        """Answer the next requests like this, one play after the other; then as `always`."""
        self._order("setup", {"plays": [play.as_json() for play in plays]})

    def always(self, play: Play) -> None:
        """Answer like this whenever no play is left."""
        self._order("setup", {"always": play.as_json()})

    def price(self, prices: Mapping[str, Mapping[str, int]]) -> None:
        """Bill at these micro-dollars per million tokens: `{"gpt-5.2": {"input": 1_750_000, "output": 14_000_000}}`."""
        self._order("setup", {"prices": {model: dict(price) for model, price in prices.items()}})

    def admit(self, *keys: str) -> None:
        """Take these keys alone; none: any."""
        self._order("setup", {"keys": list(keys)})

    def offer(self, *models: str) -> None:
        """List these models."""
        self._order("setup", {"models": list(models)})

    def reset(self) -> None:
        """Forget everything: plays, prices, keys and the tally."""
        self._order("reset", {})

    def calls(self) -> list[Json]:
        """Return every paid request so far, in order: tag, path, model, served, status, fault, tokens, billed_microusd."""
        return list(self._order("calls", {})["calls"])

    def bodies(self) -> list[Json]:
        """Return what came, word for word: path and body."""
        return [{**seen, "body": json.loads(seen["body"])} for seen in self._order("bodies", {})["bodies"]]

    def totals(self) -> Json:
        """Return requests, billed, billed_microusd, counted (token counts, free), open_now and most_open."""
        return self._order("totals", {})

    @property
    def billed_microusd(self) -> int:
        """What it billed in all."""
        return int(self.totals()["billed_microusd"])

    @property
    def models(self) -> list[str]:
        """The models that were asked, in order."""
        return [call["model"] for call in self.calls()]

    def _order(self, verb: str, told: Json) -> Json:
        return dict(
            httpx.post(f"{self.url}/_{verb}", json=told, timeout=60, verify=trusted())
            .raise_for_status()
            .json()
        )


@contextmanager
def faulty_provider() -> Iterator[Faults]:
    """Serve on a free port of loopback, in a process that ends with the block, or with us."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.faults"], cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin
    assert child.stdout
    try:
        yield Faults(json.loads(child.stdout.readline())["url"])
    finally:
        child.stdin.close()
        child.wait(10)
        child.stdout.close()
