"""What a story came to, as JSON: every value is read from the rows."""

from collections import Counter
from decimal import Decimal
from typing import Any

from rich.table import Table

from approvals.models import Request
from core.models import Mode
from core.money import to_usd
from core.services import current_mode
from factory.delivery.models import Release
from factory.insight.services import product_pnl, stage_costs, story_use
from factory.quality.models import Finding, Verdict
from factory.work.models import Task
from portfolio.models import Opportunity, Product, Scan
from portfolio.services import scan_report

Json = dict[str, Any]


def summary_of(product: Product, *, seconds: float | None) -> Json:
    """Return everything that the demo's `summary.json` says about one product's story."""
    use = story_use(product)
    blueprint, rows = product.blueprint, product_pnl(product)
    revenue = sum(
        row.amount_microusd for row in rows if row.amount_microusd > 0 or row.kind in ("refund", "fee")
    )
    scan = Scan.objects.order_by("-number").first()
    found = scan_report(scan) if scan else {"opportunities": _own_idea(product), "quarantined": []}
    return {
        "mode": current_mode(),
        "product": {
            "slug": product.slug,
            "name": product.name,
            "url": product.url,
            "core": blueprint["core_function"]["kind"],
            "fit": blueprint["fit"],
        },
        "stages": [
            {
                "name": stage.name,
                "state": stage.state,
                "seconds": stage.seconds,
                "cost_usd": _usd(stage.cost_microusd),
            }
            for stage in stage_costs(product)
        ],
        "opportunities": found["opportunities"],
        "quarantined": found["quarantined"],
        "tasks": dict(Counter(Task.objects.filter(dag__product=product).values_list("state", flat=True))),
        "gates": _gates(product),
        "findings": [
            {
                "file": one.file,
                "line": one.line,
                "severity": one.severity,
                "fixed": one.is_fixed,
                "text": one.text,
            }
            for one in Finding.objects.of(product)
        ],
        "releases": [
            {"version": one.version, "digest": one.digest, "state": one.state, "why": one.why}
            for one in Release.objects.of(product)
        ],
        "criteria": _criteria(product),
        "excluded": blueprint["excluded"],
        "calls": use.calls,
        "cost_usd": _usd(use.cost_microusd),
        "lost_usd": _usd(use.lost_microusd),
        "revenue_usd": _usd(revenue),
        "pnl": [
            {"day": row.day.isoformat(), "kind": row.kind, "amount_usd": _usd(row.amount_microusd)}
            for row in rows
        ],
        "correlation_id": str(product.correlation_id),
        "seconds": None if seconds is None else round(seconds, 1),
    }


def stage_table(summary: Json) -> Table:
    """Return the stages as a table: how far, how long, at what price, and what came of it."""
    table = Table("stage", "state", "seconds", "cost", "what came of it", box=None)
    for stage in summary["stages"]:
        took = "–" if stage["seconds"] is None else f"{stage['seconds']:.1f}"
        table.add_row(
            stage["name"].upper(),
            stage["state"],
            took,
            f"${stage['cost_usd']}",
            _outcome(stage["name"], summary),
        )
    return table


def _outcome(stage: str, summary: Json) -> str:
    found, criteria, product = summary["opportunities"], summary["criteria"], summary["product"]
    fixed = sum(one["fixed"] for one in summary["findings"])
    return {
        "scan": f"{len(found)} opportunities, {len(summary['quarantined'])} lines kept out",
        "validate": f"{product['name']} goes on",
        "build": f"{sum(bool(one['passed']) for one in criteria)} of {len(criteria)} promises kept, "
        f"{fixed} of {len(summary['findings'])} findings mended",
        "launch": "; ".join(f"version {one['version']} {one['state']}" for one in summary["releases"]),
        "grow": f"${summary['revenue_usd']} came in after refunds and fees",
    }[stage]


def last_line(summary: Json) -> str:
    """Return the one line that says how it went."""
    criteria, stages = summary["criteria"], summary["stages"]
    words = {
        "mode": summary["mode"],
        "product": summary["product"]["slug"],
        "url": summary["product"]["url"],
        "stages": f"{sum(one['state'] in ('done', 'on') for one in stages)}/{len(stages)}",
        "tasks": sum(summary["tasks"].values()),
        "calls": summary["calls"],
        "cost_usd": summary["cost_usd"],
        "revenue_usd": summary["revenue_usd"],
        "promised": len(criteria),
        "passed": sum(bool(one["passed"]) for one in criteria),
        "seconds": summary["seconds"],
    }
    ok = words["passed"] == words["promised"] and summary["mode"] == Mode.REHEARSAL
    return " ".join(
        ["DEMO OK" if ok else "DEMO FAILED", *(f"{name}={value}" for name, value in words.items())]
    )


def _usd(microusd: int) -> str:
    return str(to_usd(microusd).quantize(Decimal("0.000001")))


def _own_idea(product: Product) -> list[Json]:
    found = Opportunity.objects.filter(product=product).prefetch_related("evidence__signal")
    return [one.as_report() for one in found]


def _gates(product: Product) -> list[Json]:
    asked = Request.objects.filter(correlation_id=product.correlation_id).select_related("decision__by")
    return [
        {
            "action": one.action,
            "asked": one.title,
            "answer": one.decision.answer if hasattr(one, "decision") else one.state,
            "by": one.decision.by.username if hasattr(one, "decision") else None,
        }
        for one in asked.order_by("created_at")
    ]


def _criteria(product: Product) -> list[Json]:
    verdict = Verdict.objects.of(product).first()
    passed = verdict.promises if verdict else {}
    return [{**one, "passed": passed.get(one["id"])} for one in product.blueprint["criteria"]]
