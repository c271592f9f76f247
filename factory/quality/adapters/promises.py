"""The promised journeys against a running copy, and the line that each broken one points at."""

from collections.abc import Sequence
from time import monotonic

from factory.quality.adapters.journeys import Journey, last_part
from factory.quality.adapters.running import Traces, running
from factory.quality.errors import ProductNotRunning
from factory.quality.ports import Build
from factory.quality.rules.blame import Line, rank_lines
from factory.quality.rules.evidence import Evidence, Fault, Severity
from factory.quality.rules.house import HOUSE


def drive_promises(build: Build, /) -> Evidence:
    """Drive every criterion and what the house promises; each that fails is a finding with file and line."""
    began = monotonic()
    try:
        with running(build) as product:
            journeys = product.drive([*build.criteria, *HOUSE])
            traces = product.traces()
    except ProductNotRunning as fault:
        return _not_running(fault)
    found = tuple(_fault(journey, journeys, traces) for journey in journeys if journey.fault)
    names = {fault.criterion.id for fault in found if fault.criterion}
    passed = sum(criterion.id not in names for criterion in build.criteria)
    promised = len(build.criteria)
    numbers = {"promised": promised, "passed": passed, "seconds": round(monotonic() - began, 1)}
    first = f", first {found[0].text}" if found else ""
    return Evidence("journeys", not found and promised > 0, f"{passed} of {promised} hold{first}", found, numbers)


def _not_running(fault: ProductNotRunning) -> Evidence:
    """A product that does not start keeps no promise."""
    text = f"the product does not start: {fault.facts['text']}"
    place = Fault(Severity.HIGH, text, file=str(fault.facts["file"]), line=int(str(fault.facts["line"])))
    return Evidence("journeys", False, text, (place,))


def _fault(journey: Journey, journeys: Sequence[Journey], traces: Traces) -> Fault:
    file, line, why = _place(journey, journeys, traces)
    return Fault(
        Severity.HIGH,
        f"{journey.criterion.id}: {journey.fault}{why}",
        file=file,
        line=line,
        method=journey.step.method,
        path=journey.step.path,
        expected=journey.expected,
        seen=journey.status,
        criterion=journey.criterion,
    )


def _place(journey: Journey, journeys: Sequence[Journey], traces: Traces) -> tuple[str, int, str]:
    """Where it broke: the place of an error nobody handled, else the line that only broken journeys ran."""
    name, last = journey.criterion.id, last_part(journey.criterion)
    if raised := traces.raised.get(last) or traces.raised.get(name):
        return raised.file, raised.line, f" ({raised.text})"
    ran = {other.criterion.id: _lines(other, traces) for other in journeys}
    failed = [other.criterion.id for other in journeys if other.fault]
    suspects = rank_lines(name, ran=ran, failed=failed, last=traces.lines.get(last, frozenset()))
    return (suspects[0].file, suspects[0].line, "") if suspects else ("", 0, "")


def _lines(journey: Journey, traces: Traces) -> frozenset[Line]:
    name = journey.criterion.id
    return traces.lines.get(name, frozenset()) | traces.lines.get(last_part(journey.criterion), frozenset())
