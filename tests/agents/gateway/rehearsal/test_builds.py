"""Whole builds over both protocols: an idea becomes a product that keeps every promise."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.gateway.adapters import child
from agents.gateway.adapters.rehearsal.cores import CORES
from tests.agents.gateway.rehearsal.asks import CRONPILOT, IDEAS
from tests.agents.gateway.rehearsal.builds import Build
from tests.agents.gateway.rehearsal.models import Models

Serving = Callable[[str], child.Process]
UNSEEN = [
    CRONPILOT,
    "Remind parents of vaccination dates",
    "Translate podcasts into sign language videos",
    "Uptime heartbeat for IoT gateways in greenhouses, $9/29 for 20/200 gateways",
    "Watch grant websites and alert nonprofits to new calls",
    "Verträge mit Kündigungsfristen im Blick behalten",
    "Mein Verein möchte wissen, wenn Trainerlizenzen ablaufen",
    "Überwachung nächtlicher Sicherungen, die still ausbleiben",
    "Alerte quand un capteur de congélateur cesse d'envoyer ses mesures",
    "Surveiller les appels d'offres d'une mairie et signaler les nouveautés",
    "Avisar cuando cambia la página de precios de un competidor",
    "Registro de revisiones de extintores con recordatorio antes de la fecha",
    "漢字だけのアイデア",
]  # fmt: skip


def built(process: child.Process, idea: str, folder: Path) -> Build:
    build = Build(Models(process.path), idea, folder / "clone")
    build.plan()
    build.write()
    return build


@pytest.mark.drill
def test_a_build_with_a_planted_mistake_is_found_out_and_mended(serving: Serving, tmp_path: Path) -> None:
    build = built(serving("7:defect=limit_off_by_one"), IDEAS["register"], tmp_path)
    app = build.blueprint["core_function"]["app"]

    assert all(said.endswith("own tests pass.") for said in build.said)
    assert set(build.faults()) == {"plan-limit-holds"}

    hidden = {"file": f"{app}/rules.py", "line": 17, "severity": "high", "method": "POST", "path": f"/{app}/"}
    build.mend({**hidden, "expected": 402, "seen": 302})
    assert build.faults() == {}


@pytest.mark.drill
def test_every_third_answer_broken_ends_in_the_same_product(serving: Serving, tmp_path: Path) -> None:
    build = built(serving("7:broken=3"), IDEAS["heartbeat"], tmp_path)

    assert build.models.seen["repairs"] + build.models.seen["bad_arguments"] > 0
    assert all(said.endswith("own tests pass.") for said in build.said)


@pytest.mark.drill
@pytest.mark.parametrize("idea", UNSEEN)
def test_ideas_in_four_languages_become_products_that_keep_every_promise(
    serving: Serving, tmp_path: Path, idea: str
) -> None:
    build = built(serving("11:clean"), idea, tmp_path)

    assert build.blueprint["core_function"]["kind"] in CORES
    assert all(said.endswith("own tests pass.") for said in build.said)
    assert build.faults() == {}


@pytest.mark.drill
def test_two_builds_of_one_idea_agree_call_by_call(serving: Serving, tmp_path: Path) -> None:
    first, again = (built(serving("7"), IDEAS["watch"], tmp_path / name) for name in ("a", "b"))

    assert first.models.seen == again.models.seen
    assert first.blueprint == again.blueprint
    assert first.said == again.said
