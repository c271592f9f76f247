"""The promised journeys against a running copy, and the line that each broken one points at."""

from collections.abc import Sequence
from time import monotonic

from factory.quality.adapters.journeys import Journey
from factory.quality.adapters.places import Places
from factory.quality.adapters.running import running
from factory.quality.errors import ProductNotRunning
from factory.quality.ports import Build
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
    places = Places(build, journeys, traces)
    found = tuple(_fault(journey, places, added=build.added) for journey in journeys if journey.fault)
    names = {fault.criterion["id"] for fault in found if fault.criterion}
    passed = sum(criterion.id not in names for criterion in build.criteria)
    promised = len(build.criteria)
    numbers = {"promised": promised, "passed": passed, "seconds": round(monotonic() - began, 1)}
    blocking = [fault for fault in found if fault.is_blocking]
    # Only a place: summaries travel with results, and names and texts of promises may be hidden.
    first = f", first broken at {blocking[0].file}:{blocking[0].line}" if blocking else ""
    summary = f"{passed} of {promised} hold{first}"
    return Evidence("journeys", not blocking and promised > 0, summary, found, numbers)


def _not_running(fault: ProductNotRunning) -> Evidence:
    """A product that does not start keeps no promise."""
    text = f"the product does not start: {fault.facts['text']}"
    place = Fault(Severity.HIGH, text, file=str(fault.facts["file"]), line=int(str(fault.facts["line"])))
    return Evidence("journeys", False, text, (place,))


def _severity(journey: Journey, added: Sequence[Criterion]) -> Severity:
    """A reviewer's case may be wrong itself: it blocks only where the product breaks. Source: R-09.6."""
    is_opinion = journey.criterion in added and 0 < journey.status < 500
    return Severity.LOW if is_opinion else Severity.HIGH


def _fault(journey: Journey, places: Places, *, added: Sequence[Criterion]) -> Fault:
    suspects = places.suspects(journey)
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
