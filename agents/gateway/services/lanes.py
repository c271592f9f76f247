"""How many calls a model takes at once, and how many an agent may begin within a minute. Source: R-02.22."""

import threading
from collections import Counter

from agents.gateway.errors import LaneBusy
from agents.gateway.models import Call, ModelEntry
from agents.gateway.rules.health import Health
from agents.gateway.services.health import MINUTE_S

_lock = threading.Lock()
_counted: tuple[Health | None, Counter[str]] = (None, Counter())
"""What this process began since everyone's health was read: until it is read again nobody else counts that."""


def check_minute(health: Health, *, agent: str) -> None:
    """Refuse where `agent` began as many calls within a minute as it may.

    It stops loops and guards no money: what other processes began is seen up to two seconds late, so that no call pays
    for a count.

    Raises:
        LaneBusy: it must wait.
    """
    global _counted
    left = health.requests_left.get(agent)
    with _lock:
        if _counted[0] is not health:
            _counted = (health, Counter())
        begun = _counted[1][agent]
    if left is not None and begun >= left:
        raise LaneBusy(agent=agent, within_s=MINUTE_S)


def count_begun(agent: str) -> None:
    """Count one call that `agent` began."""
    with _lock:
        _counted[1][agent] += 1


def check_at_once(model: ModelEntry, *, crowd: int | None) -> None:
    """Refuse where as many calls are open as may be; call it in the transaction that opens one.

    `crowd`: how many its provider may have for now, beside what the model's own row says. Only who has a limit is
    counted, one after the other: whoever counts holds the first row of the provider.

    Raises:
        LaneBusy: that many are open.
    """
    if model.parallel is None and crowd is None:
        return
    ModelEntry.objects.select_for_update(no_key=True).filter(provider=model.provider_id).order_by(
        "id"
    ).first()
    running = Call.objects.filter(status=Call.Status.OPEN, is_batch=False, model__provider=model.provider_id)
    if crowd is not None and running.count() >= crowd:
        raise LaneBusy(provider=model.provider_id, at_once=crowd)
    if model.parallel is not None and running.filter(model=model).count() >= model.parallel:
        raise LaneBusy(model=str(model), at_once=model.parallel)
