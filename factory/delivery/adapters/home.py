"""A product's own folder: its data and secrets, which stay, and a trial's, which go."""

import fcntl
import hmac
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from core.registry import Stop
from factory.delivery.errors import LaunchStopped

LOOK_S = 0.1


@dataclass(frozen=True)
class ProductHome:
    """Where one product lives on this machine, across its releases; readable by our own user alone."""

    folder: Path

    @property
    def database(self) -> Path:
        """The database users' data is in."""
        return self.folder / "db.sqlite3"

    @property
    def trial(self) -> Path:
        """The folder of the one trial that may go on."""
        return self.folder / "trial"

    @property
    def trial_database(self) -> Path:
        """The copy that a trial runs on."""
        return self.trial / "db.sqlite3"

    def tree_of(self, digest: str) -> Path:
        """Return where the files of one release stand."""
        return self.folder / "releases" / digest[:16]

    def secret(self, name: str) -> str:
        """Return a secret of the product, made at the first call and kept."""
        path = self.folder / name
        if not path.exists():
            self._make()
            fresh = path.with_name(f".{uuid4().hex}")
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(32))
            with suppress(FileExistsError):  # of two hands the first wins, and nobody reads half a secret
                os.link(fresh, path)
            fresh.unlink()
        return path.read_text()

    def trial_secret(self, name: str) -> str:
        """Return what a trial has instead: nobody's session or key of the product opens it, nor the other way."""
        return hmac.new(self.secret(name).encode(), b"trial", "sha256").hexdigest()

    def open_trial(self) -> None:
        """Begin a trial on clean ground: its database is what the product's is now; without one, an empty one."""
        self.close_trial()
        self._make()
        self.trial.mkdir(mode=0o700)
        if self.database.exists():
            with (
                closing(sqlite3.connect(self.database)) as given,
                closing(sqlite3.connect(self.trial_database)) as taken,
            ):
                given.backup(taken)

    def close_trial(self) -> None:
        """Remove what a trial left. Safe to run twice."""
        if self.trial.exists():
            shutil.rmtree(self.trial)

    @contextmanager
    def held(self, *, stop: Stop) -> Iterator[None]:
        """Let one hand at a time change what this product runs; a hand that dies lets go.

        Raises:
            LaunchStopped: `stop` was set while another hand was at work.
        """
        self._make()
        with (self.folder / "lock").open("a") as file:
            while not _is_taken(file.fileno()):
                if stop.wait(LOOK_S):
                    raise LaunchStopped(why="another launch of this product is at work")
            yield

    def _make(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _is_taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
