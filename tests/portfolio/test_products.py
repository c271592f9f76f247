"""Products as rows: opened after a test, moved step by step, frozen and given their blueprint."""

from functools import partial

import pytest

from billing.errors import SwitchSet
from billing.services import require_open
from core.errors import IllegalMove
from core.services import found_installation
from portfolio.errors import NotToBuild
from portfolio.models import Product
from portfolio.services import (
    adopt_blueprint,
    change_stage,
    freeze_product,
    open_product,
    place_product,
    thaw_product,
    validate_opportunity,
)
from tests.crowd import together
from tests.portfolio.rows import RECORDED, an_opportunity, events

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _rehearsal() -> None:
    found_installation("rehearsal")


def test_a_product_has_its_own_money_and_its_opportunitys_story() -> None:
    opportunity = an_opportunity(state="passed")

    product = open_product("Backup Proof!", opportunity=opportunity)
    again = open_product("Other name", opportunity=opportunity)

    assert (product.slug, product.stage, product.state) == ("backup-proof", "build", "building")
    assert (product.scope.kind, product.scope.ref) == ("product", "backup-proof")
    assert product.correlation_id == opportunity.correlation_id == product.scope.correlation_id
    assert again == product
    assert [event.facts["new"] for event in events("stage_changed")] == ["build"]


@pytest.mark.django_db(transaction=True)
def test_products_of_one_name_that_are_opened_at_once_each_have_an_address_and_money_of_their_own() -> None:
    ideas = [an_opportunity(name=f"idea-{n}", state="passed") for n in range(6)]

    opened = together([partial(open_product, "Backup proof", opportunity=one) for one in ideas])

    assert {one.opportunity for one in opened} == set(ideas)
    assert len({one.slug for one in opened}) == len({one.scope_id for one in opened}) == 6
    assert [one.scope.ref for one in opened] == [one.slug for one in opened]


@pytest.mark.django_db(transaction=True)
def test_a_product_that_many_open_at_once_is_opened_once() -> None:
    opportunity = an_opportunity(state="passed")

    opened = together([partial(open_product, "Backup proof", opportunity=opportunity)] * 6)

    assert {one.pk for one in opened} == {Product.objects.get().pk}
    assert [event.facts["new"] for event in events("stage_changed")] == ["build"]


def test_two_products_of_one_name_have_two_addresses() -> None:
    slugs = [open_product(name).slug for name in ("Cron Pilot", "Cron  pilot", "???", "x" * 90)]

    assert slugs == ["cron-pilot", "cron-pilot-2", "product", "x" * 40]


@pytest.mark.parametrize("state", ["excluded", "thin", "failed", "declined", "found", "scored"])
def test_nothing_is_built_that_did_not_pass(state: str) -> None:
    with pytest.raises(NotToBuild):
        open_product("X", opportunity=an_opportunity(state=state))

    assert Product.objects.count() == 0


def test_a_product_opened_early_is_built_only_after_its_test() -> None:
    opportunity = an_opportunity()
    product = open_product("X", opportunity=opportunity, stage="validate")

    with pytest.raises(NotToBuild):
        change_stage(product, to="build", reason="too soon")
    validate_opportunity(opportunity, traffic=RECORDED)
    change_stage(product, to="build", reason="passed")

    assert product.stage == "build"


def test_a_product_goes_its_path_step_by_step() -> None:
    product = open_product("X")

    with pytest.raises(IllegalMove):
        change_stage(product, to="grow", reason="a jump")
    change_stage(product, to="launch", reason="verdict passed", verdict="v1")
    first = change_stage(product, to="grow", reason="live")
    again = change_stage(product, to="grow", reason="live")

    assert again == first
    assert (product.stage, product.state) == ("grow", "launched")
    assert product.launched_at is not None
    assert [(change.old, change.new) for change in product.changes.all()] == [
        ("", "build"),
        ("build", "launch"),
        ("launch", "grow"),
    ]
    assert product.changes.get(new="launch").facts == {"verdict": "v1"}
    assert dict(product.scope.limits.values_list("period", "cap_microusd")) == {
        "life": 70_000_000,
        "day": 5_000_000,
    }


def test_a_frozen_product_goes_on_from_where_it_was() -> None:
    young, live = open_product("Young"), open_product("Live")
    change_stage(live, to="launch", reason="x")
    change_stage(live, to="grow", reason="x")

    for product in (young, live):
        freeze_product(product, reason="no money")
        with pytest.raises(IllegalMove):
            freeze_product(product, reason="again")
        thaw_product(product, reason="refilled")

    assert (young.state, live.state) == ("building", "launched")


def test_a_blueprint_gives_its_name_and_before_the_launch_the_address_too() -> None:
    product = open_product("Sheets break")

    adopt_blueprint(product, blueprint={"name": "Cron Pilot", "criteria": []})

    kept = Product.objects.get(pk=product.pk)
    assert (kept.blueprint["criteria"], kept.name, kept.slug) == ([], "Cron Pilot", "cron-pilot")
    assert (kept.scope.ref, kept.scope.label) == ("cron-pilot", "Cron Pilot")


def test_what_was_switched_off_stays_off_under_its_new_name() -> None:
    product = open_product("Sheets break")
    freeze_product(product, reason="a look")

    adopt_blueprint(product, blueprint={"name": "Cron Pilot"})

    with pytest.raises(SwitchSet):
        require_open([product.scope_id])
    thaw_product(product, reason="seen")
    require_open([product.scope_id])


def test_an_address_that_strangers_know_stays() -> None:
    product = open_product("Cron Pilot")
    place_product(product, url="http://127.0.0.1:8100")

    adopt_blueprint(product, blueprint={"name": "Night Watch"})

    assert (product.name, product.slug, product.scope.ref) == ("Night Watch", "cron-pilot", "cron-pilot")
