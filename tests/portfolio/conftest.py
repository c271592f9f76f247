"""The shipped signals, charted once: the sentence model is fetched when it is not there yet."""

import subprocess
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from django.conf import settings

from portfolio.adapters.child import ChildLandscape
from portfolio.adapters.line_file import read_lines
from portfolio.adapters.scan_data import ScanData, load_scan_data
from portfolio.rules.landscape import Chart, Point, Prototypes, point_of
from portfolio.rules.signals import Signal, canonical, sift

ROOT = Path(__file__).parents[2]
AS_OF = date(2026, 9, 30)


@dataclass(frozen=True)
class Charted:
    """Signals and their chart, under their own ids."""

    signals: dict[str, Signal]
    chart: Chart

    def groups(self) -> set[frozenset[str]]:
        """Give the groups as sets of ids."""
        return {frozenset(member.key for member in group.members) for group in self.chart.groups}


def points(signals: list[Signal], data: ScanData) -> list[Point]:
    """Give the points of `signals` in canonical order, under their ids."""
    return [point_of(signal, key=signal.id, lists=data.lists) for signal in canonical(signals)]


@pytest.fixture(scope="session")
def data() -> ScanData:
    return load_scan_data(ROOT / "data" / "scan")


@pytest.fixture(scope="session")
def shipped() -> tuple[Signal, ...]:
    return sift(read_lines(ROOT / "data" / "signals.jsonl"), latest=AS_OF).signals


@pytest.fixture(scope="session")
def model() -> Path:
    folder = Path(settings.SHARED_DIR) / "models" / "minilm-l6-v2"
    subprocess.run([ROOT / "scripts" / "fetch-model", folder], check=True)  # noqa: S603 -- our own script
    return folder


@pytest.fixture(scope="session")
def landscape(model: Path, data: ScanData) -> ChildLandscape:
    return ChildLandscape(model=model, mean=data.mean, prototypes=data.prototypes)


@pytest.fixture(scope="session")
def grouping(model: Path, data: ScanData) -> ChildLandscape:
    """Give a landscape that only groups: without prototypes each signal is read once, not twice."""
    return ChildLandscape(model=model, mean=data.mean, prototypes=Prototypes({}, ["A shop sells goods."]))


@pytest.fixture(scope="session")
def charted(shipped: tuple[Signal, ...], data: ScanData, grouping: ChildLandscape) -> Charted:
    chart = grouping.chart(points(list(shipped), data), stored={}, older={}, known={})
    return Charted({signal.id: signal for signal in shipped}, chart)
