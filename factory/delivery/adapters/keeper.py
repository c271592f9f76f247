"""The edge on this machine: a process of its own, started by path and asked over its control socket."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from factory.delivery.errors import EdgeUnavailable, StaleGeneration, TableRefused, UnknownLaunch
from factory.delivery.ports import Counters, EdgeState, Evidence, LaunchState, SiteState, Table

SERVE = Path(__file__).resolve().parent / "edge" / "serve.py"
PASSED_ON = ("PATH", "LANG", "TZ", "TMPDIR")
START_S, ASK_S = 15.0, 30.0


def find_caddy() -> str:
    """The proxy that came with our Python packages, or the one on PATH.

    Raises:
        EdgeUnavailable: there is none.
    """
    beside = Path(sys.executable).parent / "caddy"
    found = str(beside) if beside.exists() else shutil.which("caddy")
    if found is None:
        raise EdgeUnavailable(why="the program caddy is missing: install requirements.txt again")
    return found


class Keeper:
    """Implements `Edge` for one home folder."""

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()

    def ensure(self) -> None:
        """Start the edge unless it runs; two callers at once start one."""
        end = time.monotonic() + START_S
        while True:
            try:
                self._ask("state")
            except EdgeUnavailable:
                if time.monotonic() > end:
                    raise
            else:
                return
            self._start()
            self._wait_a_little()

    def _start(self) -> None:
        """It leaves our session by itself and takes neither our environment nor our open files."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [sys.executable, "-I", str(SERVE), str(self.home), find_caddy()]
        env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        with (self.home / "edge.log").open("ab") as log:
            subprocess.run(  # noqa: S603 - our own program, by path
                command, env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
            )

    def _wait_a_little(self) -> None:
        """Half a second, or less if it answers before."""
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            try:
                self._connect().close()
            except OSError:
                time.sleep(0.02)
            else:
                return

    def apply(self, table: Table) -> EdgeState:
        """Ask for a whole table."""
        return _state(self._ask("apply", table=asdict(table)))

    def state(self) -> EdgeState:
        """What is true now."""
        return _state(self._ask("state"))

    def stats(self) -> Mapping[str, Counters]:
        """Cumulative counters."""
        return {subject: _counters(said) for subject, said in self._ask("stats").items()}

    def probe(self, launch: str) -> Evidence:
        """Fresh evidence about one launch."""
        return Evidence(**self._ask("probe", launch=launch))

    def stop(self) -> None:
        """End the edge, not the products; returns when it no longer answers."""
        self._ask("stop")
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            try:
                self._connect().close()
            except OSError:
                return
            time.sleep(0.02)
        raise EdgeUnavailable(why="it was told to stop and still answers")

    def _connect(self) -> socket.socket:
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(ASK_S)
        try:
            link.connect(str((self.home / "run").resolve() / "control.sock"))
        except OSError:
            link.close()
            raise
        return link

    def _ask(self, verb: str, **facts: Any) -> dict[str, Any]:
        """One message and its answer."""
        try:
            with self._connect() as link, link.makefile("rb") as answers:
                link.sendall(json.dumps({"do": verb, **facts}).encode() + b"\n")
                said: dict[str, Any] = json.loads(answers.readline())
        except (OSError, ValueError) as error:
            raise EdgeUnavailable(why=str(error) or type(error).__name__, home=str(self.home)) from error
        match said.get("error"):
            case None:
                return said
            case "STALE_GENERATION":
                raise StaleGeneration(follows=said["generation"])
            case "BAD_TABLE":
                raise TableRefused(why=said["why"])
            case "UNKNOWN_LAUNCH":
                raise UnknownLaunch(**facts)
        raise EdgeUnavailable(why=said["why"])


def _state(said: dict[str, Any]) -> EdgeState:
    try:
        launches = {
            key: LaunchState(key=key, **{**launch, "evidence": Evidence(**launch["evidence"])})
            for key, launch in said["launches"].items()
        }
        sites = {name: SiteState(**site) for name, site in said["sites"].items()}
        return EdgeState(**{**said, "launches": launches, "sites": sites})
    except TypeError as error:
        why = f"it is of another version: end process {said['keeper_pid']}, and one of this version follows"
        raise EdgeUnavailable(why=why) from error


def _counters(said: dict[str, Any]) -> Counters:
    return Counters(**{**said, "took_us": {int(cell): n for cell, n in said["took_us"].items()}})
