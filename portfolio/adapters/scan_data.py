"""The data files of a scan: word lists, prototypes, yardsticks and the reference mean, which people may edit."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portfolio.rules.exclusion import Field, fields_of
from portfolio.rules.landscape import Prototypes, ReferenceMean
from portfolio.rules.scoring import Yardsticks
from portfolio.rules.words import WordLists

MEAN_FILE = "reference-mean-v1.json"


@dataclass(frozen=True)
class ScanData:
    """Everything a scan reads besides the signals."""

    lists: WordLists
    fields: tuple[Field, ...]
    prototypes: Prototypes
    yardsticks: Yardsticks
    mean: ReferenceMean


def load_scan_data(folder: Path) -> ScanData:
    """Give the data of the files in `folder`."""
    mean = _read(folder / MEAN_FILE)
    return ScanData(
        lists=WordLists.from_lists(_read(folder / "words.json")),
        fields=fields_of(_read(folder / "exclusions.json")),
        prototypes=Prototypes.from_lists(_read(folder / "prototypes.json")),
        yardsticks=Yardsticks.from_lists(
            complaints=_read(folder / "complaints.json"),
            wishes=_read(folder / "wishes.json"),
            effort=_read(folder / "effort.json"),
        ),
        mean=ReferenceMean(mean["scale"], tuple(mean["values"])),
    )


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
