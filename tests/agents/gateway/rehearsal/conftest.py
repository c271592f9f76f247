"""A running rehearsal server for those who ask for one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from agents.gateway.adapters import child


@pytest.fixture
def serving() -> Iterator[Callable[[str], child.Process]]:
    """Start servers by seed; all are stopped at the end."""
    started: list[child.Process] = []

    with TemporaryDirectory(prefix="reh") as folder:  # short: a socket's path has about 100 bytes

        def start(seed: str) -> child.Process:
            started.append(child.start(seed, Path(folder) / f"{len(started)}.sock"))
            return started[-1]

        yield start
        for process in started:
            process.stop()
