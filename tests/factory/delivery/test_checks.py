"""What doctor says about the products."""

from pathlib import Path

import pytest

from core.registry import run_checks
from factory.delivery.models import Release
from tests.factory.delivery.carrying import a_live_release
from tests.factory.delivery.scripted import ScriptedEdge
from tests.factory.delivery.venture import Venture

pytestmark = pytest.mark.django_db


def test_no_edge_and_no_product_is_fine_and_no_edge_under_a_live_product_is_not(machine: Path) -> None:
    nothing = run_checks()["products"]
    a_live_release(Venture(), ScriptedEdge(), "1")

    alone = run_checks()["products"]

    assert nothing.state == "fine"
    assert alone.state == "fail"
    assert "Start the factory" in alone.cure
    assert Release.objects.live().count() == 1
