"""A copy of a product, running by itself on a socket with a database of its own, and traced."""

import os
import re
import secrets
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from core.adapters.tls import trusted
from factory.quality.adapters.journeys import Door, Journey, drive, last_part
from factory.quality.adapters.site import fake_site
from factory.quality.errors import ProductNotRunning
from factory.quality.ports import Build
from factory.quality.rules.blame import Line
from factory.quality.rules.criteria import Criterion

_TRACED = Path(__file__).with_name("traced.py")
_START_TIMEOUT_S = 60
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


@dataclass(frozen=True)
class Raised:
    """An error that the product did not handle, and the innermost place in it."""

    file: str
    line: int
    text: str

    @property
    def place(self) -> Line:
        """Give its file and line."""
        return self.file, self.line


@dataclass(frozen=True)
class Traces:
    """What the product ran, by journey: lines, errors, and by status where an answer was made."""

    lines: Mapping[str, frozenset[Line]]
    raised: Mapping[str, Raised]
    answered: Mapping[str, Mapping[int, Line]]

    def of(self, journey: str) -> frozenset[Line]:
        """Give all lines that a journey ran."""
        return self.lines.get(journey, frozenset()) | self.last_of(journey)

    def last_of(self, journey: str) -> frozenset[Line]:
        """Give the lines of a journey's last request."""
        return self.lines.get(last_part(journey), frozenset())

    def answered_in(self, journey: str, *, status: int) -> Line | None:
        """Give where a journey's last answer of that status was made."""
        for name in (last_part(journey), journey):
            if place := self.answered.get(name, {}).get(status):
                return place
        return None

    def raised_in(self, journey: str) -> Raised | None:
        """Give the error of a journey that nobody handled."""
        return self.raised.get(last_part(journey)) or self.raised.get(journey)


@dataclass(frozen=True)
class Running:
    """A running copy: its door, its database, and what it has run so far."""

    door: Door
    database: Path
    untouched: Path
    child: "subprocess.Popen[bytes]"

    def drive(self, criteria: Iterable[Criterion]) -> tuple[Journey, ...]:
        """Drive each criterion on an untouched database: none meets what another left."""
        return tuple(journey for criterion in criteria for journey in self._drive_one(criterion))

    def _drive_one(self, criterion: Criterion) -> tuple[Journey, ...]:
        if self.child.poll() is not None:
            return (Journey(criterion, "the product has died", criterion.when, criterion.then.status, 0),)
        _copy(self.untouched, self.database)
        (journey,) = drive([criterion], self.door)
        if journey.status == 0:
            self._bury()
        return (journey,)

    def _bury(self) -> None:
        """Give a product that no longer answers a moment to be seen as dead."""
        with suppress(subprocess.TimeoutExpired):
            self.child.wait(timeout=1)

    def traces(self) -> Traces:
        """Give the lines and errors of all journeys up to now."""
        if self.child.poll() is not None:
            return Traces({}, {}, {})
        asker = httpx.Client(transport=self.door.transport, trust_env=False, timeout=60)
        try:
            told = asker.get(f"{self.door.base}/-/traces").json()
        except httpx.TransportError:  # it died on the way: its journeys say so
            return Traces({}, {}, {})
        lines = {name: frozenset((file, line) for file, line in ran) for name, ran in told["lines"].items()}
        raised = {name: Raised(*place) for name, place in told["raised"].items()}
        answered = {
            name: {int(status): (file, line) for status, (file, line) in places.items()}
            for name, places in told["answered"].items()
        }
        return Traces(lines, raised, answered)


@contextmanager
def running(build: Build) -> Iterator[Running]:
    """Run `build` until the block ends; nothing of it is left running then.

    Raises:
        ProductNotRunning: its facts say what the product said last, and at which file and line of it.
    """
    with TemporaryDirectory(prefix="run-") as folder, fake_site() as site:
        scratch, tick_key = Path(folder), secrets.token_hex(16)
        environment = _environment(scratch, tick_key=tick_key, may_fetch=site.address)
        child = _start(build, scratch, environment)
        transport = httpx.HTTPTransport(uds=str(scratch / "door"), verify=trusted())
        try:
            _wake(transport, scratch, build.tree)
            database, untouched = Path(environment["PRODUCT_DB"]), scratch / "untouched.sqlite3"
            _copy(database, untouched)
            yield Running(Door(transport, tick_key, site), database, untouched, child)
        finally:
            transport.close()
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _environment(scratch: Path, *, tick_key: str, may_fetch: str) -> dict[str, str]:
    """All that the product may know of the machine."""
    return {
        "PATH": os.defpath,
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "PYTHONUTF8": "1",
        "COVERAGE_CORE": "ctrace",
        "PRODUCT_TEST": "1",
        "PRODUCT_NAME": "Trial",
        "PRODUCT_DB": str(scratch / "db.sqlite3"),
        "PRODUCT_SECRET_KEY": secrets.token_hex(32),
        "PRODUCT_TICK_KEY": tick_key,
        "PRODUCT_PROOF_KEY": secrets.token_hex(16),
        "PRODUCT_RELEASE": "trial",
        "PRODUCT_ALLOWED_FETCH": may_fetch,
    }


def _start(build: Build, scratch: Path, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Open the door, then start the product behind it: requests wait there until it answers."""
    with socket.socket(socket.AF_UNIX) as door, (scratch / "log").open("wb") as log:
        door.bind(str(scratch / "door"))
        door.listen(64)
        return subprocess.Popen(  # noqa: S603 (no shell; runs what is to be judged)
            [build.python, "-P", _TRACED, str(door.fileno())],
            cwd=build.tree,
            env=environment,
            pass_fds=[door.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wake(transport: httpx.HTTPTransport, scratch: Path, tree: Path) -> None:
    """Ask once, so that what is loaded at the first request belongs to no journey."""
    asker = httpx.Client(transport=transport, trust_env=False, timeout=_START_TIMEOUT_S)
    try:
        asker.get("http://localhost/health?nonce=0")
        asker.get("http://localhost/signup/")
    except httpx.TransportError as fault:
        raise ProductNotRunning(**_last_words((scratch / "log").read_text(errors="replace"), tree)) from fault


def _copy(source: Path, target: Path) -> None:
    """Make the database `target` what `source` is, also under a product that has it open."""
    with closing(sqlite3.connect(source)) as given, closing(sqlite3.connect(target)) as taken:
        taken.execute("PRAGMA synchronous = OFF")  # it is thrown away
        given.backup(taken)


def _last_words(log: str, tree: Path) -> dict[str, object]:
    """What a product that died said last, and the innermost place in it."""
    ours = [frame for frame in _FRAME.findall(log) if Path(frame[0]).is_relative_to(tree)]
    file, line = ours[-1] if ours else ("", 0)
    said = log.strip().splitlines() or ["nothing"]
    return {
        "text": said[-1][:300],
        "file": str(Path(file).relative_to(tree)) if file else "",
        "line": int(line),
    }
