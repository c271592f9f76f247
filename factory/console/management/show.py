"""How verbs answer: a table for people, JSON for programs; both say the same."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import typer
from django.core.serializers.json import DjangoJSONEncoder
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.money import to_usd
from factory.console.rules import LOOKS

Row = Mapping[str, Any]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
AtMost = Annotated[int, typer.Option("--at-most", min=1, max=1_000, help="How many rows.")]
SHOWN = 8
COLOURS = {"good": "green", "need": "yellow", "harm": "red", "live": "cyan", "": "default"}


def show_rows(rows: Sequence[Row], *, columns: Sequence[str], is_json: bool, none: str) -> None:
    """Print rows: as a table of these columns, or all they hold as JSON.

    Args:
        rows: what was found.
        columns: names of the columns of the table; `state:task` colours a task's state.
        is_json: print JSON.
        none: what to say when there is nothing.
    """
    if is_json:
        print_json(list(rows))
        return
    console = Console()
    if not rows:
        console.print(none)
        return
    table = Table(*(column.partition(":")[0].replace("_", " ") for column in columns), box=None)
    for row in rows:
        table.add_row(
            *(_cell(row[name], kind=kind) for name, _, kind in (one.partition(":") for one in columns))
        )
    console.print(table)


def show_facts(facts: Row, *, is_json: bool) -> None:
    """Print one thing: a line a fact, or JSON."""
    if is_json:
        print_json(facts)
        return
    table = Table("", "", box=None, show_header=False)
    for name, value in facts.items():
        if not isinstance(value, (list, dict)):
            table.add_row(name.replace("_", " "), _cell(value))
    Console().print(table)


def say(sentence: str, *, is_json: bool = False, **facts: object) -> None:
    """Say what was done: a sentence, or JSON with its facts."""
    if is_json:
        print_json({"said": sentence, **facts})
    else:
        sys.stdout.write(f"{sentence}\n")


def print_json(value: object) -> None:
    """Print JSON: money as text with six places, times in UTC."""
    json.dump(value, sys.stdout, indent=1, ensure_ascii=False, cls=DjangoJSONEncoder)
    sys.stdout.write("\n")


def usd(microusd: int | None) -> Decimal | None:
    """Return dollars with six places; None stays unknown."""
    return None if microusd is None else to_usd(microusd).quantize(Decimal("0.000001"))


def _cell(value: Any, *, kind: str = "") -> str:
    """Return what one cell of a table shows."""
    if kind:
        look = LOOKS[kind].get(value)
        return f"[{COLOURS[look.tone]}]{look.words.lower()}[/]" if look else escape(str(value))
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, UUID):
        return value.hex[-SHOWN:]
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    if isinstance(value, Decimal):
        return f"${value:,.4f}"
    if isinstance(value, (list, tuple)):
        return escape(", ".join(map(str, value)))
    return escape(str(value))
