"""Work that is due with time."""

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)
_runs: list[Callable[[], None]] = []


def every_tick(run: Callable[[], None]) -> Callable[[], None]:
    """Do `run` at every tick (about once a minute); it decides itself what is due."""
    _runs.append(run)
    return run


def run_all() -> list[str]:
    """One tick: do everything, and give the names of what failed; one failure stops no other work."""
    failed = []
    for run in _runs:
        try:
            run()
        except Exception:  # the outermost loop: the log line says where
            logger.exception("tick.failed")
            failed.append(f"{run.__module__}.{run.__name__}")
    return failed
