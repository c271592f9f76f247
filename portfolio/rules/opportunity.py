"""What the groups of a scan are worth: named, excluded, linked, thin or scored, each with its reason in words."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Literal

from portfolio.rules.exclusion import Exclusion, Field, judge_texts
from portfolio.rules.landscape import CROWDED, DUPLICATE_COSINE, SMALLEST_OPPORTUNITY, Group, Member
from portfolio.rules.scoring import (
    NOTHING_OUTSIDE,
    Outside,
    Score,
    Yardsticks,
    category_of,
    read_parts,
    weigh,
)
from portfolio.rules.signals import Signal
from portfolio.rules.words import normal_address, wording

LEAST_KNOWN_WEIGHT: Final = 0.6
PASSING_POINTS: Final = 60
PROBLEM_LIMIT_CHARS: Final = 300
SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s")

State = Literal["found", "thin", "excluded", "duplicate", "scored"]


@dataclass(frozen=True)
class Bench:
    """What opportunities are measured with: the day, the excluded fields, the yardsticks of the score."""

    as_of: date
    fields: Sequence[Field]
    yardsticks: Yardsticks
    outside: Outside = NOTHING_OUTSIDE


@dataclass(frozen=True)
class Before:
    """What stood before the scan.

    Attributes:
        names: the opportunity each signal was in, by key.
        ages: all opportunities, oldest first.
        outcomes: what became of each, by name.
    """

    names: Mapping[str, str]
    ages: Sequence[str] = ()
    outcomes: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Candidate:
    """An opportunity as a scan sees it; title and problem are strangers' words.

    Attributes:
        name: stays the same while most of its earlier signals stay together.
        merged: older names that now lead here.
        original: the older opportunity it repeats.
        looks: what the owner should look at; never a silent verdict.
    """

    name: str
    title: str
    problem: str
    category: str
    group: Group
    merged: tuple[str, ...] = ()
    state: State = "found"
    reason: str = ""
    looks: tuple[str, ...] = ()
    original: str | None = None
    score: Score | None = None


def candidates(
    groups: Sequence[Group], *, signals: Mapping[str, Signal], bench: Bench, before: Before
) -> tuple[Candidate, ...]:
    """Give the opportunities of `groups`, those with most evidence first; `signals` by the key they are charted under."""
    named = name_groups(groups, signals=signals, before=before)
    drafts = [
        _judged(_draft(group, name, merged, signals, bench), signals, bench)
        for group, (name, merged) in zip(groups, named, strict=True)
    ]
    linked = _link_duplicates(drafts, before)
    settled = [_settled(draft, signals, bench) for draft in linked]
    return tuple(sorted(settled, key=lambda found: -len(found.group.evidence)))


def name_groups(
    groups: Sequence[Group], *, signals: Mapping[str, Signal], before: Before
) -> list[tuple[str, tuple[str, ...]]]:
    """Give each group its name and the older names that merge into it. Source: U-1a.

    A name follows most of its earlier signals; where two meet, the older one stays.
    """
    ages = {name: age for age, name in enumerate(before.ages)}
    followers: dict[str, Counter[int]] = {}
    for index, group in enumerate(groups):
        for member in group.members:
            if name := before.names.get(member.key):
                followers.setdefault(name, Counter())[index] += 1
    claims: dict[int, list[str]] = {}
    for name in sorted(followers, key=lambda name: (ages.get(name, len(ages)), name)):
        home = min(followers[name], key=lambda index: (-followers[name][index], index))
        claims.setdefault(home, []).append(name)
    taken = {*before.ages, *before.names.values()}
    return [
        (claimed[0], tuple(claimed[1:]))
        if (claimed := claims.get(index))
        else (_new_name(group, signals, taken), ())
        for index, group in enumerate(groups)
    ]


def _new_name(group: Group, signals: Mapping[str, Signal], taken: set[str]) -> str:
    """Give a name made of what its signals say, so that neither their ids nor their order move it."""
    for member in group.members:
        said = "\n".join(signals[member.key].order[:-1])
        name = f"opp-{hashlib.sha256(said.encode(errors='replace')).hexdigest()[:10]}"
        if name not in taken:
            break
    taken.add(name)
    return name


def _draft(
    group: Group, name: str, merged: tuple[str, ...], signals: Mapping[str, Signal], bench: Bench
) -> Candidate:
    central = signals[most_central(group).key]
    voices = [signals[member.key] for member in group.evidence or group.members]
    return Candidate(
        name=name,
        title=central.title.strip(),
        problem=first_sentence(central.text) or central.title.strip(),
        category=category_of(voices, yardsticks=bench.yardsticks).name,
        group=group,
        merged=merged,
    )


def most_central(group: Group) -> Member:
    """Give the member most like the rest; the earlier one on a tie."""
    return max(group.members, key=lambda member: member.similarity)


def first_sentence(text: str) -> str:
    """Give the first sentence of `text` on one line, cut at 300 characters."""
    return SENTENCE_END.split(" ".join(text.split()), maxsplit=1)[0][:PROBLEM_LIMIT_CHARS]


def _evidence(candidate: Candidate, signals: Mapping[str, Signal]) -> list[Signal]:
    return [signals[member.key] for member in candidate.group.evidence]


def _judged(draft: Candidate, signals: Mapping[str, Signal], bench: Bench) -> Candidate:
    """Say what is excluded or too small to judge; the rest stays `found`."""
    evidence = _evidence(draft, signals)
    if len(evidence) < SMALLEST_OPPORTUNITY:
        return replace(
            draft, state="thin", reason=f"{len(evidence)} signals count, {SMALLEST_OPPORTUNITY} are needed"
        )
    verdict = exclusion_of(evidence, margins=draft.group.margins, bench=bench)
    looks = (*verdict.looks, *_crowd(draft.group))
    if verdict.excluded:
        return replace(draft, state="excluded", reason=verdict.excluded, looks=looks)
    return replace(draft, looks=looks)


def exclusion_of(evidence: Sequence[Signal], *, margins: Mapping[str, float], bench: Bench) -> Exclusion:
    """Give whether `evidence` asks for what the factory does not build."""
    if bench.outside.trend == "falling":
        return Exclusion("the interest in it is falling")
    if bench.outside.funded_incumbents:
        return Exclusion(f"a race with funded rivals: {', '.join(bench.outside.funded_incumbents)}")
    texts = [wording(signal.title, signal.text) for signal in evidence]
    return judge_texts(texts, margins=margins, fields=bench.fields)


def _crowd(group: Group) -> tuple[str, ...]:
    size = len(group.members)
    return (f"{size} signals in one group: probably several needs",) if size > CROWDED else ()


def _link_duplicates(drafts: Sequence[Candidate], before: Before) -> list[Candidate]:
    """Link each candidate to the oldest original it repeats: what stood before, then what has more evidence."""
    ages = {name: age for age, name in enumerate(before.ages)}
    rank = sorted(
        range(len(drafts)),
        key=lambda index: (
            ages.get(drafts[index].name, len(ages)),
            -len(drafts[index].group.evidence),
            index,
        ),
    )
    linked = list(drafts)
    originals: list[int] = []
    for index in rank:
        if linked[index].state == "thin":
            continue
        if linked[index].state == "found" and (found := _original(index, originals, linked, before)):
            name, cosine = found
            outcome = (before.outcomes or {}).get(name)
            reason = (
                f"repeats {name}{f' ({outcome})' if outcome else ''}: likeness {cosine:.2f} of the centres"
            )
            linked[index] = replace(linked[index], state="duplicate", reason=reason, original=name)
        else:
            originals.append(index)
    return linked


def _original(
    index: int, originals: Sequence[int], linked: Sequence[Candidate], before: Before
) -> tuple[str, float] | None:
    """Give name and likeness of what candidate `index` repeats, the oldest first."""
    group, here = linked[index].group, {candidate.name for candidate in linked}
    gone = [(name, group.older[name]) for name in before.ages if name in group.older and name not in here]
    present = [(linked[other].name, group.among[other]) for other in originals]
    alike = [(name, cosine) for name, cosine in (*gone, *present) if cosine >= DUPLICATE_COSINE]
    return alike[0] if alike else None


def _settled(draft: Candidate, signals: Mapping[str, Signal], bench: Bench) -> Candidate:
    """Score what is neither thin, excluded nor a duplicate."""
    if draft.state != "found":
        return draft
    evidence = _evidence(draft, signals)
    if lack := what_evidence_lacks(evidence):
        return replace(draft, state="thin", reason=lack)
    parts = read_parts(evidence, as_of=bench.as_of, yardsticks=bench.yardsticks, outside=bench.outside)
    state, reason, score = verdict_of(weigh(parts))
    return replace(draft, state=state, reason=reason, score=score)


def what_evidence_lacks(evidence: Sequence[Signal]) -> str | None:
    """Give why `evidence` is too thin to score, or None. Source: R-10.2."""
    complete = {normal_address(signal.url) for signal in evidence if signal.url and signal.day}
    if len(complete) < SMALLEST_OPPORTUNITY:
        return f"{len(complete)} signals have an address and a date, {SMALLEST_OPPORTUNITY} are needed"
    sources = {signal.source for signal in evidence}
    return f"all signals come from one source ({sources.pop()})" if len(sources) == 1 else None


def verdict_of(score: Score) -> tuple[State, str, Score]:
    """Give state, reason and score; with too little known the points are not given, the range is."""
    if score.known_weight < LEAST_KNOWN_WEIGHT or score.points is None:
        lack = f"{score.known_weight:.0%} of the weight is known, {LEAST_KNOWN_WEIGHT:.0%} is needed"
        return "thin", lack, replace(score, points=None)
    reach = (
        f"{score.points:g} of 100, between {score.low:g} and {score.high:g}, {score.known_weight:.0%} known"
    )
    goes = (
        "goes to validation" if score.points >= PASSING_POINTS else f"below {PASSING_POINTS}: not validated"
    )
    return "scored", f"{goes}: {reach}, uncalibrated", score
