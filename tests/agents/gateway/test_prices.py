"""The table of prices: dated, never changed, and nothing unpriced is called."""

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings as django_settings
from django.db import IntegrityError
from django.utils import timezone

from agents.gateway import checks, models
from agents.gateway.adapters.transport import WIRES
from agents.gateway.errors import NoCapableModel, PricesUnreadable, PriceUnknown, ReviewerUnavailable
from agents.gateway.models import ModelEntry, Price, Provider
from agents.gateway.ports import Intent, Message
from agents.gateway.rules.route import TIERS
from agents.gateway.services import start_provider, stop_provider, sync_prices
from agents.gateway.services.catalogue import tariffs_on
from agents.gateway.services.routes import routes_for
from billing.errors import BudgetExceeded
from core.ids import new_id
from core.models import AuditRow
from core.services import found_installation
from tests.builders import a_scope, an_ask

pytestmark = pytest.mark.django_db

SHIPPED = (Path(django_settings.DATA_DIR) / "prices.yaml").read_text()


@pytest.fixture
def rehearsal(db: None) -> None:
    """Found a rehearsal with the shipped prices."""
    found_installation("rehearsal")
    sync_prices()


def a_table(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the shipped table with some words changed."""
    text = SHIPPED
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "prices.yaml").write_text(text)
    return folder / "prices.yaml"


def chosen(**intent: Any) -> list[str]:
    """Return the models that would be tried, in order."""
    return [route.model.name for route in routes_for(an_ask(intent=Intent(**intent)))]


def test_the_shipped_tables_land_once_and_price_every_model() -> None:
    first, again = sync_prices(), sync_prices()

    assert first.models == first.new_prices == ModelEntry.objects.count() > 50
    assert (first.unpriced, again.new_prices) == ((), 0)
    assert ModelEntry.objects.filter(is_rehearsed=True).count() == 5
    opus = Price.objects.get(model__name="claude-opus-4-6")
    assert (opus.input_microusd, opus.output_microusd) == (5_000_000, 25_000_000)
    assert set(models.Provider.objects.values_list("protocol", flat=True)) <= set(WIRES)


def test_the_catalogue_is_what_the_script_makes_of_the_table_it_names() -> None:
    script = Path(django_settings.BASE_DIR) / "scripts" / "prices"

    checked = subprocess.run(  # noqa: S603  our own script
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )

    assert (checked.returncode, checked.stdout) == (0, "")


def test_a_price_of_before_learns_what_nobody_had_said_and_nothing_else(table: Path) -> None:
    sync_prices(table)
    Price.objects.update(cache_write_1h_microusd=None, batch_percent=100)

    sync_prices(table)

    opus = Price.objects.get(model__name="claude-opus-4-6")
    assert (opus.cache_write_1h_microusd, opus.batch_percent) == (10_000_000, 50)


def test_where_two_providers_serve_a_name_each_has_its_own_price() -> None:
    sync_prices()

    rates = {
        price.model.provider_id: price.input_microusd
        for price in Price.objects.filter(model__name__endswith="gpt-oss-120b").select_related("model")
    }
    assert rates == {"cerebras": 350_000, "groq": 150_000, "sambanova": 220_000}


def test_only_a_provider_that_litellm_knows_may_be_without_an_address(tmp_path: Path) -> None:
    sync_prices()
    assert Provider.objects.get(name="cohere_chat").base_url == ""

    line = "protocol: anthropic, base_url: "
    with pytest.raises(PricesUnreadable, match="base_url says where"):
        sync_prices(a_table(tmp_path, (f'{line}"https://api.anthropic.com"', f'{line}""')))


def test_a_price_that_landed_is_not_changed_but_followed_by_a_new_one(tmp_path: Path) -> None:
    sync_prices()
    line = "{model: gpt-5.2, valid_from: 2025-12-11, input: 1.75"

    with pytest.raises(PricesUnreadable, match="add a line with a new date"):
        sync_prices(a_table(tmp_path, (line, line.replace("1.75", "1.80"))))
    new = line.replace("2025-12-11", "2027-01-01").replace("1.75", "1.80")
    report = sync_prices(
        a_table(tmp_path, (line, f"{new}, output: 14, cached: 0.175, cache_write: 1.80}}\n  - {line}"))
    )

    gpt = ModelEntry.objects.get(name="gpt-5.2").id
    assert report.new_prices == 1
    assert tariffs_on(date(2026, 12, 31))[gpt].input == 1_750_000
    assert tariffs_on(date(2027, 1, 1))[gpt].input == 1_800_000
    assert gpt not in tariffs_on(date(2025, 12, 10))


@pytest.mark.parametrize(
    "change",
    [
        ("input: 1.75", "input: -1"), ("input: 1.75", "input: cheap"), ("tier: premium", "tier: best"), ("model: gpt-5.2", "model: gpt-6"),
        ("provider: openai", "provider: unknown"), ("valid_from: 2025-12-11", "valid_from: soon"), ("prices:", "costs:"),
        ("protocol: openai", "protocol: smoke"), ("https://api.openai.com", "ftp://x"), ("models:", "models: ["), ("window: 128_000", "window: 0"),
    ],
)  # fmt: skip
def test_a_table_with_a_mistake_is_refused_whole(tmp_path: Path, change: tuple[str, str]) -> None:
    with pytest.raises(PricesUnreadable):
        sync_prices(a_table(tmp_path, change))

    assert not models.Provider.objects.exists()


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PricesUnreadable):
        sync_prices(tmp_path / "none.yaml")


def test_the_database_refuses_a_negative_price(rehearsal: None) -> None:
    with pytest.raises(IntegrityError):
        Price.objects.update(input_microusd=-1)


@pytest.mark.parametrize(
    ("intent", "order"),
    [
        ({"quality": "best"}, ["gpt-5.2", "claude-sonnet-4-5", "claude-opus-4-6", "gpt-5-mini", "claude-haiku-4-5"]),
        ({"quality": "good"}, ["gpt-5-mini", "claude-haiku-4-5", "claude-sonnet-4-5"]),
        ({"quality": "acceptable"}, ["gpt-5-mini", "claude-haiku-4-5"]),
        ({"security_sensitive": True}, ["gpt-5.2", "claude-opus-4-6"]),
        ({"quality": "best", "not_provider": "openai"}, ["claude-sonnet-4-5", "claude-opus-4-6", "claude-haiku-4-5"]),
    ],
)  # fmt: skip
def test_the_shipped_models_are_tried_in_this_order(rehearsal: None, intent: Any, order: list[str]) -> None:
    assert chosen(**intent) == order


def test_a_model_without_a_price_is_passed_over_and_when_it_is_the_only_one_refused(rehearsal: None) -> None:
    Price.objects.filter(model__name="gpt-5.2").delete()

    assert "gpt-5.2" not in chosen(quality="best")
    Price.objects.all().delete()
    with pytest.raises(PriceUnknown, match="claude-opus-4-6"):
        chosen(quality="best")


def test_before_its_price_begins_a_model_is_not_called(rehearsal: None) -> None:
    with time_machine.travel(datetime(2025, 10, 1, tzinfo=UTC)):
        assert chosen(quality="best") == ["claude-sonnet-4-5", "gpt-5-mini"]


def test_without_another_provider_there_is_no_reviewer(rehearsal: None) -> None:
    stop_provider("anthropic", because="test")

    with pytest.raises(ReviewerUnavailable):
        chosen(quality="best", not_provider="openai")


def test_without_any_model_nobody_can_do_it(db: None) -> None:
    with pytest.raises(NoCapableModel):
        chosen(quality="best")


def test_a_prompt_too_long_for_a_window_goes_to_a_wider_one_and_too_long_for_all_is_refused(
    rehearsal: None,
) -> None:
    long = routes_for(an_ask(text="a b c " * 60_000))

    assert {route.model.provider_id for route in long} == {"anthropic"}
    with pytest.raises(NoCapableModel):
        routes_for(an_ask(text="a b c " * 120_000))


def test_who_costs_more_than_one_call_may_is_passed_over(rehearsal: None) -> None:
    rex = a_scope(kind="agent", ref="Rex")
    ask = an_ask(scopes=(rex.id,), max_tokens=30_000)

    assert [route.model.name for route in routes_for(ask)] == [
        "gpt-5.2",
        "claude-sonnet-4-5",
        "gpt-5-mini",
        "claude-haiku-4-5",
    ]
    with pytest.raises(BudgetExceeded, match="one call"):
        routes_for(an_ask(scopes=(a_scope(kind="agent", ref="Echo", call=10).id,)))


def test_room_is_no_more_than_a_model_can_write(rehearsal: None) -> None:
    routes = routes_for(an_ask(max_tokens=90_000))

    rooms = {
        route.model.name: b'"max_tokens":64000' in route.route.body
        or b'"max_completion_tokens":64000' in route.route.body
        for route in routes
    }
    assert rooms == {name: name != "claude-opus-4-6" for name in rooms}


def test_a_lone_surrogate_in_a_prompt_does_not_break_the_call(rehearsal: None) -> None:
    routes = routes_for(an_ask(messages=(Message("user", "\ud800 \x00 \u2028"),)))

    assert routes[0].route.body.decode("utf-8").count("\u2028") == 1


def test_a_provider_is_stopped_and_started_once_with_an_audit_row(rehearsal: None) -> None:
    stop_provider("openai", because="bill too high")
    stop_provider("openai", because="again")

    warned = checks.models().state
    start_provider("openai", by="owner:ada")

    assert (warned, checks.models().state) == ("warn", "fine")
    assert list(AuditRow.objects.values_list("verb", flat=True).filter(subject="openai")) == [
        "gateway.stop_provider",
        "gateway.start_provider",
    ]


def test_a_real_factory_without_a_key_has_no_model_in_reach(db: None, settings: Any) -> None:
    settings.MODEL_KEYS = {}
    found_installation("real")
    sync_prices()

    assert checks.models().state == "fail"


def test_every_tier_of_the_table_is_a_tier_of_the_rules(rehearsal: None) -> None:
    assert set(ModelEntry.objects.values_list("tier", flat=True)) <= set(TIERS)


def test_calls_that_tell_another_sum_than_the_ledger_are_found(rehearsal: None) -> None:
    assert checks.calls().state == "fine"
    models.Call.objects.create(
        id=new_id(), agent="Rex", assignment_id=new_id(), model=ModelEntry.objects.all()[0], tier="mid", task_type="general", reason="test",
        bound_microusd=7, cost_microusd=7, status="answered", ended_at=timezone.now(), prompt_sha256="", mode="rehearsal",
    )  # fmt: skip

    assert checks.calls().state == "fail"


def test_a_settled_call_without_a_cost_is_refused_by_the_database(rehearsal: None) -> None:
    entry = ModelEntry.objects.all()[0]

    with pytest.raises(IntegrityError, match="settled_call_is_complete"):
        models.Call.objects.create(
            agent="Rex", assignment_id=new_id(), model=entry, tier="mid", task_type="general", reason="", bound_microusd=1,
            status="answered", prompt_sha256="", mode="rehearsal",
        )  # fmt: skip
