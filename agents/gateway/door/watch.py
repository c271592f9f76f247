"""Open answers are looked after: what was stopped meanwhile is cut within a second or two."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from functools import partial
from uuid import UUID

from django.utils import timezone

from agents.gateway.door.exchange import Exchange, open_exchanges
from agents.gateway.door.rows import in_rows
from agents.gateway.errors import BooksUnreachable, Stopped
from agents.roster.models import CapabilityToken
from billing.errors import SwitchSet
from billing.services import epoch, require_open
from core.errors import FactoryError, TokenEnded
from core.services import is_stopped

logger = logging.getLogger(__name__)
LOOK_S = 0.5
_watchers: "dict[asyncio.AbstractEventLoop, asyncio.Task[None]]" = {}


def keep_watch() -> None:
    """Look after the open answers of this loop until none is left. Safe to run twice."""
    loop = asyncio.get_running_loop()
    watcher = _watchers.get(loop)
    if watcher is None or watcher.done():  # one that has ended is forgotten a turn later
        _watchers[loop] = made = loop.create_task(_watch())
        made.add_done_callback(partial(_forget, loop))


def _forget(loop: asyncio.AbstractEventLoop, watcher: "asyncio.Task[None]") -> None:
    if _watchers.get(loop) is watcher:
        del _watchers[loop]


async def _watch() -> None:
    while open_exchanges:
        await asyncio.sleep(LOOK_S)
        watched = [exchange for exchange in open_exchanges if exchange.plan]
        try:
            ends = await in_rows(partial(_ends, watched))
        except BooksUnreachable:
            continue  # nothing new begins meanwhile; what runs is held
        except Exception:  # the outermost loop: whoever watches must not go
            logger.exception("gateway.watch_failed")
            continue
        for exchange, why in ends:
            exchange.cut(why)


def _ends(watched: Sequence[Exchange]) -> list[tuple[Exchange, FactoryError]]:
    """Return which answers must end, and why; each is held against the switches once for each change of them."""
    seen, alive = epoch(), _alive(watched)
    ends: list[tuple[Exchange, FactoryError]] = []
    for exchange in watched:
        if _token(exchange) not in alive:
            ends.append((exchange, TokenEnded(why="its attempt is over")))
        elif exchange.call is not None and exchange.epoch != seen:
            exchange.epoch = seen
            ends += [(exchange, why) for why in _switched(exchange)]
    return ends


def _alive(watched: Sequence[Exchange]) -> frozenset[UUID]:
    tokens = {exchange.plan.session.token_id for exchange in watched if exchange.plan}
    live = CapabilityToken.objects.live(timezone.now()).filter(pk__in=tokens, agent__is_enabled=True)
    return frozenset(live.values_list("pk", flat=True))


def _token(exchange: Exchange) -> UUID | None:
    return exchange.plan.session.token_id if exchange.plan else None


def _switched(exchange: Exchange) -> Iterator[FactoryError]:
    """Yield what was switched off under this answer."""
    if exchange.plan is None or exchange.call is None:
        return
    if is_stopped():
        yield Stopped()
        return
    model = exchange.call.model
    try:
        require_open(exchange.plan.session.rights.scopes, provider=model.provider_id, model=model.name)
    except SwitchSet as switch:
        yield switch
