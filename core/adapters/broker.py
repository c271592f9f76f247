"""Celery, which carries wake-up calls between processes and hosts; the truth stays in the database."""

from typing import Any, cast

from celery import Celery
from celery.beat import ScheduleEntry, Scheduler
from kombu import Connection
from redis import Redis

app = Celery("factory")
app.config_from_object("django.conf:settings", namespace="CELERY")
ENOUGH_TICKS = 3


def redis_of(connection: Connection) -> Redis:
    """Return the Redis client behind a connection to the broker."""
    return cast("Redis", cast("Any", connection.default_channel).client)


class Beat(Scheduler):
    """Keeps its entries in memory, and sends no tick while earlier ones still wait for a worker."""

    def apply_async(
        self,
        entry: ScheduleEntry,
        producer: Any = None,
        advance: bool = True,  # noqa: FBT001, FBT002 (Celery's own signature)
        **more: Any,
    ) -> Any:
        """Send the tick unless nobody takes any."""
        options = entry.options or {}
        with self.app.connection_or_acquire() as connection:
            if redis_of(connection).llen(options["queue"]) >= ENOUGH_TICKS:
                return self.reserve(entry) if advance else None
        return super().apply_async(entry, producer=producer, advance=advance, **more)
