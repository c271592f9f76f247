"""`factory scan` and `factory build`: give the factory signals or an idea."""

import json
import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from factory.console.management.verbs.entry import app, stop
from factory.pipeline.adapters.references import reference
from factory.pipeline.services import scan_file, start_from_idea
from portfolio.models import Product
from portfolio.services import look_at_signals, scan_report

STATE_COLOURS = {"scored": "green", "excluded": "red", "duplicate": "yellow", "thin": "dim"}


@app.command()
def scan(
    *,
    file: Annotated[Path, typer.Argument(help="One JSON signal a line.")],
    is_json: Annotated[
        bool, typer.Option("--json", help="Only look: print all as JSON, store and begin nothing.")
    ] = False,
    as_of: Annotated[
        str, typer.Option(help="Day (YYYY-MM-DD) that ages are counted from; today when not given.")
    ] = "",
) -> None:
    """Read market signals; begin a venture with the best opportunity."""
    day = read_day(as_of)
    if is_json:
        json.dump(
            look_at_signals(file, as_of=day or timezone.now().date()).as_report(),
            sys.stdout,
            indent=1,
            ensure_ascii=False,
        )
        sys.stdout.write("\n")
        return
    report = scan_report(scan_file(file, as_of=day))
    show_opportunities(report["opportunities"], kept_out=len(report["quarantined"]))


def read_day(text: str) -> date | None:
    """Return the day that `text` spells, None for an empty text; anything else is asked back."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        stop(f"{text} is no day; write it as 2026-09-30.", code=2)


def show_opportunities(opportunities: list[dict[str, object]], *, kept_out: int) -> None:
    """Print opportunities as a table."""
    table = Table("opportunity", "state", "score", "range", "signals", box=None)
    for one in opportunities:
        score = "–" if one["score"] is None else f"{one['score']:g}"
        reach = "–" if one["low"] is None else f"{one['low']:g} to {one['high']:g}"
        signals = one["signal_ids"]
        colour = STATE_COLOURS.get(str(one["state"]), "")
        row = (
            str(one["title"])[:60],
            f"[{colour}]{one['state']}[/]" if colour else str(one["state"]),
            score,
            reach,
        )
        table.add_row(*row, str(len(signals) if isinstance(signals, list) else 0))
    console = Console()
    console.print(table)
    console.print(f"{kept_out} lines kept out.")


@app.command()
def build(
    idea: Annotated[str, typer.Argument(help="What to build, in a sentence or two.")] = "",
    product: Annotated[str, typer.Option(help="A reference product instead, e.g. cronpilot.")] = "",
) -> None:
    """Begin a venture with your own idea; you are asked before anything is built."""
    venture = begin(idea, product=product)
    sys.stdout.write(f"{venture.name} has begun. Its questions wait for you at /decisions/.\n")


def begin(idea: str, *, product: str) -> Product:
    """Begin a venture with a reference product or an idea."""
    if product:
        wish = reference(product)
        return start_from_idea(wish.idea, name=wish.name)
    return start_from_idea(idea)
