"""`factory seed`: an invented past in a rehearsal of its own, to look at and to measure with."""

import sys
import time
from typing import Annotated

import typer
from django.conf import settings
from django.db import transaction

from core.models import Mode
from core.services import audit, current_mode
from factory.console.management.sample.asks import invent_asks
from factory.console.management.sample.books import invent_books
from factory.console.management.sample.ground import the_ground
from factory.console.management.sample.ventures import invent_ventures
from factory.console.management.sample.work import invent_work
from factory.console.management.verbs.entry import app, stop
from factory.console.management.verbs.run import prepare
from portfolio.models import Product

Count = Annotated[int, typer.Option(min=0)]


@app.command()
def seed(
    *,
    tasks: Count = 10_000,
    approvals: Count = 1_000,
    ledger: Count = 1_000_000,
    ventures: Count = 20,
    dice: Count = 3,
) -> None:
    """Fill an empty rehearsal with an invented past of ninety days; the same dice give the same past."""
    if settings.MODE != "rehearsal":
        stop(
            "Only a rehearsal can be filled: set FACTORY_MODE=rehearsal and a FACTORY_HOME of its own.",
            code=1,
        )
    prepare()
    if current_mode() != Mode.REHEARSAL or Product.objects.exists():
        stop("This factory has a past already; name an empty FACTORY_HOME.", code=1)
    began = time.monotonic()
    fill(tasks=tasks, approvals=approvals, ledger=ledger, ventures=ventures, dice=dice)
    took = time.monotonic() - began
    sys.stdout.write(
        f"Filled with {tasks:,} tasks, {approvals:,} approvals and {ledger:,} costs in {took:.0f} s.\n"
    )


@transaction.atomic
def fill(*, tasks: int, approvals: int, ledger: int, ventures: int = 20, dice: int = 3) -> None:
    """Write the invented past, all or nothing, and an audit row that says that it was invented."""
    ground = the_ground(dice)
    invent_ventures(ground, count=max(1, ventures))
    pile = invent_work(ground, count=tasks)
    invent_asks(ground, pile, count=approvals)
    invent_books(ground, pile, count=ledger)
    audit(
        actor="cli",
        verb="console.seed",
        subject="an invented past",
        tasks=tasks,
        approvals=approvals,
        ledger=ledger,
    )
