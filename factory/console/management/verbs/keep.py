"""Verbs that keep the house: stop, start, close, agents-sync, doctor, release."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from django.conf import settings
from rich.console import Console

from agents.roster.services import sync_agents
from billing.services import clear_switch, set_switch
from core.registry import run_checks
from core.services import drain, end_maintenance
from factory.console.management.find import As, actor_of
from factory.console.management.show import AsJson, print_json
from factory.console.management.simulated import until
from factory.console.management.verbs.entry import REFUSED, app, stop
from factory.console.management.verbs.pause import product_of
from factory.delivery.ports import Table
from factory.delivery.services import the_edge
from factory.pipeline.services import open_release
from factory.repo.services import repository_of

CLOSE_S = 20
GRAVITY = {"fine": 0, "warn": 1, "fail": 2}
MARKS = {"fine": "[green]fine[/]", "warn": "[yellow]warn[/]", "fail": "[red]FAIL[/]"}


@app.command(name="stop")
def stop_all(*, by: As = "") -> None:
    """Stop everything: no new work, no new model call; live products go on. Needs the database alone."""
    set_switch("global", "factory", by=actor_of(by), reason="factory stop")
    sys.stdout.write("Stopped. Live products go on; `factory start` lets work go on.\n")


@app.command(name="start")
def start_all(*, by: As = "") -> None:
    """Let work go on after a stop, a drain or maintenance."""
    clear_switch("global", "factory", by=actor_of(by))
    end_maintenance(by=actor_of(by))
    sys.stdout.write("Work goes on.\n")


@app.command(name="drain")
def drain_all(
    *,
    within_s: Annotated[
        float | None,
        typer.Option(
            "--within", min=0, help="Seconds for what runs to end; as set under settings when not given."
        ),
    ] = None,
    by: As = "",
) -> None:
    """Begin nothing new and let what runs end; maintenance follows by itself, `factory start` ends it."""
    drain(by=actor_of(by), within_s=within_s)
    sys.stdout.write("Nothing new begins. `factory status` says when nothing runs any more.\n")


@app.command()
def close() -> None:
    """End what serves the products, and with it the products themselves, until the factory runs again."""
    close_edge()
    sys.stdout.write("Nothing is served any more; `factory run` serves what is live again.\n")


def close_edge() -> None:
    """End the products and the process that serves them; does nothing where it never ran."""
    if (Path(settings.HOME) / "edge").exists():
        edge = the_edge()
        edge.ensure()
        edge.apply(Table(generation=edge.state().generation + 1, products={}))
        until(lambda: not edge.state().launches, at_most_s=CLOSE_S)
        edge.stop()


@app.command(name="agents-sync")
def agents_sync(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of agent files; data/agents when not given.")
    ] = None,
) -> None:
    """Read the agent files, all or none."""
    report = sync_agents(folder or settings.DATA_DIR / "agents")
    sys.stdout.write(f"{report}\n")


@app.command()
def doctor(*, is_json: AsJson = False) -> None:
    """Check what the factory stands on; exit 0 when all is fine, 1 when something warns, 2 when something fails."""
    console, found = Console(), run_checks()
    if is_json:
        print_json({name: asdict(finding) for name, finding in found.items()})
    for name, finding in () if is_json else found.items():
        cure = f" ({finding.cure})" if finding.cure else ""
        console.print(f"{MARKS[finding.state]}  {name}: {finding.words}{cure}")
    raise SystemExit(max((GRAVITY[finding.state] for finding in found.values()), default=0))


@app.command()
def release(slug: Annotated[str, typer.Argument(help="The product's name in its address.")]) -> None:
    """Test what a product's main line stands at and ask whether to release it."""
    product = product_of(slug)
    if not product.blueprint or not repository_of(product.pk).exists:
        stop(f"Nothing of {product.name} is written yet, so there is nothing to release.", code=REFUSED)
    dag = open_release(product)
    sys.stdout.write(f"{dag.title} has begun; you are asked at /decisions/ once Hawk's verdict is green.\n")
