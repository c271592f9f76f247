"""Money: every view adds up, files keep the filter, limits and switches are for whom they are for."""

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from agents.gateway.models import Provider
from agents.roster.models import Agent
from billing.models import CostHour, Entry, Limit, MoneyAlert, Scope
from billing.services import (
    Passed,
    book_entry,
    book_standing,
    capture_hold,
    factory_scope,
    lose_hold,
    open_switches,
    place_hold,
    release_hold,
    team_scope,
    tell_of_money,
)
from core.ids import new_id
from core.models import AuditRow, Installation
from core.services import business_now
from factory.console.rules import COST_KINDS, MONEY_WORDS
from factory.insight.services import Wanted, costs_now, ledger_page, ledger_rows, ledger_sums, money_now
from portfolio.models import Product
from tests.builders import a_user, an_agent
from tests.factory.console.story import Story, a_story

LINES = 130


@pytest.fixture(scope="module")
def told(told: Story) -> Story:
    """Add a long ledger."""
    for number in range(LINES):
        book_entry(
            factory_scope(), kind="hosting" if number % 3 else "mail", ref=f"bill {number}", amount_microusd=1_000 + number,
            at=business_now() - timedelta(minutes=number // 2), agent="Rex" if number % 2 else "",
        )  # fmt: skip
    return told


def walk(wanted: Wanted) -> list[str]:
    """Return the references of all rows, page by page."""
    now, refs, before = business_now(), [], ""
    while True:
        page = ledger_page(wanted, now=now, before=before)
        refs += [row.ref for row in page.rows]
        if not page.older:
            return refs
        before = page.older


@pytest.mark.parametrize(
    "wanted", [Wanted(days="all"), Wanted(days="week", kind="mail"), Wanted(days="month", agent="Rex"), Wanted(days="all", kind="payment")]
)  # fmt: skip
def test_pages_together_are_all_rows_once_and_add_up_to_the_sums_above(story: Story, wanted: Wanted) -> None:
    now = business_now()
    rows = list(ledger_rows(wanted, now=now, at_most=10_000))
    sums = ledger_sums(wanted, now=now)

    assert walk(wanted) == [row.ref for row in rows]
    assert len({row.ref for row in rows}) == len(rows) > 0
    assert sum(row.amount_microusd for row in rows) == sums.left_microusd


def test_a_ventures_view_holds_its_whole_story_and_nobody_elses(story: Story) -> None:
    other = a_story("Leaf").product

    for product in (story.product, other):
        wanted = Wanted(days="all", product=product)
        rows = list(ledger_rows(wanted, now=business_now(), at_most=10_000))
        assert {row.label for row in rows} == {product.name}
        assert (
            sum(row.amount_microusd for row in rows) == ledger_sums(wanted, now=business_now()).left_microusd
        )


def test_a_cursor_that_cannot_be_read_is_the_first_page(story: Story) -> None:
    now, first = business_now(), ledger_page(Wanted(days="all"), now=business_now())

    for cursor in ("x", "2026-01-01~", "2026-01-01T00:00:00~1", f"2026-01-01T00:00:00~{new_id()}"):
        assert ledger_page(Wanted(days="all"), now=now, before=cursor).rows[0].ref == first.rows[0].ref


@pytest.mark.parametrize("page", ["calls", "ledger"])
@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_cursor_outside_of_all_time_is_the_first_page(
    story: Story, owner: Client, page: str, moment: str
) -> None:
    asked = {"days": "all", "before": f"{moment}~{new_id()}"}

    first, answer = owner.get(reverse(page), {"days": "all"}), owner.get(reverse(page), asked)

    assert answer.status_code == 200
    assert answer.content.count(b"rowlink") == first.content.count(b"rowlink") > 0


def test_a_corrected_call_is_one_cost_of_the_view(story: Story, owner: Client) -> None:
    wanted, call_id = Wanted(days="all"), new_id()
    before = ledger_sums(wanted, now=business_now()).costs
    place_hold(scopes=[factory_scope().id], bound_microusd=100, call_id=call_id)
    lose_hold(call_id)

    capture_hold(call_id, cost_microusd=40)

    assert ledger_sums(wanted, now=business_now()).costs == before + 1
    assert f"{before + 1:,} costs" in owner.get(reverse("ledger"), {"days": "all"}).content.decode()


def test_the_file_holds_what_the_view_holds_in_dollars_with_six_places(story: Story, owner: Client) -> None:
    book_entry(factory_scope(), kind="tools", ref="=SUM(A1:A9)", amount_microusd=1)

    answer = owner.get(reverse("ledger_csv") + "?days=all&kind=mail")
    all_rows = owner.get(reverse("ledger_csv") + "?days=all")

    lines = list(csv.DictReader(StringIO(answer.content.decode())))
    assert {line["kind"] for line in lines} == {"mail"}
    assert len(lines) == Entry.objects.filter(kind="mail").count()
    assert lines[0]["amount_usd"] == "-0.001000"
    assert "'=SUM(A1:A9)" in all_rows.content.decode()


@pytest.mark.parametrize("page", ["money", "home"])
def test_the_bars_under_what_models_cost_are_of_models_alone(story: Story, owner: Client, page: str) -> None:
    before = bars_of(owner, page)

    book_entry(factory_scope(), kind="hosting", ref="a large bill", amount_microusd=90_000_000)

    assert bars_of(owner, page) == before != ""
    now = money_now(business_now())
    assert now.models_by_day[-1] == now.today.spent_microusd > 0
    assert now.spent_by_day[-1] > 90_000_000


def bars_of(client: Client, page: str) -> str:
    """Return the first bars of a page, which stand under what models cost today."""
    text = client.get(reverse(page)).content.decode()
    _, _, after = text.partition("Models today")
    return after.partition('<svg class="spark"')[2].partition("</svg>")[0]


def test_the_page_of_costs_tells_the_sums_of_the_ledger(story: Story) -> None:
    now = business_now()
    costs = costs_now(now)

    day = Entry.objects.between(now - timedelta(hours=23), now)
    assert sum(amount for _, amount in costs.hours) >= day.filter(kind="model_call").total_microusd() > 0
    assert (
        sum(one.cost_microusd for one in costs.models)
        <= Entry.objects.filter(kind="model_call").total_microusd()
    )
    assert dict(costs.kinds) == {
        kind: Entry.objects.filter(kind=kind).total_microusd() for kind in ("hosting", "mail")
    }


def test_a_call_of_yesterday_that_is_found_to_be_free_today_is_no_call_but_lowers_todays_costs(
    story: Story,
) -> None:
    today, call_id = business_now(), new_id()
    with time_machine.travel(timezone.now() - timedelta(days=1), tick=False):
        place_hold(
            scopes=[factory_scope().id], bound_microusd=100, call_id=call_id, provider="x", model="nl-9"
        )
        lose_hold(call_id, facts={"asked": "nl-9"})

    release_hold(call_id)

    told = costs_now(today)
    booked = CostHour.objects.between(today.date(), today.date()).filter(kind="model_call")
    assert [(one.calls, one.cost_microusd) for one in told.models if one.model == "nl-9"] == [(0, -100)]
    assert sum(one.cost_microusd for one in told.models) == booked.total_microusd()


def limit() -> Limit:
    """Return the limit of the factory's day."""
    return Limit.objects.get(scope=factory_scope(), period="day")


def test_an_operator_lowers_a_limit_and_only_the_owner_raises_it_with_a_reason(
    story: Story, owner: Client, operator: Client, viewer: Client
) -> None:
    def ask(person: Client, usd: str, why: str = "") -> int:
        return person.post(reverse("set_limit"), {"limit": limit().pk, "usd": usd, "why": why}).status_code

    assert ask(viewer, "5") == 403
    assert (ask(operator, "5"), limit().cap_microusd) == (303, 5_000_000)
    assert (ask(operator, "6", "more"), limit().cap_microusd) == (403, 5_000_000)
    assert (ask(owner, "6"), limit().cap_microusd) == (403, 5_000_000)
    assert (ask(owner, "6.50", "a launch"), limit().cap_microusd) == (303, 6_500_000)
    assert (ask(owner, "5000", "much"), ask(owner, "-1"), ask(owner, "x"), limit().cap_microusd) == (
        422, 400, 400, 6_500_000,
    )  # fmt: skip
    assert AuditRow.objects.filter(verb="billing.set_limit", facts__why="a launch").exists()


@pytest.mark.parametrize(("days", "status"), [(0, 303), (30, 303), (31, 422)])
def test_a_raise_may_end_on_any_of_the_thirty_days_that_follow(
    story: Story, owner: Client, days: int, status: int
) -> None:
    ends = (business_now() + timedelta(days=days)).date()
    asked = {"limit": limit().pk, "usd": "101", "why": "a launch", "until": ends.isoformat()}

    assert owner.post(reverse("set_limit"), asked).status_code == status


def test_switches_are_for_owner_and_operators_and_back_on_is_the_owners(
    story: Story, owner: Client, operator: Client, viewer: Client
) -> None:

    def state() -> tuple[str, bool]:
        return Product.objects.get(pk=story.product.pk).state, Provider.objects.get(
            name="northlight"
        ).is_enabled

    def turn(person: Client, *, on: bool) -> list[int]:
        way = "on" if on else "off"
        turns = (f"{way} product {story.product.slug}", f"{way} provider northlight")
        return [person.post(reverse("switch"), {"turn": one}).status_code for one in turns]

    assert turn(viewer, on=False) == [403, 403]
    assert turn(operator, on=False) == [303, 303]
    assert state() == ("frozen", False)
    assert {(one.kind, one.ref, one.by) for one in open_switches()} == {
        ("product", "nightwatch", "operator:the-operator"),
        ("provider", "northlight", "operator:the-operator"),
    }
    assert turn(operator, on=True) == [403, 403]
    assert turn(owner, on=True) == [303, 303]
    assert (state(), open_switches()) == (("launched", True), [])


@pytest.mark.parametrize(
    ("kind", "ref", "words"), [("agent", "Rex", "Rex"), ("team", "build", "Build team"), ("model", "northlight/north-1", "north-1")]
)  # fmt: skip
def test_what_is_switched_off_stands_on_the_page_with_who_may_let_it_go_on(
    story: Story, owner: Client, operator: Client, kind: str, ref: str, words: str
) -> None:
    team_scope("build")
    told = {"turn": f"off {kind} {ref}", "why": "too dear"}
    before = owner.get(reverse("money")).content.decode()
    assert operator.post(reverse("switch"), told).status_code == 303

    mine, theirs = (person.get(reverse("money")).content.decode() for person in (owner, operator))

    assert f'aria-label="Let {words} go on"' not in before + theirs
    assert f'aria-label="Let {words} go on"' in mine
    assert "too dear" in mine
    assert operator.post(reverse("switch"), {"turn": f"on {kind} {ref}"}).status_code == 403
    assert [(one.kind, one.ref) for one in open_switches()] == [(kind, ref)]
    assert owner.post(reverse("switch"), {"turn": f"on {kind} {ref}"}).status_code == 303
    assert open_switches() == []


def test_what_nobody_knows_cannot_be_switched(story: Story, owner: Client) -> None:
    def ask(turn: str) -> int:
        return owner.post(reverse("switch"), {"turn": turn}).status_code

    unknown = ("off agent Nobody", "off team x", "off model north-1", "on product nosuch")
    assert [ask(turn) for turn in unknown] == [404] * 4
    assert [ask(turn) for turn in ("off global factory", "off agent ", "agent Rex", "")] == [400] * 4


def test_the_page_of_costs_asks_as_often_however_much_there_is(story: Story, owner: Client) -> None:
    with CaptureQueriesContext(connection) as few:
        owner.get(reverse("money"))
    a_story("Leaf")
    for name in ("Ada", "Bob", "Cy"):
        an_agent(name)
    with CaptureQueriesContext(connection) as many:
        owner.get(reverse("money"))

    assert len(many) == len(few)


def test_a_team_that_spends_stands_with_its_limit(story: Story, owner: Client) -> None:
    agent = an_agent("Ada", front={"team": "build"})
    Scope.objects.filter(pk=agent.scope_id).update(parent=team_scope("build"))
    place_hold(scopes=[agent.scope_id], bound_microusd=40_000, call_id=(call := new_id()))
    capture_hold(call, cost_microusd=40_000)

    teams = {one.name: one for one in costs_now(business_now()).teams}

    assert (teams["build"].agents, teams["build"].purse.spent_microusd) == (("Ada",), 40_000)
    assert "Build team" in owner.get(reverse("money")).content.decode()


def test_an_agent_is_paused_switched_off_and_on_again_by_whom_it_may(
    story: Story, owner: Client, operator: Client, viewer: Client
) -> None:
    address = reverse("switch_agent", args=["Rex"])

    def status(person: Client, wish: str) -> tuple[int, str]:
        code = person.post(address, {"do": wish}).status_code
        return code, Agent.objects.get(name="Rex").status(is_busy=False, is_reachable=True)

    assert status(viewer, "pause") == (403, "online")
    assert status(operator, "pause") == (303, "draining")
    assert status(operator, "resume") == (403, "draining")
    assert status(owner, "resume") == (303, "online")
    assert status(operator, "off") == (303, "disabled")
    assert owner.post(reverse("switch_agent", args=["nobody"]), {"do": "off"}).status_code == 404


def test_the_list_of_agents_adds_up_and_filters(story: Story, owner: Client) -> None:
    everyone = owner.get(reverse("agents")).content.decode()
    at_work = owner.get(reverse("agents") + "?who=work").content.decode()

    assert everyone.count('class="rowlink"') == Agent.objects.count()
    assert at_work.count('class="rowlink"') == 1
    assert "Try to break it" in at_work


def test_every_kind_of_cost_has_words_and_counts_as_a_cost() -> None:
    assert {*Entry.Kind.values, "shared"} == COST_KINDS
    assert MONEY_WORDS.keys() >= COST_KINDS


def test_home_tells_of_money_that_went_out_of_proportion(story: Story, owner: Client) -> None:
    home = owner.get("/").content.decode()
    rule = MoneyAlert.Rule.FACTORY_HOUR
    passed = Passed(factory_scope(), rule, 0, business_now(), "warning", 9_000_000, 2_000_000)
    tell_of_money(passed)

    told = owner.get("/").content.decode()

    words = "This hour cost $9.00, more than three times the hour before ($2.00)"
    assert words not in home
    assert words in told


def test_a_standing_cost_of_a_rehearsal_says_that_it_is_an_example(story: Story, owner: Client) -> None:
    book_standing()

    shown = owner.get(reverse("ledger") + "?days=all&kind=electricity").content.decode()
    assert "power of the host, an example" in shown


@pytest.mark.parametrize("page", ["money", "home", "agents", "agent"])
def test_the_month_that_is_named_is_the_month_that_is_counted(
    story: Story, stranger: Client, page: str
) -> None:
    Installation.objects.update(time_zone="Pacific/Auckland")
    with time_machine.travel(
        datetime(2026, 11, 30, 13, 30, tzinfo=UTC), tick=False
    ):  # 1 December in Auckland
        stranger.force_login(a_user())
        text = stranger.get(reverse(page, args=["Rex"] if page == "agent" else [])).content.decode()

    assert "November" in text
    assert "December" not in text
