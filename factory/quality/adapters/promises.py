"""The promised journeys against a running copy, and the line that each broken one points at."""

from collections.abc import Sequence
from dataclasses import replace
from time import monotonic

from factory.quality.adapters.journeys import Journey
from factory.quality.adapters.running import Traces, running
from factory.quality.errors import ProductNotRunning
from factory.quality.ports import Build
from factory.quality.rules.blame import Line, Shape, Spectrum, Suspect, rank_lines, shape_of
from factory.quality.rules.criteria import Criterion, spelled
from factory.quality.rules.evidence import Evidence, Fault, Severity
from factory.quality.rules.house import HOUSE

_MOST_SUSPECTS = 3


def drive_promises(build: Build, /) -> Evidence:
    """Drive every criterion and what the house promises; each that fails is a finding with file and line."""
    began = monotonic()
    try:
        with running(build) as product:
            journeys = product.drive([*build.criteria, *build.added, *HOUSE])
            traces = product.traces()
    except ProductNotRunning as fault:
        return _not_running(fault)
    found = _found(build, journeys, traces)
    names = {fault.criterion["id"] for fault in found if fault.criterion}
    passed = sum(criterion.id not in names for criterion in build.criteria)
    promised = len(build.criteria)
    numbers = {"promised": promised, "passed": passed, "seconds": round(monotonic() - began, 1)}
    blocking = [fault for fault in found if fault.is_blocking]
    first = f", first {blocking[0].text}" if blocking else ""
    summary = f"{passed} of {promised} hold{first}"
    return Evidence("journeys", not blocking and promised > 0, summary, found, numbers)


def _not_running(fault: ProductNotRunning) -> Evidence:
    """A product that does not start keeps no promise."""
    text = f"the product does not start: {fault.facts['text']}"
    place = Fault(Severity.HIGH, text, file=str(fault.facts["file"]), line=int(str(fault.facts["line"])))
    return Evidence("journeys", False, text, (place,))


def _found(build: Build, journeys: Sequence[Journey], traces: Traces) -> tuple[Fault, ...]:
    """One finding for each journey that failed."""
    spectrum = Spectrum(
        ran={journey.criterion.id: traces.of(journey.criterion.id) for journey in journeys},
        failed=[journey.criterion.id for journey in journeys if journey.fault],
        last={journey.criterion.id: traces.last_of(journey.criterion.id) for journey in journeys},
        shapes=_shapes(build, traces),
    )
    return tuple(
        _fault(
            journey, replace(spectrum, likely=_likely(journey, build, spectrum)), traces, added=build.added
        )
        for journey in journeys
        if journey.fault
    )


def _likely(journey: Journey, build: Build, spectrum: Spectrum) -> list[str]:
    """The house breaks its own promises; the rest is the work of who built on it."""
    is_house = journey.criterion in HOUSE
    return [file for file in spectrum.shapes if (build.skeleton / file).exists() == is_house]


def _severity(journey: Journey, added: Sequence[Criterion]) -> Severity:
    """A reviewer's case may be wrong itself: it blocks only where the product breaks. Source: R-09.6."""
    is_opinion = journey.criterion in added and 0 < journey.status < 500
    return Severity.LOW if is_opinion else Severity.HIGH


def _fault(journey: Journey, spectrum: Spectrum, traces: Traces, *, added: Sequence[Criterion]) -> Fault:
    suspects = _suspects(journey, spectrum, traces)
    others = "".join(f", or {other.file}:{other.line}" for other in suspects[1:_MOST_SUSPECTS])
    return Fault(
        _severity(journey, added),
        f"{journey.criterion.id}: {journey.fault}{others}",
        file=suspects[0].file if suspects else "",
        line=suspects[0].line if suspects else 0,
        method=journey.step.method,
        path=journey.step.path,
        expected=journey.expected,
        seen=journey.status,
        criterion=spelled(journey.criterion),
    )


def _suspects(journey: Journey, spectrum: Spectrum, traces: Traces) -> list[Suspect]:
    """Where it may have broken, best first, one line a file."""
    name, best = journey.criterion.id, dict[str, Suspect]()
    if place := _told_place(journey, traces):
        best[place[0]] = Suspect(*place, 1.0)
    for suspect in rank_lines(name, spectrum):
        if _may_cause(suspect, journey):
            best.setdefault(suspect.file, suspect)
    return list(best.values())


def _told_place(journey: Journey, traces: Traces) -> Line | None:
    """The place of an error that nobody handled, or where a refusal that nobody promised was made."""
    if raised := traces.raised_in(journey.criterion.id):
        return raised.place
    is_refusal = journey.status >= 400 and journey.status != journey.expected
    return traces.answered_in(journey.criterion.id, status=journey.status) if is_refusal else None


def _may_cause(suspect: Suspect, journey: Journey) -> bool:
    """Words that must not stand there were given to the template; only markup is its own fault."""
    then = journey.criterion.then
    is_too_much = bool(then.absent or then.times) and journey.status == then.status
    return suspect.file.endswith(".py") or not is_too_much or "<" in then.absent


def _shapes(build: Build, traces: Traces) -> dict[str, Shape]:
    """What stands in each file of which a line ran."""
    files = {file for lines in traces.lines.values() for file, _ in lines}
    return {file: shape_of((build.tree / file).read_text(), is_python=file.endswith(".py")) for file in files}
