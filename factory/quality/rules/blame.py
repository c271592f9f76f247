"""Blame: which line a failing journey points at, from the lines that each journey ran."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import sqrt

Line = tuple[str, int]


@dataclass(frozen=True)
class Suspect:
    """One line and how suspicious it is, 0 to 1."""

    file: str
    line: int
    score: float


def ochiai(*, failed_here: int, passed_here: int, failed: int) -> float:
    """Give the similarity of "ran this line" and "failed".

    Source: Abreu, Zoeteweij, van Gemund (2007), "On the accuracy of spectrum-based fault localization".
    """
    if not failed_here:
        return 0.0
    return failed_here / sqrt(failed * (failed_here + passed_here))


def rank_lines(
    journey: str, *, ran: Mapping[str, Collection[Line]], failed: Collection[str], last: Collection[Line] = ()
) -> list[Suspect]:
    """Give the lines that the failing `journey` ran, most suspicious first.

    `ran` has the lines of every journey by its name, `failed` the names of all that failed, `last` the lines
    of this one's last request: of equally suspicious lines these come first.
    """
    fine = [set(lines) for name, lines in ran.items() if name not in failed]
    alike = [set(lines) for name, lines in ran.items() if name in failed]

    def place(line: Line) -> tuple[float, float, bool, str, int]:
        passed_here = sum(line in lines for lines in fine)
        alone = ochiai(failed_here=1, passed_here=passed_here, failed=1)
        together = ochiai(
            failed_here=sum(line in lines for lines in alike), passed_here=passed_here, failed=len(alike)
        )
        return -alone, -together, line not in last, line[0], line[1]

    ranked = sorted((place(line), line) for line in set(ran.get(journey, ())))
    return [Suspect(file, number, -score[0]) for score, (file, number) in ranked]
