"""Every mistake that a rehearsed coder may plant, alone: the verdict is red, and names the file."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agents.gateway.adapters.rehearsal.cores import CORES
from agents.gateway.adapters.rehearsal.cores.frame import final, typed
from agents.gateway.adapters.rehearsal.cores.product import Defect
from agents.gateway.adapters.rehearsal.reading import as_product
from factory.quality.adapters.child import run_child
from factory.quality.ports import Build
from factory.quality.rules.criteria import parse_criteria
from factory.quality.rules.verdict import Ruling, rule_on
from factory.quality.services import GATES
from tests.agents.gateway.rehearsal.asks import IDEAS, blueprint_of
from tests.factory.quality.sample import LITTER, SKELETON, python

pytestmark = pytest.mark.drill

NOISE = "9e107d9d372bb6826bd81d3542a419d6"


def built(folder: Path, kind: str, *, defect: Defect | None = None) -> tuple[Build, str]:
    """A product of the rehearsal with one mistake in it, and the file that holds it."""
    blueprint, core = blueprint_of(IDEAS[kind]), CORES[kind]
    product = as_product(blueprint)
    assert product
    shutil.copytree(SKELETON, folder, ignore=LITTER)
    files, spoiled = final(product, core), ""
    if defect:
        right, wrong = typed(product, defect, noise=NOISE)
        spoiled = next(
            path for path, text in files.items() if path.endswith(f"/{defect.file}") and right in text
        )
        files[spoiled] = files[spoiled].replace(right, wrong, 1)
    files["product/domain.py"] = f'"""Apps."""\n\nAPPS: list[str] = ["{product.app}"]\n'
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    run_child([python(), "manage.py", "makemigrations", "-v0", product.app], folder=folder, timeout_s=60)
    return Build(folder, SKELETON, python(), parse_criteria(blueprint["criteria"])), spoiled


def ruled(build: Build) -> Ruling:
    with ThreadPoolExecutor() as pool:
        return rule_on(list(pool.map(lambda gate: gate(build), GATES)))


@pytest.mark.parametrize("kind", sorted(CORES))
def test_what_a_careful_coder_writes_passes(tmp_path: Path, kind: str) -> None:
    ruling = ruled(built(tmp_path / "tree", kind)[0])

    assert ruling.reasons == ()


@pytest.mark.parametrize("kind", sorted(CORES))
def test_each_mistake_alone_is_red_and_nearly_always_named_by_its_file(tmp_path: Path, kind: str) -> None:
    named = []
    for defect in CORES[kind].defects:
        build, spoiled = built(tmp_path / defect.name, kind, defect=defect)
        ruling = ruled(build)
        assert not ruling.passed, defect.name
        named.append(spoiled in {fault.file for fault in ruling.findings if fault.is_blocking})

    assert sum(named) >= 0.8 * len(named)
