"""The real factory beside a rehearsal: a process of its own in a home of its own, so that no mode is ever mixed."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from factory.console.errors import CheckFailed

LONGEST_S = 180
"""A fresh home is prepared first: some seconds, on a busy machine a minute."""


def real_environment() -> dict[str, str]:
    """Return our environment as a process of the real factory beside this rehearsal gets it."""
    homes = {"FACTORY_HOME": settings.REAL_HOME, "FACTORY_REHEARSAL_HOME": settings.REHEARSAL_HOME}
    return {**os.environ, "FACTORY_MODE": "real", **{name: str(home) for name, home in homes.items()}}


def ask_real_factory(words: Sequence[str], *, about: str, secret: str) -> dict[str, Any]:
    """Carry out one verb in the real factory and return what it says; the secret goes over its standard input alone.

    `about` is what somebody typed as the verb's argument, and never read as an option.

    Raises:
        CheckFailed: it refused; says why.
    """
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "factory", *words, "--json", "--", about]
    Path(str(settings.REAL_HOME)).mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(  # noqa: S603 (our own command, no shell)
            command, env=real_environment(), input=f"{secret}\n", capture_output=True, text=True, timeout=LONGEST_S,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CheckFailed(said="The check took too long; nothing was kept. Try again.") from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["The check ended without a word."]
        raise CheckFailed(said=last[0])
    return dict(json.loads(done.stdout))
