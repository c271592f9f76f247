"""The Caddy process that carries the users of one port; it is configured once, at its birth."""

import asyncio
import contextlib
import json
import os
import secrets
import select
import shutil
import signal
import time
from dataclasses import asdict
from pathlib import Path

from . import wire
from .guard import FDS
from .process import birth, read_json, sweep, write_private
from .routes import config
from .table import Listener

START_S, LOOK_S, ASK_S = 15.0, 0.02, 5.0


class Caddy:
    """One process from its birth to its end, with a folder and an admin door that no other one ever has."""

    def __init__(self, listener: Listener, *, folder: Path, run: Path) -> None:
        self.listener, self.folder = listener, folder
        self.door = str(run / f"caddy-{folder.name.rpartition('-')[2]}.sock")
        self.pid, self.born = 0, 0
        self.pidfd: int | None = None
        self.is_serving = self.is_leaving = False
        self.late_at = time.monotonic() + START_S

    @classmethod
    def of(cls, listener: Listener, *, home: Path, run: Path) -> "Caddy":
        """A new one, not started yet; its name is drawn, since an ending Caddy unlinks its door."""
        return cls(listener, folder=home / "proxies" / f"{listener.port}-{secrets.token_hex(4)}", run=run)

    @classmethod
    def found(cls, folder: Path, *, run: Path) -> "Caddy | None":
        """The one a dead keeper left in a folder, alive or dead; None when it was not even begun."""
        who = read_json(folder / "who.json")
        if who is None:
            return None
        caddy = cls(Listener(**who["listener"]), folder=folder, run=run)
        caddy.is_leaving = who["is_leaving"]
        if who["pid"]:
            caddy._hold(who["pid"], born=who["born"])
        else:  # its keeper died between its birth and writing down who it is
            sweep(session=None, mark=caddy._mark)
        return caddy

    @property
    def _mark(self) -> bytes:
        return f"HOME={self.folder}".encode()

    def _hold(self, pid: int, *, born: int) -> None:
        """Hold the process, unless another one has its number by now."""
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return
        seen = birth(pid)  # after pidfd_open: what we verify is what we hold
        if seen is None or seen.start != born:
            os.close(pidfd)
            return
        self.pid, self.born, self.pidfd = pid, born, pidfd

    def start(self, binary: str, *, home: Path, fd: int) -> None:
        """Start it on the socket `fd`; users wait in the backlog meanwhile."""
        self.folder.mkdir(parents=True)
        order = self.folder / "start.json"
        write_private(order, config(self.listener, home=home, folder=self.folder, door=self.door, fd=fd))
        self._note()
        log = os.open(home / "caddy.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            pid = os.posix_spawn(
                binary,
                [binary, "run", "--config", str(order)],
                {"HOME": str(self.folder), "GOMAXPROCS": "2", "GOMEMLIMIT": "200MiB"},
                setsid=True,
                setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGHUP],
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                    # Whoever lives on, longer than guard and keeper, must not keep other ports.
                    *((os.POSIX_SPAWN_CLOSE, other) for other in FDS if other != fd),
                ],
            )
        finally:
            os.close(log)
        seen = birth(pid)
        self._hold(pid, born=seen.start if seen else 0)
        self._note()

    def _note(self, *, is_leaving: bool = False) -> None:
        who = {
            "pid": self.pid,
            "born": self.born,
            "is_leaving": is_leaving,
            "listener": asdict(self.listener),
        }
        write_private(self.folder / "who.json", who)

    def is_alive(self) -> bool:
        """True while it runs; a zombie is dead, and buried when it is our child."""
        if self.pidfd is None:
            return False
        if not select.select([self.pidfd], [], [], 0)[0]:
            return True
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        os.close(self.pidfd)
        self.pidfd, self.is_serving = None, False
        return False

    async def prove(self) -> None:
        """Return when it serves, or died; its admin door answers no sooner than its port."""
        while self.is_alive():
            with contextlib.suppress(OSError, ValueError):
                answer = await wire.ask(self.door, "/config/admin", within_s=START_S)
                self.is_serving = answer.status == 200
                return
            await asyncio.sleep(LOOK_S)

    async def in_flight(self) -> dict[str, int] | None:
        """Requests being served now, by address; None when it lives and does not say."""
        try:
            answer = await wire.ask(self.door, "/reverse_proxy/upstreams", within_s=ASK_S)
            said = json.loads(answer.body)
            return {row["address"].removeprefix("unix/"): row["num_requests"] for row in said}
        except (OSError, ValueError, TypeError, KeyError):
            return None if self.is_alive() else {}

    def signal(self, number: int) -> None:
        """Signal it, and nobody who bears its number after it."""
        if self.is_alive() and self.pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, number)

    def let_go(self) -> None:
        """Let it finish what it has and end; no keeper will want it back."""
        if not self.is_leaving and self.is_alive():
            self._note(is_leaving=True)
            self.is_leaving = True
            self.signal(signal.SIGTERM)

    def forget(self) -> None:
        """Remove what is left on disk; the oldest lines first, so that half of it is never counted again."""
        for rolled in sorted(self.folder.glob("access-*.log")):
            rolled.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        Path(self.door).unlink(missing_ok=True)
