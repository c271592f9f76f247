"""Verbs that look: how the factory stands, ventures, agents, what was done and by whom."""

from typing import Annotated, Any

import typer
from django.db.models import Count, F, Q
from rich.console import Console

from agents.roster.models import Agent
from agents.roster.services import find_agent
from approvals.models import Request
from core.models import AuditRow, Installation
from core.registry import run_checks
from core.services import business_now
from factory.console.management.show import AsJson, AtMost, show_facts, show_rows, usd
from factory.console.management.summary import stage_table, summary_of
from factory.console.management.verbs.entry import app
from factory.console.management.verbs.pause import product_of
from factory.insight.services import money_now, ventures, who_works
from factory.work.models import Attempt, DeadLetter, Task


@app.command()
def status(*, is_json: AsJson = False) -> None:
    """Show how the factory stands: its state, work, decisions, money, and who works."""
    here, now = Installation.objects.first() or Installation(mode="rehearsal"), business_now()
    money, found = money_now(now), run_checks()
    counts = dict(Task.objects.open().values_list("state").annotate(Count("id")).order_by())
    facts: dict[str, Any] = {
        "mode": here.mode,
        "state": here.state,
        "by": here.by,
        "business_time": now,
        "decisions_waiting": Request.objects.waiting().count(),
        "given_up": DeadLetter.objects.filter(resolution="").count(),
        "spent_today_usd": usd(money.today.spent_microusd),
        "held_usd": usd(money.today.held_microusd),
        "cap_today_usd": usd(money.today.cap_microusd),
        "spent_this_month_usd": usd(money.cost_microusd),
        "earned_this_month_usd": usd(money.revenue_microusd),
        "tasks": counts,
        "at_work": [
            {
                "who": one.agent or "the factory",
                "title": one.title,
                "product": one.product,
                "seconds": int(one.seconds),
            }
            for one in who_works()
        ],
        "checks": {name: one.words for name, one in found.items() if one.state != "fine"},
    }
    show_facts(facts, is_json=is_json)
    if not is_json:
        show_rows(
            facts["at_work"],
            columns=("who", "title", "product", "seconds"),
            is_json=False,
            none="Nobody works.",
        )
        console = Console()
        console.print(
            "Open tasks: " + (", ".join(f"{n} {state}" for state, n in sorted(counts.items())) or "none")
        )
        for name, words in facts["checks"].items():
            console.print(f"[yellow]look[/]  {name}: {words}")


@app.command(name="ventures")
def list_ventures(*, is_json: AsJson = False) -> None:
    """Show all ventures, the newest first."""
    rows = [
        {
            "name": one.product.name,
            "slug": one.product.slug,
            "stage": one.product.stage,
            "state": one.product.state,
            "decisions": one.questions,
            "workers": list(one.workers),
            "version": one.version,
            "cost_usd": usd(one.cost_microusd),
            "cap_usd": usd(one.cap_microusd),
            "earned_usd": usd(one.revenue_microusd),
            "url": one.product.url,
        }
        for one in ventures()
    ]
    columns = (
        "slug",
        "stage",
        "state",
        "decisions",
        "workers",
        "version",
        "cost_usd",
        "cap_usd",
        "earned_usd",
    )
    show_rows(rows, columns=columns, is_json=is_json, none="There is no venture yet.")


@app.command()
def venture(
    slug: Annotated[str, typer.Argument(help="The product's name in its address.")],
    *,
    is_json: AsJson = False,
) -> None:
    """Show one venture: stages, costs, promises, findings, releases, decisions, profit and loss."""
    product = product_of(slug)
    if not product.blueprint and not is_json:
        show_facts({"name": product.name, "stage": product.stage, "state": product.state}, is_json=False)
        return
    if not product.blueprint:
        show_facts(
            {"name": product.name, "slug": slug, "stage": product.stage, "state": product.state}, is_json=True
        )
        return
    facts = summary_of(product, seconds=None)
    show_facts({**facts["product"], "state": product.state, **facts}, is_json=is_json)
    if not is_json:
        Console().print(stage_table(facts))
        show_rows(
            facts["gates"], columns=("asked", "answer", "by"), is_json=False, none="Nothing was asked yet."
        )


@app.command()
def agents(*, is_json: AsJson = False) -> None:
    """Show the staff: who takes work, who works, what each did."""
    tries = {
        "working": Count("attempts", filter=Q(attempts__state=Attempt.State.OPEN)),
        "done": Count("attempts", filter=Q(attempts__state=Attempt.State.DONE)),
        "failed": Count("attempts", filter=Q(attempts__state__in=[Attempt.State.FAILED, Attempt.State.LOST])),
    }
    staff = Agent.objects.annotate(takes_work=F("is_enabled"), flagged=F("flag_reason"), **tries)
    rows = list(staff.order_by("name").values("name", "role", "takes_work", "flagged", *tries))
    columns = ("name", "role", "takes_work", "working", "done", "failed", "flagged")
    show_rows(
        rows, columns=columns, is_json=is_json, none="Nobody works here: `factory agents-sync` hires them."
    )


@app.command()
def agent(name: Annotated[str, typer.Argument(help="The agent's name.")], *, is_json: AsJson = False) -> None:
    """Show one agent: its definition, its limits and its last tries."""
    one = find_agent(name)
    tries = one.attempts.with_costs().select_related("task").order_by("-claimed_at")[:10]
    rows = [
        {
            "task": attempt.task_id,
            "title": attempt.task.title,
            "state": attempt.state,
            "cost_usd": usd(getattr(attempt, "cost_microusd", None)),
            "seconds": round(attempt.worked_s, 1),
            "at": attempt.claimed_at,
        }
        for attempt in tries
    ]
    facts = {
        "name": one.name,
        "role": one.role,
        "takes_work": one.is_enabled,
        "version": one.version.sha256[:12],
        "flagged": one.flag_reason,
        "definition": one.definition.model_dump(mode="json"),
        "last_tries": rows,
    }
    show_facts(facts, is_json=is_json)
    if not is_json:
        columns = ("task", "title", "state", "cost_usd", "seconds", "at")
        show_rows(rows, columns=columns, is_json=False, none="It tried nothing yet.")


@app.command()
def audit(
    *,
    actor: Annotated[str, typer.Option(help="Whose deeds, e.g. owner or agent:Rex.")] = "",
    verb: Annotated[str, typer.Option(help="Which verb, e.g. approvals.decide_request.")] = "",
    at_most: AtMost = 30,
    is_json: AsJson = False,
) -> None:
    """Show what was done, by whom, the last first."""
    rows = AuditRow.objects.filter(actor__startswith=actor, verb__startswith=verb).order_by("-at", "-id")
    show_rows(
        list(rows.values("at", "actor", "verb", "subject", "outcome", "facts")[:at_most]),
        columns=("at", "actor", "verb", "subject", "outcome"),
        is_json=is_json,
        none="Nothing was done.",
    )
