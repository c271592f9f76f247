"""Open answers are looked after: what was stopped meanwhile is cut within a second or two."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from django.utils import timezone

from agents.gateway.door.exchange import open_exchanges
from agents.gateway.door.rows import in_rows
from agents.gateway.errors import BooksUnreachable, Stopped
from agents.roster.models import CapabilityToken
from core.errors import TokenEnded
from core.services import is_stopped

LOOK_S = 0.5
_watchers: "dict[asyncio.AbstractEventLoop, asyncio.Task[None]]" = {}


@dataclass(frozen=True)
class _Seen:
    """What the rows say of the open answers."""

    is_stopped: bool
    live: frozenset[UUID]


def keep_watch() -> None:
    """Look after the open answers of this loop until none is left. Safe to run twice."""
    loop = asyncio.get_running_loop()
    if loop not in _watchers:
        _watchers[loop] = loop.create_task(_watch())
        _watchers[loop].add_done_callback(lambda _: _watchers.pop(loop, None))


async def _watch() -> None:
    while open_exchanges:
        await asyncio.sleep(LOOK_S)
        tokens = {exchange.plan.session.token_id for exchange in open_exchanges if exchange.plan}
        try:
            seen = await in_rows(partial(_look, tokens))
        except BooksUnreachable:
            continue  # nothing new begins meanwhile; what runs is held
        for exchange in [*open_exchanges]:
            if seen.is_stopped:
                exchange.cut(Stopped())
            elif exchange.plan and exchange.plan.session.token_id in tokens - seen.live:
                exchange.cut(TokenEnded(why="its attempt is over"))


def _look(tokens: Collection[UUID]) -> _Seen:
    live = CapabilityToken.objects.live(timezone.now()).filter(pk__in=tokens, agent__is_enabled=True)
    return _Seen(is_stopped(), frozenset(live.values_list("pk", flat=True)))
