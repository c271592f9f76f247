"""Read a file of signals, group it with all that came before, and write down what it says."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from core.ids import correlation
from core.services import business_now, current_mode, publish
from portfolio.adapters import shipped
from portfolio.adapters.line_file import read_lines, sha256_of
from portfolio.errors import ScanOvertaken, SignalsUnreadable
from portfolio.models import Evidence, Opportunity, Scan, Signal
from portfolio.ports import Landscape
from portfolio.rules import signals as rules
from portfolio.rules.landscape import Chart, Point, point_of
from portfolio.rules.lifecycle import JUDGED_BY_SCANS
from portfolio.rules.opportunity import Before, Bench, Candidate, candidates
from portfolio.rules.report import kept_apart, listed
from portfolio.services.meanings import keep_meanings, known_meanings
from portfolio.services.opportunities import link_opportunity, score_opportunity


@dataclass(frozen=True)
class Stored:
    """What stood before a scan: all signals by id, their opportunities, and the centres of lasting ones."""

    last_number: int
    signals: Mapping[str, rules.Signal]
    before: Before
    older: Mapping[str, str]


NOTHING_STORED = Stored(0, {}, Before({}), {})


@dataclass(frozen=True)
class Findings:
    """What a look at signals found; nothing of it is stored.

    Attributes:
        fresh: the signals that were not known before.
        signals: all signals that were grouped, by id.
    """

    as_of: date
    candidates: tuple[Candidate, ...]
    quarantined: tuple[rules.Quarantined, ...]
    fresh: Sequence[rules.Signal]
    signals: Mapping[str, rules.Signal]
    chart: Chart

    def as_report(self) -> dict[str, Any]:
        """Give it as `factory scan` prints it."""
        return {
            "as_of": self.as_of.isoformat(),
            "opportunities": [listed(found, signals=self.signals) for found in self.candidates],
            "quarantined": kept_apart(self.quarantined),
        }


def look_at_signals(path: Path, *, as_of: date | None = None, landscape: Landscape | None = None) -> Findings:
    """Give what the signals of a file say by themselves; writes nothing and, with `as_of`, reads no row.

    Args:
        path: a file of one JSON signal per line.
        as_of: the day ages and mentions are counted from; None is today in business time.
        landscape: who reads meanings; None is this installation's own.

    Raises:
        SignalsUnreadable: there is no such file, or it cannot be read.
        ModelMissing: the sentence model is not on this machine.
    """
    day = as_of or business_now().date()
    return _survey(_read(path, day), as_of=day, stored=NOTHING_STORED, landscape=landscape)


def scan_signals(path: Path, *, as_of: date | None = None, landscape: Landscape | None = None) -> Scan:
    """Group a file's signals with all stored ones; store signals, opportunities and why. Safe to run twice. Source: U-10a.

    Args:
        path: a file of one JSON signal per line.
        as_of: the day ages and mentions are counted from; None is today in business time.
        landscape: who reads meanings; None is this installation's own.

    Raises:
        SignalsUnreadable: there is no such file, or it cannot be read; nothing was written.
        ModelMissing: the sentence model is not on this machine; nothing was written.
        ScanOvertaken: another scan ended meanwhile; nothing was written.
    """
    began, day = monotonic(), as_of or business_now().date()
    sifted, stored = _read(path, day), _stored()
    findings = _survey(sifted, as_of=day, stored=stored, landscape=landscape)
    number = stored.last_number + 1
    try:
        scan = _record(findings, path=path, number=number, signals_read=len(sifted.signals))
    except IntegrityError as error:
        if Scan.objects.filter(number=number).exists():
            raise ScanOvertaken from error
        raise
    scan.took_s = monotonic() - began
    scan.save(update_fields=["took_s"])
    return scan


def _read(path: Path, as_of: date) -> rules.Sifted:
    """Sift a file; a day after both today and `as_of` cannot have been seen (a day is left for time zones)."""
    latest = max(as_of, timezone.now().date()) + timedelta(days=1)
    try:
        return rules.sift(read_lines(path), latest=latest)
    except OSError as error:
        raise SignalsUnreadable(file=path.name, why=error.strerror) from error


def _stored() -> Stored:
    opportunities = list(Opportunity.objects.standing().order_by("created_at", "rank", "name"))
    lasting = [entry for entry in opportunities if entry.is_lasting]
    last = Scan.objects.order_by("-number").values_list("number", flat=True).first()
    return Stored(
        last_number=last or 0,
        signals={row.ref: row.value for row in Signal.objects.all()},
        before=Before(
            names=dict(Evidence.objects.values_list("signal__ref", "opportunity__name")),
            ages=[entry.name for entry in opportunities],
            outcomes={entry.name: entry.get_state_display() for entry in opportunities},
        ),
        older={
            entry.name: entry.centre for entry in lasting if entry.scale == shipped.scan_data().mean.scale
        },
    )


def _survey(sifted: rules.Sifted, *, as_of: date, stored: Stored, landscape: Landscape | None) -> Findings:
    data = shipped.scan_data()
    fresh = [signal for signal in sifted.signals if signal.id not in stored.signals]
    everything = {**stored.signals, **{signal.id: signal for signal in fresh}}
    points = _points(everything.values())
    chart = (landscape or shipped.landscape()).chart(
        points, stored=stored.before.names, older=stored.older, known=_known(points, stored)
    )
    bench = Bench(as_of=as_of, fields=data.fields, yardsticks=data.yardsticks)
    return Findings(
        as_of=as_of,
        candidates=candidates(chart.groups, signals=everything, bench=bench, before=stored.before),
        quarantined=(*sifted.quarantined, *_changed(sifted.signals, stored.signals)),
        fresh=fresh,
        signals=everything,
        chart=chart,
    )


def _points(signals: Iterable[rules.Signal]) -> list[Point]:
    lists = shipped.scan_data().lists
    return [point_of(signal, key=signal.id, lists=lists) for signal in rules.canonical(signals)]


def _known(points: Sequence[Point], stored: Stored) -> Mapping[str, str]:
    """Give the meanings read before; a look at a file alone asks no database."""
    if stored is NOTHING_STORED:
        return {}
    return known_meanings([text for point in points for text in (point.text, point.plain)])


def _changed(signals: Sequence[rules.Signal], stored: Mapping[str, rules.Signal]) -> list[rules.Quarantined]:
    """Give the signals whose id is known with another content; the same again is no news and no fault."""
    return [
        rules.Quarantined(signal.line, "Its id is known from an earlier file, with another content.")
        for signal in signals
        if signal.id in stored and stored[signal.id].order != signal.order
    ]


@transaction.atomic
def _record(findings: Findings, *, path: Path, number: int, signals_read: int) -> Scan:
    scan = Scan.objects.create(
        number=number,
        as_of=findings.as_of,
        file_name=path.name[:200],
        file_sha256=sha256_of(path),
        signals_read=signals_read,
        signals_new=len(findings.fresh),
        quarantined=kept_apart(findings.quarantined),
        scale=shipped.scan_data().mean.scale,
        mode=current_mode(),
        correlation_id=correlation.get(),
        at=business_now(),
    )
    keep_meanings(findings.chart.vectors)
    record_signals(findings.fresh, scan=scan)
    _record_opportunities(findings, scan)
    return scan


def record_signals(signals: Sequence[rules.Signal], *, scan: Scan) -> list[Signal]:
    """Write new signals, tainted as they are, and tell how many came."""
    rows = [
        Signal(
            ref=signal.id,
            scan=scan,
            source=signal.source,
            url=signal.url or "",
            day=signal.day or "",
            title=signal.title,
            text=signal.text,
            price_usd=signal.price_usd,
            mentions=signal.mentions,
        )
        for signal in signals
    ]
    if rows:
        Signal.objects.bulk_create(rows)
        publish("portfolio.signal_recorded", scan_id=str(scan.pk), signals=len(rows))
    return rows


def _record_opportunities(findings: Findings, scan: Scan) -> None:
    """Write the opportunities of a scan and where each signal stands now; what lost all its signals says so."""
    signals = {row.ref: row for row in Signal.objects.all()}
    Evidence.objects.all().delete()
    for rank, found in enumerate(findings.candidates):
        score_opportunity(found, scan=scan, rank=rank, signals=signals)
    for found in findings.candidates:
        link_opportunity(found)
    Opportunity.objects.standing().filter(
        origin=Opportunity.Origin.SIGNALS, state__in=JUDGED_BY_SCANS
    ).exclude(scan=scan).update(
        state=Opportunity.State.THIN, points=None, reason="its signals moved to other opportunities"
    )


def scan_report(scan: Scan) -> dict[str, Any]:
    """Give what a stored scan found, as `factory scan` prints it."""
    seen = Opportunity.objects.filter(scan=scan).order_by("rank")
    rows = seen.select_related("original").prefetch_related("evidence__signal")
    return {
        "as_of": scan.as_of.isoformat(),
        "opportunities": [row.as_report() for row in rows],
        "quarantined": scan.quarantined,
    }
