"""`factory switches` and `factory switch`: what takes no model call now; needs the database alone."""

from enum import StrEnum
from typing import Annotated

import typer

from billing.models import Switch
from billing.services import open_switches
from factory.console.management.find import As, actor_of
from factory.console.management.show import AsJson, say, show_rows
from factory.console.management.verbs.entry import app
from factory.console.services.turns import turn_off, turn_on


class Way(StrEnum):
    """Which way it is turned."""

    OFF = "off"
    ON = "on"


@app.command()
def switches(
    *,
    is_all: Annotated[
        bool, typer.Option("--all", help="Also what was switched off within the last year.")
    ] = False,
    is_json: AsJson = False,
) -> None:
    """Show what is switched off: since when, by whom, why."""
    found = list(Switch.objects.order_by("-set_at")[:1_000]) if is_all else open_switches()
    rows = [
        {
            "kind": one.kind,
            "name": one.ref,
            "by": one.by,
            "reason": one.reason,
            "set_at": one.set_at,
            "until": one.until,
            "cleared_at": one.cleared_at,
            "cleared_by": one.cleared_by,
        }
        for one in found
    ]
    columns = ("kind", "name", "by", "reason", "set_at", "until", *(("cleared_at",) if is_all else ()))
    show_rows(rows, columns=columns, is_json=is_json, none="Nothing is switched off.")


@app.command()
def switch(
    kind: Annotated[str, typer.Argument(help="global, team, agent, product, provider, model or throttle.")],
    name: Annotated[
        str, typer.Argument(help="`factory`, a team, an agent, a product, a provider, provider/model.")
    ],
    way: Annotated[Way, typer.Argument(help="off or on.")],
    *,
    why: Annotated[str, typer.Option(help="Why.")] = "by hand, on the command line",
    by: As = "",
    is_json: AsJson = False,
) -> None:
    """Let no new model call of this pass and cut its open streams, or let it go on. Source: R-08.17."""
    if way == Way.OFF:
        turn_off(kind, name, by=actor_of(by), reason=why)
        words = f"{name} is switched off; `factory switch {kind} {name} on` lets it go on."
    else:
        turn_on(kind, name, by=actor_of(by))
        words = f"{name} goes on."
    say(words, is_json=is_json, kind=kind, name=name, way=way.value)
