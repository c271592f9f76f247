"""Every mistake that may be planted: the product's own tests pass with it, and a gate of the platform sees it."""

import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.gateway.adapters.rehearsal.cores import CORES
from agents.gateway.adapters.rehearsal.cores.frame import final, typed
from agents.gateway.adapters.rehearsal.cores.product import Defect
from agents.gateway.adapters.rehearsal.reading import as_product
from tests.agents.gateway.rehearsal.asks import IDEAS, blueprint_of
from tests.agents.gateway.rehearsal.builds import lay_out
from tests.agents.gateway.rehearsal.driver import running
from tests.agents.gateway.rehearsal.models import run

Clean = Callable[[str], Path]
NAMES = {f"{kind}-{defect.name}": (kind, defect) for kind, core in CORES.items() for defect in core.defects}
SAMPLE = ("heartbeat-unescaped",)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """The clean product of a core, with its migrations; written when it is first asked for."""
    return functools.cache(lambda kind: _write(tmp_path_factory.mktemp(kind) / "clean", kind))


def _write(folder: Path, kind: str) -> Path:
    product = as_product(blueprint_of(IDEAS[kind]))
    assert product
    lay_out(folder)
    for path, text in final(product, CORES[kind]).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (folder / "product" / "domain.py").write_text(f'"""The apps."""\n\nAPPS = ["{product.app}"]\n')
    code, output = run(f"python manage.py makemigrations --no-header {product.app}", folder)
    assert code == 0, output
    return folder


def spoiled(clean: Path, folder: Path, kind: str, defect: Defect | None) -> Path:
    """A copy of the clean product with the mistake in it."""
    shutil.copytree(clean, folder, ignore=shutil.ignore_patterns("__pycache__"))
    product = as_product(blueprint_of(IDEAS[kind]))
    if defect and product:
        right, wrong = typed(product, defect, noise="9e107d9d372bb6826bd81d3542a419d6")
        paths = [folder / path for path in final(product, CORES[kind]) if path.endswith(f"/{defect.file}")]
        path = next(path for path in paths if right in path.read_text())
        path.write_text(path.read_text().replace(right, wrong, 1))
    return folder


def run_own_tests(folder: Path, kind: str) -> None:
    """All of the product's own tests pass, and they run nearly every line of what was written."""
    app = blueprint_of(IDEAS[kind])["core_function"]["app"]
    code, output = run("python -m coverage run --source=. manage.py test", folder)
    share, table = run(f"python -m coverage report -m --fail-under=90 --include={app}/*", folder)
    assert (code, share) == (0, 0), f"{output}\n{table}"


def broken_promises(folder: Path, kind: str) -> set[str]:
    with running(folder) as product:
        return set(product.faults(blueprint_of(IDEAS[kind])["criteria"]))


def scanned(folder: Path) -> set[str]:
    """What two scanners hold against the code: bandit's high finds and secrets that are no guess."""
    bandit = _json("bandit", "-r", ".", "-f", "json", "-q", "--ignore-nosec", folder=folder)
    secrets = _json("detect_secrets", "scan", "--all-files", "--no-verify", ".", folder=folder)
    grave = {item["test_id"] for item in bandit["results"] if item["issue_severity"] == "HIGH"}
    kinds = {(file, item["type"]) for file, items in secrets["results"].items() for item in items}
    return grave | {kind for file, kind in kinds if "Entropy" not in kind and "tests" not in file}


def _json(*words: str, folder: Path) -> dict:  # type: ignore[type-arg]
    ran = subprocess.run(  # noqa: S603  our own words
        [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    return dict(json.loads(ran.stdout))


def gates_that_see(clean: Clean, folder: Path, name: str) -> set[str]:
    """Plant a mistake; return the gates that hold something against the product, whose own tests pass all the same."""
    kind, defect = NAMES[name]
    product = spoiled(clean(kind), folder / "spoiled", kind, defect)
    run_own_tests(product, kind)
    seen = broken_promises(product, kind) if defect.gate == "journey" else scanned(product)
    return {defect.gate} if seen else set()


@pytest.mark.parametrize("name", SAMPLE)
def test_a_planted_mistake_passes_own_tests_and_is_seen_by_its_gate(
    clean: Clean, tmp_path: Path, name: str
) -> None:
    seen = gates_that_see(clean, tmp_path, name)

    assert seen == {NAMES[name][1].gate}


@pytest.mark.drill
@pytest.mark.parametrize("name", sorted({*NAMES} - {*SAMPLE}))
def test_every_other_planted_mistake_too(clean: Clean, tmp_path: Path, name: str) -> None:
    seen = gates_that_see(clean, tmp_path, name)

    assert seen == {NAMES[name][1].gate}


@pytest.mark.drill
@pytest.mark.parametrize("kind", ["heartbeat", "register", "watch"])
def test_a_clean_product_keeps_every_promise_and_no_scanner_holds_anything_against_it(
    clean: Clean, tmp_path: Path, kind: str
) -> None:
    product = spoiled(clean(kind), tmp_path / "clean", kind, None)

    run_own_tests(product, kind)
    assert broken_promises(product, kind) == set()
    assert scanned(product) == set()
