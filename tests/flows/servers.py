"""PostgreSQL and Redis of one test alone, which it may kill and start again."""

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis

from tests.flows.ports import free_port

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:] or [
    Path(shutil.which("pg_ctl") or "pg_ctl").parent
]
PATIENCE_S = 60


@dataclass
class OwnRedis:
    """One Redis server; it forgets everything when it dies."""

    port: int = field(default_factory=free_port)
    password: str = field(default_factory=secrets.token_hex)
    child: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Run it until it answers."""
        config = f'bind 127.0.0.1\nport {self.port}\nrequirepass {self.password}\nsave ""\n'
        self.child = subprocess.Popen(["redis-server", "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)  # noqa: S607
        assert self.child.stdin is not None
        self.child.stdin.write(config.encode())
        self.child.stdin.close()
        self._until_it_answers()

    def _until_it_answers(self) -> None:
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                redis.Redis.from_url(self.url).ping()
            except redis.ConnectionError:
                assert time.monotonic() < end
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.child is not None:
            self.child.kill()
            self.child.wait()


@contextmanager
def own_redis() -> Iterator[OwnRedis]:
    """Give a Redis that runs; end it whatever happens."""
    server = OwnRedis()
    try:
        server.start()
        yield server
    finally:
        server.kill()


@dataclass
class OwnPostgres:
    """One PostgreSQL server with one database, in a folder of its own."""

    folder: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=secrets.token_hex)

    @property
    def url(self) -> str:
        """Where its database is."""
        return f"postgres://factory:{self.password}@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        """Lay out its files."""
        word = self.folder / "word"
        word.write_text(self.password)
        if os.geteuid() == 0:
            for place in (self.folder, word):
                shutil.chown(place, "postgres")
        self._do(
            "initdb",
            "-D",
            str(self.folder / "data"),
            "-U",
            "factory",
            "-A",
            "scram-sha-256",
            "--pwfile",
            str(word),
        )

    def start(self) -> None:
        """Run it until it answers."""
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories=''"
        data, log = str(self.folder / "data"), str(self.folder / "log")
        self._do("pg_ctl", "-D", data, "-l", log, "-w", "-t", str(PATIENCE_S), "-o", options, "start")

    def kill(self) -> None:
        """End it without letting it tidy up: it recovers from its log when it starts again."""
        self._do("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")

    def connections(self) -> int:
        """Return how many others are connected."""
        with psycopg.connect(self.url) as database:
            row = database.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE client_port IS NOT NULL"
            ).fetchone()
        return int(row[0]) - 1 if row else 0

    def _do(self, program: str, *words: str) -> None:
        command: Sequence[str] = [str(POSTGRES[0] / program), *words]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")  # noqa: S603


@contextmanager
def own_postgres(folder: Path) -> Iterator[OwnPostgres]:
    """Give a PostgreSQL that runs; end it whatever happens."""
    server = OwnPostgres(folder)
    server.make()
    try:
        server.start()
        yield server
    finally:
        server.kill()
