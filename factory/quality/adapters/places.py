"""Where a journey broke: what the running product itself told, then the lines that its failures have in common."""

from collections.abc import Sequence
from dataclasses import replace

from factory.quality.adapters.journeys import Journey
from factory.quality.adapters.running import Traces
from factory.quality.ports import Build
from factory.quality.rules.blame import Line, Spectrum, Suspect, rank_lines, shape_of, unreached
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
        for suspect in self._ranked(journey):
            best.setdefault(suspect.file, suspect)
        return list(best.values())

    def _told(self, journey: Journey) -> Line | None:
        """The place of an error that nobody handled, or where a refusal that nobody promised was made."""
        if raised := self._traces.raised_in(journey.criterion.id):
            return raised.place
        is_refusal = journey.status >= 400 and journey.status != journey.expected
        return self._traces.answered_in(journey.criterion.id, status=journey.status) if is_refusal else None

    def _ranked(self, journey: Journey) -> list[Suspect]:
        name, files = journey.criterion.id, self._spectrum.shapes
        spectrum = replace(self._spectrum, likely=[file for file in files if self._is_likely(file, journey)])
        ranked = [one for one in rank_lines(name, spectrum) if _may_cause(one, journey)]
        if journey.status < journey.expected:
            # A refusal is missing: it was never reached, or belongs into the view that answered instead.
            view = self._traces.answered_in(name, status=journey.status) or ("", 0)
            missed = unreached(name, spectrum)
            ranked.sort(key=lambda one: ((one.file, one.line) not in missed, one.file != view[0]))
        return ranked

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
    return "&lt;" in journey.criterion.then.text and journey.status == journey.expected
