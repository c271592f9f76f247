"""Standing costs: to the last millionth, once for each line and day, whoever looks and however often."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import get_args

import pytest
import time_machine
from django.conf import settings as in_force
from django.db import connection
from django.db.models import Sum
from pytest_django import Settings

from billing import checks
from billing.errors import StandingUnreadable
from billing.models import CostHour, Entry
from billing.rules import StandingKind, StandingLine, share_of_month
from billing.services import book_entry, book_standing, factory_scope
from core.models import Installation
from core.services import found_installation
from tests.builders import a_scope

FOUNDED = datetime(2026, 2, 2, 9, tzinfo=UTC)


def found(mode: str = "rehearsal", *, at: datetime = FOUNDED) -> None:
    """Found the factory at this time."""
    found_installation(mode)
    Installation.objects.update(created_at=at)


def write(settings: Settings, folder: Path, text: str) -> None:
    """Let the table of standing costs say this."""
    (folder / "standing.yaml").write_text(text)
    settings.DATA_DIR = folder
    (folder / "limits.yaml").write_text((Path(in_force.BASE_DIR) / "data" / "limits.yaml").read_text())


def booked() -> dict[tuple[str, str], int]:
    """Return what stands in the ledger, by kind and day."""
    rows = Entry.objects.order_by("at").values_list("kind", "at", "amount_microusd")
    return {(kind, f"{at:%m-%d}"): amount for kind, at, amount in rows}


@pytest.mark.django_db
def test_a_day_of_the_sheets_host_costs_what_the_sheet_says() -> None:
    found()
    with time_machine.travel(FOUNDED):
        book_standing()

    assert booked() == {
        ("electricity", "02-02"): 1_440_000,  # 200 W x 24 h x $0.30
        ("hardware", "02-02"): 75_416_666 * 2 // 28
        - 75_416_666 // 28,  # $1,810 / 24 months, the second day of 28
        ("domain", "02-02"): 1_000_000 * 2 // 28 - 1_000_000 // 28,
    }


@pytest.mark.django_db
def test_a_second_look_books_nothing_and_a_factory_that_was_off_books_every_day_it_missed() -> None:
    found()
    with time_machine.travel(FOUNDED):
        first, again = book_standing(), book_standing()
    with time_machine.travel(FOUNDED + timedelta(days=26)):
        later = book_standing()

    assert (first, again, later) == (3, 0, 3 * 26)
    electricity = Entry.objects.filter(kind="electricity")
    assert (electricity.count(), electricity.total_microusd()) == (27, 27 * 1_440_000)
    assert CostHour.objects.aggregate(all=Sum("amount_microusd"))["all"] == Entry.objects.total_microusd()


@pytest.mark.django_db
def test_the_days_of_a_month_add_up_to_the_month_and_the_months_to_the_price(
    settings: Settings, tmp_path: Path
) -> None:
    write(
        settings, tmp_path, "lines: [{name: h, kind: hardware, price: 1810, months: 24, since: 2026-01-15}]"
    )
    found(at=datetime(2026, 2, 1, tzinfo=UTC))
    with time_machine.travel(datetime(2026, 2, 28, 12, tzinfo=UTC)):
        book_standing()

    months = [share_of_month(1_810_000_000, since=date(2026, 1, 15), months=24, day=date(2026 + m // 12, m % 12 + 1, 1)) for m in range(26)]  # fmt: skip
    assert Entry.objects.total_microusd() == months[1]
    assert (sum(months), months[24:]) == (1_810_000_000, [0, 0])


@pytest.mark.django_db
def test_a_real_factory_books_no_examples_and_a_rehearsal_says_that_they_are() -> None:
    found("real")
    with time_machine.travel(FOUNDED):
        real = book_standing()
        Installation.objects.update(mode="rehearsal")
        book_standing()

    assert real == 0
    assert all(entry.facts["is_example"] for entry in Entry.objects.all())
    assert checks.standing_costs().state == "fine"


@pytest.mark.django_db
def test_a_products_own_domain_is_its_cost_also_when_it_is_dead(settings: Settings, tmp_path: Path) -> None:
    line = "{name: linkly.example, kind: domain, a_month: 28, product: linkly, since: 2026-02-01, until: 2026-02-03}"
    write(settings, tmp_path, f"lines: [{line}]")
    product = a_scope(kind="product", ref="linkly")
    found("real")
    with time_machine.travel(FOUNDED + timedelta(days=9)):
        book_standing()

    assert [(one.scope, one.amount_microusd) for one in Entry.objects.all()] == [(product, 1_000_000)] * 2


@pytest.mark.django_db
def test_a_bill_in_another_currency_keeps_its_amount_and_without_a_rate_it_waits_while_others_are_booked(
    settings: Settings, tmp_path: Path
) -> None:
    lines = """lines:
      - {name: mail, kind: subscription, a_month: 28, currency: eur, since: 2026-02-01}
      - {name: power, kind: electricity, watts: 100, since: 2026-02-01}
    """
    write(settings, tmp_path, lines)
    found("real")
    with time_machine.travel(FOUNDED):
        without = (book_standing(), checks.standing_costs().state)
        (tmp_path / "standing.yaml").write_text(f"rates: {{eur: {{usd: 1.25, day: 2026-02-02}}}}\n{lines}")
        (tmp_path / "standing.yaml").touch()
        with_rate = (book_standing(), checks.standing_costs().state)

    assert (without, with_rate) == ((1, "fail"), (1, "fine"))
    mail = Entry.objects.get(kind="subscription")
    assert (mail.original_minor, mail.currency, mail.rate) == (100, "eur", Decimal("1.25"))
    assert mail.amount_microusd == 1_250_000


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text",
    [
        "lines: [{name: x, kind: electricity}]",
        "lines: [{name: x, kind: gold, a_month: 1}]",
        "lines: [{name: x, kind: mail, a_month: -1}]",
        "lines: [{name: x, kind: mail, a_month: 1}, {name: x, kind: mail, a_month: 2}]",
        "lines: [{name: x, kind: mail, a_month: 1, wats: 3}]",
        "lines: {",
    ],
)
def test_a_table_that_cannot_be_read_books_nothing_and_says_so(
    settings: Settings, tmp_path: Path, text: str
) -> None:
    write(settings, tmp_path, text)
    found()

    with pytest.raises(StandingUnreadable):
        book_standing()
    assert (Entry.objects.count(), checks.standing_costs().state) == (0, "fail")


@pytest.mark.django_db
def test_four_fifths_of_what_is_free_are_pointed_out(settings: Settings, tmp_path: Path) -> None:
    write(settings, tmp_path, "quotas: [{name: free calls, models: [small], calls_a_day: 5}]")
    states = []
    for number in range(4):
        book_entry(
            factory_scope(), kind="model_call", ref=f"{number}", amount_microusd=0, facts={"asked": "small"}
        )
        states.append(checks.standing_costs().state)

    assert states == ["fine", "fine", "fine", "warn"]


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_look_at_once_book_each_day_once() -> None:
    found()

    def look() -> None:
        book_standing()
        connection.close()

    with time_machine.travel(FOUNDED + timedelta(days=5)):
        threads = [Thread(target=look) for _ in range(3)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

    assert Entry.objects.count() == 3 * 6


def test_every_kind_of_the_table_is_a_kind_of_the_ledger() -> None:
    assert set(get_args(StandingKind)) <= set(Entry.Kind.values)
    assert StandingLine(name="x", kind="mail", a_month=Decimal(1)).is_due(date(2026, 1, 1))
