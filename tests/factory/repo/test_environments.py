"""Environments of products: one per lock, built once, whole or not at all."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from factory.repo.adapters.environments import EnvironmentNotBuilt, environment_for

LOCK = Path(__file__).parents[3] / "data" / "skeletons" / "saas-py" / "requirements.txt"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("environments")


def small_lock(folder: Path, *, digest: str = "") -> Path:
    """A lock of one package, taken from the product's; `digest` replaces its hashes."""
    lines = LOCK.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("sqlparse=="))
    entry = [lines[start], *[line for line in lines[start + 1 : start + 3] if "--hash" in line]]
    if digest:
        entry = [lines[start], f"    --hash=sha256:{digest}"]
    lock = folder / "requirements.txt"
    lock.write_text("\n".join(entry) + "\n")
    return lock


def said_by(python: Path | str, code: str) -> str | None:
    """What `code` prints under `python`; None when it fails."""
    root = Path(__file__).parents[3]
    done = subprocess.run([python, "-c", code], cwd=root, capture_output=True, text=True)  # noqa: S603
    return None if done.returncode else done.stdout.strip()


def test_an_environment_holds_the_packages_of_its_lock_and_is_not_ours(home: Path) -> None:
    python = environment_for(LOCK, home=home)

    prefix = said_by(python, "import sys, django, coverage, uvicorn; print(sys.prefix)")
    assert Path(prefix or "").parent == home
    assert said_by(python, "import jsonschema") is None


def test_the_same_lock_is_built_once_even_by_two_at_the_same_time(tmp_path: Path) -> None:
    lock, home = small_lock(tmp_path), tmp_path / "home"
    command = f"""
from pathlib import Path
from factory.repo.adapters.environments import environment_for
python = environment_for(Path({str(lock)!r}), home=Path({str(home)!r}))
print(python.parent.parent.stat().st_ino)
"""

    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: said_by(sys.executable, command), range(2)))

    assert len(set(runs)) == 1
    assert runs[0]
    assert [path.name for path in home.iterdir() if path.is_dir()] == [
        environment_for(lock, home=home).parent.parent.name
    ]


@pytest.mark.drill
def test_another_hash_builds_nothing_and_says_why(tmp_path: Path) -> None:
    lock, home = small_lock(tmp_path, digest="0" * 64), tmp_path / "home"

    with pytest.raises(EnvironmentNotBuilt) as refused:
        environment_for(lock, home=home)

    assert "sqlparse" in str(refused.value)
    assert [path for path in home.iterdir() if path.is_dir()] == []


def test_another_lock_has_another_environment(tmp_path: Path, home: Path) -> None:
    small, whole = environment_for(small_lock(tmp_path), home=home), environment_for(LOCK, home=home)

    assert small != whole
    assert said_by(small, "import django") is None


def test_without_uv_plain_pip_builds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    python = environment_for(small_lock(tmp_path), home=tmp_path / "home")

    assert said_by(python, "import sqlparse") is not None
