"""Verbs that keep the house: stop, start, close, agents-sync, doctor, release."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from django.conf import settings
from rich.console import Console

from agents.roster.services import sync_agents
from core.registry import run_checks
from core.services import start_again, stop_everything
from factory.console.management.simulated import until
from factory.console.management.verbs.entry import app, stop
from factory.delivery.ports import Table
from factory.delivery.services import the_edge
from factory.pipeline.services import open_release
from factory.repo.services import repository_of
from portfolio.models import Product

CLOSE_S = 20
MARKS = {"fine": "[green]fine[/]", "warn": "[yellow]warn[/]", "fail": "[red]FAIL[/]"}


@app.command(name="stop")
def stop_all() -> None:
    """Stop everything: no new work, no new model call; live products go on. Needs the database alone."""
    stop_everything(by="cli", reason="factory stop")
    sys.stdout.write("Stopped. Live products go on; `factory start` lets work go on.\n")


@app.command(name="start")
def start_all() -> None:
    """Let work go on after a stop."""
    start_again(by="cli")
    sys.stdout.write("Work goes on.\n")


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
def doctor() -> None:
    """Check what the factory stands on; exit 1 when something fails."""
    console, found = Console(), run_checks()
    for name, finding in found.items():
        cure = f" ({finding.cure})" if finding.cure else ""
        console.print(f"{MARKS[finding.state]}  {name}: {finding.words}{cure}")
    raise SystemExit(any(finding.state == "fail" for finding in found.values()))


@app.command()
def release(slug: Annotated[str, typer.Argument(help="The product's name in its address.")]) -> None:
    """Test what a product's main line stands at and ask whether to release it."""
    product = Product.objects.filter(slug=slug).first()
    if product is None:
        known = ", ".join(Product.objects.order_by("slug").values_list("slug", flat=True)) or "none yet"
        stop(f"There is no product {slug}. Known: {known}.", code=2)
    if not product.blueprint or not repository_of(product.pk).exists:
        stop(f"Nothing of {product.name} is written yet, so there is nothing to release.", code=1)
    dag = open_release(product)
    sys.stdout.write(f"{dag.title} has begun; you are asked at /decisions/ once Hawk's verdict is green.\n")
