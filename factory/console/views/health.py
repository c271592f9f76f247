"""Health: what every app says about itself, and what the absence of each service means."""

import platform
import time
from dataclasses import dataclass
from typing import Final

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from core.models import Process
from core.registry import Finding, run_checks
from factory.console.rules.areas import SERVICES, Service, area_of, name_of
from factory.console.views.frame import Page, show
from factory.insight.services import metrics_now

LOUD: Final = ("fail", "warn")


@dataclass(frozen=True)
class Checked:
    """One check and what it found."""

    key: str
    name: str
    found: Finding


@dataclass(frozen=True)
class Standing:
    """One service, what it is here, and whether it is there; None: nobody checks it."""

    service: Service
    here: str
    state: str


@never_cache
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """Ask every check once and show what is wrong first."""
    began = time.monotonic()
    checks = [Checked(key, name_of(key), found) for key, found in run_checks().items()]
    page: Page = {
        "loud": [(state, [one for one in checks if one.found.state == state]) for state in LOUD],
        "fine": _by_area([one for one in checks if one.found.state == "fine"]),
        "counts": {state: sum(one.found.state == state for one in checks) for state in (*LOUD, "fine")},
        "total": len(checks),
        "took_s": time.monotonic() - began,
        "standing": _standing({one.key: one.found.state for one in checks}),
        "processes": list(Process.objects.order_by("kind", "name")[:30]),
        "silent": {one.pk for one in Process.objects.silent(timezone.now())},
        "queue": metrics_now(),
        "facts": _facts(),
    }
    return show(request, "console/health.html", page, place="health")


def _by_area(checks: list[Checked]) -> dict[str, list[Checked]]:
    areas: dict[str, list[Checked]] = {}
    for one in checks:
        areas.setdefault(area_of(one.key), []).append(one)
    return areas


def _standing(states: dict[str, str]) -> list[Standing]:
    return [
        Standing(one, one.full if settings.IS_FULL else one.embedded, states.get(one.check, "warn"))
        for one in SERVICES
    ]


def _facts() -> list[tuple[str, str]]:
    return [
        ("Runs as", "several processes" if settings.IS_FULL else "one process, embedded"),
        ("Results are", "rehearsed" if settings.MODE == "rehearsal" else "real"),
        ("Python and Django", f"{platform.python_version()}, {django.get_version()}"),
        ("Its home", str(settings.HOME)),
    ]
