"""Verbs of money: what is spent on what, and the ledger itself."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer
from django.db.models import F, QuerySet, Sum
from django.utils import timezone

from billing.models import CostHour, Entry, Limit, Scope, Window
from core.services import business_now
from factory.console.management.show import AsJson, AtMost, print_json, show_rows, usd
from factory.console.management.verbs.entry import USAGE, app, stop
from factory.console.management.verbs.pause import product_of
from factory.insight.services import PURPOSES_BY, money_now, own_costs, purposes_by
from factory.insight.services.purposes import MOST_DAYS


class What(StrEnum):
    """What costs can be told apart by."""

    AGENT = "agent"
    MODEL = "model"
    KIND = "kind"
    DAY = "day"


COLUMN = {What.AGENT: "agent", What.MODEL: "item", What.KIND: "kind", What.DAY: "day"}
Days = Annotated[int, typer.Option(min=1, max=3_660, help="How many days back, today included.")]


@app.command()
def spend(
    *,
    by: Annotated[What, typer.Option(help="Told apart by what.")] = What.AGENT,
    days: Days = 30,
    is_json: AsJson = False,
) -> None:
    """Show what was spent, told apart by agent, model, kind or day; and today's cap."""
    now = business_now()
    last = now.date()
    hours = CostHour.objects.between(last - timedelta(days=days - 1), last)
    sums = hours.values(what=F(COLUMN[by])).annotate(amount=Sum("amount_microusd"), entries=Sum("entries"))
    order = "what" if by == What.DAY else "-amount"
    rows = [
        {by.value: row["what"] or "the factory", "cost_usd": usd(row["amount"]), "entries": row["entries"]}
        for row in sums.order_by(order)
    ]
    today = money_now(now).today
    purse = {
        "spent_usd": usd(today.spent_microusd),
        "held_usd": usd(today.held_microusd),
        "cap_usd": usd(today.cap_microusd),
        "new_day_at": today.ends_at,
    }
    if is_json:
        print_json({"days": days, "rows": rows, "today": purse})
        return
    show_rows(rows, columns=(by.value, "cost_usd", "entries"), is_json=False, none="Nothing was spent.")
    show_rows([purse], columns=tuple(purse), is_json=False, none="")


@app.command()
def costs(
    *,
    by: Annotated[str, typer.Option(help="task, agent, product, model or day.")] = "agent",
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="How many days back, today included.")] = 1,
    at_most: AtMost = 50,
    is_json: AsJson = False,
) -> None:
    """Show what model calls went for: first tries, retries, judges; thinking, and what caches saved. Source: R-08.8."""
    if by not in PURPOSES_BY:
        stop(f"Costs are told apart by {', '.join(PURPOSES_BY)}.", code=USAGE)
    uses = purposes_by(by, days=days, now=timezone.now())[:at_most]
    rows = [
        {
            by: one.label,
            "calls": one.calls,
            "cost_usd": usd(one.cost_microusd),
            "first_usd": usd(one.first_microusd),
            "retries_usd": usd(one.retry_microusd),
            "judges_usd": usd(one.judge_microusd),
            "reasoning_tokens": one.reasoning_tokens,
            "cached_tokens": one.cached_tokens,
            "recalled_tokens": one.recalled_tokens,
            "saved_usd": usd(one.saved_microusd),
        }
        for one in uses
    ]
    columns = (
        by,
        "calls",
        "cost_usd",
        "first_usd",
        "retries_usd",
        "judges_usd",
        "reasoning_tokens",
        "saved_usd",
    )
    show_rows(rows, columns=columns, is_json=is_json, none="No model was asked.")


@app.command()
def limits(*, is_json: AsJson = False) -> None:
    """Show what the factory, its teams, agents and products may spend, and what the running period took."""
    now = business_now()
    scopes = list(Scope.objects.exclude(kind__in=(Scope.Kind.TASK, Scope.Kind.DAG)).order_by("kind", "label"))
    caps = Limit.objects.filter(scope__in=scopes).order_by("period")
    taken = {(one.scope_id, one.period): one for one in Window.objects.at(now).filter(scope__in=scopes)}
    by_scope: dict[UUID, list[Limit]] = {}
    for cap in caps:
        by_scope.setdefault(cap.scope_id, []).append(cap)
    rows = []
    for scope in scopes:
        for cap in by_scope.get(scope.pk, []):
            window = taken.get((scope.pk, cap.period))
            rows.append(
                {
                    "kind": scope.kind,
                    "name": scope.label,
                    "period": cap.get_period_display(),
                    "cap_usd": usd(cap.cap_microusd),
                    "spent_usd": usd(window.spent_microusd if window else 0),
                    "held_usd": usd(window.held_microusd if window else 0),
                }
            )
    columns = ("kind", "name", "period", "cap_usd", "spent_usd", "held_usd")
    show_rows(rows, columns=columns, is_json=is_json, none="Nothing has a limit yet: `factory prepare`.")


@app.command()
def ledger(
    *,
    product: Annotated[str, typer.Option(help="One product's story, by its name in its address.")] = "",
    agent: Annotated[str, typer.Option(help="One agent's costs.")] = "",
    kind: Annotated[str, typer.Option(help="One kind, e.g. model_call.")] = "",
    days: Days = 30,
    at_most: AtMost = 50,
    is_json: AsJson = False,
) -> None:
    """Show the ledger, the last entry first, with six places."""
    rows: QuerySet[Entry] = own_costs(product_of(product)) if product else Entry.objects.all()
    rows = rows.filter(at__gte=business_now() - timedelta(days=days))
    wanted = {name: value for name, value in (("agent", agent), ("kind", kind)) if value}
    entries = rows.filter(**wanted).select_related("scope").order_by("-at", "-id")[:at_most]
    show_rows(
        [
            {
                "at": one.at,
                "for": one.scope.label,
                "kind": one.kind,
                "agent": one.agent,
                "amount_usd": str(usd(one.amount_microusd)),
                "lost": one.is_lost,
                "ref": one.ref,
            }
            for one in entries
        ],
        columns=("at", "for", "kind", "agent", "amount_usd", "lost"),
        is_json=is_json,
        none="Nothing was spent.",
    )
