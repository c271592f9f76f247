"""What health and doctor ask the ground."""

import shutil
import time
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from core.models import Event, Process, SettingValue
from core.registry import SETTINGS, Finding, register_check

SLOW_S: Final = 0.25
FULL_SHARE, FAILS_SHARE = 0.85, 0.95
LATE: Final = timedelta(minutes=5)
AGENTS_QUEUES: Final = frozenset({"cloud", "build"})
GB: Final = 1024**3


@register_check("database")
def database() -> Finding:
    """The database must answer, in time, in the shape this release expects."""
    began = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    took = time.monotonic() - began
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return Finding("fail", "Its tables are of another release.", "Run `factory prepare`.")
    words = f"{connection.display_name} answers in {took * 1000:.0f} ms."
    if took > SLOW_S:
        return Finding("warn", words, "Look at what else runs on its machine.")
    return Finding("fine", words)


@register_check("disk")
def disk() -> Finding:
    """There must be room for what the factory writes. Source: R-20.23."""
    room = shutil.disk_usage(settings.HOME)
    share = room.used / room.total
    words = f"{share:.0%} of {room.total / GB:.0f} GB used, {room.free / GB:.1f} GB free."
    if share >= FAILS_SHARE:
        return Finding("fail", words, "Free some space: a full disk stops every write.")
    if share >= FULL_SHARE:
        return Finding("warn", words, "Free some space before it is full.")
    return Finding("fine", words)


@register_check("backups")
def backups() -> Finding:
    """Nothing is copied elsewhere by the factory itself yet."""
    return Finding(
        "warn",
        "No backup is set up: what is lost with this disk is lost.",
        f"Copy {settings.HOME} to another machine each day; docs/runbook.md says how.",
    )


@register_check("workers")
def workers() -> Finding:
    """Somebody must be there to carry work out. Source: R-03.16."""
    now = timezone.now()
    alive = list(Process.objects.alive(now))
    silent = list(Process.objects.silent(now))
    serves = {queue for one in alive for queue in one.queues}
    if not AGENTS_QUEUES & serves:
        return Finding(
            "fail", "No worker was seen for 90 seconds: nothing is carried out.", "Run `factory run` or `factory worker`."
        )  # fmt: skip
    if silent:
        names = ", ".join(one.name for one in silent[:3])
        return Finding(
            "warn",
            f"{len(alive)} processes live; silent: {names}.",
            "Start them again, or wait a day: then they are forgotten.",
        )
    return Finding("fine", f"{len(alive)} processes live, serving {', '.join(sorted(serves))}.")  # fmt: skip


@register_check("messages")
def messages() -> Finding:
    """In the full profile messages wake workers; without them work goes on, slower."""
    if not settings.IS_FULL:
        return Finding("fine", "Threads of one process wake each other; no service is needed.")
    from core.adapters.redis_ping import answers  # noqa: PLC0415 (the client is loaded where there is a Redis)

    if answers():
        return Finding("fine", "Redis answers.")
    return Finding(
        "warn", "Redis does not answer; workers look by themselves.", "Start Redis; nothing is lost."
    )


@register_check("facts")
def facts() -> Finding:
    """No fact may be stuck on its way."""
    given_up = Event.objects.filter(parked_at__isnull=False).count()
    late = Event.objects.waiting().filter(created_at__lt=timezone.now() - LATE).count()
    if given_up:
        return Finding(
            "warn", f"{given_up} facts could not be delivered.", "Look at them at /ops/core/event/."
        )
    if late:
        return Finding(
            "warn", f"{late} facts wait for more than five minutes.", "Is a worker of `control` there?"
        )
    return Finding("fine", "Every fact was delivered.")


@register_check("settings")
def stored_settings() -> Finding:
    """Every stored setting must be one that this release knows."""
    strange = [
        key for key in SettingValue.objects.in_force().values_list("key", flat=True) if key not in SETTINGS
    ]
    if strange:
        return Finding(
            "fail",
            f"Unknown: {', '.join(strange)}.",
            "The next start stops; go back to the release that wrote them.",
        )
    return Finding("fine", f"{len(SETTINGS)} settings, all in their range.")  # fmt: skip
