"""A host whose clock is off: every Python process with this folder on its path sees it off by DRILL_CLOCK_S seconds."""

import os
from datetime import UTC, datetime, timedelta

import time_machine

_SKEW = timedelta(seconds=float(os.environ["DRILL_CLOCK_S"]))
time_machine.travel(datetime.now(tz=UTC) + _SKEW, tick=True).start()  # noqa: TID251 (no Django here)
