"""Where a journey broke: what the running product itself told, then the lines that its failures have in common."""

from collections.abc import Sequence
from dataclasses import replace

from factory.quality.adapters.journeys import Journey
from factory.quality.adapters.running import Traces
from factory.quality.ports import Build
from factory.quality.rules.blame import Line, Spectrum, Suspect, rank_lines, shape_of
from factory.quality.rules.house import HOUSE


class Places:
    """The suspects of each failed journey of one run."""

    def __init__(self, build: Build, journeys: Sequence[Journey], traces: Traces) -> None:
        names = [journey.criterion.id for journey in journeys]
        files = {file for lines in traces.lines.values() for file, _ in lines}
        self._build, self._traces = build, traces
        self._spectrum = Spectrum(
            ran={name: traces.of(name) for name in names},
            failed=[journey.criterion.id for journey in journeys if journey.fault],
            last={name: traces.last_of(name) for name in names},
            shapes={
                file: shape_of((build.tree / file).read_text(), is_python=file.endswith(".py"))
                for file in files
            },
        )

    def suspects(self, journey: Journey) -> list[Suspect]:
        """Give where `journey` may have broken, best first, one line a file."""
        best = dict[str, Suspect]()
        if place := self._told(journey):
            best[place[0]] = Suspect(*place, 1.0)
        ranked = [one for one in self._ranked(journey) if _may_cause(one, journey)]
        view = self._traces.answered_in(journey.criterion.id, status=journey.status)
        if view and journey.status != journey.expected:
            # The refusal that is missing belongs into the view that answered instead.
            ranked.sort(key=lambda one: one.file != view[0])
        for suspect in ranked:
            best.setdefault(suspect.file, suspect)
        return list(best.values())

    def _told(self, journey: Journey) -> Line | None:
        """The place of an error that nobody handled, or where a refusal that nobody promised was made."""
        if raised := self._traces.raised_in(journey.criterion.id):
            return raised.place
        is_refusal = journey.status >= 400 and journey.status != journey.expected
        return self._traces.answered_in(journey.criterion.id, status=journey.status) if is_refusal else None

    def _ranked(self, journey: Journey) -> list[Suspect]:
        likely = [file for file in self._spectrum.shapes if self._is_likely(file, journey)]
        return rank_lines(journey.criterion.id, replace(self._spectrum, likely=likely))

    def _is_likely(self, file: str, journey: Journey) -> bool:
        """Markup comes from a template; the house breaks its own promises, the rest who built on it."""
        is_of_house = (self._build.skeleton / file).exists()
        is_markup = _is_about_markup(journey)
        return is_of_house == (journey.criterion in HOUSE) and (not is_markup or not file.endswith(".py"))


def _may_cause(suspect: Suspect, journey: Journey) -> bool:
    """Words that must not stand there were given to the template; only markup is its own fault."""
    then = journey.criterion.then
    is_too_much = bool(then.absent or then.times) and journey.status == then.status
    return suspect.file.endswith(".py") or not is_too_much or _is_about_markup(journey)


def _is_about_markup(journey: Journey) -> bool:
    return "<" in journey.criterion.then.absent and journey.status == journey.expected
