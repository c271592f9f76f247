"""One Caddy for each open port, so that a port that comes, goes or fails is noticed by its own users alone.

A Caddy that loads another configuration loses the first request of whoever has just connected, at all of its ports.
"""

import asyncio
import shutil
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from .caddy import Caddy
from .launch import pause_s
from .sockets import Ports
from .table import Listener

AT_ONCE = 2  # starts: all at a time would let users of the first wait for the last


@dataclass
class Fall:
    """How often in a row the Caddies of one port ended unasked, and when the next one may be started."""

    times: int = 0
    retry_at: float = 0.0
    why: str = ""


class Proxies:
    """The Caddies of one home folder, the dead among them until their last lines are counted."""

    def __init__(self, binary: str, *, home: Path, run: Path, wake: asyncio.Event) -> None:
        self.binary, self.home, self.run, self.wake = binary, home, run, wake
        self.living: list[Caddy] = []
        self.dead: list[Caddy] = []
        self.falls: defaultdict[Listener, Fall] = defaultdict(Fall)
        self.proofs: set[asyncio.Task[None]] = set()

    def adopt(self, ports: Ports) -> None:
        """Take over what a dead keeper left."""
        for folder in (self.home / "proxies").glob("*"):
            caddy = Caddy.found(folder, run=self.run)
            if caddy is None:
                shutil.rmtree(folder, ignore_errors=True)
                continue
            if not caddy.is_leaving and caddy.listener.port not in ports.open:
                # Its socket is another guard's, which died: it would keep our port for as long as it lives.
                caddy.signal(signal.SIGKILL)
                while caddy.is_alive():
                    time.sleep(0.01)
            if caddy.is_alive():
                self._know(caddy)
            else:
                self.dead.append(caddy)

    def _know(self, caddy: Caddy) -> None:
        self.living.append(caddy)
        proof = asyncio.create_task(self._prove(caddy))
        self.proofs.add(proof)
        proof.add_done_callback(self.proofs.discard)

    async def _prove(self, caddy: Caddy) -> None:
        await caddy.prove()
        if caddy.is_serving:
            self.falls.pop(caddy.listener, None)
        self.wake.set()

    def of(self, listener: Listener) -> Caddy | None:
        """The one that carries, or will carry, the users of a port."""
        return next((it for it in self.living if it.listener == listener and not it.is_leaving), None)

    def serves(self, listener: Listener) -> bool:
        """True when users of a port are carried now."""
        caddy = self.of(listener)
        return caddy is not None and caddy.is_alive() and caddy.is_serving

    def pid_at(self, port: int | None) -> int | None:
        """The process that carries, or will carry, the users of a port; None: there is none."""
        alive = (it for it in self.living if it.listener.port == port and not it.is_leaving and it.is_alive())
        return next((it.pid for it in alive), None)

    def keep(self, wanted: Collection[Listener], ports: Ports) -> dict[str, str]:
        """One step towards one Caddy for each of these and no other; a sentence for each that fell and fell."""
        now = time.monotonic()
        self._note_ends(now)
        for caddy in self.living:
            if caddy.listener not in wanted:
                caddy.let_go()
            elif not caddy.is_serving and now > caddy.late_at:
                caddy.signal(signal.SIGKILL)
        missing = [it for it in wanted if self.of(it) is None and now >= self.falls[it].retry_at]
        room = AT_ONCE - sum(not it.is_serving and not it.is_leaving for it in self.living)
        for listener in sorted(missing, key=lambda it: it.kind == "preview")[: max(0, room)]:
            self._hire(listener, fd=ports.open[listener.port].fileno())
        fallen = {it: self.falls[it] for it in wanted if self.falls[it].times > 1}
        return {
            f"proxy {it.port}": f"The proxy of port {it.port} ended {fall.times} times in a row: {fall.why}."
            for it, fall in fallen.items()
        }

    def _note_ends(self, now: float) -> None:
        for caddy in [it for it in self.living if not it.is_alive()]:
            self.living.remove(caddy)
            self.dead.append(caddy)
            if not caddy.is_leaving:
                fall = self.falls[caddy.listener]
                fall.times += 1
                fall.retry_at = now + pause_s(fall.times)

    def _hire(self, listener: Listener, *, fd: int) -> None:
        caddy = Caddy.of(listener, home=self.home, run=self.run)
        why = f"see {self.home / 'caddy.log'}"
        try:
            caddy.start(self.binary, home=self.home, fd=fd)
        except OSError as error:  # a full disk, no program: it ended like one that falls over its start
            why = f"it cannot be started ({error.strerror})"
        self.falls[listener].why = why
        self._know(caddy)

    async def in_flight(self, product: str) -> Counter[str] | None:
        """Requests of a product's users by address; None while one of its Caddies does not say."""
        asked = [caddy for caddy in self.living if caddy.listener.product == product]
        told = await asyncio.gather(*(caddy.in_flight() for caddy in asked))
        known = [by_address for by_address in told if by_address is not None]
        return sum((Counter(it) for it in known), Counter()) if len(known) == len(told) else None

    def forget(self, gone: Collection[Caddy]) -> None:
        """Remove what is left of these dead ones."""
        for caddy in gone:
            caddy.forget()
            self.dead.remove(caddy)

    def let_go(self) -> None:
        """Let all of them finish what they have and end."""
        for caddy in self.living:
            caddy.let_go()

    def kill(self) -> None:
        """End all of them at once."""
        for caddy in self.living:
            caddy.signal(signal.SIGKILL)
