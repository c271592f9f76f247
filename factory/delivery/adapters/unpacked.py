"""A release on disk: its files, its secrets, its databases, and the environment it runs in."""

import io
import os
import secrets
import shutil
import sqlite3
import subprocess
import tarfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from factory.delivery.errors import TrialFailed
from factory.delivery.ports import LaunchSpec

MIGRATE_S = 120


@dataclass(frozen=True)
class Unpacked:
    """One release of one product.

    Attributes:
        home: the product's own folder; database and secrets stand there, across releases.
        tree: the release's files.
        python: interpreter of the environment of its lock.
    """

    home: Path
    tree: Path
    python: Path
    digest: str
    name: str

    @property
    def database(self) -> Path:
        """The database users' data is in."""
        return self.home / "db.sqlite3"

    @property
    def trial_database(self) -> Path:
        """The copy that the trial of this release runs on."""
        return self.home / f"trial-{self.digest[:12]}.sqlite3"

    def tick_key(self) -> str:
        """The key of the product's clockwork door."""
        return _kept(self.home / "tick_key")

    def live_spec(self) -> LaunchSpec:
        """Return how users meet it."""
        return self._spec({"PRODUCT_DB": str(self.database)})

    def trial_spec(self, *, may_fetch: str) -> LaunchSpec:
        """Return how it is tried: on the copy, with a clock that journeys move."""
        more = {
            "PRODUCT_DB": str(self.trial_database),
            "PRODUCT_TEST": "1",
            "PRODUCT_ALLOWED_FETCH": may_fetch,
        }
        return self._spec(more)

    def copy_database(self) -> None:
        """Make the trial's database what the product's is now; without one, an empty one."""
        self.trial_database.unlink(missing_ok=True)
        if self.database.exists():
            with (
                closing(sqlite3.connect(self.database)) as given,
                closing(sqlite3.connect(self.trial_database)) as taken,
            ):
                given.backup(taken)

    def migrate(self, database: Path) -> None:
        """Bring `database` to this release; the release before must still run on it.

        Raises:
            TrialFailed: the migration failed; says its last words.
        """
        env = self._environment({"PRODUCT_DB": str(database)}) | {"PATH": os.defpath}
        done = subprocess.run(  # noqa: S603 (no shell; runs the release's own migrations)
            [self.python, "manage.py", "migrate", "--noinput", "-v", "0"],
            cwd=self.tree, env=env, capture_output=True, timeout=MIGRATE_S, check=False,
        )  # fmt: skip
        if done.returncode:
            raise TrialFailed(why="its migrations failed", said=done.stderr.decode(errors="replace")[-300:])

    def forget_trial(self) -> None:
        """Remove what the trial left."""
        for path in self.home.glob(f"{self.trial_database.name}*"):
            path.unlink(missing_ok=True)

    def _spec(self, more: Mapping[str, str]) -> LaunchSpec:
        argv = [str(self.python), "-m", "uvicorn", "product.asgi:application", "--uds", "{socket}"]
        return LaunchSpec(
            release=self.digest,
            argv=[*argv, "--lifespan", "off", "--no-access-log", "--timeout-graceful-shutdown", "8"],
            cwd=str(self.tree),
            env=self._environment(more),
        )

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return {
            "PRODUCT_SECRET_KEY": _kept(self.home / "secret_key"),
            "PRODUCT_TICK_KEY": self.tick_key(),
            "PRODUCT_NAME": self.name,
            "PYTHONUTF8": "1",
            **more,
        }


def unpack(content: bytes, *, home: Path, digest: str) -> Path:
    """Unpack a release's tar into its own folder, whole or not at all; links and paths outside are refused."""
    tree = home / "releases" / digest[:16]
    if not tree.exists():
        fresh = tree.with_name(f".{uuid4().hex}")
        fresh.mkdir(parents=True)
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            tar.extractall(fresh, filter="data")
        try:
            fresh.rename(tree)
        except OSError:
            shutil.rmtree(fresh)
    return tree


def _kept(path: Path) -> str:
    """Return the secret kept in `path`, made at the first call."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
    except FileExistsError:
        pass
    return path.read_text()
