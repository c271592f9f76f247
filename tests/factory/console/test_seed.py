"""An invented past is one that could have been: every check of the house agrees with it."""

import time_machine
from django.db import transaction

from agents.gateway.models import Call
from approvals.models import Request
from billing.models import CostHour, Entry, RevenueEvent
from core.models import AuditRow
from core.registry import run_checks
from core.services import found_installation
from factory.console.management.verbs.run import prepare
from factory.console.management.verbs.seed import fill
from factory.work.models import Task

NOON = "2026-10-20T12:00:00+00:00"


def invent(*, dice: int = 3) -> None:
    """Fill this database with a small past."""
    with time_machine.travel(NOON, tick=False):
        found_installation("rehearsal")
        prepare()
        fill(tasks=200, approvals=60, ledger=3_000, ventures=8, dice=dice)


def what_it_says(*, dice: int) -> tuple[object, ...]:
    """Return what the past with these dice holds, and leave nothing of it."""
    with transaction.atomic():
        invent(dice=dice)
        said = (
            Entry.objects.total_microusd(),
            sorted(Task.objects.values_list("pk", "state")),
            sorted(Request.objects.values_list("pk", "state", "worst_case_microusd")),
            sorted(Call.objects.values_list("pk", "cost_microusd")),
        )
        transaction.set_rollback(True)
    return said


def test_all_that_was_asked_for_is_there_and_marked(db: None) -> None:
    invent()

    assert (Task.objects.count(), Request.objects.count(), Entry.objects.count()) == (200, 60, 3_000)
    assert Request.objects.waiting().exists()
    assert RevenueEvent.objects.exists()
    assert Call.objects.exists()
    assert AuditRow.objects.filter(verb="console.seed").count() == 1


def test_every_sum_of_the_past_agrees_with_the_others(db: None) -> None:
    invent()

    assert CostHour.objects.total_microusd() == Entry.objects.total_microusd()
    with time_machine.travel(NOON, tick=False):
        found = run_checks()
    assert {name: one.state for name, one in found.items() if name in {"ledger", "calls", "holds"}} == {
        "ledger": "fine", "calls": "fine", "holds": "fine",
    }  # fmt: skip


def test_the_same_dice_give_the_same_past_and_others_another(db: None) -> None:
    with_three = what_it_says(dice=3)

    assert what_it_says(dice=3) == with_three
    assert what_it_says(dice=4) != with_three
