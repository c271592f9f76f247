"""Numbers of the pages, against the rows they come from."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db.models import Sum

from billing.models import Entry, RevenueEvent, Window
from billing.services import book_entry, factory_scope, record_revenue
from core.ids import new_id
from core.money import in_words
from core.services import business_now
from factory.delivery.models import Release
from factory.insight.services import (
    effects_of,
    money_now,
    product_pnl,
    stage_costs,
    story_use,
    ventures,
    who_works,
)
from factory.work.models import Attempt, Dag, Task
from portfolio.models import Product, StageChange
from tests.builders import a_request
from tests.factory.console.build import a_build, a_call, an_attempt
from tests.factory.console.story import Story, a_product

pytestmark = pytest.mark.django_db


def profit_of(product: Product) -> int:
    return sum(row.amount_microusd for row in product_pnl(product))


def by_kind(product: Product) -> dict[str, int]:
    return {row.kind: row.amount_microusd for row in product_pnl(product)}


def a_shared_cost(amount: int, *, story: UUID | None = None) -> Entry:
    """Return a cost that belongs to no product, or to a story before its product had money of its own."""
    return book_entry(
        factory_scope(),
        kind=Entry.Kind.HOSTING,
        ref=str(new_id()),
        amount_microusd=amount,
        correlation_id=story,
    )


def test_profit_and_loss_counts_every_attempt_each_refund_and_each_fee(story: Story) -> None:
    assert by_kind(story.product) == {
        "payment": 19_000_000,
        "fee": -860_000,
        "refund": -9_000_000,
        "model_call": -(412_345 + 618_002 + 250_114 + 81_450),
    }


def test_one_more_payment_moves_the_profit_by_it_less_its_fee(story: Story) -> None:
    before = profit_of(story.product)

    for kind, cents in (("payment", 1900), ("fee", 86)):
        record_revenue(
            story.product.scope,
            provider="testpay",
            provider_event_id=str(new_id()),
            kind=kind,
            amount_minor=cents,
        )

    assert profit_of(story.product) - before == 19_000_000 - 860_000


def test_a_cost_of_nobody_is_carried_by_products_in_proportion_and_not_a_millionth_is_lost(
    story: Story,
) -> None:
    other = a_product("Leaf", stage=Product.Stage.BUILD)
    a_build(other)
    a_shared_cost(1_000_001)

    shares = by_kind(story.product)["shared"], by_kind(other)["shared"]

    assert sum(shares) == -1_000_001
    assert abs(shares[0] - shares[1]) <= 1


def test_shares_move_with_each_new_cost_of_nobody_and_with_each_new_product(story: Story) -> None:
    a_shared_cost(1_000)
    seen = [by_kind(story.product)["shared"]]
    a_shared_cost(500)
    seen.append(by_kind(story.product)["shared"])

    a_build(a_product("Leaf", stage=Product.Stage.BUILD))
    seen.append(by_kind(story.product)["shared"])

    assert seen == [-1_000, -1_500, -750]


def test_profits_of_all_products_add_up_to_the_ledger(story: Story) -> None:
    a_build(other := a_product("Leaf", stage=Product.Stage.BUILD))
    a_shared_cost(777_777)
    a_shared_cost(4_321, story=story.product.correlation_id)

    earned = RevenueEvent.objects.aggregate(total=Sum("amount_microusd"))["total"]

    assert profit_of(story.product) + profit_of(other) == earned - Entry.objects.all().total_microusd()


def test_the_day_of_a_row_is_the_day_of_business_time_in_utc(story: Story) -> None:
    earlier = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)

    book_entry(story.product.scope, kind=Entry.Kind.HOSTING, ref="host", amount_microusd=5, at=earlier)

    assert [row.day for row in product_pnl(story.product) if row.kind == "hosting"] == [earlier.date()]


def test_stages_cost_what_their_tasks_cost_failed_tries_too(story: Story) -> None:
    costs = {stage.name: stage.cost_microusd for stage in stage_costs(story.product)}

    assert costs == {
        "scan": 0,
        "validate": 0,
        "build": 412_345 + 618_002 + 250_114 + 81_450,
        "launch": 0,
        "grow": 0,
    }


def test_a_cost_without_a_task_belongs_to_the_stage_of_its_moment(story: Story) -> None:
    opened = StageChange.objects.filter(product=story.product).earliest("at").at
    for amount, at in ((11, opened - timedelta(hours=2)), (22, opened + timedelta(hours=2))):
        book_entry(
            factory_scope(), kind=Entry.Kind.HOSTING, ref=str(new_id()), amount_microusd=amount, at=at,
            correlation_id=story.product.correlation_id,
        )  # fmt: skip

    costs = {stage.name: stage.cost_microusd for stage in stage_costs(story.product)}

    assert (costs["scan"], costs["validate"]) == (11, 22)


def test_stages_say_which_is_done_which_is_on_and_how_long_each_worked(story: Story) -> None:
    Product.objects.filter(pk=story.product.pk).update(stage=Product.Stage.BUILD)
    story.product.refresh_from_db()

    stages = {stage.name: stage for stage in stage_costs(story.product)}

    assert [stage.state for stage in stages.values()] == ["done", "done", "on", "later", "later"]
    assert stages["validate"].seconds == pytest.approx(7 * 60, abs=5)
    assert stages["launch"].seconds is None


def test_money_now_is_what_the_windows_and_the_ledger_say(story: Story) -> None:
    now = money_now(business_now())

    window = Window.objects.get(scope=factory_scope(), period="day")
    assert (now.today.spent_microusd, now.today.held_microusd) == (window.spent_microusd, 310_000)
    assert now.today.cap_microusd == 100_000_000
    assert now.revenue_microusd == 19_000_000 - 860_000 - 9_000_000
    assert now.profit_microusd == now.revenue_microusd - Entry.objects.all().total_microusd()
    assert len(now.spent_by_day) == 14
    assert now.spent_by_day[-1] == now.cost_microusd
    assert now.profit_by_day[-1] == now.revenue_microusd - now.cost_microusd
    assert sum(now.spent_by_day[:-1]) == 0


def test_who_works_is_who_holds_a_task_with_what_it_cost_so_far(story: Story) -> None:
    (one,) = who_works()

    assert (one.agent, one.title, one.product, one.cost_microusd) == (
        "Hawk",
        "Try to break it",
        "Nightwatch",
        81_450,
    )
    assert one.seconds == pytest.approx(600, abs=5)


def test_nobody_works_when_the_last_attempt_ended(story: Story) -> None:
    Attempt.objects.filter(state="open").update(state="lost", ended_at=business_now())

    assert who_works() == ()


def test_a_story_says_what_it_used_and_what_of_it_is_lost(story: Story) -> None:
    attempt = an_attempt(story.build, "pages", n=2, state="lost")
    a_call(attempt, cost=33_000, is_lost=True)

    use = story_use(story.product)

    assert (use.calls, use.lost_microusd) == (5, 33_000)
    assert use.cost_microusd == 412_345 + 618_002 + 250_114 + 81_450 + 33_000


def test_a_venture_says_what_waits_who_works_and_what_users_meet(story: Story) -> None:
    (one,) = ventures()

    assert (one.questions, one.workers, one.version, one.taken_back) == (2, ("Hawk",), 1, 2)
    assert one.cost_microusd == -by_kind(story.product)["model_call"]
    assert in_words(one.cap_microusd) == "$70.00"


def test_an_older_release_that_was_taken_back_is_no_news(story: Story) -> None:
    Release.objects.filter(version=2).update(state="retired")
    Release.objects.filter(version=1).update(state="rolled_back")
    Release.objects.filter(version=2).update(state="live")

    (one,) = ventures()

    assert (one.version, one.taken_back) == (2, None)


def test_a_venture_that_stalled_says_so(story: Story) -> None:
    Dag.objects.filter(pk=story.build.pk).update(state=Dag.State.STALLED)

    assert ventures()[0].is_stalled


@pytest.mark.parametrize(
    ("state", "step"),
    [
        ("approved", "waits"),
        ("trying", "doing"),
        ("live", "done"),
        ("refused", "failed"),
        ("rolled_back", "failed"),
    ],
)
def test_the_effect_of_a_yes_is_read_from_its_release(story: Story, state: str, step: str) -> None:
    release = story.releases[1]
    Release.objects.filter(version=1).update(state="retired")
    Release.objects.filter(pk=release.pk).update(state=state, why="because")
    ask = a_request(action="story.go", arguments={"release_id": str(release.pk)})
    ask.state = "used"

    effect = effects_of([ask])[ask.pk]

    assert (effect.step, effect.words) == (step, "because")


@pytest.mark.parametrize(("key", "step"), [("deploy", "waits"), ("test", "doing"), ("core", "done")])
def test_the_effect_of_a_yes_is_read_from_its_task(story: Story, key: str, step: str) -> None:
    task = Task.objects.get(dag=story.build, key=key)
    ask = a_request(action="story.go", arguments={"task_id": str(task.pk)})
    ask.state = "approved"

    assert effects_of([ask])[ask.pk].step == step


def test_a_no_has_no_effect(story: Story) -> None:
    ask = a_request(action="story.go")
    ask.state = "rejected"

    assert effects_of([ask]) == {}


def test_a_failed_task_says_what_it_died_of_and_a_moving_one_nothing(story: Story) -> None:
    task = Task.objects.get(dag=story.build, key="core")
    ask = a_request(action="story.go", arguments={"task_id": str(task.pk)})
    ask.state = "used"
    moving = effects_of([ask])[ask.pk]
    Task.objects.filter(pk=task.pk).update(state=Task.State.DEAD_LETTER)

    failed = effects_of([ask])[ask.pk]

    assert moving.words == ""
    assert (failed.step, failed.words) == ("failed", "The import job.due is missing in jobs/views.py")
