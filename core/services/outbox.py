"""The outbox: publish a fact, relay it to whoever handles its kind."""

import logging
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from core.adapters import wake
from core.adapters.rows import insert_row, new_row
from core.ids import correlation, story_of
from core.models import Event
from core.models.facts import LONGEST_PAUSE_S
from core.ports import Handler
from core.services.live import announce_fact

logger = logging.getLogger(__name__)

MAX_TRIES = 10
RELAY = "relay"
_handlers: defaultdict[str, list[Handler]] = defaultdict(list)


def handles(kind: str) -> Callable[[Handler], Handler]:
    """Register a function of some `handlers.py` for every event of `kind`."""

    def register(handler: Handler) -> Handler:
        _handlers[kind].append(handler)
        return handler

    return register


def is_handled(kind: str) -> bool:
    """Say whether anybody handles events of `kind`."""
    return bool(_handlers.get(kind))


def publish(kind: str, **facts: str | int | None) -> Event:
    """Write one fact; call it inside the transaction that made the fact true. Source: R-04.30.

    A fact that nobody handles is kept, and counts as delivered: the relay never sees it.
    """
    is_handled = kind in _handlers
    event = new_row(
        Event,
        kind=kind,
        facts=facts,
        correlation_id=correlation.get(),
        delivered_at=None if is_handled else timezone.now(),
    )
    insert_row(event)
    transaction.on_commit(partial(wake.ring, RELAY) if is_handled else wake.ring)
    announce_fact(kind, facts)
    return event


def relay_event(event: Event) -> bool:
    """Hand `event` to its handlers, all in one transaction; say whether it was delivered by us.

    A handler that fails undoes the whole delivery; the event is tried again later, and parked after the last try.
    """
    try:
        with story_of(event.correlation_id), transaction.atomic():
            ours = Event.objects.waiting().filter(pk=event.pk)
            if not ours.select_for_update(skip_locked=True).exists():
                return False  # delivered, or another relay is at it
            ours.update(delivered_at=timezone.now())
            for handler in _handlers[event.kind]:
                handler(event)
    except Exception as error:  # noqa: BLE001 (the relay's outermost loop: one bad handler must not stop the rest)
        _put_off(event, error)
        return False
    return True


def _put_off(event: Event, error: Exception) -> None:
    logger.error(
        "outbox.delivery_failed", exc_info=error, extra={"event": event.kind, "tries": event.tries + 1}
    )
    tries, now = event.tries + 1, timezone.now()
    Event.objects.waiting().filter(pk=event.pk).update(
        tries=tries,
        error=f"{type(error).__name__}: {error}"[:500],
        next_try_at=now + timedelta(seconds=min(2**tries, LONGEST_PAUSE_S)),
        parked_at=now if tries >= MAX_TRIES else None,
    )


def relay_waiting(*, at_most: int = 200) -> int:
    """Deliver what is due, oldest first; return how many events were delivered. Safe in many processes at once."""
    return sum(relay_event(event) for event in Event.objects.due()[:at_most])
