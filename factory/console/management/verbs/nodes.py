"""Verbs of nodes: hosts of the gpu queue, which hold a key and no database."""

import sys
from typing import Annotated

import typer
from django.conf import settings
from django.utils import timezone

from factory.console.management.find import As, actor_of
from factory.console.management.show import AsJson, print_json, say, show_rows
from factory.console.management.verbs.entry import USAGE, app, stop
from factory.console.management.verbs.run import celery
from factory.work.models import Node
from factory.work.services import admit_node, queue_node_test, revoke_node, rotate_node_key

node = typer.Typer(
    help="Admit, change and revoke the key of a host of the gpu queue; test whichever is there."
)
app.add_typer(node, name="node", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The node's name.")]


@app.command()
def nodes(*, is_json: AsJson = False) -> None:
    """Show the hosts of the gpu queue, and whether they are there."""
    now = timezone.now()
    rows = [
        {
            "name": one.name,
            "state": one.state_at(now),
            "seen_at": one.seen_at,
            "key_ends_at": one.expires_at,
            "admitted_by": one.admitted_by,
            "host": one.facts.get("host", ""),
            "processors": one.facts.get("processors"),
            "graphics_cards": one.facts.get("graphics_cards", []),
        }
        for one in Node.objects.order_by("name")
    ]
    columns = ("name", "state", "seen_at", "key_ends_at", "host", "processors", "graphics_cards")
    show_rows(
        rows, columns=columns, is_json=is_json, none="No node yet: `factory node admit NAME` makes a key."
    )


@node.command()
def admit(name: Name, *, by: As = "", is_json: AsJson = False) -> None:
    """Admit a host; its key is told this once."""
    _tell_key(name, admit_node(name, by=actor_of(by))[1], is_json=is_json)


@node.command()
def rotate(name: Name, *, by: As = "", is_json: AsJson = False) -> None:
    """Give a node another key; the old one opens nothing from now on."""
    _tell_key(name, rotate_node_key(name, by=actor_of(by)), is_json=is_json)


@node.command()
def revoke(name: Name, *, by: As = "", is_json: AsJson = False) -> None:
    """Let a node's key open nothing from its next call on."""
    revoke_node(name, by=actor_of(by))
    say(f"{name} is shut out.", is_json=is_json, node=name)


@node.command(name="test")
def queue_test(
    *,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="How long it counts.")] = 1,
    by: As = "",
    is_json: AsJson = False,
) -> None:
    """Queue a small job for whichever node is there; its result says what the node is."""
    task = queue_node_test(by=actor_of(by), seconds=seconds)
    say(f"Queued; `factory task {task.pk.hex[-8:]}` tells what came of it.", is_json=is_json, task=task.pk)


@node.command()
def serve() -> None:
    """On the host itself: carry out gpu jobs, one at a time. Needs its key and two addresses, and no database."""
    if not settings.NODE_KEY:
        stop("Set FACTORY_NODE_KEY, FACTORY_NODE_URL and FACTORY_REDIS_URL first.", code=USAGE)
    celery("worker", "-Q", "gpu", "-c", "1", "--without-gossip", "--without-mingle", "--without-heartbeat")


def _tell_key(name: str, key: str, *, is_json: bool) -> None:
    if is_json:
        print_json({"node": name, "key": key})
        return
    sys.stdout.write(f"{key}\n")
    sys.stderr.write(f"That is {name}'s FACTORY_NODE_KEY; it is stored nowhere and not told again.\n")
