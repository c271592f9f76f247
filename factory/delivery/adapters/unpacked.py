"""A release on disk: its files, and the environment it runs in."""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from core.adapters.disk import has_room
from core.errors import DiskFull
from factory.delivery.adapters.home import ProductHome
from factory.delivery.errors import TrialFailed
from factory.delivery.ports import LaunchSpec

MIGRATE_S = 120
"""With less than this, in bytes, what failed is not the release's fault."""


@dataclass(frozen=True)
class Unpacked:
    """One release of one product.

    Attributes:
        home: where the product lives, across releases.
        python: interpreter of the environment of its lock.
        name: the product's.
    """

    home: ProductHome
    python: Path
    digest: str
    name: str

    @property
    def tree(self) -> Path:
        """Its files."""
        return self.home.tree_of(self.digest)

    def live_spec(self) -> LaunchSpec:
        """Return how users meet it."""
        return self._spec(self._live())

    def trial_spec(self, *, may_fetch: str) -> LaunchSpec:
        """Return how it is tried: on the copy, with a clock that journeys move and with keys of its own."""
        return self._spec(self._trial() | {"PRODUCT_TEST": "1", "PRODUCT_ALLOWED_FETCH": may_fetch})

    def migrate_trial(self) -> None:
        """Bring the copy to this release.

        Raises:
            TrialFailed: the migration failed; says its last words.
            DiskFull: it failed for want of space.
        """
        self._migrate(self._trial())

    def migrate_live(self) -> None:
        """Bring users' data to this release; the release before must still run on it.

        Raises:
            TrialFailed: the migration failed; says its last words.
            DiskFull: it failed for want of space.
        """
        self._migrate(self._live())

    def _migrate(self, env: Mapping[str, str]) -> None:
        command = [str(self.python), "manage.py", "migrate", "--noinput", "-v", "0"]
        try:
            done = subprocess.run(  # noqa: S603 (no shell; runs the release's own migrations)
                command, cwd=self.tree, env={**env, "PATH": os.defpath}, stdin=subprocess.DEVNULL, capture_output=True,
                timeout=MIGRATE_S, check=False, umask=0o077,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise TrialFailed(why=f"its migrations took longer than {MIGRATE_S} s") from None
        if done.returncode:
            if not has_room(self.home.database.parent):
                raise DiskFull(while_trying="its migrations")
            words = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise TrialFailed(why="its migrations failed", said="".join(words)[:300])

    def _spec(self, env: Mapping[str, str]) -> LaunchSpec:
        argv = [str(self.python), "-m", "uvicorn", "product.asgi:application", "--uds", "{socket}"]
        return LaunchSpec(
            release=self.digest,
            argv=[*argv, "--lifespan", "off", "--no-access-log", "--timeout-graceful-shutdown", "8"],
            cwd=str(self.tree),
            env=env,
        )

    def _live(self) -> dict[str, str]:
        return {
            "PRODUCT_DB": str(self.home.database),
            "PRODUCT_SECRET_KEY": self.home.secret("secret_key"),
            "PRODUCT_TICK_KEY": self.home.secret("tick_key"),
            **self._common(),
        }

    def _trial(self) -> dict[str, str]:
        return {
            "PRODUCT_DB": str(self.home.trial_database),
            "PRODUCT_SECRET_KEY": self.home.trial_secret("secret_key"),
            "PRODUCT_TICK_KEY": self.home.trial_secret("tick_key"),
            **self._common(),
        }

    def _common(self) -> dict[str, str]:
        return {"PRODUCT_NAME": self.name, "PYTHONUTF8": "1"}


def unpack(content: bytes, *, tree: Path) -> None:
    """Unpack a release's tar as `tree`, whole or not at all, also under two hands at once.

    Raises:
        TrialFailed: it is no archive, or has links or paths that lead outside.
    """
    fresh = tree.with_name(f".{uuid4().hex}")
    fresh.mkdir(mode=0o700, parents=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(fresh, filter="data")
        _put_in_place(fresh, tree)
    except tarfile.TarError as fault:
        raise TrialFailed(why="it cannot be unpacked", said=str(fault)[:200]) from fault
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _put_in_place(fresh: Path, tree: Path) -> None:
    """The first of two hands wins; what the other brings is the same."""
    try:
        fresh.rename(tree)
    except OSError:
        if not tree.is_dir():
            raise
