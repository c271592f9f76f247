"""Write what opportunities are worth, test them, and keep what the owner decided."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction

from core.errors import IllegalMove
from core.ids import correlation, digest_of, new_id, story_of
from core.services import business_now, current_mode, publish
from core.states import check_move, sources
from portfolio.adapters import shipped
from portfolio.adapters.line_file import read_lines, sha256_of
from portfolio.adapters.traffic_data import disposable_domains
from portfolio.errors import NotToValidate, TrafficUnreadable
from portfolio.models import Evidence, Opportunity, Scan, Signal, ValidationTest
from portfolio.ports import Landscape
from portfolio.rules.desk import DeskCheck, check_desk
from portfolio.rules.exclusion import Exclusion, judge_texts
from portfolio.rules.landscape import DUPLICATE_COSINE, Sketch
from portfolio.rules.lifecycle import JUDGED_BY_SCANS, OPPORTUNITY_MOVES
from portfolio.rules.opportunity import Candidate, first_sentence
from portfolio.rules.report import parts_of
from portfolio.rules.scoring import Part
from portfolio.rules.traffic import Counts, Traffic, Verdict, count_traffic, judge_counts, read_traffic
from portfolio.services.meanings import keep_meanings, known_meanings

OUTCOME_STATES = {"passed": Opportunity.State.PASSED, "failed": Opportunity.State.FAILED}


def tell(kind: str, *, story: UUID, **facts: str | int | None) -> None:
    """Publish a fact in its own story."""
    with story_of(story):
        publish(kind, **facts)


def _tell_scored(opportunity: Opportunity, *, state: str = "") -> None:
    tell(
        "portfolio.opportunity_scored",
        story=opportunity.correlation_id,
        opportunity_id=str(opportunity.pk),
        state=state or opportunity.state,
    )


@transaction.atomic
def score_opportunity(
    found: Candidate, *, scan: Scan, rank: int, signals: Mapping[str, Signal]
) -> Opportunity:
    """Write what a scan found of one opportunity and why each signal is in; a test begun keeps its verdict.

    Args:
        found: what the scan says.
        scan: which scan.
        rank: its place in the scan's list.
        signals: the stored signals, by id of the file.
    """
    seen = {"scan": scan, "rank": rank, "centre": found.group.centre, "scale": scan.scale}
    opportunity, _ = Opportunity.objects.get_or_create(
        name=found.name,
        defaults={**seen, "title": found.title, "problem": found.problem, "mode": current_mode()},
    )
    judged = _judgement(found)
    open_to_scans = Opportunity.objects.filter(pk=opportunity.pk, state__in=JUDGED_BY_SCANS)
    if not open_to_scans.update(**seen, **judged):
        Opportunity.objects.filter(pk=opportunity.pk).update(**seen)
    _record_evidence(opportunity, found, signals)
    _tell_scored(opportunity, state=found.state)
    return opportunity


def _judgement(found: Candidate) -> dict[str, Any]:
    """Give the columns a scan may judge; `duplicate` waits until its original is written."""
    score = found.score
    return {
        "title": found.title,
        "problem": found.problem,
        "category": found.category,
        "state": "found" if found.state == "duplicate" else found.state,
        "original": None,
        "reason": found.reason,
        "looks": list(found.looks),
        "points": score.points if score else None,
        "low": score.low if score else None,
        "high": score.high if score else None,
        "known_weight": score.known_weight if score else None,
        "parts": parts_of(score),
    }


def _record_evidence(opportunity: Opportunity, found: Candidate, signals: Mapping[str, Signal]) -> None:
    Evidence.objects.bulk_create(
        Evidence(
            opportunity=opportunity,
            signal=signals[member.key],
            place=place,
            similarity=member.similarity,
            counts=member.is_evidence,
            nearest=[[key, similarity] for key, similarity in member.nearest],
        )
        for place, member in enumerate(found.group.members)
    )


def link_opportunity(found: Candidate) -> None:
    """Link a repeat to its original, and merged older names to the one that stays."""
    if found.original:
        original = Opportunity.objects.get(name=found.original)
        Opportunity.objects.filter(name=found.name, state=Opportunity.State.FOUND).update(
            state=Opportunity.State.DUPLICATE, original=original
        )
    if found.merged:
        kept = Opportunity.objects.get(name=found.name)
        Opportunity.objects.filter(name__in=found.merged).update(merged_into=kept)


def record_idea(text: str, *, title: str, landscape: Landscape | None = None) -> Opportunity:
    """Write an owner's idea as an opportunity, `excluded` with the rule's words if the factory does not build such.

    The same text again gives the first row.

    Args:
        text: the idea, in the owner's words.
        title: a short name of it.
        landscape: who reads meanings; None is this installation's own.

    Raises:
        ModelMissing: the sentence model is not on this machine; nothing was written.
    """
    name = f"idea-{digest_of(text)[:10]}"
    if known := Opportunity.objects.filter(name=name).first():
        return known
    scale = shipped.scan_data().mean.scale
    older = dict(Opportunity.objects.standing().filter(scale=scale).values_list("name", "centre"))
    sketch = (landscape or shipped.landscape()).sketch(text, older=older, known=known_meanings([text]))
    return _write_idea(name, text=text, title=title, sketch=sketch)


@transaction.atomic
def _write_idea(name: str, *, text: str, title: str, sketch: Sketch) -> Opportunity:
    data = shipped.scan_data()
    verdict = judge_texts([text], margins=sketch.margins, fields=data.fields)
    keep_meanings(sketch.vectors)
    opportunity, is_new = Opportunity.objects.get_or_create(
        name=name,
        defaults={
            "origin": Opportunity.Origin.OWNER,
            "title": title,
            "problem": first_sentence(text),
            "words": text,
            "category": data.yardsticks.usual.name,
            "state": Opportunity.State.EXCLUDED if verdict.excluded else Opportunity.State.FOUND,
            "reason": verdict.excluded or "the owner's idea",
            "looks": _looks_of(verdict, sketch),
            "centre": sketch.centre,
            "scale": data.mean.scale,
            "mode": current_mode(),
            "correlation_id": correlation.get() or new_id(),
        },
    )
    if is_new:
        _tell_scored(opportunity)
    return opportunity


def _looks_of(verdict: Exclusion, sketch: Sketch) -> list[str]:
    near = [(cosine, name) for name, cosine in sketch.older.items() if cosine >= DUPLICATE_COSINE]
    repeats = [f"like {name}: likeness {cosine:.2f}" for cosine, name in sorted(near, reverse=True)[:3]]
    return [*verdict.looks, *repeats]


def validate_opportunity(opportunity: Opportunity, *, traffic: Path) -> ValidationTest:
    """Test an opportunity: desk check, then the go rule over a file of traffic. The same file decides once.

    Args:
        opportunity: scored high enough, or an owner's idea.
        traffic: a file whose first line says what it is.

    Raises:
        NotToValidate: neither; nothing was written.
        TrafficUnreadable: the file cannot be read, or does not say what it is; nothing was written.
    """
    try:
        sha256, read = sha256_of(traffic), read_traffic(read_lines(traffic))
    except OSError as error:
        raise TrafficUnreadable(file=traffic.name, why=error.strerror) from error
    if read is None:
        raise TrafficUnreadable(file=traffic.name, why="its first line does not say what it is")
    if known := opportunity.tests.filter(traffic_sha256=sha256).first():
        return known
    desk = _desk_of(opportunity)
    counts = count_traffic(read, disposable=disposable_domains(shipped.traffic_folder()))
    return _record_test(opportunity, desk, read, sha256, counts, judge_counts(counts))


def _desk_of(opportunity: Opportunity) -> DeskCheck:
    parts = [Part(**part) for part in opportunity.parts]
    desk = check_desk(
        points=opportunity.points, parts=parts, is_owners=opportunity.origin == Opportunity.Origin.OWNER
    )
    if not desk.passed:
        raise NotToValidate(opportunity=opportunity.name, why=desk.reason)
    return desk


@transaction.atomic
def _record_test(
    opportunity: Opportunity, desk: DeskCheck, traffic: Traffic, sha256: str, counts: Counts, verdict: Verdict
) -> ValidationTest:
    move_opportunity(opportunity, to=Opportunity.State.VALIDATING, reason="its test runs")
    test = ValidationTest.objects.create(
        opportunity=opportunity,
        desk=[asdict(line) for line in desk.lines],
        traffic_sha256=sha256,
        label=traffic.label,
        is_recorded=traffic.is_recorded,
        counts={name: value for name, value in asdict(counts).items() if name != "suspected"},
        suspected=[asdict(entry) for entry in counts.suspected],
        gates=[asdict(gate) for gate in verdict.gates],
        outcome=verdict.outcome,
        reason=verdict.reason,
        correlation_id=opportunity.correlation_id,
        at=business_now(),
    )
    if verdict.outcome in OUTCOME_STATES:
        move_opportunity(opportunity, to=OUTCOME_STATES[verdict.outcome], reason=verdict.reason)
    tell(
        "portfolio.opportunity_tested",
        story=opportunity.correlation_id,
        opportunity_id=str(opportunity.pk),
        outcome=verdict.outcome,
    )
    return test


def approve_opportunity(opportunity: Opportunity, *, reason: str) -> None:
    """Keep the owner's yes to build it; a repeat changes nothing.

    Raises:
        IllegalMove: it neither passed its test nor waits for the owner.
    """
    move_opportunity(opportunity, to=Opportunity.State.APPROVED, reason=reason)


def decline_opportunity(opportunity: Opportunity, *, reason: str) -> None:
    """Keep the owner's no, or his silence; a repeat changes nothing.

    Raises:
        IllegalMove: it neither passed its test nor waits for the owner.
    """
    move_opportunity(opportunity, to=Opportunity.State.DECLINED, reason=reason)


@transaction.atomic
def move_opportunity(opportunity: Opportunity, *, to: str, reason: str) -> None:
    """Change the state by its table; `opportunity` shows the change.

    Raises:
        IllegalMove: the table has no such change from where it stands now.
    """
    may_come = sources(OPPORTUNITY_MOVES, new=to)
    moved = Opportunity.objects.filter(pk=opportunity.pk, state__in=may_come).update(state=to, reason=reason)
    opportunity.refresh_from_db(fields=["state", "reason"])
    if not moved and opportunity.state != to:
        check_move(OPPORTUNITY_MOVES, old=opportunity.state, new=to)
        raise IllegalMove(old=opportunity.state, new=to)
