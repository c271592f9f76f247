"""How a scan lists what it found: the same words whether or not it was stored."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from portfolio.rules.landscape import Member
from portfolio.rules.opportunity import Candidate
from portfolio.rules.scoring import Score
from portfolio.rules.signals import Quarantined, Signal

Json = dict[str, Any]


def parts_of(score: Score | None) -> list[Json]:
    """Give the parts of a score as they are stored: name, weight, value and how it was found."""
    return [asdict(part) for part in score.parts] if score else []


def nearest_of(member: Member, *, signals: Mapping[str, Signal]) -> list[list[Any]]:
    """Give whom a member is most like, by the ids of the file."""
    return [[signals[key].id, similarity] for key, similarity in member.nearest]


def listed(found: Candidate, *, signals: Mapping[str, Signal]) -> Json:
    """Give one opportunity as a scan lists it."""
    evidence = [
        {
            "signal_id": signals[member.key].id,
            "similarity": member.similarity,
            "counts": member.is_evidence,
            "nearest": nearest_of(member, signals=signals),
        }
        for member in found.group.members
    ]
    return {
        "id": found.name,
        "title": found.title,
        "problem": found.problem,
        "category": found.category,
        "state": found.state,
        "reason": found.reason,
        "looks": list(found.looks),
        "score": found.score.points if found.score else None,
        "low": found.score.low if found.score else None,
        "high": found.score.high if found.score else None,
        "known_weight": found.score.known_weight if found.score else None,
        "parts": parts_of(found.score),
        "signal_ids": [row["signal_id"] for row in evidence],
        "evidence": evidence,
        "original": found.original,
    }


def kept_apart(quarantined: tuple[Quarantined, ...]) -> list[Json]:
    """Give the lines kept apart, in order, with their reasons."""
    return [asdict(entry) for entry in sorted(quarantined, key=lambda entry: entry.line)]
