"""Python environments of products: one per lock, built once, never the factory's own."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from core.errors import FactoryError

_TIMEOUT_S = 600


Command = Sequence[str | Path]


class EnvironmentNotBuilt(FactoryError):
    """No installer could build the environment of a lock."""

    code = "ENVIRONMENT_NOT_BUILT"
    http_status = 503


def environment_for(lock: Path, *, home: Path) -> Path:
    """Give the Python of the environment that holds exactly the packages of `lock`; builds it when it is new.

    Environments lie in `home` under the digest of lock and Python version. Safe under several processes;
    a build that dies leaves nothing that would be taken for an environment.

    Raises:
        EnvironmentNotBuilt: a package is missing, or its hash is another.
    """
    home.mkdir(parents=True, exist_ok=True)
    place = home / _key(lock)
    with _locked(home / f"{place.name}.lock"):
        if not place.exists():
            _build(lock, place)
    return _python_of(place)


def _key(lock: Path) -> str:
    """What an environment depends on: the lock's bytes and the Python that runs it."""
    return sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file lock `path`; it falls with the process."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(lock: Path, place: Path) -> None:
    """Build beside `place` and rename: it is there whole or not at all."""
    scratch = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=place.parent))
    try:
        _install(lock, scratch / "env")
        (scratch / "env").rename(place)
    finally:
        shutil.rmtree(scratch)


def _install(lock: Path, place: Path) -> None:
    """Take the first way that works: uv from its cache, uv from the index, plain pip."""
    python, own, said = _base_python(), _python_of(place), "nothing was tried"
    pip: Command = [own, "-m", "pip", "install", "-q", "--only-binary=:all:", "--require-hashes", "-r", lock]
    ways: list[tuple[Command, Command]] = [([python, "-m", "venv", "--clear", place], pip)]
    if uv := shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])):
        make: Command = [
            uv,
            "venv",
            "-q",
            "--clear",
            "--relocatable",
            "--no-project",
            "--python",
            python,
            place,
        ]
        sync: Command = [uv, "pip", "sync", "-q", "--no-build", "--require-hashes", "--python", own, lock]
        ways = [(make, [*sync, "--offline"]), (make, sync), *ways]
    for way in ways:
        if not (said := _fault_of(way)):
            return
    raise EnvironmentNotBuilt(why=said)


def _fault_of(way: Sequence[Command]) -> str:
    """Run one command after the other; "" when all went well, else the last words of the one that did not."""
    for command in way:
        try:
            subprocess.run(  # noqa: S603 (no shell; every word is ours)
                command, env=_surroundings(), check=True, timeout=_TIMEOUT_S, capture_output=True
            )
        except subprocess.CalledProcessError as fault:
            return str(fault.stderr.decode(errors="replace")[-500:]) or f"exit {fault.returncode}"
        except (OSError, subprocess.TimeoutExpired) as fault:
            return str(fault)
    return ""


def _surroundings() -> dict[str, str]:
    """What installers may see: indexes, proxies and caches, nothing of the environment we run in."""
    ours = ("FACTORY_", "DJANGO_", "PYTHON", "VIRTUAL_ENV")
    is_secret = re.compile(r"(API_KEY|SECRET|TOKEN|PASSWORD)$")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours) and not is_secret.search(k)}


def _base_python() -> Path:
    """The Python below the environment we run in."""
    return Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")


def _python_of(place: Path) -> Path:
    return place / "bin" / "python"
