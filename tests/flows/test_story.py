"""One idea from the owner's sentence to a product that earns, followed from outside and through the rows.

The factory dies once on the way, in the middle of BUILD: it goes on from its rows, and nothing is paid twice.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from billing.rules import sign
from core.adapters.tls import trusted
from tests.flows.books import PAID_TWICE, spent
from tests.flows.owner import Owner
from tests.flows.stack import Stack, a_stack
from tests.flows.visitor import Visitor, is_timeless, keeps

IDEA = "Remind small workshops before the yearly inspection of each of their machines is due"
ANSWERED = "SELECT count(*) FROM gateway_call WHERE agent = 'Rex' AND status = 'answered'"


@dataclass(frozen=True)
class Death:
    """What the books said while the factory was dead, in micro-dollars: still held, and paid."""

    held: int
    paid: int


class Story:
    """A factory with one live product, and the questions the tests ask about it."""

    def __init__(self, stack: Stack, owner: Owner, venture: str, *, death: Death) -> None:
        self.stack, self.owner, self.death = stack, owner, death
        self.product = stack.rows("SELECT * FROM portfolio_product WHERE id = ?", venture)[0]
        self.slug = str(self.product["slug"])
        self.blueprint: dict[str, Any] = json.loads(self.product["blueprint"])
        self.url = str(self.product["url"])

    def profit_microusd(self) -> int:
        """Return what came in less what was spent, from the two ledgers."""
        scope = self.product["scope_id"]
        earned = self.stack.value(
            "SELECT coalesce(sum(amount_microusd), 0) FROM billing_revenueevent WHERE scope_id = ?", scope
        )
        spent = self.stack.value(
            "SELECT coalesce(sum(amount_microusd), 0) FROM billing_entry WHERE scope_id = ?", scope
        )
        return int(earned - spent)

    def receipts(self) -> int:
        """Return how many rows of revenue there are."""
        return int(self.stack.value("SELECT count(*) FROM billing_revenueevent"))

    def pays(self, **message: Any) -> bytes:
        """Return a payment of $19 as the processor writes it."""
        told = {
            "type": "payment",
            "amount": 1900,
            "currency": "usd",
            "product": self.slug,
            "created": int(time.time()),
        }
        return json.dumps({**told, **message}).encode()

    def send(self, body: bytes, signature: str) -> int:
        """Send a message to the public door; return the status."""
        headers = {"X-Pay-Signature": signature, "Content-Type": "application/json"}
        return httpx.post(
            f"{self.stack.address}/hooks/pay/", content=body, headers=headers, timeout=60, verify=trusted()
        ).status_code

    def signed(self, body: bytes) -> str:
        """Return the processor's signature of now."""
        return sign(body, secret=(self.stack.home / "pay_secret").read_text(), at=int(time.time()))


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Let one idea go its way, with models that err as usual and a factory that is killed while it builds."""
    with a_stack(tmp_path_factory.mktemp("story"), seed="7") as stack, Owner(stack) as owner:
        venture = owner.give(IDEA)
        owner.agree_until(lambda: stack.value(ANSWERED), what="Rex to write")
        death = killed(stack)
        stack.start()
        owner.see_live(venture)
        yield Story(stack, owner, venture, death=death)


def killed(stack: Stack) -> Death:
    """Kill the factory just after it paid for an answer that it perhaps did not keep yet."""
    answers = stack.value(ANSWERED)
    stack.until(lambda: stack.value(ANSWERED) > answers, what="one more answer of Rex", every_s=0.01)
    stack.kill()
    held = stack.value("SELECT coalesce(sum(bound_microusd), 0) FROM billing_hold WHERE state = 'held'")
    paid = stack.value("SELECT coalesce(sum(cost_microusd), 0) FROM gateway_call WHERE status = 'answered'")
    return Death(held, paid)


def test_all_stages_are_passed_and_the_owner_was_asked_twice(
    story: Story,
) -> None:
    stack = story.stack

    assert story.product["state"] == "launched"
    assert {row["new"] for row in stack.rows("SELECT new FROM portfolio_stagechange")} >= {
        "build",
        "launch",
        "grow",
    }
    assert {row["state"] for row in stack.rows("SELECT DISTINCT state FROM work_task")} == {"completed"}
    asked = stack.rows(
        "SELECT r.action, d.answer, r.state FROM approvals_request r JOIN approvals_decision d ON d.request_id = r.id ORDER BY r.asked_at"
    )
    assert [(one["action"], one["answer"], one["state"]) for one in asked] == [
        ("pipeline.build", "approve", "used"),
        ("delivery.release", "approve", "used"),
    ]
    assert [one["state"] for one in stack.rows("SELECT state FROM delivery_release")] == ["live"]


def test_a_stranger_signs_up_uses_the_form_that_stands_there_and_sees_what_they_wrote(story: Story) -> None:
    with Visitor(story.url) as stranger:
        home = stranger.sign_up()
        app = f"/{story.blueprint['core_function']['app']}/"

        sent = stranger.submit(app, word="Band saw in hall two", name="Band saw in hall two")

        assert sent.status_code == 302, sent.text
        assert "Band saw in hall two" in stranger.get(app).text
        assert stranger.get(home).status_code == 200


def test_promises_hold_at_the_public_address(story: Story) -> None:
    promised = [one for one in story.blueprint["criteria"] if is_timeless(one)]

    broken = {one["id"]: fault for one in promised if (fault := keeps(story.url, one))}

    assert len(promised) >= 8
    assert broken == {}


def test_no_step_is_paid_twice_and_what_was_open_at_the_kill_is_lost_at_its_bound(story: Story) -> None:
    stack = story.stack
    answered = stack.value("SELECT sum(cost_microusd) FROM gateway_call WHERE status = 'answered'")
    lost = stack.value("SELECT coalesce(sum(amount_microusd), 0) FROM billing_entry WHERE is_lost")

    assert stack.rows(PAID_TWICE) == []
    assert lost == story.death.held
    assert answered >= story.death.paid > 0
    assert spent(stack) == answered + lost
    assert stack.value("SELECT count(*) FROM billing_hold WHERE state = 'held'") == 0


def test_every_call_stands_in_the_ledger_with_the_same_cost(story: Story) -> None:
    calls = story.stack.rows("SELECT id, cost_microusd FROM gateway_call WHERE cost_microusd > 0")
    entries = story.stack.rows(
        "SELECT call_id, sum(amount_microusd) AS cost FROM billing_entry WHERE kind = 'model_call' GROUP BY call_id"
    )

    assert calls
    assert {one["id"]: one["cost_microusd"] for one in calls} == {
        one["call_id"]: one["cost"] for one in entries
    }
    assert story.stack.value("SELECT count(*) FROM gateway_call WHERE status = 'open'") == 0
    assert story.stack.value("SELECT sum(held_microusd) FROM billing_window") == 0


def test_one_name_runs_from_the_idea_to_the_last_cent(story: Story) -> None:
    body = story.pays(id="evt_story")
    assert story.send(body, story.signed(body)) == 200
    tables = ["portfolio_opportunity", "portfolio_product", "work_dag", "gateway_call", "billing_entry", "runtime_session",
              "approvals_request", "billing_revenueevent", "portfolio_stagechange"]  # fmt: skip

    own = {"billing_entry": " WHERE kind = 'model_call'"}  # what costs whoever works belongs to no story

    seen = {
        name: story.stack.rows(f"SELECT DISTINCT correlation_id AS id FROM {name}{own.get(name, '')}")  # noqa: S608
        for name in tables
    }

    assert {name: [row["id"] for row in rows] for name, rows in seen.items()} == {
        name: [story.product["correlation_id"]] for name in tables
    }
    facts = story.stack.rows(
        "SELECT kind, correlation_id AS id FROM core_event WHERE kind LIKE 'delivery.%' OR kind LIKE 'quality.%'"
    )
    assert {row["id"] for row in facts} == {story.product["correlation_id"]}


def test_one_more_payment_moves_profit_by_what_is_left_of_it(story: Story) -> None:
    before, body = story.profit_microusd(), story.pays(id="evt_more", fee=85)

    assert story.send(body, story.signed(body)) == 200

    assert story.profit_microusd() - before == 19_000_000 - 850_000


def test_an_unsigned_or_wrongly_signed_payment_is_refused_and_leaves_no_row(story: Story) -> None:
    before, body = story.receipts(), story.pays(id="evt_forged")

    statuses = [story.send(body, ""), story.send(body, sign(body, secret="guess", at=int(time.time())))]  # noqa: S106
    changed = story.send(body.replace(b"1900", b"9900"), story.signed(body))

    assert [*statuses, changed] == [401, 401, 401]
    assert story.receipts() == before


def test_a_repeated_payment_is_kept_once(story: Story) -> None:
    body = story.pays(id="evt_twice")
    assert story.send(body, story.signed(body)) == 200
    before = story.receipts()

    again = story.send(body, story.signed(body))

    assert again == 200
    assert story.receipts() == before


def test_the_owner_sees_the_live_product_its_cost_and_what_it_earned(story: Story) -> None:
    for page in (
        "/",
        "/ventures/",
        f"/ventures/{story.slug}/",
        "/money/",
        "/decisions/",
        "/ideas/",
        "/health/",
    ):
        shown = story.owner.get(page)

        assert shown.status_code == 200, page
        assert "rehears" in shown.text.lower(), page

    assert story.url in story.owner.get(f"/ventures/{story.slug}/").text
