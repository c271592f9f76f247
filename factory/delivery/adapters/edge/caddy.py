"""The Caddy process that carries the traffic, and the listening sockets it inherits."""

import asyncio
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import wire
from .guard import FDS
from .process import birth, is_alive, read_json, write_private
from .routes import config, files_of
from .table import Route, read_routes

START_S, RETRY_S = 15.0, 2.0
NOBODY = {"pid": 0, "start": 0, "door": "", "shape": ""}


class Ports:
    """The sockets every process of the edge shares; binding or closing one here does so in all of them."""

    def __init__(self) -> None:
        self.spare = [socket.socket(fileno=fd) for fd in FDS]
        self.open = {made.getsockname()[1]: made for made in self.spare if _listens(made)}

    def serve(self, ports: set[int]) -> dict[str, str]:
        """Listen on these ports; a sentence for each that is not to be had."""
        troubles = {}
        for port in sorted(ports - self.open.keys()):
            try:
                self.open[port] = self._listen(port)
            except OSError as error:
                told = f"Port {port} is taken by another program, or not ours to take ({error.strerror}). "
                troubles[f"port {port}"] = told + "It is tried again until it is free."
        return troubles

    def _listen(self, port: int) -> socket.socket:
        free = [made for made in self.spare if not _listens(made) and made.getsockname()[1] in (0, port)]
        if not free:
            raise OSError(0, "all sockets are used up: stop and start the edge")
        made = max(
            free, key=lambda s: s.getsockname()[1]
        )  # one that had this port before is bound to it for good
        if made.getsockname()[1] == 0:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(("127.0.0.1", port))
        made.listen(1024)
        return made

    def close_others(self, kept: set[int]) -> None:
        """Close, in every process, the ports that nobody wants any more."""
        for port in self.open.keys() - kept:
            self.open.pop(port).shutdown(socket.SHUT_RDWR)


def _listens(made: socket.socket) -> bool:
    return bool(made.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


class Caddy:
    """One Caddy, replaced when it dies; `told` is what it serves, None when nobody knows."""

    def __init__(self, binary: str, *, home: Path, run: Path) -> None:
        self.binary, self.home, self.run = binary, home, run
        self.told: dict[str, Route] | None = None
        self.who: dict[str, Any] = dict(NOBODY)
        self.retry_at, self.refusal = 0.0, ""

    def adopt(self, ports: Ports) -> dict[str, Route]:
        """Take over the Caddy of a dead keeper; gives the routes that were in force, whoever carried them."""
        routes = read_routes(read_json(self.home / "routes.json"))
        self.who = read_json(self.home / "caddy.json") or self.who
        if self.is_alive and routes and not ports.open:
            # Its sockets are another guard's, which died: they would keep our ports for as long as it lives.
            self.kill()
            while self.is_alive:
                time.sleep(0.01)
        elif self.is_alive and self.who["shape"]:
            self.told = routes
        return routes

    @property
    def is_alive(self) -> bool:
        """True while the Caddy we know runs."""
        return bool(self.who["pid"]) and is_alive(self.who["pid"], start=self.who["start"])

    async def carry(self, routes: dict[str, Route], ports: Ports) -> None:
        """Serve these routes when this returns: launches and weights by files, ports by the admin door.

        Raises:
            OSError, ValueError: Caddy does not start or refuses; it will be tried again.
        """
        if self.is_alive and routes == self.told:
            return
        if time.monotonic() < self.retry_at:
            raise ValueError(self.refusal)
        try:
            await self._serve(routes, {port: made.fileno() for port, made in ports.open.items()})
        except (OSError, ValueError) as error:
            self.retry_at, self.refusal = time.monotonic() + RETRY_S, str(error)
            raise

    async def _serve(self, routes: dict[str, Route], fds: dict[int, int]) -> None:
        self._write_files(routes)
        alive = self.is_alive
        door = self.who["door"] if alive else str(self.run / f"caddy-{time.time_ns() // 10**6 % 10**8}.sock")
        wanted = config(home=self.home, door=door, routes=routes, fds=fds)
        shape = json.dumps(wanted["apps"], sort_keys=True)
        if not alive:
            await self._hire(wanted, door=door)
        elif shape != self.who["shape"]:
            await self._admin("POST", "/load", json.dumps(wanted).encode())
        self.told, self.who["shape"] = routes, shape
        write_private(self.home / "routes.json", {name: asdict(route) for name, route in routes.items()})
        write_private(self.home / "caddy.json", self.who)
        self._remove_files(routes)

    def _write_files(self, routes: Mapping[str, Route]) -> None:
        for name, route in routes.items():
            folder = self.home / "route" / name
            folder.mkdir(parents=True, exist_ok=True)
            for what, text in files_of(route, run=self.run).items():
                path = folder / what
                if not path.exists() or path.read_text() != text:
                    fresh = folder / f"{what}.new"
                    fresh.write_text(text)
                    fresh.replace(path)

    def _remove_files(self, routes: Mapping[str, Route]) -> None:
        for folder in (self.home / "route").glob("*"):
            if folder.name not in routes:
                shutil.rmtree(folder, ignore_errors=True)

    async def _hire(self, wanted: dict[str, Any], *, door: str) -> None:
        """Start one; users wait in the backlog of the sockets meanwhile."""
        for old in self.run.glob("caddy-*.sock"):
            old.unlink(missing_ok=True)  # never share one: an ending Caddy unlinks its path
        self.told = None
        write_private(self.home / "start.json", wanted)
        log = os.open(self.home / "caddy.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            pid = os.posix_spawn(
                self.binary,
                [self.binary, "run", "--config", str(self.home / "start.json")],
                {"HOME": str(self.home), "GOMAXPROCS": "2", "GOMEMLIMIT": "200MiB"},
                setsid=True,
                setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGHUP],
                file_actions=[(os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)],
            )
        finally:
            os.close(log)
        seen = birth(pid)
        self.who = {"pid": pid, "start": seen.start if seen else 0, "door": door, "shape": ""}
        write_private(self.home / "caddy.json", self.who)  # at once, lest a keeper's death makes it nobody's
        await self._wait_for_door()

    async def _wait_for_door(self) -> None:
        end = time.monotonic() + START_S
        while self.is_alive and time.monotonic() < end:
            await asyncio.sleep(0.02)
            try:
                await self._admin("GET", "/config/admin")
            except (OSError, ValueError):
                continue
            return
        self.stop()
        raise ValueError("it did not start, see " + str(self.home / "caddy.log"))

    async def _admin(self, method: str, target: str, body: bytes = b"") -> bytes:
        answer = await wire.ask(self.who["door"], target, method=method, body=body, within_s=20)
        if answer.status != 200:
            raise ValueError(answer.body[:300].decode(errors="replace"))
        return answer.body

    async def in_flight(self) -> dict[str, int] | None:
        """Requests being served now, by address; None when Caddy does not say."""
        try:
            said = json.loads(await self._admin("GET", "/reverse_proxy/upstreams"))
        except (OSError, ValueError):
            return None
        return {row["address"].removeprefix("unix/"): row["num_requests"] for row in said}

    def kill(self) -> None:
        """End it at once."""
        if self.is_alive:
            os.kill(self.who["pid"], signal.SIGKILL)

    def stop(self) -> None:
        """Let it finish what it has and end; it is ours no longer."""
        if self.is_alive:
            os.kill(self.who["pid"], signal.SIGTERM)
        self.who = dict(NOBODY)
        write_private(self.home / "caddy.json", self.who)
