"""Makes what runs equal to what was asked, and says what is true. It never chooses a release, a weight or a rollback."""

import asyncio
import errno
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from . import child
from .control import listen
from .guard import DOUBLE, GUARD_LOCK, lock_home, try_lock
from .heir import succeed
from .launch import Launch
from .process import write_private
from .proxies import Proxies
from .routes import noted_routes, put_routes
from .sockets import Ports
from .table import Malformed, Route, Spec, Table, key_of, listeners, next_route, parse_table
from .tally import Tally

TICK_S, COUNT_EVERY_S, QUIET_S = 0.1, 1.0, 0.5
PATH_BYTES = 107 - len("/caddy-12345678.sock")


class Keeper:
    """Owns the launches, the listening sockets and the Caddies of one home folder."""

    def __init__(self, home: Path, *, caddy: str, lock: int) -> None:
        self.home, self.run, self.lock = home, run_folder(home), lock
        self.table = Table(generation=0, sites={}, raw={"generation": 0, "products": {}})
        self.routes: dict[str, Route] = {}
        self.noted: dict[str, Route] | None = None  # unknown after a crash: it may have been in the middle
        self.launches: dict[str, Launch] = {}
        self.probes: dict[str, asyncio.Task[None]] = {}
        self.troubles: dict[str, str] = {}
        self.wake, self.turn, self.over = asyncio.Event(), asyncio.Lock(), asyncio.Event()
        self.ports, self.proxies = Ports(), Proxies(caddy, home=home, run=self.run, wake=self.wake)
        self.tally = Tally(home, subject_of=self._key_behind)
        self.count_at = 0.0

    def _key_behind(self, address: str) -> str:
        stem = Path(address).stem
        return next((key for key in self.launches if key.endswith(f".{stem}")), stem)

    # --- after a crash ---

    def take_over(self) -> None:
        """Adopt what a dead keeper left: its last orders, its launches and its Caddies."""
        orders = self.home / "desired.json"
        if orders.exists():  # one that cannot be read must end us: an empty table would stop every product
            self.table = parse_table(json.loads(orders.read_text()))
        for folder in (self.home / "launches").glob("*"):
            if launch := Launch.found(self.home, self.run, folder=folder):
                self.launches[launch.key] = launch
            elif folder.name not in self.wanted():
                shutil.rmtree(folder, ignore_errors=True)
        self.routes = noted_routes(self.home)
        self.proxies.adopt(self.ports)

    # --- towards what was asked ---

    def wanted(self) -> dict[str, tuple[str, Spec]]:
        """Launches that were asked for: product and spec by key."""
        slots = [
            (name, spec) for name, site in self.table.sites.items() for spec in (site.stable, site.candidate)
        ]
        return {key_of(name, spec): (name, spec) for name, spec in slots if spec}

    async def step(self) -> None:
        """One step towards the table, one at a time: start, prove, route, and only then drain and stop."""
        async with self.turn:
            now, wanted = time.monotonic(), self.wanted()
            for key, (name, spec) in wanted.items():
                if key not in self.launches:
                    self.launches[key] = Launch(self.home, self.run, product=name, spec=spec)
                self.launches[key].leaving = None
            for launch in self.launches.values():
                self._look_after(launch, now=now, wanted=launch.key in wanted)
            self._route()
            kept = wanted.keys() | {key for it in self.routes.values() for key in (it.stable, it.candidate)}
            leaving = [launch for key, launch in self.launches.items() if key not in kept]
            if leaving:
                await self._let_go(leaving, now=now)
            if now > self.count_at:
                gone = list(self.proxies.dead)
                self.tally.read()
                self.proxies.forget(gone)
                self.count_at = now + COUNT_EVERY_S

    def _look_after(self, launch: Launch, *, now: float, wanted: bool) -> None:
        """Notice an end, start what should run, ask what did not prove itself yet."""
        asked_to = launch.killed is not None or launch.leaving is not None
        if launch.has_ended() and not (launch.last_exit == child.TAKEN and launch.adopt()):
            launch.killed = None
            if not asked_to:
                launch.note_crash(now)
        if launch.killed is not None and now - launch.killed > launch.spec.stop_s:
            launch.signal(signal.SIGKILL)
        if wanted and launch.pid is None and now >= launch.retry_at:
            launch.start()
        asked = self.probes.get(launch.key)
        if launch.is_unproved and now >= launch.probe_at and (asked is None or asked.done()):
            self.probes[launch.key] = asyncio.create_task(self._prove(launch))
        launch.rotate_log()

    async def _prove(self, launch: Launch) -> None:
        await launch.probe()
        if launch.ready:
            self.wake.set()

    def _route(self) -> None:
        """Bring the routes that may be in force into force, then open and close ports."""
        known = self.launches.keys()
        ready = {key for key, launch in self.launches.items() if launch.ready}
        routes = {
            name: next_route(name, site, was=self.routes.get(name), ready=ready, known=known)
            for name, site in self.table.sites.items()
        }
        if routes != self.noted:
            put_routes(routes, home=self.home, run=self.run)
            self.routes = self.noted = routes
        wanted = {it for name, site in self.table.sites.items() for it in listeners(name, site)}
        ports = {it.port for it in wanted}
        self.troubles = self.ports.serve(ports)
        self.ports.close_others(ports)
        self.troubles |= self.proxies.keep({it for it in wanted if it.port in self.ports.open}, self.ports)

    async def _let_go(self, leaving: list[Launch], *, now: float) -> None:
        """Drain, then ask, then force; forget each launch when nothing of it lives."""
        by_product = {name: await self.proxies.in_flight(name) for name in {it.product for it in leaving}}
        for launch in leaving:
            flying = by_product[launch.product]
            launch.leaving = launch.leaving or now
            waited = now - launch.leaving
            # A request that read the slot's file a moment ago is not counted yet: a zero is believed after QUIET_S.
            idle = flying is not None and not flying.get(launch.address, 0) and waited > QUIET_S
            if launch.pid is None:
                self.tally.read()
                launch.forget()
                self.probes.pop(launch.key, None)
                del self.launches[launch.key]
            elif launch.killed is None and (idle or waited > launch.spec.drain_s):
                launch.end(now)

    # --- what is asked over the control socket ---

    async def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """The reply to one message."""
        match message["do"]:
            case "apply":
                return await self.apply(message["table"])
            case "probe":
                return await self.probe(message["launch"])
            case "stats":
                return self.tally.read_all(self.launches, sites=self.table.sites)
            case "stop":
                return await self.stop()
            case "state":
                return self.state()
        raise Malformed(message["do"], "a verb")

    async def apply(self, raw: dict[str, Any]) -> dict[str, Any]:
        """Take over a whole table of a higher generation; the state after a first step. The same table twice is well."""
        table, mine = parse_table(raw), self.table.generation
        if table.generation < mine or (table.generation == mine and table.raw != self.table.raw):
            return {"error": "STALE_GENERATION", "generation": mine}
        write_private(self.home / "desired.json", raw)
        self.table = table
        await self.step()
        return self.state()

    def state(self) -> dict[str, Any]:
        """The actual state; what a site serves is what is in force, not what was asked."""
        now = time.monotonic()
        return {
            "generation": self.table.generation,
            "keeper_pid": os.getpid(),
            "run_folder": str(self.run),
            "sites": {name: self._site(name) for name in self.table.sites},
            "launches": {key: launch.report(now) for key, launch in self.launches.items()},
            "troubles": self.troubles,
        }

    def _site(self, name: str) -> dict[str, Any]:
        site, route = self.table.sites[name], self.routes.get(name)
        stable, candidate = (key_of(name, s) if s else None for s in (site.stable, site.candidate))
        where = {it.kind: self.proxies.serves(it) for it in listeners(name, site)}
        settled = (
            route is not None
            and (route.stable, route.candidate) == (stable, candidate)
            and route.weight == (site.weight if candidate else 0)
            and all(where.values())
        )
        return {
            "port": site.port,
            "preview_port": site.preview_port,
            "stable": stable,
            "candidate": candidate,
            "serving": route.stable if route else None,
            "previewing": route.candidate if route and where.get("preview") else None,
            "weight": route.weight if route else 0,
            "settled": settled,
            "proxy_pid": self.proxies.pid_at(site.port),
            "preview_proxy_pid": self.proxies.pid_at(site.preview_port),
        }

    async def probe(self, key: str) -> dict[str, Any]:
        """Fresh evidence about one launch; of one that does not run, why it ended."""
        launch = self.launches.get(key)
        if launch is None:
            return {"error": "UNKNOWN_LAUNCH"}
        return await launch.probe() if launch.pid else launch.evidence

    async def stop(self) -> dict[str, Any]:
        """Close the ports, let the Caddies finish and end; the products stay and are adopted by the next edge."""
        async with self.turn:
            self.ports.close_others(set())
            self.proxies.let_go()
            self.over.set()
        return {"stopped": os.getpid()}

    # --- the loop ---

    def _is_at_home(self) -> bool:
        """False when the home folder was removed, even if another one stands in its place."""
        try:
            return (self.home / "keeper.lock").stat().st_ino == os.fstat(self.lock).st_ino
        except OSError:
            return False

    def _leave_nothing(self) -> None:
        """End all that nobody could find or stop any more."""
        self.ports.close_others(set())
        for launch in self.launches.values():
            launch.kill()
        self.proxies.kill()
        if (
            self.run.parent != self.home
        ):  # else it went with the home folder, and another edge's may stand there
            shutil.rmtree(self.run, ignore_errors=True)

    async def work(self) -> int | None:
        """Take over, listen, then step at every tick and every wake until told to stop.

        Returns: the guard's lock when the guard died, which ends this too; None when told to stop.
        """
        self.take_over()
        door = await listen(self.run / "control.sock", self.answer)
        while not self.over.is_set():
            if not self._is_at_home():
                self._leave_nothing()
                return None
            try:
                await self.step()
                if (lock := try_lock(self.home / GUARD_LOCK)) is not None:
                    return lock
            except OSError as error:  # a full disk, or no room for a process: it may pass
                self.troubles["edge"] = f"The edge cannot work: {error.strerror or error}."
            try:
                await asyncio.wait_for(self.wake.wait(), TICK_S)
            except TimeoutError:
                continue
            self.wake.clear()
        door.close()
        return None


def run_folder(home: Path) -> Path:
    """Where the unix sockets lie: `HOME/run`, or, when that is too long for a socket's path, a short folder behind it.

    The link `HOME/run` names the short folder, which is made again after a restart of the host.
    """
    link = home / "run"
    if len(os.fsencode(link)) <= PATH_BYTES:
        link.mkdir(mode=0o700, exist_ok=True)
        return link
    if not link.is_symlink():
        link.symlink_to(tempfile.mkdtemp(prefix="edge-"))
    folder = link.readlink()
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or folder.is_symlink():
        raise PermissionError(errno.EACCES, "not ours alone", str(folder))
    return folder


def main(home: Path, caddy: str) -> None:
    """Run the one keeper of a home folder."""
    os.umask(0o077)
    lock = lock_home(home / "keeper.lock")
    if lock is None:
        sys.exit(DOUBLE)
    keeper = Keeper(home, caddy=caddy, lock=lock)  # it has to outlive its work: the sockets close with it
    if (guards := asyncio.run(keeper.work())) is not None:
        succeed(home, caddy, lock=guards)
