"""A trial: every promise, driven against a release that no user has met."""

from collections.abc import Callable, Iterator

import httpx

from core.adapters.tls import trusted
from factory.delivery.errors import TrialFailed
from factory.delivery.rules import broken_words
from factory.quality.adapters.journeys import Door, Journey, drive
from factory.quality.adapters.site import Site
from factory.quality.rules.criteria import parse_criteria


def drive_promises(
    criteria: object, *, base: str, tick_key: str, site: Site, go_on: Callable[[], None]
) -> None:
    """Drive all of `criteria` (a blueprint's) at `base`; `go_on` is asked before each and may raise.

    Raises:
        TrialFailed: some are broken; says how many, and of the first one the request and its answer.
    """
    with httpx.HTTPTransport(retries=2, verify=trusted()) as transport:
        door = Door(transport, tick_key, site, base=base)
        broken = list(_broken(criteria, door, go_on))
    if broken:
        first = broken[0]
        words = broken_words(
            method=first.step.method, path=first.step.path, expected=first.expected, seen=first.status
        )
        raise TrialFailed(promises_broken=len(broken), first=words)


def _broken(criteria: object, door: Door, go_on: Callable[[], None]) -> Iterator[Journey]:
    """Yield the journeys that broke; one that gets no answer at all is the last."""
    for criterion in parse_criteria(criteria):
        go_on()
        (journey,) = drive([criterion], door)
        if journey.fault:
            yield journey
        if journey.fault and not journey.status:
            return
