"""Room on the disk: what is measured while there is none says something about the disk, not about the thing."""

import errno
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from core.errors import DiskFull

LEAST_FREE: Final = 16 << 20
LOOK_S: Final = 0.2


def has_room(folder: Path) -> bool:
    """Say whether something may be written there; False also where nobody can tell."""
    try:
        return shutil.disk_usage(folder).free >= LEAST_FREE
    except OSError:
        return False


def is_full(error: BaseException) -> bool:
    """Say whether this error means that there was no room."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def needing_room(*folders: Path, what: str) -> Iterator[None]:
    """Refuse whatever the block found when a disk was full at any moment of it.

    Args:
        folders: where the block writes.
        what: is being done, in words.

    Raises:
        DiskFull: it was; the block may be repeated when there is room.
    """
    was_full, is_over = threading.Event(), threading.Event()

    def look() -> None:
        while all(map(has_room, folders)):
            if is_over.wait(LOOK_S):
                return
        was_full.set()

    watcher = threading.Thread(target=look, name="disk", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()
        if was_full.is_set():
            raise DiskFull(while_trying=what)
