"""`factory trace` and `factory metrics`: one story as a tree; every number as a monitor reads it."""

import sys
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

import typer

from core.errors import BadArguments, NotFound
from core.money import in_words
from factory.console.management.find import find_one
from factory.console.management.show import AsJson, print_json, show_rows, usd
from factory.console.management.verbs.entry import app
from factory.console.rules.trace import span_length, span_look
from factory.insight.services import MOST_HOURS, Span, Trace, families_now, trace_of, use_of_models
from factory.insight.services.use import GROUPS
from factory.work.models import Task
from portfolio.models import Product

What = Annotated[
    str,
    typer.Argument(
        metavar="WHAT", help="A product's name in its address, a task's id, or a whole story's id."
    ),
]


@app.command()
def trace(
    what: What,
    *,
    page: Annotated[int, typer.Option(min=1, help="Of a long story.")] = 1,
    is_json: AsJson = False,
) -> None:
    """Show what happened in a story as a tree: tasks, tries, answers, calls and tools, with time, tokens and cost."""
    found = _find(what, page=page)
    if is_json:
        print_json({**_facts(found), "spans": [_row(span) for span in found.spans]})
        return
    for span in found.spans:
        sys.stdout.write(f"{_line(span)}\n")
    lost = f", {found.lost} of an unknown try" if found.lost else ""
    pages = f", page {found.page} of {found.pages}" if found.pages > 1 else ""
    sys.stdout.write(
        f"{found.total} spans{lost}, {found.calls} model calls, {in_words(found.cost_microusd)}{pages}.\n"
    )


@app.command()
def metrics(
    *,
    by: Annotated[
        str, typer.Option(help="Use of models by agent, model, provider or hour; else every number.")
    ] = "",
    hours: Annotated[int, typer.Option(min=1, max=MOST_HOURS, help="How far back, with --by.")] = 24,
    is_json: AsJson = False,
) -> None:
    """Show every number in the text format of Prometheus, or the use of models as a table."""
    if by and by not in GROUPS:
        raise BadArguments(at="--by", expected=", ".join(GROUPS))
    if by:
        rows = [{**asdict(one), "cost_usd": usd(one.cost_microusd)} for one in use_of_models(by, hours=hours)]
        columns = (
            "key",
            "calls",
            "failed",
            "lost",
            "fallbacks",
            "prompt_tokens",
            "completion_tokens",
            "cost_usd",
            "mean_s",
        )
        show_rows(rows, columns=columns, is_json=is_json, none="No model was called.")
        return
    families = families_now()
    if is_json:
        print_json([asdict(one) for one in families])
        return
    from factory.insight.adapters.prometheus import exposition  # noqa: PLC0415 (loaded where a monitor asks)

    sys.stdout.write(exposition(families).decode())


def _find(what: str, *, page: int) -> Trace:
    found = None
    if product := Product.objects.filter(slug=what).first():
        found = trace_of(product.correlation_id, page=page)
    elif (story := _story(what)) is None or (found := trace_of(story, page=page)) is None:
        task = find_one(Task.objects.select_related("dag"), what, noun="task")
        story = task.dag.correlation_id
        found = trace_of(story, task_id=task.pk) if story else None
    if found is None:
        raise NotFound(trace=what)
    return found


def _story(what: str) -> UUID | None:
    try:
        return UUID(what)
    except ValueError:
        return None


def _facts(found: Trace) -> dict[str, Any]:
    return {
        "story": found.id,
        "title": found.title,
        "total": found.total,
        "lost": found.lost,
        "page": found.page,
        "pages": found.pages,
        "calls": found.calls,
        "cost_usd": usd(found.cost_microusd),
    }


def _row(span: Span) -> dict[str, Any]:
    return {
        "id": span.id, "parent": span.parent_id, "depth": span.depth, "kind": span.kind, "name": span.name,
        "status": span.status, "started_at": span.started_at, "ended_at": span.ended_at, "agent": span.agent,
        "model": span.model, "prompt_version": span.prompt_version, "prompt_tokens": span.prompt_tokens,
        "completion_tokens": span.completion_tokens, "cost_usd": usd(span.cost_microusd), "score": span.score,
        "words": span.words, "is_lost": span.is_lost,
    }  # fmt: skip


def _line(span: Span) -> str:
    tokens = (
        ""
        if span.prompt_tokens is None
        else f"{span.prompt_tokens:,} + {span.completion_tokens or 0:,} tokens"
    )
    said = [
        span_look(span.kind, span.status).words.lower() if span.status else "",
        "" if span.seconds is None else span_length(span.seconds),
        tokens,
        "" if span.cost_microusd is None else in_words(span.cost_microusd),
        span.words[:80].replace("\n", " "),
    ]
    return f"{'  ' * span.depth}{span.name}  {' · '.join(filter(None, said))}"
