"""What models a maker says it has: its own list, asked with the key that is to be used."""

import json
from urllib.parse import urlencode

from agents.gateway.adapters.http import Line, target_of
from agents.gateway.adapters.links import BROKEN, Answer, Unreachable
from agents.gateway.errors import KeyRefused, ListUnreadable, MakerBusy, MakerSilent
from agents.gateway.ports import Wire
from agents.gateway.rules.offers import Offer, read_offers

PATH = "/v1/models"
_WITHIN_S = 10.0
_PAGES = 20
_LARGEST_BYTES = 8_000_000


def list_offers(wire: Wire, line: Line) -> tuple[Offer, ...]:
    """Return the models this key has, all pages of the list; free of charge.

    Raises:
        KeyRefused, MakerBusy, MakerSilent: it does not take the key, asks to wait, or nobody answers.
        ListUnreadable: what answers speaks otherwise.
    """
    offers: dict[str, Offer] = {}
    after = ""
    for _ in range(_PAGES):
        told = _ask(wire, line, after=after)
        offers |= {offer.name: offer for offer in read_offers(told)}
        after = str(told.get("last_id") or "") if told.get("has_more") is True else ""
        if not after:
            break
    return tuple(offers.values())


def _ask(wire: Wire, line: Line, *, after: str) -> dict[str, object]:
    """Return one page of the list."""
    target = target_of(line.base_url, PATH)
    if after:
        target += "?" + urlencode({"limit": "1000", "after_id": after})
    try:
        answer = line.links.ask("GET", target, headers=wire.headers(line.key), within_s=_WITHIN_S)
    except (Unreachable, *BROKEN) as problem:
        raise MakerSilent(address=line.base_url, why=type(problem).__name__) from None
    _check_status(answer, line)
    if len(answer.body) > _LARGEST_BYTES:
        raise ListUnreadable(address=line.base_url)
    try:
        told = json.loads(answer.body)
    except ValueError:
        raise ListUnreadable(address=line.base_url) from None
    if not isinstance(told, dict):
        raise ListUnreadable(address=line.base_url)
    return told


def _check_status(answer: Answer, line: Line) -> None:
    """Refuse every status but 200; nothing of the answer's text is repeated, for it may hold the key."""
    status = answer.status
    if status in (401, 403):
        raise KeyRefused(answer=status)
    if status in (402, 429):
        wait = answer.headers.get("retry-after", "")
        raise MakerBusy(**({"seconds": wait} if wait.isdigit() and len(wait) < 7 else {"answer": status}))
    if status >= 500:
        raise MakerSilent(address=line.base_url, answer=status)
    if status != 200:
        raise ListUnreadable(address=line.base_url, answer=status)
