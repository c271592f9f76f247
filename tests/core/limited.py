"""Tasks that outlive their time limits, for a worker of their own: `celery -A tests.core.limited worker -Q limits`."""

import os
import time
from contextlib import suppress
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factory.settings")
django.setup()

from celery.exceptions import SoftTimeLimitExceeded  # noqa: E402
from django.db import connection  # noqa: E402

from core.adapters.broker import app  # noqa: E402
from core.adapters.last_words import keep_last_words  # noqa: E402
from core.adapters.processes import process_name  # noqa: E402
from core.tasks import limited  # noqa: E402

__all__ = ["app"]


@app.task(name="limits.heeds", soft_time_limit=1, time_limit=30)
def heeds(folder: str) -> None:
    """Use the database for too long, and end when told to; say whether the connection was given up."""
    try:
        with limited():
            connection.ensure_connection()
            time.sleep(60)
    except SoftTimeLimitExceeded:
        _say(folder, "heeds", f"{'kept' if connection.connection else 'closed'} by {process_name()}")


@app.task(name="limits.ignores", soft_time_limit=1, time_limit=3)
def ignores(folder: str) -> None:
    """Go on whatever happens, also when the limit strikes before anything was said."""
    while True:
        with suppress(SoftTimeLimitExceeded):
            keep_last_words()
            _say(folder, "ignores", process_name())
            time.sleep(60)


@app.task(name="limits.answers")
def answers(folder: str) -> None:
    """Show who is there."""
    _say(folder, "answers", process_name())


def _say(folder: str, name: str, words: str) -> None:
    draft = Path(folder) / f"{name}.draft"
    draft.write_text(words)
    draft.rename(Path(folder) / name)
