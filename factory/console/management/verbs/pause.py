"""`factory pause` and `factory resume`: an agent, a product, a graph or a queue rests, and goes on."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from agents.roster.services import drain_agent, switch_agent
from core.errors import NotFound
from factory.console.management.find import As, actor_of, find_one
from factory.console.management.show import AsJson, say
from factory.console.management.verbs.entry import app
from factory.work.models import Dag
from factory.work.services import pause_graph, pause_queue, unpause_graph, unpause_queue
from portfolio.models import Product
from portfolio.services import freeze_product, thaw_product


class Thing(StrEnum):
    """What can rest."""

    AGENT = "agent"
    PRODUCT = "product"
    GRAPH = "graph"
    QUEUE = "queue"


Kind = Annotated[Thing, typer.Argument(help="agent, product, graph or queue.")]
Name = Annotated[
    str,
    typer.Argument(
        help="Name of the agent, name of the product in its address, id of the graph, name of the queue."
    ),
]


def product_of(slug: str) -> Product:
    """Return the product of this name in its address.

    Raises:
        NotFound: there is none; names the known ones.
    """
    product = Product.objects.filter(slug=slug).first()
    if product is None:
        known = ", ".join(Product.objects.order_by("slug").values_list("slug", flat=True)[:20]) or "none yet"
        raise NotFound(product=slug, known=known)
    return product


@app.command()
def pause(kind: Kind, name: Name, *, by: As = "", is_json: AsJson = False) -> None:
    """Let an agent, a product, a graph or a queue begin nothing new; what runs ends in order, what is live goes on."""
    _change(kind, name, is_paused=True, by=actor_of(by))
    say(f"{name} rests; `factory resume {kind} {name}` lets it go on.", is_json=is_json, kind=kind, name=name)


@app.command()
def resume(kind: Kind, name: Name, *, by: As = "", is_json: AsJson = False) -> None:
    """Let an agent, a product, a graph or a queue go on."""
    _change(kind, name, is_paused=False, by=actor_of(by))
    say(f"{name} goes on.", is_json=is_json, kind=kind, name=name)


def _change(kind: Thing, name: str, *, is_paused: bool, by: str) -> None:
    verbs: dict[Thing, Callable[[], object]] = {
        Thing.AGENT: lambda: (
            drain_agent(name, by=by) if is_paused else switch_agent(name, is_enabled=True, by=by)
        ),
        Thing.PRODUCT: lambda: (freeze_product if is_paused else thaw_product)(
            product_of(name), reason=f"by {by}", by=by
        ),
        Thing.GRAPH: lambda: (pause_graph if is_paused else unpause_graph)(
            find_one(Dag.objects.all(), name, noun="graph").pk, by=by
        ),
        Thing.QUEUE: lambda: (pause_queue if is_paused else unpause_queue)(name, by=by),
    }
    verbs[kind]()
