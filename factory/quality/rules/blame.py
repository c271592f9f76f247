"""Blame: which line a failing journey points at, from the lines that each journey ran."""

import ast
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import sqrt

Line = tuple[str, int]
# Below this share of failing journeys among those that ran a line, one line does not explain them all.
_LEAST_COMMON_SHARE = 0.15


@dataclass(frozen=True)
class Suspect:
    """One line and how suspicious it is, 0 to 1."""

    file: str
    line: int
    score: float


@dataclass(frozen=True)
class Shape:
    """What stands in a file: how much on each line, and for each branching line where its body begins."""

    size: Mapping[int, int] = field(default_factory=dict)
    bodies: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Spectrum:
    """The lines that every journey ran, and in its last request, the names of those that failed, the files.

    `likely` names the files in which the cause is looked for first.
    """

    ran: Mapping[str, Collection[Line]]
    failed: Collection[str]
    last: Mapping[str, Collection[Line]] = field(default_factory=dict)
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    likely: Collection[str] = ()


def ochiai(*, failed_here: int, passed_here: int, failed: int) -> float:
    """Give the similarity of "ran this line" and "failed".

    Source: Abreu, Zoeteweij, van Gemund (2007), "On the accuracy of spectrum-based fault localization".
    """
    if not failed_here:
        return 0.0
    return failed_here / sqrt(failed * (failed_here + passed_here))


def rank_lines(journey: str, spectrum: Spectrum) -> list[Suspect]:
    """Give the lines that the failing `journey` ran, most suspicious first.

    One fault is taken to be behind all failures while some line that all of them ran can explain them; else
    each journey is judged alone. Of equally suspicious lines those of the likely files come first, then those
    where this journey left the way of the passing ones, those of its last request, those that do most.
    """
    passed = Counter(
        line for name, lines in spectrum.ran.items() if name not in spectrum.failed for line in lines
    )
    failed = _explained_with(journey, spectrum, passed)
    failed_here = Counter(line for name in failed for line in spectrum.ran[name])
    mine, last = set(spectrum.ran[journey]), spectrum.last.get(journey, ())

    def place(line: Line) -> tuple[float, bool, bool, bool, int, str, int]:
        shape = spectrum.shapes.get(line[0], Shape())
        score = ochiai(failed_here=failed_here[line], passed_here=passed[line], failed=len(failed))
        body = (line[0], shape.bodies.get(line[1], 0))
        has_turned = body not in mine and bool(passed[body])
        is_unlikely = line[0] not in spectrum.likely
        return -score, is_unlikely, not has_turned, line not in last, -shape.size.get(line[1], 0), *line

    ranked = sorted((place(line), line) for line in mine if failed_here[line] == len(failed))
    return [Suspect(*line, -score) for (score, *_), line in ranked]


def unreached(journey: str, spectrum: Spectrum) -> set[Line]:
    """Give the branching lines that `journey` ran and whose body no journey at all reached.

    Where a refusal is missing, it may stand there behind a condition that never holds.
    """
    everywhere = {line for lines in spectrum.ran.values() for line in lines}
    bodies = {
        line: spectrum.shapes.get(line[0], Shape()).bodies.get(line[1]) for line in spectrum.ran[journey]
    }
    return {
        line
        for line, body in bodies.items()
        if body is not None and (line[0], body) not in everywhere and line[0] in spectrum.likely
    }


def shape_of(source: str, *, is_python: bool) -> Shape:
    """Read what stands where in `source`: parts of the syntax tree, or tags of a template."""
    if not is_python:
        # A variable shows what was given, so it counts more than a tag.
        lines = enumerate(source.splitlines(), start=1)
        return Shape({number: 2 * text.count("{{") + text.count("{%") for number, text in lines})
    nodes = list(ast.walk(ast.parse(source)))
    branches = [node for node in nodes if isinstance(node, ast.If | ast.For | ast.While)]
    return Shape(
        Counter(getattr(node, "lineno", 0) for node in nodes),
        {node.lineno: node.body[0].lineno for node in branches},
    )


def _explained_with(journey: str, spectrum: Spectrum, passed: Counter[Line]) -> list[str]:
    """All failed journeys when one line may explain them, else this one alone."""
    failed = list(spectrum.failed)
    common = set.intersection(*(set(spectrum.ran[name]) for name in failed))
    best = max((len(failed) / (len(failed) + passed[line]) for line in common), default=0)
    return failed if best >= _LEAST_COMMON_SHARE else [journey]
