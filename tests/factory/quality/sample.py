"""A small product on the skeleton, written by hand: certificates and reminders; and what is wrong with it."""

import json
import shutil
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from factory.quality.ports import Build
from factory.quality.rules.criteria import Criterion, parse_criteria
from factory.repo.adapters.environments import environment_for

ROOT = Path(__file__).parents[3]
SKELETON = ROOT / "data" / "skeletons" / "saas-py"
SAMPLE = Path(__file__).parent / "sample"
LITTER = shutil.ignore_patterns("__pycache__", "*.sqlite3*", ".secret")


class Edit(NamedTuple):
    """One line of the product, written wrongly."""

    file: str
    right: str
    wrong: str

    @property
    def line(self) -> int:
        """The first line that is wrong."""
        source = SAMPLE / f"{self.file}.txt"
        before, found, _ = (
            (source if source.exists() else SKELETON / self.file).read_text().partition(self.right)
        )
        same = "".join(
            takewhile(
                str.__len__, (a if a == b else "" for a, b in zip(self.right, self.wrong, strict=False))
            )
        )
        assert found, self
        return f"{before}{same}".count("\n") + 1


@cache
def raw_criteria() -> list[dict[str, Any]]:
    """What the product promises, as its blueprint spells it."""
    return list(json.loads((SAMPLE / "criteria.json").read_text()))


def criteria(*names: str) -> tuple[Criterion, ...]:
    """The promises of these names, or all."""
    return tuple(item for item in parse_criteria(raw_criteria()) if not names or item.id in names)


@cache
def python() -> Path:
    """The environment of the skeleton's lock; the same for all tests of this process."""
    return environment_for(SKELETON / "requirements.txt", home=ROOT / "var" / "shared" / "environments")


def write_product(tree: Path, *edits: Edit) -> Path:
    """Write skeleton and sample into `tree`, with these lines wrong."""
    shutil.copytree(SKELETON, tree, ignore=LITTER)
    for source in SAMPLE.rglob("*.txt"):
        target = (tree / source.relative_to(SAMPLE)).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    for file, right, wrong in edits:
        text = (tree / file).read_text()
        assert right in text, (file, right)
        (tree / file).write_text(text.replace(right, wrong, 1))
    return tree


def a_build(folder: Path, *edits: Edit, promises: tuple[Criterion, ...] = (), **more: Any) -> Build:
    """A copy of the product to be measured; it promises `promises`, or all."""
    tree = write_product(folder / "tree", *edits)
    return Build(tree, SKELETON, python(), promises or criteria(), **more)
